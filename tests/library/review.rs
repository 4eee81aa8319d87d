//! `cargo insta review` on a terminal.

use rexpect::session::{PtySession, spawn_command};

use super::project::{GOLDENS, Project};

/// How long each step of a review may take.
const PATIENCE: u64 = 120_000;

/// A review that waits for its first key.
fn review(project: &Project) -> PtySession {
    let mut command = project.command("cargo", &["insta", "review"]);
    command.env("TERM", "xterm").env_remove("NO_COLOR");
    let mut session = spawn_command(command, Some(PATIENCE)).expect("a terminal");
    session.exp_string("layers/double/y.snap").expect("the name of the snapshot");
    session.exp_string("goldens/layers/double/case.json").expect("the name of the case");
    session.exp_string("accept").expect("the keys");
    session
}

fn press(session: &mut PtySession, key: &str) {
    session.send(key).expect("a key");
    session.flush().expect("a terminal");
    session.exp_eof().expect("the end of the review");
}

#[test]
fn accepting_in_a_review_writes_the_snapshot_and_the_run_passes() {
    let project = Project::new("review_accept", &[GOLDENS]);
    project.case("layers/double", "double");
    project.goldens(&[]).fails();
    press(&mut review(&project), "a");
    assert_eq!(project.names("snapshots"), ["layers/double/y.snap"]);
    project.goldens(&[]).passes();
}

#[test]
fn skipping_in_a_review_leaves_it_pending() {
    let project = Project::new("review_skip", &[GOLDENS]);
    project.case("layers/double", "double");
    project.goldens(&[]).fails();
    press(&mut review(&project), "s");
    assert_eq!(project.names("snapshots"), ["layers/double/y.snap.new"]);
    project.goldens(&[]).fails();
}
