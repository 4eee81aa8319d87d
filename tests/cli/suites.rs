//! Errors in a `suite.json` are reported once, however many cases are below it; so are unused fields.

use serde_json::{Value, json};

use crate::project::Project;

#[test]
fn an_error_shared_by_several_cases_is_reported_once_and_breaks_each() {
    let project = Project::good();
    for id in ["a", "b", "c", "d", "e"] {
        project.case(&format!("suite/{id}"), |_| {});
    }
    project.write("goldens/suite/suite.json", "{ \"tolerence\": {} }");
    for arguments in [vec!["run"], vec!["run", "-q"]] {
        let said = project.karat(arguments).exits(1);
        assert_eq!(said.stdout.matches("unknown field `tolerence`").count(), 1, "{}", said.stdout);
        let said = said.says("broken suite/a goldens/suite/suite.json: unknown field `tolerence`");
        said.says("the same error breaks 4 other cases: suite/b, suite/c, suite/d, and 1 more")
            .says("5 of 6 cases failed");
    }
    project.karat(["run"]).judges("suite/a", "broken").judges("suite/e", "broken").judges("good", "pass");
    // A single case is reported as usual.
    project
        .karat(["run", "-k", "suite/b"])
        .exits(1)
        .says("unknown field `tolerence`")
        .keeps_quiet_of("the same breaks");
}

#[test]
fn a_suite_tolerance_for_an_output_of_no_case_is_reported_once() {
    for field in ["tolerance", "chained"] {
        let project = Project::good();
        project.case("suite/a", |_| {});
        project.case("suite/deep/b", |_| {});
        project.accept_all_of("suite");
        project.write("goldens/suite/suite.json", json!({ field: { "yy": { "atol": 1, "rtol": 0 } } }).to_string());
        let said = project.karat(["run"]).exits(1).judges("suite/suite.json", "broken").judges("suite/a", "pass");
        let said = said.says("then: karat run -k suite/");
        let said = said.says(&format!(
            "goldens/suite/suite.json: {field}.yy: no case below it has such an output; did you mean y?"
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
fn a_suite_tolerance_that_some_case_uses_is_accepted() {
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

/// What a suite says, what is done to the case below it, and what the message names; `{}` is the file.
type Inherited = (&'static str, Value, fn(&Project), &'static [&'static str], &'static str);

const RUN: &[&str] = &["run", "--ci"];

#[test]
fn a_message_about_a_field_names_the_file_that_sets_it() {
    let tensor = |more: Value| {
        let mut entry = json!({ "tensor": "y.npy" });
        entry.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        json!({ "y": entry })
    };
    let wide = |p: &Project| p.tensor("goldens/s/c/y.npy", &[1, 2], vec![-1.0f64, 2.5]);
    let rows: Vec<Inherited> = vec![
        ("skip", json!("slow"), |_| {}, RUN, "remove \"skip\" from {}"),
        ("checkpoint", json!("layer_nrm"), |_| {}, RUN, "correct \"checkpoint\" in {}"),
        ("timeout", json!(1e-9), |_| {}, RUN, "or set \"timeout\" in {}"),
        ("outputs", json!({ "y": "y.npy", "z": "y.npy" }), |_| {}, RUN, "return it, or remove it from {}"),
        ("outputs", tensor(json!({})), wide, RUN, "to allow it, in {}: \"outputs\": { \"y\":"),
        ("outputs", tensor(json!({ "or": ["x.npy"] })), |_| {}, RUN, "{}: outputs.y.or: only integers, such as tokens"),
        (
            "outputs",
            tensor(json!({ "where": "m.npy" })),
            |p| p.tensor("goldens/s/c/m.npy", &[3], vec![true; 3]),
            RUN,
            "correct the mask in {}",
        ),
        (
            "inputs",
            json!({ "x": { "tensor": "x.npy", "from": "none:y" }, "weight": "weight.npy", "bias": "bias.npy" }),
            |_| {},
            RUN,
            "{}: inputs.x.from: there is no case none",
        ),
        (
            "tolerance",
            json!({ "*": { "atol": 1e300, "rtol": 0 } }),
            |_| {},
            &["run", "--deny", "vacuous"],
            "tighten the tolerance in {}",
        ),
        ("nan", json!("mach"), |_| {}, RUN, "{}: nan: unknown variant"),
        (
            "params",
            json!({ "n".repeat(201): 1 }),
            |p| p.edit("s/c", |case| case["params"] = json!({ "eps": 0 })),
            RUN,
            "{}: params:",
        ),
    ];
    for (field, value, damage, command, message) in rows {
        for (own, file) in [(false, "goldens/s/suite.json"), (true, "goldens/s/c/case.json")] {
            let project = Project::empty();
            project.case("s/c", |case| {
                case.as_object_mut().expect("an object").remove(field);
            });
            match own {
                false => project.write(file, json!({ field: value }).to_string()),
                true => project.edit("s/c", |case| case[field] = value.clone()),
            }
            // What a case says itself it does not have of its suite.
            if own && field != "params" {
                project.write("goldens/s/suite.json", json!({ field: value }).to_string());
            }
            if !(own && field == "params") {
                damage(&project);
            }
            let shown = if own && message.starts_with("to allow") { "case.json" } else { file };
            project.karat(command.iter().chain(&["--json", "r.json"])).exits(1).says(&message.replace("{}", shown));
            project.karat(["report", "r.json"]).says(&message.replace("{}", shown));
        }
    }
}

#[test]
fn a_field_that_no_file_sets_is_looked_for_in_the_case() {
    let project = Project::empty();
    project.write("goldens/s/suite.json", json!({ "tolerance": { "z": {} } }).to_string());
    project.case("s/c", |_| {});
    project.tensor("goldens/s/c/y.npy", &[1, 2], vec![1e-20f32, 1e-20]);
    project.tensor("goldens/s/c/weight.npy", &[2], vec![0.0f32, 0.0]);
    project.tensor("goldens/s/c/bias.npy", &[2], vec![0.0f32, 0.0]);
    let said = project.karat(["run", "goldens/s/c", "--deny", "vacuous"]).exits(1);
    said.says("tighten the tolerance in goldens/s/c/case.json");
}
