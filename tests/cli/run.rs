//! `karat run`: what it prints, how it exits, and what it leaves on disk.

use crate::project::{CommandOutput, Project};

/// The committed goldens, every snapshot accepted.
fn accepted() -> Project {
    let project = Project::gpt2_tiny();
    project.accept_all();
    project
}

/// What it said, without how long it took.
fn timeless(said: &CommandOutput) -> String {
    let lines = said.stdout.lines().map(|line| {
        line.split_once(" passed (").or_else(|| line.split_once(" failed (")).map_or(line, |(count, _)| count)
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_first_run_fails_and_leaves_every_summary_to_be_reviewed() {
    let project = Project::gpt2_tiny();
    let count = project.cases();
    let said = project.karat(["run"]).exits(1).judges("gpt2-tiny/h.0/ln_1", "unrecorded");
    let said = said
        .says("within tolerance")
        .says("and no snapshot has been accepted yet")
        .says(&format!("{count} of {count} cases failed"));
    let end =
        format!("{count} unrecorded\n{count} cases to review, if intended:  karat accept --all\nexecutor builtin\n");
    assert!(said.stdout.ends_with(&end), "{}", said.stdout);
    assert_eq!(said.stderr, "");
    let files = project.files("snapshots");
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    assert!(names.len() > count);
    assert!(names.iter().all(|name| name.ends_with(".snap.new")), "{names:?}");
    assert!(names.contains(&"gpt2-tiny/h.1/qkv/v.snap.new"));
}

#[test]
fn all_pass_once_accepted_and_the_tree_is_left_as_it_is() {
    let project = accepted();
    let before = (project.files("goldens"), project.files("snapshots"));
    assert!(before.1.keys().all(|name| name.ends_with(".snap")), "{:?}", before.1.keys());
    let count = project.cases();
    let said = project.karat(["run"]).exits(0).says(&format!("{count} passed ("));
    assert!(said.stdout.ends_with(")\nexecutor builtin\n"), "{}", said.stdout);
    let line = said.stdout.lines().find(|line| line.contains("h.0/ln_1")).expect("a line");
    let columns = "pass        gpt2-tiny/h.0/ln_1                layer_norm        difference 2.38e-7, 5% of tolerance";
    assert_eq!(line, columns);
    assert!((project.files("goldens"), project.files("snapshots")) == before);
}

#[test]
fn the_saved_tensor_of_a_pass_is_removed() {
    let project = Project::gpt2_tiny();
    project.karat(["run"]).exits(1);
    assert!(project.has("target/karat/gpt2-tiny/ln_f/y.npy"));
    project.karat(["accept"]).exits(0);
    project.karat(["run"]).exits(0);
    assert!(project.files("target").is_empty());
}

#[test]
fn in_ci_nothing_is_written_into_the_tree_and_unrecorded_still_fails() {
    for variable in ["CI", "TF_BUILD"] {
        let project = Project::good();
        project.case("new", |_| {});
        let before = (project.files("goldens"), project.files("snapshots"));
        let said = project.karat_with(&[(variable, "true")], ["run"]).exits(1);
        let said = said.judges("new", "unrecorded").judges("good", "pass");
        assert_eq!(said.command("if it is intended, on your machine"), "karat run -k new; karat accept new");
        assert!((project.files("goldens"), project.files("snapshots")) == before);
    }
}

#[test]
fn a_filter_selects_by_part_of_the_id_and_several_add_up() {
    let project = accepted();
    let said = project
        .karat(["run", "-k", "h.0/ln"])
        .exits(0)
        .says("2 passed (")
        .says(&format!("{} filtered out", project.cases() - 2));
    said.judges("gpt2-tiny/h.0/ln_2", "pass").keeps_quiet_of("qkv");
    let said = project.karat(["run", "-k", "ln_f", "--filter", "h.1/qkv"]).exits(0);
    said.judges("gpt2-tiny/ln_f", "pass").judges("gpt2-tiny/h.1/qkv", "pass").says("2 passed (");
}

#[test]
fn nothing_selected_is_an_error_that_names_root_and_filter() {
    let project = Project::good();
    let said = project.karat(["run", "-k", "nix", "-k", "nox"]).exits(2);
    assert_eq!(said.stdout, "");
    let root = project.path("goldens").display().to_string();
    said.says(&format!("karat: the filter `nix`, `nox` selects none of the 1 cases below {root}\n"));
}

#[test]
fn a_root_without_a_case_and_one_that_is_not_there_are_errors() {
    let project = Project::empty();
    let root = project.path("goldens").display().to_string();
    project
        .karat(["run"])
        .exits(2)
        .says(&format!("karat: no case below {root}: a case is a folder that contains a case.json\n"));
    project.remove("goldens");
    project
        .karat(["run"])
        .exits(2)
        .says(&format!("karat: there is no folder {root}; name the goldens root, or add a first case"));
    project.write("goldens", "");
    project.karat(["run"]).exits(2).says(&format!("karat: {root} is not a folder; name the goldens root"));
}

#[test]
fn the_number_of_jobs_changes_no_output() {
    let one = Project::gpt2_tiny();
    let many = Project::gpt2_tiny();
    let said_one = one.karat(["run", "-j", "1"]).exits(1);
    let said_many = many.karat(["run", "--jobs", "4"]).exits(1);
    assert_eq!(timeless(&said_one), timeless(&said_many));
    assert!(one.files("") == many.files(""));
    one.karat(["run", "-j", "0"]).exits(2).says("invalid value '0' for '--jobs <N>'");
}

#[test]
fn repeats_that_agree_pass() {
    let project = accepted();
    project.karat(["run", "--repeat", "3"]).exits(0).says(&format!("{} passed (", project.cases()));
    project.karat(["run", "--repeat", "0"]).exits(2);
}

#[test]
fn a_folder_below_the_root_selects_its_cases_under_the_same_ids_and_defaults() {
    let project = Project::gpt2_tiny();
    project.case("other", |_| {});
    project.write("goldens/suite.json", "{ \"skip\": \"by the root\" }");
    let count = project.files("goldens/gpt2-tiny/h.0").keys().filter(|name| name.ends_with("case.json")).count();
    let said = project.karat(["run", "goldens/gpt2-tiny/h.0"]).exits(0);
    let said = said.judges("gpt2-tiny/h.0/ln_1", "skipped").judges("gpt2-tiny/h.0/qkv", "skipped");
    said.says("by the root").says("0 passed (").says(&format!("{count} skipped")).keeps_quiet_of("other");
    project.remove("goldens/suite.json");
    // Its x is an output of another case, which `from` names by its id below the root.
    let said = project.karat(["run", "goldens/gpt2-tiny/h.0/qkv/"]).exits(1);
    let said = said.judges("gpt2-tiny/h.0/qkv", "unrecorded").says("1 of 1 case failed");
    assert_eq!(said.command("if it is intended"), "karat accept --root goldens/gpt2-tiny/h.0/qkv/ gpt2-tiny/h.0/qkv");
    assert!(project.has("snapshots/gpt2-tiny/h.0/qkv/q.snap.new"));
}

#[test]
fn orphans_outside_the_folder_that_was_named_are_left_alone() {
    let project = accepted();
    project.remove("goldens/gpt2-tiny/ln_f");
    project.karat(["run", "goldens/gpt2-tiny/h.0"]).exits(0);
    project.karat(["run", "-k", "h.1"]).exits(0);
    project.karat(["run"]).exits(1).judges("gpt2-tiny/ln_f", "orphaned");
}

#[test]
fn a_root_of_another_name_needs_its_snapshots_to_be_named() {
    let project = Project::good();
    std::fs::rename(project.path("goldens"), project.path("cases")).expect("a folder");
    project
        .karat(["run", "cases"])
        .exits(2)
        .says("is not in a folder named `goldens`; say where its snapshots are with --snapshots DIR");
    project.karat(["run", "cases", "--snapshots", "snapshots"]).exits(0).judges("good", "pass");
    let said = project.karat(["run", "cases", "--snapshots", "other"]).exits(1).judges("good", "unrecorded");
    assert_eq!(said.command("if it is intended"), "karat accept --root cases --snapshots other good");
    project.karat(["accept", "--root", "cases", "--snapshots", "other", "good"]).exits(0);
    project.karat(["run", "cases", "--snapshots", "other"]).exits(0);
}

#[test]
fn a_skip_is_counted_and_reported_and_fails_in_ci_unless_allowed() {
    let project = Project::good();
    project.case("later", |case| case["skip"] = "the reference is not captured yet".into());
    let said = project.karat(["run"]).exits(0).judges("later", "skipped").says("the reference is not captured yet");
    said.says("1 skipped, 1 pass");
    let ci = [("CI", "true")];
    let said = project.karat_with(&ci, ["run"]).exits(1).judges("later", "skipped");
    said.says("in CI a skipped case fails unless it is allowed by name")
        .says("remove \"skip\" from goldens/later/case.json");
    project.karat_with(&ci, ["run", "--allow-skip", "later"]).exits(0).judges("later", "skipped");
    project.karat_with(&ci, ["run", "--allow-skip", "good"]).exits(1).judges("later", "skipped");
    project.karat(["run", "--allow-skip", "late"]).exits(2).says("--allow-skip late: no such case below");
}

#[test]
fn settings_of_insta_that_would_disarm_the_gate_are_refused() {
    let project = Project::good();
    project.karat_with(&[("INSTA_UPDATE", "always")], ["run"]).exits(2).says("unset INSTA_UPDATE");
    project.karat_with(&[("INSTA_FORCE_PASS", "1")], ["run"]).exits(2).says("unset INSTA_FORCE_PASS");
    project.karat_with(&[("INSTA_OUTPUT", "loud")], ["run"]).exits(2).says("unset INSTA_OUTPUT");
}
