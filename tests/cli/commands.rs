//! Every message ends with a command, and the command, typed into a shell as it stands, works.
#![cfg(unix)]

use serde_json::json;

use crate::project::{CommandOutput, Project};

/// Runs, and types the command behind that label.
#[track_caller]
fn typed(project: &Project, arguments: &[&str], label: &str) -> CommandOutput {
    let said = project.karat(arguments).exits(1);
    let said = project.shell(said.command(label));
    assert!(!said.stderr.contains("karat: ") && !said.stderr.contains("error: "), "{}", said.stderr);
    said
}

/// Types the command of a mismatch, which explains it, and then the one behind that, which shows the numbers.
#[track_caller]
fn seen(project: &Project, arguments: &[&str]) -> CommandOutput {
    let said = typed(project, arguments, "to see it").exits(1);
    project.shell(said.command("to see the numbers")).exits(1)
}

#[test]
fn a_mismatch_can_be_seen() {
    let project = Project::good();
    project.case("a b/größe", |case| case["params"]["eps"] = json!(1));
    seen(&project, &["run"]).says("reference goldens/a b/größe/y.npy").says("mismatch");
}

#[test]
fn a_mismatch_in_a_container_can_be_seen() {
    let project = Project::gpt2_tiny();
    project.edit("gpt2-tiny/ln_f", |case| case["outputs"]["y"] = json!("../weights.safetensors#transformer.ln_f.bias"));
    seen(&project, &["run", "-k", "ln_f"]).says("reference has shape [64]");
}

#[test]
fn a_mismatch_by_the_cases_own_tolerance_is_one_when_it_is_seen() {
    let project = Project::good();
    project.case("strict", |case| {
        case["params"]["eps"] = json!(2e-6);
        case["tolerance"] = json!({ "y": { "atol": 0, "rtol": 0 } });
    });
    seen(&project, &["run"]).says("atol 0, rtol 0: nothing may differ");
}

#[test]
fn drift_and_what_is_unrecorded_can_be_accepted() {
    let project = Project::good();
    project.case("it's new", |_| {});
    typed(&project, &["run"], "if it is intended").exits(0).says("accepted snapshots/it's new/y.snap");
    project.karat(["run"]).exits(0);
    project.edit("good", |case| case["params"]["eps"] = json!(1e-14));
    typed(&project, &["run"], "1 case to review, if intended").exits(0).says("accepted snapshots/good/y.snap");
}

#[test]
fn a_broken_case_can_be_rerun() {
    let project = Project::good();
    project.write("goldens/a b/case.json", "{");
    typed(&project, &["run"], "then").exits(1).judges("a b", "broken").says("1 of 1 case failed");
}

#[test]
fn the_inputs_of_a_checkpoint_can_be_shown() {
    let project = Project::good();
    project.case("bad", |case| case["params"] = json!({}));
    typed(&project, &["run"], "to see its inputs").exits(0).says("checkpoint layer_norm");
}

#[test]
fn an_orphan_can_be_deleted() {
    let project = Project::good();
    project.case("gone", |_| {});
    project.accept_all();
    project.remove("goldens/gone");
    typed(&project, &["run"], "to delete it").exits(0);
    project.karat(["run"]).exits(0);
}

#[test]
fn a_root_that_was_typed_is_in_every_command() {
    let project = Project::good();
    project.case("new", |_| {});
    project.case("bad", |case| case["params"] = json!({}));
    std::fs::rename(project.path("goldens"), project.path("my cases")).expect("a folder");
    let arguments = ["run", "my cases", "--snapshots", "my snapshots"];
    typed(&project, &arguments, "to see its inputs").exits(0).says("checkpoint layer_norm");
    typed(&project, &arguments, "if it is intended").exits(0).says("accepted my snapshots/good/y.snap");
    typed(&project, &arguments, "1 case to review, if intended").exits(0).says("accepted my snapshots/new/y.snap");
    typed(&project, &arguments, "1 case to fix, as described above; then").exits(1).judges("good", "pass");
}

#[test]
fn an_added_case_can_be_run() {
    let project = Project::good();
    let arguments = ["add", "a b", "--checkpoint", "layer_norm", "--input", "x=goldens/good/x.npy", "--snapshot-only"];
    let said = project.karat(arguments).exits(0);
    project.shell(said.command("to run it")).exits(1).judges("a b", "broken").says("1 of 1 case failed");
}
