//! `karat merge`: the records of shards become one run, or it is said which is in the way.

use serde_json::Value;

use crate::project::{CommandOutput, Project};

/// Six cases (`off` is a mismatch), one problem of the tree, and a snapshot without a case.
fn project() -> Project {
    let project = Project::good();
    for id in ["a", "b", "c/d", "e", "off"] {
        project.case(id, |_| {});
    }
    project.case("gone", |_| {});
    project.accept_all();
    project.remove("goldens/gone");
    project.write("goldens/f/Case.json", "{}");
    project.tensor("goldens/off/y.npy", &[1, 2], vec![-1.0f32, 2.75]);
    project
}

/// Runs a shard and keeps its record in a file of that name.
fn record(project: &Project, name: &str, arguments: &[&str]) -> CommandOutput {
    let said = project.karat([&["run", "--json"], arguments].concat());
    project.write(name, &said.stdout);
    said
}

/// The records of all shards, `1.json` and so on.
fn records(project: &Project, kind: &str, count: usize) -> Vec<String> {
    let name = |index| format!("{index}.json");
    (1..=count)
        .map(|index| {
            record(project, &name(index), &["--partition", &format!("{kind}:{index}/{count}")]);
            name(index)
        })
        .collect()
}

fn merge(project: &Project, records: &[&str]) -> CommandOutput {
    project.karat([&["merge"], records].concat())
}

/// What it said, without how long it took.
fn timeless(said: &CommandOutput) -> String {
    let lines = said.stdout.lines().map(|line| {
        line.split_once(" passed (").or_else(|| line.split_once(" failed (")).map_or(line, |(count, _)| count)
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_whole_is_what_a_run_without_shards_is() {
    let project = project();
    let whole = timeless(&project.karat(["run"]).exits(1));
    for (kind, count) in [("slice", 1), ("slice", 3), ("hash", 4), ("slice", 11)] {
        let records = records(&project, kind, count);
        let mut records: Vec<&str> = records.iter().map(String::as_str).collect();
        records.reverse();
        let said = merge(&project, &records).exits(1).judges("gone", "orphaned").judges("f", "broken");
        assert_eq!(timeless(&said), whole, "{kind} {count}");
    }
    project.remove("goldens/f");
    project.remove("snapshots/gone");
    project.tensor("goldens/off/y.npy", &[1, 2], vec![-1.0f32, 2.5]);
    records(&project, "slice", 2);
    merge(&project, &["1.json", "2.json"]).exits(0).says("6 passed (");
}

#[test]
fn every_report_can_be_made_of_the_whole() {
    let project = project();
    project.karat(["run", "--json", "whole.json", "--junit", "whole.xml"]).exits(1);
    for index in ["1", "2"] {
        let (part, file) = (format!("slice:{index}/2"), format!("shards/{index}.json"));
        project.karat(["run", "-q", "--partition", &part, "--json", &file]);
    }
    let reports = ["shards/1.json", "shards/2.json", "--json", "merged.json", "--junit", "merged.xml", "--github"];
    merge(&project, &reports).exits(1).says("::error file=goldens/off/case.json").says("3 of 8 cases failed");
    let record = |name: &str| {
        let mut record: Value = serde_json::from_str(&project.read(name)).expect("JSON");
        record["elapsed_seconds"] = Value::Null;
        record["sha256"] = Value::Null;
        for case in record["cases"].as_array_mut().expect("cases") {
            case["elapsed_seconds"] = Value::Null;
        }
        record
    };
    assert_eq!(record("merged.json"), record("whole.json"));
    let cases = |name: &str| project.read(name).matches("<testcase ").count();
    assert_eq!((cases("merged.xml"), cases("whole.xml")), (8, 8));
    project.karat(["report", "merged.json"]).exits(1).says("3 of 8 cases failed");
    merge(&project, &["shards/1.json", "shards/2.json", "--junit", "shards"])
        .exits(2)
        .says("--junit shards: this is a folder");
}

#[test]
fn a_shard_that_is_missing_or_there_twice_is_named() {
    let project = project();
    records(&project, "slice", 4);
    let said = merge(&project, &["1.json", "4.json"]).exits(2);
    assert_eq!(said.stdout, "");
    said.says("2 of 4 shards are missing: slice:2/4, slice:3/4").says("found 1.json, 4.json; add the other records");
    merge(&project, &["1.json", "4.json", "2.json"]).exits(2).says("1 of 4 shards is missing: slice:3/4");
    project.write("copy.json", project.read("2.json"));
    let said = merge(&project, &["1.json", "2.json", "3.json", "4.json", "copy.json"]).exits(2);
    said.says("a shard has more than one record: slice:2/4: 2.json, copy.json omit all but one of them");
    let many = records(&project, "slice", 12);
    merge(&project, &[&many[0]]).exits(2).says("slice:9/12, ..");
}

#[test]
fn records_of_different_lists_are_named() {
    let project = project();
    record(&project, "1.json", &["--partition", "slice:1/2"]);
    project.case("g", |_| {});
    record(&project, "2.json", &["--partition", "slice:2/2"]);
    let said = merge(&project, &["1.json", "2.json"]).exits(2).says("the records cover different lists of cases:");
    let said = said.says("7 cases, 0 filtered out").says("8 cases, 0 filtered out");
    said.says(".: 1.json").says(".: 2.json").says("run every shard on the same goldens, with the same filters");
    // As many, but others.
    std::fs::rename(project.path("goldens/g"), project.path("goldens/h")).expect("a folder");
    record(&project, "1.json", &["--partition", "slice:1/2"]);
    merge(&project, &["1.json", "2.json"]).exits(2).says("the records cover different lists of cases:");
    // The same, but another filter.
    record(&project, "1.json", &["--partition", "slice:1/2", "-k", "a"]);
    record(&project, "2.json", &["--partition", "slice:2/2", "-k", "b"]);
    merge(&project, &["1.json", "2.json"]).exits(2).says("the records cover different lists of cases:");
}

#[test]
fn records_that_were_run_otherwise_are_named() {
    let project = project();
    record(&project, "1.json", &["--partition", "slice:1/2"]);
    for (arguments, what, one) in [
        (&["--partition", "hash:2/2"][..], "the records use different partitions", "hash, 2 shards: 2.json"),
        (&["--partition", "slice:2/3"], "the records use different partitions", "slice, 3 shards: 2.json"),
        (&["--partition", "slice:2/2", "--accuracy-only"], "the records use different gates", "accuracy: 2.json"),
        (&["--partition", "slice:2/2", "--ci"], "the records use different gates", "accuracy and drift, in CI: 2.json"),
        (
            &["--partition", "slice:2/2", "--allow-skip", "a"],
            "the records use different gates",
            "accuracy and drift, skip of a allowed: 2.json",
        ),
    ] {
        record(&project, "2.json", arguments);
        merge(&project, &["1.json", "2.json"]).exits(2).says(what).says(one).says("run every shard with the same");
    }
    record(&project, "2.json", &["--partition", "slice:2/2"]);
    let mut other: Value = serde_json::from_str(&project.read("2.json")).expect("JSON");
    other["executor"] = "candle".into();
    project.write("2.json", other.to_string());
    merge(&project, &["1.json", "2.json"]).exits(2).says("different executors: builtin: 1.json candle: 2.json");
    other["executor"] = "builtin".into();
    other["karat"]["version"] = "9.9.9".into();
    project.write("2.json", other.to_string());
    merge(&project, &["1.json", "2.json"]).exits(2).says("different versions of karat").says("9.9.9: 2.json");
}

#[test]
fn an_invalid_shard_record_is_named() {
    let project = project();
    record(&project, "1.json", &["--partition", "slice:1/2"]);
    record(&project, "whole.json", &[]);
    merge(&project, &["1.json", "whole.json"]).exits(2).says("not from a shard: whole.json; omit such records");
    project.write("cut.json", &project.read("1.json")[..300]);
    project.write("other.json", project.karat(["list", "--json"]).stdout);
    let said = merge(&project, &["1.json", "cut.json", "other.json", "nowhere.json"]).exits(2);
    said.says("cut.json: ").says("other.json: ").says("cannot read nowhere.json: no such file; ");
    merge(&project, &[]).exits(2).says("<RECORD>...");
}

#[test]
fn records_that_do_not_hold_what_was_dealt_out_are_refused() {
    let project = project();
    records(&project, "slice", 2);
    let change = |edit: &dyn Fn(&mut Vec<Value>)| {
        let mut record: Value = serde_json::from_str(&project.read("2.json")).expect("JSON");
        edit(record["cases"].as_array_mut().expect("cases"));
        let cases = record["cases"].as_array().expect("cases").clone();
        record["total"] = cases.len().into();
        record["failed"] = cases.iter().filter(|case| case["failed"] == true).count().into();
        for (verdict, count) in record["counts"].as_object_mut().expect("counts") {
            *count = cases.iter().filter(|case| case["verdict"] == **verdict).count().into();
        }
        project.write("changed.json", record.to_string());
        merge(&project, &["1.json", "changed.json"]).exits(2)
    };
    change(&|cases| drop(cases.pop()))
        .says("the records contain 6 of 7 cases, which are not those of the partition: 1.json, changed.json");
    change(&|cases| cases[0]["id"] = "other".into()).says("which are not those of the partition");
    change(&|cases| cases[0]["id"] = "a".into()).says("case a is in both 1.json and changed.json");
}

#[test]
fn shards_over_other_goldens_are_not_one_run() {
    let project = project();
    record(&project, "1.json", &["--partition", "slice:1/2"]);
    project.edit("a", |case| case["params"]["eps"] = 2e-5.into());
    record(&project, "2.json", &["--partition", "slice:2/2"]);
    let said = merge(&project, &["1.json", "2.json"]).exits(2);
    said.says("different goldens or snapshots").says("run every shard on the same commit");
}

#[test]
fn a_verdict_that_what_was_measured_denies_is_refused() {
    let project = project();
    record(&project, "1.json", &["--partition", "slice:1/1"]).exits(1);
    let mut json: Value = serde_json::from_str(&project.read("1.json")).expect("JSON");
    let cases = json["cases"].as_array_mut().expect("a list");
    let off = cases.iter_mut().find(|case| case["id"] == "off").expect("it ran");
    off["verdict"] = "pass".into();
    project.write("1.json", json.to_string());
    let said = merge(&project, &["1.json"]).exits(2);
    said.says("case off: its verdict is pass, but its contents make it mismatch");
}

#[test]
fn a_shard_that_ended_early_does_not_pass() {
    let project = Project::good();
    for id in ["a", "b", "c"] {
        project.case(id, |_| {});
    }
    project.accept_all();
    project.tensor("goldens/a/y.npy", &[1, 2], vec![-1.0f32, 2.75]);
    record(&project, "1.json", &["--partition", "slice:1/2", "--fail-fast", "-j", "1"]);
    record(&project, "2.json", &["--partition", "slice:2/2", "--fail-fast", "-j", "1"]);
    let said = merge(&project, &["1.json", "2.json"]).exits(1);
    said.says("1 of 3 cases failed").says("1 case did not run: the run ended early");
}
