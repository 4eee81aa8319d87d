//! Ctrl-C and SIGTERM in the middle of a run: what finished is told, and what did not run is no pass.

use std::fs;
use std::process::{Child, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;

use super::project::{CRASHING, Project};

/// A project with a case that passes, one that does not end, and one behind it.
fn project(name: &str) -> Project {
    let project = Project::new(name, &[CRASHING]);
    project.case("a/double", "double");
    project.accept();
    project.case("m/loops", "loops");
    project.case("z/double", "double");
    project
}

/// Starts a run of one case at a time, and waits until the endless one runs: its process is the second.
fn start(project: &Project, arguments: &[&str]) -> (Child, u32) {
    fs::remove_dir_all(project.path("target/loops")).ok();
    let mut command = project.harness(&[&["run", "--json", "-j1"], arguments].concat());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("the program starts");
    (child, looping(project))
}

/// The process in which the endless case runs.
fn looping(project: &Project) -> u32 {
    let started = Instant::now();
    loop {
        assert!(started.elapsed() < Duration::from_secs(60), "the endless case does not begin");
        if let Some(name) = project.names("target/loops").first() {
            return name.parse().expect("the number of a process");
        }
        sleep(Duration::from_millis(10));
    }
}

fn send(signal: &str, process: u32) {
    let signal = if signal == "INT" { Signal::INT } else { Signal::TERM };
    kill_process(pid(process), signal).expect("a process of ours");
}

fn pid(process: u32) -> Pid {
    Pid::from_raw(process as i32).expect("the number of a process")
}

/// Waits for the end, which has to come.
fn end(child: Child) -> Output {
    let started = Instant::now();
    let output = child.wait_with_output().expect("a child");
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    output
}

/// Whether a process is there and has not ended.
fn runs(process: u32) -> bool {
    match fs::read_to_string(format!("/proc/{process}/stat")) {
        // One that has ended stays as a zombie until its parent asks for it.
        Ok(stat) => !stat.contains(") Z "),
        Err(_) => cfg!(not(target_os = "linux")) && test_kill_process(pid(process)).is_ok(),
    }
}

#[track_caller]
fn holds(output: &Output, signal: &str, status: i32) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{stderr}");
    let run: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {stderr}"));
    assert_eq!(run["verdict"], "broken");
    assert_eq!((&run["interrupted"], &run["not_run"]), (&signal.into(), &1.into()));
    let cases: Vec<(&str, &str)> = run["cases"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|case| (case["id"].as_str().expect("an id"), case["verdict"].as_str().expect("a verdict")))
        .collect();
    assert_eq!(cases, [("a/double", "pass"), ("m/loops", "broken")]);
    assert_eq!(run["cases"][1]["problems"][0]["kind"], "interrupted");
    assert_eq!(run["cases"][1]["problems"][0]["message"], format!("{signal} interrupted the run during this case"));
}

#[test]
fn finished_cases_are_reported_and_an_endless_case_delays_nothing() {
    let project = project("interrupted");
    for (arguments, signal, status) in
        [(&[][..], "INT", 130), (&[], "TERM", 143), (&["--isolate"], "INT", 130), (&["--isolate"], "TERM", 143)]
    {
        let (child, case) = start(&project, arguments);
        send(signal, child.id());
        holds(&end(child), &format!("SIG{signal}"), status);
        assert!(!runs(case), "{arguments:?} {signal}");
    }
    assert!(!project.path("snapshots/m").exists());
}

#[test]
fn a_second_signal_ends_the_run_at_once() {
    let project = project("interrupted_twice");
    let (child, _) = start(&project, &["--isolate"]);
    send("INT", child.id());
    sleep(Duration::from_millis(200));
    let started = Instant::now();
    send("TERM", child.id());
    let output = end(child);
    assert!(started.elapsed() < Duration::from_millis(1500), "{:?}", started.elapsed());
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(143), &[][..]));
}

#[cfg(target_os = "linux")]
#[test]
fn a_run_that_is_killed_leaves_no_process_behind() {
    let project = project("killed");
    let (mut child, case) = start(&project, &["--isolate"]);
    assert!(runs(case) && case != child.id());
    child.kill().expect("it runs");
    child.wait().expect("a child");
    let started = Instant::now();
    while runs(case) {
        assert!(started.elapsed() < Duration::from_secs(10), "it goes on");
        sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_chained_run_that_is_interrupted_tells_what_finished() {
    let project = project("interrupted_chained");
    let (child, _) = start(&project, &["--chained", "--isolate"]);
    send("INT", child.id());
    let output = end(child);
    assert_eq!(output.status.code(), Some(130));
    let run: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&run["chains"], run["total"].as_u64()), (&Value::Null, Some(2)));
}
