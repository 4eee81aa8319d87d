//! Several karats on one tree at the same time, and karats that are killed: every accepted snapshot is whole.

use std::collections::BTreeSet;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::Duration;

use serde_json::json;

use super::project::{Files, KARAT, Project};

/// How many cases there are to race for.
const CASES: usize = 24;

/// What the accepted snapshots may hold, each by its name.
struct Texts([Files; 2]);

/// A tree without accepted snapshots, and its snapshots for two tolerances.
fn tree() -> (Project, Texts) {
    let all = [0, 1].map(|at| {
        let project = project();
        loosen(&project, at);
        project.accept_all();
        project.files("snapshots")
    });
    assert_ne!(all[0], all[1]);
    assert_eq!(all[0].len(), CASES);
    (project(), Texts(all))
}

fn project() -> Project {
    let project = Project::empty();
    (0..CASES).for_each(|at| project.case(&format!("s/{at}"), |_| {}));
    project
}

/// Gives every case another tolerance: its snapshot is another, and longer or shorter.
fn loosen(project: &Project, at: usize) {
    let atol = [1e-5, 1e-4][at];
    let tolerance = json!({ "karat": 1, "tolerance": { "*": { "atol": atol, "rtol": 0 } } });
    project.write("goldens/s/suite.json", tolerance.to_string());
}

impl Texts {
    /// Holds that every accepted snapshot is one of those that there can be, to the last byte, and that nothing is left
    /// beside it but what is pending.
    #[track_caller]
    fn hold(&self, project: &Project) {
        for (name, bytes) in project.files("snapshots") {
            if name.ends_with(".snap") {
                let is_whole = self.0.iter().any(|texts| texts.get(&name) == Some(&bytes));
                assert!(is_whole, "{name}\n{}", String::from_utf8_lossy(&bytes));
            }
        }
    }
}

/// Starts karat, and does not wait for it.
fn start(project: &Project, arguments: &[&str]) -> Child {
    let mut command = project.command(KARAT);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("the program starts")
}

#[test]
fn runs_and_accepts_at_the_same_time_leave_every_snapshot_whole() {
    let (project, texts) = tree();
    let mut accepted = BTreeSet::new();
    for round in 0..12 {
        loosen(&project, round % 2);
        let verbs = [&["run"][..], &["run", "--isolate"], &["accept"], &["run", "--repeat", "2"], &["accept"]];
        let mut started: Vec<Child> = verbs.iter().map(|verb| start(&project, verb)).collect();
        started.iter_mut().for_each(|child| {
            let code = child.wait().expect("it is a child").code();
            assert!(matches!(code, Some(0 | 1)), "{code:?}");
        });
        texts.hold(&project);
        accepted.extend(project.files("snapshots").into_keys().filter(|name| name.ends_with(".snap")));
    }
    assert_eq!(accepted.len(), CASES, "the accepts came to something");
    assert!(project.files("snapshots").keys().all(|name| !name.contains(".karat-")));
    project.karat(["run"]);
    project.karat(["accept"]);
    project.karat(["run"]).exits(0);
}

#[cfg(unix)]
#[test]
fn karats_that_are_killed_lose_nothing_that_was_accepted() {
    let (project, texts) = tree();
    let (mut killed, mut snapshots) = (0, 0);
    let mut kill = |verb: &str, after: u64| {
        let mut child = start(&project, &[verb]);
        sleep(Duration::from_millis(after));
        child.kill().expect("it runs, or has ended");
        killed += usize::from(child.wait().expect("it is a child").code().is_none());
        texts.hold(&project);
        let now = project.files("snapshots").keys().filter(|name| name.ends_with(".snap")).count();
        assert!(now >= snapshots, "{now} snapshots of {snapshots}");
        snapshots = now;
    };
    for round in 0..16 {
        loosen(&project, round % 2);
        kill("run", 10 + round as u64 * 5);
        // Now all of them are pending, and the accept is killed at another point of its way each time.
        project.karat(["run"]).exits(1);
        kill("accept", 4 + round as u64 * 5);
    }
    assert!(killed > 5, "{killed} were killed before they ended");
    // What is half written is no obstacle.
    project.karat(["run"]);
    project.karat(["accept"]).exits(0);
    project.karat(["run"]).exits(0);
}

#[test]
fn a_pending_snapshot_that_was_cut_short_is_dropped_with_a_word() {
    let project = Project::empty();
    project.case("a", |_| {});
    project.case("b", |_| {});
    project.karat(["run"]).exits(1);
    let whole = project.read("snapshots/a/y.snap.new");
    project.write("snapshots/a/y.snap.new", &whole[..whole.len() / 2]);
    project
        .karat(["accept"])
        .exits(1)
        .says("accepted snapshots/b/y.snap")
        .says("a/y.snap.new: it was incomplete, as after a killed run, and has been deleted; run again");
    assert!(!project.has("snapshots/a/y.snap.new") && !project.has("snapshots/a/y.snap"));
    project.karat(["run"]).exits(1);
    project.karat(["accept"]).exits(0);
    project.karat(["run"]).exits(0);
}

#[cfg(unix)]
#[test]
fn accepted_and_saved_files_replace_links_and_do_not_write_through_them() {
    let project = Project::good();
    project.edit("good", |case| case["params"]["eps"] = json!(0.5));
    project.tensor("goldens/good/y.npy", &[1, 2], vec![-0.8f32, 2.1]);
    let snapshot = project.read("snapshots/good/y.snap");
    // Another name of the same file, which has what was written into it and not what replaced it.
    let link = |of: &str, name: &str| std::fs::hard_link(project.path(of), project.path(name)).expect("a link");
    link("snapshots/good/y.snap", "old.snap");
    project.karat(["run"]).exits(1);
    let kept = project.files("target/karat").into_iter().find(|(name, _)| name.ends_with(".npy"));
    let kept = kept.expect("the actual tensor");
    link(&format!("target/karat/{}", kept.0), "old.npy");
    project.edit("good", |case| {
        case["tolerance"] = json!({ "y": { "atol": 1, "rtol": 0 } });
        case["params"]["eps"] = json!(0.25);
    });
    project.karat(["run"]).exits(1);
    assert_ne!(project.files("target/karat")[&kept.0], kept.1);
    project.karat(["accept"]).exits(0);
    assert_ne!(project.read("snapshots/good/y.snap"), snapshot);
    assert_eq!(project.read("old.snap"), snapshot);
    assert_eq!(project.files("")["old.npy"], kept.1);
}
