//! Ctrl-C ends every run, also one that waits for what never comes.

use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::project::{KARAT, Project};

#[test]
fn a_report_that_nobody_reads_does_not_keep_a_run_from_ending() {
    let project = Project::good();
    assert!(project.command("mkfifo").arg("report").status().expect("there is a mkfifo").success());
    let mut command = project.command(KARAT);
    command.args(["run", "--json", "report"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let child = command.spawn().expect("the program starts");
    sleep(Duration::from_secs(1));
    let started = Instant::now();
    let sent = project.command("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(sent.expect("there is a kill").success());
    let ended = child.wait_with_output().expect("a child");
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    assert_eq!(ended.status.code(), Some(130), "{}", String::from_utf8_lossy(&ended.stderr));
}
