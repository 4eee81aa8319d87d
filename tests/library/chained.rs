//! A chained run as a test of its own.

use super::project::Project;

/// Two cases, the second on the output of the first, with a tolerance for the chain.
fn project(name: &str, chained: &str) -> Project {
    let project = Project::accepted(name);
    project.case("layers/again", "double");
    project.tensor("goldens/layers/again/y.npy", &[4.0, 8.0, 12.0]);
    let case = format!(
        r#"{{ "karat": 1, "checkpoint": "double", "outputs": {{ "y": "y.npy" }}{chained},
             "inputs": {{ "x": {{ "tensor": "../double/y.npy", "from": "layers/double:y" }} }} }}"#
    );
    project.write("goldens/layers/again/case.json", &case);
    project.accept();
    project
}

#[test]
fn a_tolerance_for_the_chain_is_a_test_that_fails_where_the_chain_is_outside() {
    let project = project("chained", r#", "chained": { "y": { "atol": 0.01, "rtol": 0 } }"#);
    project.goldens(&["--list"]).passes().says(&["karat::chained: test\n"]);
    project.goldens(&["karat::chained", "--exact"]).passes().says(&["1 passed; 0 failed"]);
    // 1 is what comes out as 2.005: within the first case's own tolerance, and four hundredths off behind the second.
    project.replace(
        "goldens/layers/double/case.json",
        "\"y\": \"y.npy\" }",
        "\"y\": \"y.npy\" }, \"tolerance\": { \"y\": { \"atol\": 0.1, \"rtol\": 0 } }",
    );
    project.replace("tests/goldens.rs", "* 2.0 })", "* 2.005 })");
    project.replace(
        "goldens/layers/again/case.json",
        "\"chained\"",
        "\"tolerance\": { \"y\": { \"atol\": 0.1, \"rtol\": 0 } }, \"chained\"",
    );
    let said = project.goldens(&["karat::chained", "--exact"]).fails();
    let said = said.says(&[
        "mismatch  layers/again  ›  y",
        "in its chain:\n          largest difference 0.0601 at [2], 6.01x what is allowed",
    ]);
    said.says(&["to see its chain:  cargo test --test goldens -- run --chained"]).omits("layers/double  ›");
}

#[test]
fn without_a_chained_tolerance_there_is_no_chained_test() {
    let project = project("not_chained", "");
    project.goldens(&["--list"]).passes().omits("karat::chained");
    project.goldens(&["run", "--chained"]).passes().says(&["chain layers, 2 cases\n", "no divergence: every own"]);
}
