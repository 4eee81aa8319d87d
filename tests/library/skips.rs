//! Cases that are not run.

use super::project::{GOLDENS, LENIENT, Project};

const SKIP: &str = r#", "skip": "the reference is being redone""#;

#[test]
fn a_skip_that_is_found_at_run_time_fails_unless_it_is_allowed_by_name() {
    let project = Project::new("skip", &[GOLDENS, LENIENT]);
    project.case("gpu", "skips");
    project.goldens(&[]).fails().says(&[
        "test gpu             ... FAILED",
        "---- gpu ----\nskipped   gpu\n          there is no GPU\n          to allow it:  Harness::allow_skip(\"gpu\")\n",
    ]);
    let lenient = project.cargo(&["test", "--test", "lenient"]).passes();
    lenient.says(&["test gpu             ... ignored (there is no GPU)", "1 passed; 0 failed; 1 ignored;"]);
}

#[test]
fn a_written_skip_is_counted_and_fails_in_ci_unless_it_is_allowed_by_name() {
    let project = Project::new("written_skip", &[GOLDENS, LENIENT]);
    project.case("gpu", "double");
    project.accept();
    project.case_below("goldens", "gpu", "double", SKIP);
    let ignored = "test gpu             ... ignored (the reference is being redone)";
    project.goldens(&[]).passes().says(&[ignored, "1 passed; 0 failed; 1 ignored;"]);
    project.goldens(&["--list", "--ignored"]).passes().says(&["gpu: test\n"]).omits("karat::complete");
    project.goldens(&["--ignored"]).passes().says(&["test gpu ... ok", "1 passed; 0 failed; 0 ignored;"]);
    project.goldens(&["--include-ignored"]).passes().says(&["2 passed; 0 failed; 0 ignored;"]);
    project.cargo(&["nextest", "run", "--test", "goldens"]).passes().says(&["1 test run: 1 passed, 1 skipped"]);

    let ci = [("CI", "true")];
    project.cargo_with(&ci, &["test", "--test", "goldens"]).fails().says(&[
        ignored,
        "test karat::complete ... FAILED",
        "---- karat::complete ----\nskipped   gpu\n          the reference is being redone\n          \
         to allow it:  Harness::allow_skip(\"gpu\")\n",
    ]);
    project.cargo_with(&ci, &["test", "--test", "lenient"]).passes().says(&[ignored]);
    project.cargo_with(&ci, &["test", "--test", "goldens", "--", "--include-ignored"]).passes();
}

#[test]
fn a_skip_allowed_to_no_case_fails() {
    let project = Project::new("unknown_skip", &[LENIENT]);
    project.case("other", "double");
    let said = project.cargo(&["test", "--test", "lenient", "karat::complete"]).fails();
    said.says(&["Harness::allow_skip(\"gpu\") is not the id of a case; correct or remove it"]);
}
