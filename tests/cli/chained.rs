//! `karat run --chained`: own and propagated differences, the first divergence, holes, and a tolerance for the chain.

use serde_json::json;

use crate::project::{CommandOutput, Project};

/// The row of a case in the table of its chain.
fn row<'a>(said: &'a CommandOutput, case: &str) -> Vec<&'a str> {
    let mut rows = said.stdout.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.find(|words| words.first() == Some(&case) && !words.contains(&"-->")).expect("a row")
}

/// Two LayerNorms and a sum, each on the output of the one before.
fn line(project: &Project) {
    let from = |case: &str| json!({ "tensor": format!("../{case}/y.npy"), "from": format!("line/{case}:y") });
    project.case("line/a", |_| {});
    project.case("line/b", |case| case["inputs"]["x"] = from("a"));
    project.case("line/c", |case| {
        case["checkpoint"] = json!("residual");
        case["inputs"] = json!({ "x": from("b"), "update": "x.npy" });
    });
    project.tensor("goldens/line/c/y.npy", &[1, 2], vec![0.0f32, 5.5]);
}

#[test]
fn the_whole_chain_of_the_committed_goldens_is_sound() {
    let project = Project::gpt2_tiny();
    project.accept_all();
    let said = project.karat(["run", "--chained"]).exits(0).says("chain gpt2-tiny, ");
    assert_eq!(row(&said, "h.0/qkv")[1], "0");
    said.says("no divergence: every own difference and every end of the chain is within tolerance");
}

#[test]
fn a_fault_is_the_first_divergence_and_what_follows_passes_it_on() {
    let project = Project::gpt2_tiny();
    project.edit("gpt2-tiny/h.0/ln_1", |case| case["params"]["eps"] = json!(1e-3));
    let said = project.karat(["run", "--chained", "--accuracy-only"]).exits(1);
    let said = said.says("first divergence: gpt2-tiny/h.0/ln_1\n").judges("gpt2-tiny/h.0/qkv", "pass");
    assert!(row(&said, "h.0/ln_1").ends_with(&["-", "first", "divergence"]), "{}", said.stdout);
    assert!(row(&said, "ln_f").ends_with(&["propagates"]), "{}", said.stdout);
    // On golden inputs it is right, and what it is given is wrong.
    assert_eq!(row(&said, "h.0/qkv")[1], "0");
    assert!(row(&said, "h.0/qkv")[3].ends_with('x'), "{}", said.stdout);
    assert_eq!(row(&said, "embeddings").len(), 4, "{}", said.stdout);
}

#[test]
fn a_fault_shows_in_a_part_before_it_shows_in_the_whole() {
    let project = Project::gpt2_tiny();
    // One fault in the code: in the MLP, and so in the block that it is a part of.
    for id in ["gpt2-tiny/h.0/mlp", "gpt2-tiny/h.0/block"] {
        project.edit(id, |case| case["params"]["gelu"] = json!("exact"));
    }
    let said = project.karat(["run", "--chained", "--accuracy-only"]).exits(1);
    let said = said.says("first divergence: gpt2-tiny/h.0/mlp\n");
    assert!(row(&said, "h.0/block").ends_with(&["also", "at", "fault"]), "{}", said.stdout);
}

#[test]
fn past_a_hole_nothing_is_claimed() {
    let project = Project::empty();
    line(&project);
    project.edit("line/b", |case| case["skip"] = json!("not ported"));
    let said = project.karat(["run", "--chained", "--accuracy-only"]).exits(0);
    let said = said.says("no divergence before the hole line/b; unknown past it");
    assert_eq!(row(&said, "b")[3..], ["-", "hole:", "skipped:", "not", "ported"]);
    assert_eq!(row(&said, "c")[2..], ["-", "-", "past", "the", "hole", "line/b"]);
    // A reference that went is a hole too.
    project.edit("line/b", |case| case["skip"] = json!(null));
    project.remove("goldens/line/b/y.npy");
    let said = project.karat(["run", "--chained"]).exits(1);
    assert_eq!(row(&said, "b")[3..], ["-", "hole:", "there", "is", "no", "usable", "reference", "for", "y"]);
}

#[test]
fn cases_before_a_selected_case_are_run_and_not_reported() {
    let project = Project::empty();
    line(&project);
    let said = project.karat(["run", "--chained", "-k", "line/c"]).exits(1).says("1 of 1 case failed");
    assert_eq!(row(&said, "b")[1..], ["0", "0", "-"]);
    let names: Vec<String> = project.files("snapshots").into_keys().collect();
    assert_eq!(names, ["line/c/y.snap.new"]);
    // What is in no chain with it is left out.
    project.case("other", |_| {});
    project.karat(["run", "--chained", "--accuracy-only", "-k", "other"]).exits(0).keeps_quiet_of("chain line");
}

#[test]
fn a_changed_case_may_drift_without_being_at_fault() {
    let project = Project::empty();
    line(&project);
    project.accept_all();
    project.edit("line/a", |case| case["tolerance"] = json!({ "y": { "atol": 1, "rtol": 0 } }));
    project.edit("line/b", |case| case["params"]["eps"] = json!(9.0));
    let said = project.karat(["run", "--chained"]).exits(1).judges("line/a", "drift").judges("line/b", "mismatch");
    said.says("first divergence: line/b\n");
}

#[test]
fn an_output_that_nobody_compared_is_a_hole() {
    let project = Project::empty();
    line(&project);
    project.edit("line/c", |case| case["outputs"] = json!({ "y": "y.npy", "z": "y.npy" }));
    let said = project.karat(["run", "--chained", "--accuracy-only"]).exits(1).judges("line/c", "missing");
    said.says("hole: the checkpoint does not return z").keeps_quiet_of("no divergence: every");
    project.edit("line/c", |case| case["outputs"] = json!({}));
    let said = project.karat(["run", "--chained"]).exits(1);
    said.says("hole: the case names no reference").keeps_quiet_of("no divergence: every");
}

#[test]
fn an_output_outside_only_in_its_chain_is_saved_and_leaves_nothing_pending() {
    let project = Project::empty();
    line(&project);
    project.edit("line/b", |case| {
        case["params"]["eps"] = json!(9.0);
        case["tolerance"] = json!({ "y": { "atol": 9, "rtol": 0 } });
    });
    project.edit("line/c", |case| case["chained"] = json!({ "y": { "atol": 1e-6, "rtol": 0 } }));
    let said = project.karat(["run", "--chained", "-k", "line/c"]).exits(1).judges("line/c", "mismatch");
    said.says("actual saved to target/karat/line/c/y.npy");
    assert!(project.files("snapshots").is_empty());
    // By itself it is exactly its reference; what is kept is what came out of the chain.
    let kept = ["diff", "target/karat/line/c/y.npy", "goldens/line/c/y.npy", "--atol", "1e-6", "--rtol", "0"];
    project.karat(kept).exits(1).says("mismatch");
}

#[test]
fn a_cycle_is_named_and_what_is_behind_it_is_past_a_hole() {
    let project = Project::empty();
    line(&project);
    let from = |case: &str| json!({ "tensor": format!("../{case}/y.npy"), "from": format!("line/{case}:y") });
    project.edit("line/a", |case| case["inputs"]["x"] = from("b"));
    let said = project.karat(["run", "--chained", "--accuracy-only"]).exits(0);
    let said = said.says("hole: `from` forms a cycle: line/a from line/b from line/a");
    said.says("unknown past it").judges("line/c", "pass");
}

#[test]
fn a_link_to_nothing_breaks_its_case_and_makes_a_hole() {
    let project = Project::empty();
    line(&project);
    project.edit("line/b", |case| case["inputs"]["x"]["from"] = json!("line/nix:y"));
    let said =
        project.karat(["run", "--chained"]).exits(1).judges("line/b", "broken").says("there is no case line/nix");
    assert_eq!(row(&said, "c")[2..], ["-", "-", "past", "the", "hole", "line/b"]);
}

#[test]
fn a_tolerance_for_the_chain_is_a_gate_of_its_own() {
    let project = Project::gpt2_tiny();
    let suite = |chained: serde_json::Value| {
        let mut suite: serde_json::Value =
            serde_json::from_str(&project.read("goldens/gpt2-tiny/suite.json")).expect("JSON");
        suite["chained"] = chained;
        project.write("goldens/gpt2-tiny/suite.json", suite.to_string());
    };
    suite(json!({ "*": { "atol": 1e-4, "rtol": 0 } }));
    project.karat(["run", "--chained", "--accuracy-only"]).exits(0);
    suite(json!({ "*": { "atol": 1e-7, "rtol": 0 } }));
    project.karat(["run", "--accuracy-only"]).exits(0);
    let said = project.karat(["run", "--chained", "--accuracy-only"]).exits(1).judges("gpt2-tiny/logits", "mismatch");
    let said = said
        .says("outside the \"chained\" tolerance: atol 1e-7 + rtol 0 x |reference| in its chain: largest difference");
    assert_eq!(said.command("to see its chain"), "karat run --accuracy-only --chained");
    // By itself each is as close as ever, and at no fault; the finding agrees with the gate.
    said.says("accumulation: every own difference is within tolerance, but gpt2-tiny/h.0/ln_1 is outside");
}

#[test]
fn an_unreachable_case_with_a_chained_tolerance_does_not_pass() {
    let project = Project::empty();
    line(&project);
    project.edit("line/b", |case| case["skip"] = json!("not ported"));
    project.edit("line/c", |case| case["chained"] = json!({ "y": { "atol": 1, "rtol": 0 } }));
    let said = project.karat(["run", "--chained", "--accuracy-only"]).exits(1).judges("line/c", "broken");
    said.says("the case has a \"chained\" tolerance, but its chain has a hole: line/b:y was not produced");
}

#[test]
fn the_tolerance_for_the_chain_is_in_the_snapshot() {
    let project = Project::good();
    project.edit("good", |case| case["chained"] = json!({ "y": { "atol": 1, "rtol": 0 } }));
    project.karat(["run"]).exits(1).judges("good", "drift").says("chained atol none 1");
    project.edit("good", |case| case["chained"] = json!({ "z": { "atol": 1, "rtol": 0 } }));
    project.karat(["run"]).exits(1).judges("good", "broken").says("chained.z: there is no such output; outputs are y");
}

#[test]
fn json_has_the_chains() {
    let project = Project::empty();
    line(&project);
    project.edit("line/b", |case| case["params"]["eps"] = json!(9.0));
    let said = project.karat(["run", "--chained", "--accuracy-only", "--json"]).exits(1);
    let document: serde_json::Value = serde_json::from_str(&said.stdout).expect("JSON");
    let chain = &document["chains"][0];
    assert_eq!(chain["finding"], json!({ "kind": "divergence", "id": "line/b" }));
    let parts: Vec<_> = chain["steps"].as_array().expect("steps").iter().map(|step| &step["part"]).collect();
    assert_eq!(parts, ["sound", "diverges", "passes_on"]);
    assert!(chain["steps"][2]["amplification"].is_number());
    assert_eq!(chain["steps"][0]["propagated"]["max_abs_diff"], 0.0);
}
