//! Checkpoints that crash, exit, loop or take all memory: each costs its own case its verdict, and no other.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::project::{CRASHING, Project};

/// The cases with a checkpoint that ends its process, and what is said of each.
#[cfg(target_os = "linux")]
const CRASHES: [(&str, &str); 4] = [
    ("aborts", "checkpoint aborts crashed with SIGABRT: aborted"),
    ("segfaults", "checkpoint segfaults crashed with SIGSEGV: segmentation fault"),
    ("exits", "checkpoint exits exited the process with status 0 before it returned"),
    ("exits 7", "checkpoint exits 7 exited the process with status 7 before it returned"),
];

/// A project with two cases that pass and are accepted.
fn project(name: &str) -> Project {
    let project = Project::new(name, &[CRASHING]);
    project.case("a/double", "double");
    project.case("z/double", "double");
    project.accept();
    project
}

/// A folder for a checkpoint's name.
fn id(checkpoint: &str) -> String {
    format!("m/{}", checkpoint.replace(' ', "_"))
}

#[cfg(target_os = "linux")]
#[test]
fn a_crash_or_exit_fails_only_its_own_case() {
    let project = project("crashes");
    for (checkpoint, _) in CRASHES {
        project.case(&id(checkpoint), checkpoint);
    }
    project.case("m/loops", "loops");
    project.case("m/allocates", "allocates");
    project.case("m/panics", "panics");
    let started = Instant::now();
    let said = project.goldens(&["run", "--isolate", "--timeout", "2", "--memory-limit", "256MiB"]).fails();
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    let said = said.says(&[
        "pass        a/double",
        "pass        z/double",
        "7 of 9 cases failed",
        "7 broken, 2 pass",
        "timed out after 2 s",
        "looking for the end",
        "exceeded the memory limit (256 MiB)",
        "memory allocation of 1048576 bytes failed",
        "checkpoint panics panicked: head 3 is missing, at tests/goldens.rs:",
        // The last that it printed.
        "all done",
        "-- run --isolate --timeout 2 --memory-limit 256MiB -k m/aborts",
    ]);
    // Long lines are wrapped.
    let told = said.all().split_whitespace().collect::<Vec<_>>().join(" ");
    CRASHES.iter().for_each(|(_, text)| assert!(told.contains(text), "{text:?} is not in\n{}", said.all()));
    assert!(project.names("snapshots/m").is_empty());
}

#[cfg(target_os = "linux")]
#[test]
fn a_stack_that_overflows_names_its_case_and_costs_no_other_one_where_each_has_a_process() {
    let project = project("overflows");
    project.case("m/overflows", "overflows");
    for arguments in [&["run", "-j1"][..], &["--test-threads=1"]] {
        project.goldens(arguments).fails().says(&[
            "karat: SIGSEGV in the thread running case m/overflows",
            "run each in its own process:  the verb `run --isolate`",
            "has overflowed its stack",
        ]);
    }
    project.goldens(&["run", "--isolate"]).fails().says(&[
        "pass        a/double",
        "pass        z/double",
        "has overflowed its stack",
        "1 of 3 cases failed",
    ]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_timeout_of_the_case_wins_and_isolates_it_by_itself() {
    let project = project("timed");
    project.case_below("goldens", "m/loops", "loops", r#", "timeout": 0.5"#);
    project.goldens(&["run"]).fails().says(&["timed out after 0.5 s", "1 of 3 cases failed", "1 broken, 2 pass"]);
    project.goldens(&["run", "--timeout", "600"]).fails().says(&["timed out after 0.5 s"]);
    project.goldens(&["show", "m/loops"]).passes().says(&["timeout     0.5 s"]);
    // Under `cargo test` many cases share one process.
    let said = project.goldens(&[]).fails();
    said.says(&[
        "timed out after 0.5 s",
        "test a/double        ... ok",
        "test z/double        ... ok",
        "3 passed; 1 failed",
    ]);

    project.case_below("goldens", "m/loops", "waits", r#", "timeout": 30, "params": { "ms": 1500 }"#);
    let said = project.goldens(&["run", "--timeout", "0.2"]).fails();
    said.says(&["unrecorded  m/loops", "1 of 3 cases failed"]);
    for wrong in ["0", "-1", "\"1\"", "null"] {
        project.case_below("goldens", "m/loops", "loops", &format!(r#", "timeout": {wrong}"#));
        let said = project.goldens(&["run", "--timeout", "0.2"]).fails();
        match wrong {
            "null" => said.says(&["timed out after 0.2 s"]),
            _ => said.says(&["case.json: timeout: "]),
        };
    }
}

/// A run as JSON, without times.
fn run(project: &Project, arguments: &[&str]) -> Value {
    let said = project.goldens(&[&["run", "--json"], arguments].concat());
    let mut run: Value = serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{error}: {}", said.all()));
    strip(&mut run);
    run
}

/// Takes out what differs from run to run: times, and the command that repeats what was typed.
fn strip(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|name, _| !["elapsed_seconds", "next", "sha256"].contains(&name.as_str()));
            object.values_mut().for_each(strip);
        }
        Value::Array(array) => array.iter_mut().for_each(strip),
        _ => {}
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_isolated_case_measures_records_and_saves_the_same() {
    let project = project("same");
    project.case("m/new", "double");
    project.case("m/off", "off");
    project.case("m/panics", "panics");
    project.case("m/unknown", "nothing of this name");
    project.case_below("goldens", "m/skipped", "double", r#", "skip": "waits""#);
    project.case("m/missing", "double");
    project.remove("goldens/m/missing");
    project.write("goldens/m/missing/case.json", &project.read("goldens/m/new/case.json"));
    let stored = project.read("snapshots/z/double/y.snap");
    project.write("snapshots/z/double/y.snap", &stored.replace("mean: 4", "mean: 3"));
    project.write("snapshots/gone/y.snap", &stored);
    let clean = || {
        std::fs::remove_dir_all(project.path("target")).ok();
        project.write("target/karat/m/off/y.npy", "of an earlier run");
        std::fs::remove_file(project.path("snapshots/m/new/y.snap.new")).ok();
    };
    let files = || (project.files("snapshots"), project.files("target"));
    for more in [&["--chained"][..], &["--repeat", "3"], &["--accuracy-only"], &["--executor", "other"], &[]] {
        clean();
        let here = (run(&project, more), files());
        clean();
        let apart = (run(&project, &[&["--isolate"], more].concat()), files());
        assert_eq!(here.0, apart.0, "{more:?}");
        assert!(here.1 == apart.1, "{more:?} {:?} {:?}", here.1.1.keys(), apart.1.1.keys());
        assert!(here.0["total"].as_u64() >= Some(8), "{}", here.0);
    }
    assert!(project.names("snapshots").contains(&"m/new/y.snap.new".to_owned()));
    assert!(project.names("target/karat").contains(&"m/off/y.npy".to_owned()));
}

#[cfg(target_os = "linux")]
#[test]
fn a_chained_run_is_isolated_too() {
    let project = Project::new("chained_apart", &[CRASHING]);
    project.case("c/1", "off");
    project.case_below("goldens", "c/2", "aborts later", "");
    project.tensor("goldens/c/2/x.npy", &[2.0, 4.0, 6.0]);
    project.tensor("goldens/c/2/y.npy", &[4.0, 8.0, 12.0]);
    project.replace("goldens/c/2/case.json", r#""x": "x.npy""#, r#""x": { "tensor": "x.npy", "from": "c/1:y" }"#);
    project.case("c/3", "double");
    project.tensor("goldens/c/3/x.npy", &[4.0, 8.0, 12.0]);
    project.tensor("goldens/c/3/y.npy", &[8.0, 16.0, 24.0]);
    project.replace("goldens/c/3/case.json", r#""x": "x.npy""#, r#""x": { "tensor": "x.npy", "from": "c/2:y" }"#);
    let said = project.goldens(&["run", "--chained", "--isolate"]).fails();
    said.says(&[
        "in the chained run the checkpoint was terminated by SIGABRT",
        "unrecorded  c/2",
        "unrecorded  c/3",
        "mismatch    c/1",
    ]);
}

#[test]
fn an_exit_does_not_pass_when_cases_share_a_process() {
    let project = project("exits");
    project.case("m/exits", "exits");
    let said = project.goldens(&[]).fails();
    said.says(&["a checkpoint called exit", "m/exits"]);
    for verb in [&["run"][..], &["matrix"], &["explain", "m/exits"]] {
        let said = project.goldens(verb).fails();
        said.says(&["a checkpoint called exit", "m/exits"]);
    }
}

#[cfg(unix)]
#[test]
fn nextest_fails_each_case_alone() {
    let project = project("nextest_crashes");
    for checkpoint in ["aborts", "exits", "segfaults"] {
        project.case(&id(checkpoint), checkpoint);
    }
    project.case_below("goldens", "m/loops", "loops", r#", "timeout": 0.5"#);
    let said = project.cargo(&["nextest", "run", "--no-fail-fast", "--color", "never"]).fails();
    said.says(&[
        "7 tests run: 3 passed, 4 failed",
        "m/aborts",
        "(test aborted with signal 6: SIGABRT)",
        "a checkpoint called exit",
        "timed out after 0.5 s",
        "SIGSEGV",
    ]);
}
