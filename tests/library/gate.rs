//! What passes and what fails under `cargo test`, and what it says.

use super::project::{GOLDENS, Project};

#[test]
fn a_first_run_fails_and_leaves_what_it_recorded_beside_the_goldens() {
    let project = Project::new("first_run", &[GOLDENS]);
    project.case("layers/double", "double");
    project.case("b", "double");
    project.cargo(&["test"]).fails().says(&[
        "test layers/double   ... FAILED",
        "test b               ... FAILED",
        "test karat::complete ... ok",
        "test result: FAILED. 1 passed; 2 failed; 0 ignored;",
        "---- layers/double ----\nunrecorded  layers/double  ›  y ",
        "no difference, and no snapshot has been accepted yet",
        "if it is intended:  cargo insta review\n\n---- ",
    ]);
    assert_eq!(project.names("snapshots"), ["b/y.snap.new", "layers/double/y.snap.new"]);
    let pending = project.read("snapshots/layers/double/y.snap.new");
    assert!(pending.contains("\nsource: goldens/layers/double/case.json\n"), "{pending}");
    let root = project.path("").display().to_string();
    assert!(!pending.contains(&root) && !pending.contains(env!("CARGO_MANIFEST_DIR")), "{pending}");

    project.goldens(&["accept", "--all"]).passes().says(&[
        "accepted snapshots/b/y.snap\naccepted snapshots/layers/double/y.snap\n2 snapshots written; commit them\n",
    ]);
    assert_eq!(project.names("snapshots"), ["b/y.snap", "layers/double/y.snap"]);
    let before = project.files("snapshots");
    project.cargo(&["test"]).passes().says(&["test result: ok. 3 passed; 0 failed; 0 ignored;"]);
    assert_eq!(project.files("snapshots"), before);
    assert_eq!(project.names("target"), [""; 0], "what was kept of the first run is gone");
}

#[test]
fn a_mismatch_fails_with_its_size_its_place_and_the_next_command() {
    let project = Project::accepted("mismatch");
    project.case("other", "double");
    project.accept();
    project.tensor("goldens/layers/double/y.npy", &[2.0, 4.0, 6.5]);
    project.cargo(&["test"]).fails().says(&[
        "test layers/double   ... FAILED",
        "test other           ... ok",
        "2 passed; 1 failed;",
        "mismatch  layers/double  ›  y ",
        "1 of 3 elements (33%) is outside atol 1e-5 + rtol 1.3e-6 x |reference|",
        "largest difference 0.5 at [2]",
        "actual saved to target/karat/layers/double/y.npy",
        "to see it:  cargo test --test goldens -- explain layers/double",
    ]);
    let numbers = "cargo test --test goldens -- diff target/karat-rust/layers/double/y.npy goldens/layers/double/y.npy";
    project.goldens(&["explain", "layers/double"]).fails().says(&[&format!("to see the numbers:  {numbers}")]);
    let diff = ["diff", "target/karat-rust/layers/double/y.npy", "goldens/layers/double/y.npy"];
    project.goldens(&diff).fails().says(&["1 of 3 elements (33%) is outside atol 1e-5 + rtol 1.3e-6 x |reference|"]);
}

#[test]
fn a_mismatch_says_what_it_looks_like() {
    let project = Project::accepted("looks_like");
    project.case("four", "double");
    let x: Vec<f32> = (0..64).map(|at| (at as f32).sin()).collect();
    project.tensor("goldens/four/x.npy", &x);
    project.tensor("goldens/four/y.npy", &x.iter().map(|x| 4.0 * x).collect::<Vec<f32>>());
    let looks = "looks like: actual = 0.5 x reference\n          actual saved to";
    project.cargo(&["test"]).fails().says(&["mismatch  four", looks]);
    let said = project.goldens(&["explain", "four"]).fails();
    said.says(&[
        "1. scale  removes 100%",
        "to see the numbers:  cargo test --test goldens -- diff target/karat-rust/four/y.npy",
    ]);
}

#[test]
fn a_faulty_checkpoint_fails_only_its_own_case() {
    let project = Project::accepted("misbehaviour");
    for checkpoint in ["panics", "fails", "two", "nothing", "unheard_of"] {
        project.case(checkpoint, checkpoint);
    }
    project.cargo(&["test"]).fails().says(&[
        "test layers/double   ... ok",
        "test karat::complete ... ok",
        "2 passed; 5 failed;",
        "broken    panics\n          checkpoint panics panicked: head 3 is missing, at tests/goldens.rs:",
        "broken    fails\n          checkpoint fails returned an error: no weights\n",
        "to see its inputs:  cargo test --test goldens -- show fails\n",
        "unexpected output \"z\"; the case names y\n",
        "add it to goldens/two/case.json, or do not return it\n",
        "the checkpoint did not return output \"y\"; it returned nothing\n",
        "no checkpoint \"unheard_of\" is registered\n",
    ]);
    project.goldens(&["show", "fails"]).passes().says(&["f32", "[3]"]);
}

#[test]
fn a_snapshot_without_a_case_fails_what_belongs_to_no_case() {
    let project = Project::accepted("orphan");
    project.case("gone", "double");
    project.accept();
    project.remove("goldens/gone");
    project.cargo(&["test"]).fails().says(&[
        "test layers/double   ... ok",
        "test karat::complete ... FAILED",
        "orphaned  gone  ›  y",
        "to delete it:  rm snapshots/gone/y.snap",
    ]);
}

#[test]
fn a_root_without_a_case_fails() {
    let project = Project::new("empty_root", &[GOLDENS]);
    project.goldens(&[]).fails().says(&["there is no folder", "/goldens; name the goldens root"]);
    project.write("goldens/readme", "");
    project.goldens(&[]).fails().says(&[
        "test karat::complete ... FAILED",
        "/goldens: a case is a folder that contains a case.json\nto add the first:  cargo test --test goldens -- add CASE ",
    ]);
}

#[test]
fn a_filter_that_matches_nothing_passes_with_no_test() {
    let project = Project::accepted("filter");
    project.case("broken", "panics");
    project.cargo(&["test", "no_such_test"]).passes().says(&["0 passed; 0 failed; 0 ignored; 0 measured; 3 filtered"]);
    project.cargo(&["test", "layers"]).passes().says(&["1 passed; 0 failed; 0 ignored; 0 measured; 2 filtered"]);
}
