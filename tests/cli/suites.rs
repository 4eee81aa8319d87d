//! What is wrong in a `suite.json` is told once, however many cases are below it; and what of it is of no use.

use serde_json::json;

use crate::project::Project;

#[test]
fn an_error_that_several_cases_share_is_told_once_and_breaks_each() {
    let project = Project::good();
    for id in ["a", "b", "c", "d", "e"] {
        project.case(&format!("suite/{id}"), |_| {});
    }
    project.write("goldens/suite/suite.json", "{ \"tolerence\": {} }");
    for arguments in [vec!["run"], vec!["run", "-q"]] {
        let said = project.karat(arguments).exits(1);
        assert_eq!(said.stdout.matches("unknown field `tolerence`").count(), 1, "{}", said.stdout);
        let said = said.says("broken suite/a goldens/suite/suite.json: unknown field `tolerence`");
        said.says("the same breaks 4 other cases: suite/b, suite/c, suite/d, and 1 more").says("6 cases, 5 fail");
    }
    project.karat(["run"]).judges("suite/a", "broken").judges("suite/e", "broken").judges("good", "pass");
    // One alone is told as ever.
    project
        .karat(["run", "-k", "suite/b"])
        .exits(1)
        .says("unknown field `tolerence`")
        .keeps_quiet_of("the same breaks");
}

#[test]
fn a_tolerance_of_a_suite_for_an_output_that_no_case_has_is_told_once() {
    for field in ["tolerance", "chained"] {
        let project = Project::good();
        project.case("suite/a", |_| {});
        project.case("suite/deep/b", |_| {});
        project.accept_all_of("suite");
        project.write("goldens/suite/suite.json", json!({ field: { "yy": { "atol": 1, "rtol": 0 } } }).to_string());
        let said = project.karat(["run"]).exits(1).judges("suite/suite.json", "broken").judges("suite/a", "pass");
        let said = said.says(&format!(
            "goldens/suite/suite.json: {field}.yy: no case below it has such an output; the nearest is y"
        ));
        assert_eq!(said.stdout.matches("no case below it").count(), 1, "{}", said.stdout);
        let json = project.karat(["run", "--json"]).exits(1).json();
        let files: Vec<&str> =
            json["cases"].as_array().expect("cases").iter().filter_map(|case| case["file"].as_str()).collect();
        assert!(files.contains(&"goldens/suite/suite.json"), "{files:?}");
        project.karat(["list"]).exits(1).says("no case below it has such an output");
        project.karat(["run", "goldens/suite/deep"]).exits(0);
        project.karat(["run", "-k", "good"]).exits(0);
    }
}

#[test]
fn a_tolerance_of_a_suite_that_some_case_can_use_is_no_fault() {
    let project = Project::good();
    project.case("suite/a", |_| {});
    project.case("suite/deep/b", |case| case["outputs"] = json!({}));
    let entry = json!({ "atol": 1e-5, "rtol": 1.3e-6 });
    project.write("goldens/suite.json", json!({ "tolerance": { "y": entry, "*": entry } }).to_string());
    project.write("goldens/empty/suite.json", json!({ "tolerance": { "z": entry } }).to_string());
    project.karat(["run"]).keeps_quiet_of("no case below it").keeps_quiet_of("suite.json");
    // What cannot be read may have it.
    project.write("goldens/suite/suite.json", json!({ "tolerance": { "z": entry } }).to_string());
    project.write("goldens/suite/deep/b/case.json", "{");
    project.karat(["run"]).keeps_quiet_of("no case below it").judges("suite/deep/b", "broken");
}
