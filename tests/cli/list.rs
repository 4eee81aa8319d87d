//! `karat list`: every case there is, and why one cannot be read.

use crate::project::Project;

#[test]
fn every_case_is_listed_with_checkpoint_and_outputs() {
    let project = Project::gpt2_tiny();
    let said = project.karat(["list"]).exits(0);
    let lines: Vec<&str> = said.stdout.lines().collect();
    assert_eq!(lines[0], "gpt2-tiny/argmax                     argmax            y");
    assert!(lines.contains(&"gpt2-tiny/h.0/qkv                    qkv               k q v"), "{}", said.stdout);
    assert_eq!(*lines.last().expect("a line"), format!("{} cases", project.cases()));
    assert_eq!(lines.len(), project.cases() + 1);
}

#[test]
fn a_folder_and_a_filter_select() {
    let project = Project::gpt2_tiny();
    project.karat(["list", "goldens/gpt2-tiny/step"]).exits(0).says("gpt2-tiny/step/h.1/kv_cache").says("5 cases");
    project.karat(["list", "-k", "qkv", "-k", "ln_f"]).exits(0).says("3 cases");
    project.karat(["list", "-k", "nix"]).exits(2).says("karat: the filter `nix` selects none of the ");
    project.karat(["list", "nix"]).exits(2).says("there is no folder");
}

#[test]
fn a_case_that_cannot_be_read_is_listed_with_what_is_wrong_and_fails() {
    let project = Project::good();
    project.write("goldens/bad/case.json", "{");
    project.case("later", |case| case["skip"] = "not yet".into());
    project.case("alone", |case| case["outputs"] = serde_json::json!({}));
    let said = project.karat(["list"]).exits(1).says("bad - cannot be read").says("later layer_norm y (skipped)");
    said.says("alone layer_norm snapshot only").says("bad goldens/bad/case.json: is not JSON").says("4 cases");
    project.karat(["list", "-k", "good"]).exits(0).keeps_quiet_of("bad");
}

#[test]
fn a_root_of_any_name_is_listed() {
    let project = Project::good();
    std::fs::rename(project.path("goldens"), project.path("cases")).expect("a folder");
    project.karat(["list", "cases"]).exits(0).says("good layer_norm y");
}
