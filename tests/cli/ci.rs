//! In CI nothing is written into the tree, whatever comes out.

use std::collections::BTreeSet;

use crate::project::Project;

/// A case of every verdict, and what an earlier run has left for review.
fn every_verdict() -> Project {
    let project = Project::good();
    for id in ["drift", "gone", "lost", "off", "worse"] {
        project.case(id, |_| {});
    }
    project.accept_all();
    // Another reference, within its tolerance.
    project.edit("drift", |case| case["tolerance"] = serde_json::json!({ "y": { "atol": 1, "rtol": 0 } }));
    project.remove("goldens/gone");
    project.remove("goldens/lost/y.npy");
    project.tensor("goldens/off/y.npy", &[1, 2], vec![-1.0f32, 2.75]);
    project.write("goldens/worse/case.json", "{");
    project.case("new", |_| {});
    project.case("later", |case| case["skip"] = "not captured yet".into());
    for id in ["good", "off", "worse", "later", "new", "drift"] {
        project.write(&format!("snapshots/{id}/y.snap.new"), "left by an earlier run");
    }
    project.remove("target");
    project
}

#[test]
fn a_failing_run_of_every_verdict_leaves_the_tree_as_it_is() {
    let verdicts = ["broken", "missing", "mismatch", "orphaned", "unrecorded", "drift", "skipped", "pass"];
    for (variables, arguments) in [
        (&[][..], &["run", "--ci"][..]),
        (&[("CI", "true")], &["run"]),
        (&[("TF_BUILD", "True")], &["run", "--chained"]),
        (&[], &["run", "--ci", "--fail-fast", "-j", "1"]),
    ] {
        let project = every_verdict();
        let before = project.files("");
        let said = project.karat_with(variables, arguments).exits(1);
        if !arguments.contains(&"--fail-fast") {
            let told: BTreeSet<&str> = said.stdout.lines().filter_map(|line| line.split_whitespace().next()).collect();
            assert!(verdicts.iter().all(|verdict| told.contains(verdict)), "{}", said.stdout);
        }
        let after = project.files("");
        let names: Vec<&String> = after.keys().filter(|name| !name.starts_with("target/")).collect();
        assert_eq!(names, before.keys().collect::<Vec<_>>(), "{arguments:?}");
        assert!(before.iter().all(|(name, bytes)| after.get(name) == Some(bytes)), "{arguments:?}");
    }
    // Elsewhere it does write, or this would hold nothing.
    let project = every_verdict();
    let before = project.files("snapshots");
    project.karat(["run"]).exits(1);
    assert!(project.files("snapshots") != before);
}
