//! `karat matrix` and `run --executor`, with the executors that are built in.

use crate::project::Project;

#[test]
fn every_case_of_the_committed_goldens_is_within_tolerance_by_every_executor_that_is_built_in() {
    let project = Project::gpt2_tiny();
    let before = project.files("");
    let said = project.karat(["matrix", "--require", "builtin"]).exits(0);
    let said = said.says(&format!("builtin: {} pass", project.cases())).says("gpt2-tiny/argmax pass 0");
    said.says("accuracy only: snapshots were not compared");
    assert!(project.files("") == before, "nothing is written");
}

#[test]
fn an_executor_that_is_not_built_in_is_an_error_and_never_left_out() {
    let project = Project::good();
    for arguments in [["matrix", "--require", "nix"], ["matrix", "--executor", "nix"], ["run", "--executor", "nix"]] {
        let said = project.karat(arguments).exits(2).says("karat: unknown executor `nix`; known: builtin");
        assert_eq!(said.stdout, "");
    }
}

#[cfg(not(feature = "candle"))]
#[test]
fn without_candle_the_message_says_how_to_build_it() {
    let project = Project::good();
    let said = project.karat(["matrix", "--require", "candle"]).exits(2);
    said.says("unknown executor `candle`; known: builtin; build karat with");
}

#[cfg(feature = "candle")]
#[test]
fn candle_lacks_no_checkpoint_of_the_committed_goldens() {
    let project = Project::gpt2_tiny();
    let said = project.karat(["matrix", "--require", "candle"]).exits(0);
    said.says(&format!("candle: {} pass", project.cases()));
    project.karat(["run", "--executor", "candle"]).exits(0).says("executor candle, accuracy only");
}

#[test]
fn a_setting_of_insta_that_disarms_the_gate_is_nothing_to_accuracy() {
    let project = Project::good();
    project.karat_with(&[("INSTA_FORCE_PASS", "1")], ["run"]).exits(2);
    project.karat_with(&[("INSTA_FORCE_PASS", "1")], ["run", "--accuracy-only"]).exits(0);
}

#[test]
fn accuracy_only_fails_on_a_mismatch_and_types_itself_again() {
    let project = Project::good();
    project.case("bad", |case| case["params"] = serde_json::json!({ "eps": 0.5 }));
    project.case("worse", |case| case["checkpoint"] = "nix".into());
    let said = project.karat(["run", "--accuracy-only"]).exits(1).judges("bad", "mismatch").judges("good", "pass");
    assert_eq!(said.command("then"), "karat run --accuracy-only -k worse");
    assert!(project.has("target/karat-builtin/bad/y.npy"));
}

#[test]
fn the_figures_of_the_documentation_are_of_every_checkpoint_that_the_goldens_have() {
    let project = Project::good();
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/goldens");
    let said = project.karat(["matrix", root, "--executor", "builtin", "--by", "checkpoint", "--markdown"]).exits(0);
    // Suite, checkpoint and number of cases; what was measured is another machine's.
    let names = |text: &str, is_row: fn(&str) -> bool| -> Vec<String> {
        text.lines().filter(|line| is_row(line)).map(|line| line.split('|').take(4).collect()).collect()
    };
    let is_of_goldens = |line: &str| line.starts_with("| gpt2-tiny | ") || line.starts_with("| minilm | ");
    let told = names(include_str!("../../docs/executors.md"), is_of_goldens);
    assert_eq!(told, names(&said.stdout, is_of_goldens));
    assert!(told.len() > 20, "{told:?}");
}
