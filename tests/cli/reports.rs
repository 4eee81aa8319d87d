//! `run --json FILE`, `--junit`, `--github`, and `report`, which makes them again from the record.

#[cfg(unix)]
use std::fs;

use serde_json::Value;

use crate::project::{CommandOutput, Project};

/// A case that passes and one that does not.
fn two() -> Project {
    let project = Project::good();
    project.case("bad", |_| {});
    project.tensor("goldens/bad/y.npy", &[1, 2], vec![-1.0f32, 2.0]);
    project
}

fn document(project: &Project, file: &str) -> Value {
    serde_json::from_str(&project.read(file)).expect("one JSON document")
}

#[test]
fn the_document_goes_to_a_file_and_the_terminal_has_its_report() {
    let project = two();
    let plain = project.karat(["run"]).exits(1);
    let said = project.karat(["run", "--json", "out/run.json"]).exits(1).judges("bad", "mismatch");
    let last = |said: &CommandOutput| said.stdout.lines().last().expect("a line").to_owned();
    assert_eq!(last(&said), last(&plain));
    let document = document(&project, "out/run.json");
    assert_eq!((&document["kind"], &document["failed"]), (&"run".into(), &1.into()));
    assert_eq!(document["cases"][0]["outputs"][0]["picture"]["worst"][0]["index"], serde_json::json!([0, 1]));
    let printed = project.karat(["run", "--json", "-"]).exits(1).json();
    assert_eq!(printed["cases"][0]["id"], "bad");
    // Nothing is left beside it.
    assert_eq!(project.files("out").keys().collect::<Vec<_>>(), ["run.json"]);
}

#[test]
fn an_unwritable_report_is_reported_before_anything_runs() {
    let project = two();
    project.write("file", "");
    for (arguments, said) in [
        (
            &["run", "--json", "goldens"][..],
            "--json goldens: this is a folder; name a file (or put the goldens root before the option)",
        ),
        (&["run", "--junit", "goldens"], "--junit goldens: this is a folder"),
        (&["run", "--junit", "file/x.xml"], "cannot write file"),
        (&["run", "--json", "x", "--junit", "x"], "--json and --junit both name x"),
        (&["run", "--json", "--github"], "--github and --json both print to stdout"),
    ] {
        let told = project.karat(arguments).exits(2).says(said);
        assert_eq!(told.stdout, "", "{arguments:?}");
    }
    assert!(!project.has("target"));
}

/// Whatever name a file has that a run reads, or that is no report: it is refused before anything runs, and stays.
#[test]
fn a_report_replaces_nothing_but_a_report() {
    let project = two();
    project.karat(["run", "--json", "run.json", "--junit", "run.xml", "--html", "run.html"]).exits(1);
    project.karat(["run", "-q", "--partition", "slice:1/1", "--json", "shard.json"]).exits(1);
    project.write("Cargo.toml", "[package]\nname = \"x\"\n");
    project.write("package.json", "{ \"name\": \"x\" }\n");
    project.write("page.html", "<!DOCTYPE html>\n<html><head><title>mine</title></head></html>\n");
    project.write(
        "other.xml",
        "<?xml version=\"1.0\"?>\n<testsuites name=\"pytest\"><testsuite name=\"a\"/></testsuites>\n",
    );
    project.write("suite.xml", "<testsuite name=\"karat\" tests=\"0\"/>\n");
    project.write("empty", "");
    #[cfg(unix)]
    {
        use std::os::unix::fs::symlink;
        symlink(project.path("goldens/good"), project.path("folder")).expect("a link");
        symlink(project.path("goldens/good/y.npy"), project.path("link")).expect("a link");
        fs::hard_link(project.path("goldens/good/x.npy"), project.path("hard")).expect("a link");
        project.write("far.npy", project.files("goldens")["good/weight.npy"].clone());
        project.remove("goldens/good/weight.npy");
        symlink(project.path("far.npy"), project.path("goldens/good/weight.npy")).expect("a link");
        symlink("later.json", project.path("ahead")).expect("a link");
        symlink("ahead", project.path("farther")).expect("a link");
        symlink("nowhere", project.path("gone")).expect("a link");
        symlink("goldens/good/new.npy", project.path("into")).expect("a link");
    }
    let before = project.files("");
    let read = "where karat never overwrites files";
    let other = "the file exists and is not a report of karat";
    let mut rows = vec![
        (vec!["run", "--ci", "--json", "goldens/good/y.npy"], read),
        (vec!["run", "--junit", "goldens/good/case.json"], read),
        (vec!["run", "--html", "snapshots/good/y.snap"], read),
        (vec!["run", "--json", "out/../goldens/../goldens/new.json"], read),
        (vec!["run", "--json", "Cargo.toml"], other),
        (vec!["run", "--json", "package.json"], other),
        (vec!["run", "--html", "run.json"], other),
        (vec!["run", "--html", "page.html"], other),
        (vec!["run", "--html", "run.xml"], other),
        (vec!["run", "--junit", "other.xml"], other),
        (vec!["run", "--junit", "suite.xml"], other),
        (vec!["report", "run.json", "--junit", "run.html"], other),
        (vec!["run", "--json", "n/a.json", "--junit", "./n/A.json"], "--json and --junit both name"),
        (vec!["report", "run.json", "--json", "run.json"], "this is the record that is read"),
        (vec!["report", "run.json", "--html", "./out/../run.json"], "this is the record that is read"),
        (vec!["report", "run.json", "--html", "goldens/good/y.npy"], read),
        (vec!["merge", "shard.json", "--junit", "shard.json"], "this is the record that is read"),
    ];
    if cfg!(unix) {
        rows.extend([
            (vec!["run", "--json", "folder/new.json"], read),
            (vec!["run", "--json", "link"], read),
            (vec!["run", "--json", "hard"], read),
            (vec!["run", "--json", "far.npy"], read),
            (vec!["run", "--json", "into"], read),
            (vec!["run", "--json", "later.json", "--html", "ahead"], "--json and --html both name ahead"),
            (
                vec!["run", "--ci", "--json", "farther", "--junit", "later.json"],
                "--json and --junit both name later.json",
            ),
            (vec!["run", "--json", "nowhere/a", "--html", "gone/a"], "--json and --html both name gone/a"),
        ]);
    }
    for (arguments, said) in rows {
        let told = project.karat(&arguments).exits(2).says(said);
        assert_eq!(told.stdout, "", "{arguments:?}");
    }
    let summary = project.path("goldens/good/y.npy");
    let summary = [("GITHUB_STEP_SUMMARY", summary.to_str().expect("UTF-8"))];
    project.karat_with(&summary, ["run", "--github"]).exits(2).says("GITHUB_STEP_SUMMARY").says(read);
    assert_eq!(project.files(""), before);
    // Reports replace reports.
    project.karat(["run", "--json", "run.json", "--junit", "run.xml", "--html", "run.html"]).exits(1);
    project.karat(["run", "--json", "empty"]).exits(1);
}

#[cfg(target_os = "linux")]
#[test]
fn an_unwritable_stdout_is_reported_and_stops_no_other_report() {
    let project = two();
    let full = "cannot write stdout: No space left on device";
    for line in [
        "karat --version > /dev/full",
        "karat --help > /dev/full",
        "karat run --help > /dev/full",
        "karat list > /dev/full",
        "karat schema > /dev/full",
        "karat completions bash > /dev/full",
        "karat doctor > /dev/full",
        "karat run --json run.json --junit run.xml --html run.html > /dev/full",
        "karat run --json > /dev/full",
    ] {
        project.shell(line).exits(2).says(full);
    }
    for file in ["run.json", "run.xml", "run.html"] {
        assert!(project.has(file), "{file}");
    }
    // What failed is remembered.
    project.karat(["run", "--failed"]).exits(1).judges("bad", "mismatch").keeps_quiet_of("good");
    // A reader who has seen enough is no error, and costs nothing either.
    project.remove("run.json");
    project.shell("karat run --json run.json | true; karat --version | true").exits(0).keeps_quiet_of("cannot write");
    assert!(project.has("run.json"));
}

#[test]
fn a_record_makes_every_report_again() {
    let project = two();
    let run = project.karat(["run", "--json", "run.json", "--junit", "run.xml"]).exits(1);
    let again = project.karat(["report", "run.json"]).exits(1);
    assert_eq!(again.stdout, run.stdout);
    let quiet = project.karat(["report", "run.json", "--junit", "again.xml", "--json", "again.json"]).exits(1);
    assert_eq!((&*quiet.stdout, &*quiet.stderr), ("wrote again.json\nwrote again.xml\n", ""));
    assert_eq!(project.read("again.xml"), project.read("run.xml"));
    assert_eq!(project.read("again.json"), project.read("run.json"));
    assert_eq!(project.karat(["report", "run.json", "--json"]).exits(1).stdout, project.read("run.json"));

    project.karat(["run", "-k", "good", "--json", "good.json"]).exits(0);
    project.karat(["report", "good.json"]).exits(0);
}

#[test]
fn the_commands_in_a_report_are_those_that_run_it_again() {
    let project = two();
    let run = ["run", "--accuracy-only", "--chained", "--json", "run.json"];
    let run = project.karat(run).exits(1);
    assert_eq!(project.karat(["report", "run.json"]).exits(1).stdout, run.stdout);
    project.karat(["run", "goldens/", "--json", "run.json"]).exits(1);
    project.karat(["report", "run.json"]).exits(1).says("karat run");
}

#[test]
fn an_invalid_record_is_named_with_a_remedy() {
    let project = two();
    project.karat(["run", "--json", "run.json"]).exits(1);
    let text = project.read("run.json");
    project.write("half.json", &text[..text.len() / 2]);
    project.write("fine.json", text.replacen("\"mismatch\",\n      \"failed\"", "\"fine\",\n      \"failed\"", 1));
    project.karat(["report", "half.json"]).exits(2).says("half.json: the file is incomplete").says("`run --json FILE`");
    project.karat(["report", "fine.json"]).exits(2).says("fine.json: changed after karat wrote it");
    let nix = project.karat(["report", "nix.json"]).exits(2).says("cannot read nix.json: no such file; looked in ");
    nix.says("`run --json FILE` writes a record");
    project.karat(["report", "runs.json"]).exits(2).says("runs.json: no such file; the most similar name is run.json");
    project.karat(["report"]).exits(2);
}

#[test]
fn github_has_annotations_and_a_summary_of_the_step() {
    let project = two();
    project.write("summary.md", "before\n");
    let root = project.path("");
    let root = root.to_str().expect("UTF-8");
    let summary = project.path("summary.md");
    let variables = [("GITHUB_WORKSPACE", root), ("GITHUB_STEP_SUMMARY", summary.to_str().expect("UTF-8"))];
    let said = project.karat_with(&variables, ["run", "--github"]).exits(1).judges("bad", "mismatch");
    let annotation = said.stdout.lines().find(|line| line.starts_with("::")).expect("an annotation");
    assert!(annotation.starts_with("::error file=goldens/bad/case.json,title=mismatch%3A bad::"), "{annotation}");
    let page = project.read("summary.md");
    assert!(page.starts_with("before\n## karat: 1 of 2 cases failed\n"), "{page}");
    assert!(page.contains("| mismatch | `bad` | `y` | 0.5 |"), "{page}");

    project.karat(["run", "--json", "run.json"]).exits(1);
    let again = project.karat(["report", "run.json", "--github"]).exits(1);
    assert_eq!(again.stdout.trim_end(), annotation);
    again.says("GITHUB_STEP_SUMMARY is not set");
}

/// A validator of what `karat schema run` prints.
fn validator(project: &Project) -> jsonschema::Validator {
    jsonschema::validator_for(&project.karat(["schema", "run"]).exits(0).json()).expect("it is a schema")
}

#[track_caller]
fn holds(validator: &jsonschema::Validator, document: &Value) {
    let errors: Vec<String> =
        validator.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn a_run_follows_its_schema() {
    let project = two();
    project.case("broken", |case| case["checkpoint"] = "nix".into());
    project.case("skipped", |case| case["skip"] = "why".into());
    project.case("nan", |_| {});
    project.tensor("goldens/nan/x.npy", &[1, 2], vec![f32::NAN, f32::INFINITY]);
    let validator = validator(&project);
    for arguments in [&["run", "--json"][..], &["run", "--json", "--chained", "--accuracy-only"]] {
        holds(&validator, &project.karat(arguments).exits(1).json());
    }
    // The example of every verdict.
    let example = include_str!("../data/report/run.json");
    holds(&validator, &serde_json::from_str(example).expect("JSON"));

    let gpt2 = Project::gpt2_tiny();
    let document = gpt2.karat(["run", "--json", "--chained", "--accuracy-only"]).json();
    assert!(!document["chains"].as_array().expect("chains").is_empty());
    holds(&validator, &document);
}

#[test]
fn an_invalid_record_does_not_match_the_schema() {
    let project = two();
    let validator = validator(&project);
    let document = project.karat(["run", "--json"]).exits(1).json();
    let changes: [(&str, Value); 9] = [
        ("/kind", "list".into()),
        ("/karat/format", 2.into()),
        ("/verdict", "fine".into()),
        ("/cases/0/elapsed_seconds", "long".into()),
        ("/cases/0/outputs/0/comparison/tolerance_used", "NaN".into()),
        ("/cases/0/outputs/0/comparison/types/actual", "float".into()),
        ("/cases/0/outputs/0/problems/0/kind", "else".into()),
        ("/cases/0/outputs/0/picture/decades/0/size", "tiny".into()),
        ("/cases/0/outputs/0/summary/dtype", "float32".into()),
    ];
    for (pointer, value) in changes {
        let mut changed = document.clone();
        *changed.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}")) = value;
        assert!(!validator.is_valid(&changed), "{pointer}");
    }
    for (object, field) in [("", "cases"), ("/cases/0/outputs/0", "kept"), ("/cases/0", "checkpoint"), ("", "chains")] {
        let mut changed = document.clone();
        changed.pointer_mut(object).and_then(Value::as_object_mut).expect("an object").remove(field).expect("a field");
        assert!(!validator.is_valid(&changed), "{field}");
    }
}
