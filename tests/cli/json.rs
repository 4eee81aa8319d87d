//! `--json`: one document on stdout and nothing else, whatever the verdict.

use serde_json::json;

use crate::project::Project;

#[test]
fn each_verb_prints_one_document() {
    let project = Project::good();
    project.case("bad", |case| case["checkpoint"] = json!("nix"));
    for (arguments, code) in [
        (&["run", "--json"][..], 1),
        (&["run", "--json", "-k", "good"], 0),
        (&["list", "--json"], 0),
        (&["show", "--json", "good"], 0),
        (&["show", "--json", "goldens/good/y.npy"], 0),
        (&["diff", "--json", "goldens/good/y.npy", "goldens/good/y.npy"], 0),
        (&["diff", "--json", "goldens/good", "goldens/bad"], 0),
        (&["diff", "--json", "goldens/good/x.npy", "goldens/good/y.npy"], 1),
    ] {
        let said = project.karat(arguments).exits(code);
        assert!(said.json().is_object(), "{arguments:?}");
        assert!(said.stdout.ends_with("}\n"), "{arguments:?}");
        assert_eq!(said.stderr, "", "{arguments:?}");
    }
}

#[test]
fn an_error_prints_no_document() {
    let project = Project::good();
    for arguments in [&["run", "--json", "-k", "nix"][..], &["list", "--json", "nix"], &["show", "--json", "nix"]] {
        let said = project.karat(arguments).exits(2);
        assert_eq!(said.stdout, "", "{arguments:?}");
        assert!(said.stderr.starts_with("karat: "), "{said:?}");
    }
}

#[test]
fn a_run_says_of_each_case_what_the_text_says() {
    let project = Project::good();
    project.case("new", |_| {});
    let document = project.karat(["run", "--json"]).exits(1).json();
    let verdicts: Vec<(&str, &str)> = document["cases"]
        .as_array()
        .expect("an array")
        .iter()
        .map(|case| (case["id"].as_str().expect("text"), case["verdict"].as_str().expect("text")))
        .collect();
    assert_eq!(verdicts, [("good", "pass"), ("new", "unrecorded")]);
}

#[test]
fn a_number_that_json_has_not_is_there_as_a_word() {
    let project = Project::empty();
    project.tensor("nan.npy", &[2], vec![f32::NAN, f32::INFINITY]);
    let said = project.karat(["show", "--json", "nan.npy"]).exits(0);
    let document = said.json();
    assert_eq!(document["tensors"][0]["place"], "nan.npy");
    assert!(document["tensors"][0]["summary"].is_object(), "{document}");
    project.tensor("inf.npy", &[2], vec![1.0f32, f32::INFINITY]);
    let said = project.karat(["diff", "--json", "inf.npy", "inf.npy", "--atol", "0", "--rtol", "0"]).exits(0);
    assert!(said.json().is_object());
}
