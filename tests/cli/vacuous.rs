//! A comparison that cannot fail, or cannot fail on zeros or NaN, is never a pass without a word.

use serde_json::json;

use crate::project::Project;

/// A case whose tolerance lets everything pass, beside one that is held.
fn project() -> Project {
    let project = Project::good();
    project.case("wide", |case| case["tolerance"] = json!({ "y": { "atol": 1e300, "rtol": 0 } }));
    project
}

#[test]
fn a_run_says_so_before_and_after_the_snapshot_is_accepted() {
    let project = project();
    project.karat(["run"]).exits(1).judges("wide", "unrecorded").says("cannot fail").says("1 output cannot fail");
    project.karat(["accept", "--all"]).exits(0);
    let said = project.karat(["run", "--ci"]).exits(0).judges("wide", "pass").judges("good", "pass");
    said.says("no difference, cannot fail")
        .says("1 output cannot fail, or cannot fail on zeros or NaN (--deny vacuous makes the run fail): wide:y");
    let record = project.karat(["run", "--json"]).exits(0).json();
    assert_eq!(record["cases"][1]["outputs"][0]["comparison"]["vacuous"], "anything");
    assert_eq!(record["cases"][0]["outputs"][0]["comparison"].get("vacuous"), None);
}

#[test]
fn a_run_that_denies_it_fails_and_names_it() {
    let project = project();
    project.accept_all();
    let said = project.karat(["run", "--deny", "vacuous", "--json", "run.json", "--isolate"]).exits(1);
    said.judges("wide", "pass")
        .says("accuracy cannot fail: every finite tensor of this shape and dtype passes")
        .says("tighten the tolerance in goldens/wide/case.json then: karat run --deny vacuous --isolate -k wide")
        .says("1 of 2 cases failed");
    project.karat(["report", "run.json"]).exits(1).says("1 output cannot fail");
    project.karat(["run", "--deny", "vacuous", "-k", "good"]).exits(0).keeps_quiet_of("cannot fail");
    project.karat(["run", "--failed"]).exits(0).judges("wide", "pass").keeps_quiet_of("good");
    project.karat(["run", "--deny", "everything"]).exits(2).says("[possible values: vacuous]");
}

#[test]
fn every_run_and_doctor_check_whether_chained_tolerances_are_vacuous() {
    let project = Project::good();
    project.case("loose", |case| case["chained"] = json!({ "y": { "atol": 9, "rtol": 0 } }));
    project.case("narrow", |case| case["chained"] = json!({ "y": { "atol": 1e-4, "rtol": 0 } }));
    project.accept_all();
    for also in [None, Some("--chained"), Some("--isolate")] {
        let arguments = |first: &'static str| [first, "--json", "run.json"].into_iter().chain(also);
        let said = project.karat(arguments("run")).exits(0).judges("loose", "pass");
        said.says("cannot fail on zeros when chained").says("1 output cannot fail, or cannot fail on zeros or NaN");
        let said = project.karat(arguments("run").chain(["--deny", "vacuous"])).exits(1);
        said.says(
            "in a chained run, accuracy cannot fail on zeros: all zeros would pass too, although the reference is not all zeros",
        )
        .says("tighten \"chained\" in goldens/loose/case.json")
        .says("1 of 3 cases failed")
        .says("cannot fail, or cannot fail on zeros or NaN: loose:y (chained)");
        project.karat(["report", "run.json"]).exits(1).says("1 output cannot fail");
    }
    let said =
        project.karat(["doctor"]).says("accuracy cannot fail, or cannot fail on zeros or NaN: loose:y (chained)");
    said.keeps_quiet_of("tighten");
    // What is outside in its chain did fail.
    project.tensor("goldens/loose/y.npy", &[1, 2], vec![f32::NAN; 2]);
    project.edit("loose", |case| case["tolerance"] = json!({ "y": { "atol": 1e-6, "rtol": 0 } }));
    project.karat(["run", "--chained"]).exits(1).judges("loose", "mismatch").keeps_quiet_of("cannot fail");
}

#[test]
fn a_mask_that_leaves_out_everything_and_a_reference_of_nan_are_named() {
    let project = Project::good();
    project.case("masked", |case| {
        case["outputs"] = json!({ "y": { "tensor": "y.npy", "where": "m.npy", "empty": true } })
    });
    project.tensor("goldens/masked/m.npy", &[1, 2], vec![false; 2]);
    project.case("nan", |case| case["nan"] = json!("match"));
    project.tensor("goldens/nan/x.npy", &[1, 2], vec![f32::NAN; 2]);
    project.tensor("goldens/nan/y.npy", &[1, 2], vec![f32::NAN; 2]);
    project.accept_all();
    let said = project.karat(["run", "--deny", "vacuous"]).exits(1);
    said.says("accuracy cannot fail: `where` excludes every element")
        .says("accuracy cannot fail on NaN: the reference is all NaN, and NaN matches NaN")
        .says("2 outputs cannot fail, or cannot fail on zeros or NaN: masked:y, nan:y");
}

#[test]
fn diff_and_doctor_say_so_and_do_not_fail() {
    let project = project();
    project.tensor("a.npy", &[3], vec![0.0f32; 3]);
    project.tensor("r.npy", &[3], vec![1e-20f32, -1e-7, 0.0]);
    let said = project.karat(["diff", "a.npy", "r.npy"]).exits(0);
    said.says("accuracy cannot fail on zeros: all zeros would pass too, although the reference is not all zeros");
    let said = project.karat(["diff", "a.npy", "r.npy", "--atol", "1e-8", "--rtol", "0"]).exits(1);
    said.keeps_quiet_of("cannot fail");
    let said = project.karat(["doctor", "--json"]).json();
    let found = said["complaints"].as_array().expect("a list").iter().find(|found| found["kind"] == "vacuous");
    let found = found.unwrap_or_else(|| panic!("{said}"));
    assert_eq!((&found["is_fault"], &found["next"]), (&json!(false), &json!("karat run --deny vacuous")));
    assert_eq!(found["message"], "accuracy cannot fail, or cannot fail on zeros or NaN: wide:y");
}
