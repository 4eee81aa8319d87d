//! The names of the tests, and running one by its name.

use super::project::{CommandOutput, GOLDENS, Project};

/// The tests that nextest names in a line with that word.
fn named(said: &CommandOutput, word: &str) -> Vec<String> {
    let mut names: Vec<String> = said
        .all()
        .lines()
        .filter(|line| line.trim_start().starts_with(word))
        .filter_map(|line| Some(line.split_once("::goldens ")?.1.to_owned()))
        .collect();
    names.sort();
    names.dedup();
    names
}

#[test]
fn each_case_is_a_test_and_the_list_holds_nothing_else() {
    let project = Project::new("list", &[GOLDENS]);
    for id in ["layers/double", "a/b", "a__b", "with space", "größe"] {
        project.case(id, "double");
    }
    // Listing looks into no case further than it must.
    project.write("goldens/broken/case.json", "{");
    let list = project.goldens(&["--list"]).passes();
    let names = ["a/b", "a__b", "broken", "größe", "layers/double", "with space", "karat::complete"];
    assert_eq!(list.stdout, names.map(|name| format!("{name}: test\n")).concat());
}

#[cfg(target_os = "linux")]
#[test]
fn no_name_in_the_list_is_a_command_or_hides_what_it_is() {
    let project = Project::new("hostile_list", &[GOLDENS]);
    project.case("::error::x", "double");
    project.case("a\u{202e}b\u{1b}[2Jc", "double");
    let more = r###", "params": { "##[error]": "##vso[task\u001b[2J" }, "skip": "::stop-commands::x""###;
    project.case_below("goldens", "good", "double", more);
    let list = project.goldens(&["--list"]).passes();
    let plain = |line: &str| {
        line.chars().all(|c| (' '..='~').contains(&c) || c == '\u{fffd}') && !line.trim_start().starts_with("::")
    };
    assert!(list.stdout.lines().all(plain) && !list.stdout.contains("##"), "{}", list.stdout);
    assert_eq!(list.stdout.lines().count(), 4, "{}", list.stdout);
    assert!(list.stdout.contains("\\u{3a}:error::x: test\n"), "{}", list.stdout);
}

#[test]
fn nextest_runs_the_same_tests() {
    let project = Project::accepted("nextest");
    project.case("a b", "double");
    project.accept();
    let said = project.cargo(&["nextest", "run"]).passes().says(&["3 tests run: 3 passed, 0 skipped"]);
    assert_eq!(named(&said, "PASS"), ["a b", "karat::complete", "layers/double"]);

    project.tensor("goldens/layers/double/y.npy", &[2.0, 4.0, 6.5]);
    let said = project.cargo(&["nextest", "run", "--no-fail-fast"]).fails();
    assert_eq!(named(&said, "FAIL"), ["layers/double"]);
    said.says(&["3 tests run: 2 passed, 1 failed", "mismatch  layers/double  ›  y ", "largest difference 0.5 at [2]"]);
}

#[test]
fn a_case_by_its_exact_name_reads_no_other() {
    let project = Project::accepted("exact");
    project.write("goldens/broken/case.json", "{");
    project.write("goldens/broken/suite.json", "{");
    project.goldens(&["--exact", "layers/double"]).passes().says(&["running 1 test\n", "1 passed; 0 failed;"]);
    project.goldens(&["--exact", "broken"]).fails().says(&["is not JSON: EOF while parsing an object at"]);
    project.goldens(&["--exact", "layers"]).passes().says(&["running 0 tests\n"]);
}

/// Elsewhere the two are one folder.
#[cfg(target_os = "linux")]
#[test]
fn names_that_differ_in_case_alone_fail_by_their_exact_name_too() {
    let project = Project::accepted("twins");
    project.case("Layers/double", "double");
    for name in ["layers/double", "Layers/double"] {
        project.goldens(&["--exact", name]).fails().says(&[
            &format!("test {name} ... FAILED"),
            "the folders Layers and layers differ only in case; rename all but one",
        ]);
    }
}
