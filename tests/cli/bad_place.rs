//! A place that is wrong: snapshots that are none, cases that cannot be beside each other, folders that cannot be walked.

use std::fs;

use crate::project::Project;

/// A good case beside another one, both accepted.
fn two() -> Project {
    let project = Project::good();
    project.case("bad", |_| {});
    project.accept_all();
    project.karat(["run"]).exits(0);
    project
}

#[test]
fn a_snapshot_with_a_merge_conflict_is_broken() {
    let project = two();
    let snapshot = project.read("snapshots/bad/y.snap");
    let conflict =
        snapshot.replacen("\ncheckpoint:", "\n<<<<<<< HEAD\nmean: 1\n=======\n>>>>>>> other\ncheckpoint:", 1);
    assert_ne!(snapshot, conflict);
    project.write("snapshots/bad/y.snap", conflict);
    project
        .karat(["run"])
        .exits(1)
        .judges("good", "pass")
        .judges("bad", "broken")
        .says("snapshots/bad/y.snap: line")
        .says(
            "contains a merge conflict; resolve it by hand, or delete the file, run again and accept the new snapshot",
        );
}

#[test]
fn a_snapshot_that_is_not_karats_is_broken() {
    let project = two();
    project.write("snapshots/bad/y.snap", "---\nsource: x\n---\nhello\n");
    project.karat(["run"]).exits(1).judges("good", "pass").judges("bad", "broken").says("snapshots/bad/y.snap: line 4");
    project.write("snapshots/bad/y.snap", "");
    project.karat(["run"]).exits(1).judges("good", "pass").judges("bad", "broken").says("snapshots/bad/y.snap: ");
}

#[test]
fn a_file_where_the_snapshots_of_a_case_should_be_breaks_that_case() {
    let project = Project::good();
    project.case("bad", |_| {});
    project.write("snapshots/bad", "");
    project
        .karat(["run"])
        .exits(1)
        .judges("good", "pass")
        .judges("bad", "broken")
        .says("snapshots/bad: it is a file, but must be a folder of snapshots; move the file elsewhere");
}

#[test]
fn a_file_where_the_snapshots_folder_should_be_breaks_every_case() {
    let project = Project::good();
    project.remove("snapshots");
    project.write("snapshots", "");
    project
        .karat(["run"])
        .exits(1)
        .judges("good", "broken")
        .says("snapshots: it is a file, but must be a folder of snapshots; move the file elsewhere");
    project.karat(["accept"]).exits(2).says("it is a file, but must be a folder of snapshots");
    assert_eq!(project.read("snapshots"), "");
}

#[test]
fn a_snapshot_without_a_case_is_orphaned() {
    let project = two();
    project.remove("goldens/bad");
    let said = project.karat(["run"]).exits(1).judges("good", "pass").judges("bad", "orphaned");
    assert_eq!(said.command("to delete it"), "rm snapshots/bad/y.snap");
    project.remove("snapshots/bad");
    project.karat(["run"]).exits(0);
}

#[test]
fn a_snapshot_of_an_output_that_is_gone_is_orphaned() {
    let project = two();
    project.write("snapshots/bad/z.snap", project.read("snapshots/bad/y.snap"));
    project.karat(["run"]).exits(1).judges("good", "pass").judges("bad", "orphaned").says("orphaned bad › z");
}

/// Only where the file system can hold both.
#[cfg(target_os = "linux")]
#[test]
fn cases_whose_names_differ_in_case_alone_are_refused() {
    let project = Project::good();
    project.case("suite/bad", |_| {});
    project.case("suite/BAD", |_| {});
    project
        .karat(["run"])
        .exits(1)
        .judges("good", "pass")
        .judges("suite/bad", "broken")
        .judges("suite/BAD", "broken")
        .says("the folders suite/BAD and suite/bad differ only in case; rename all but one");
    project.case("Suite/bad", |_| {});
    project.karat(["run"]).exits(1).says("the folders Suite and suite differ only in case");
}

#[test]
fn a_case_in_the_root_itself_is_refused() {
    let project = Project::good();
    project.write("goldens/case.json", "{}");
    project
        .karat(["run"])
        .exits(1)
        .judges("good", "pass")
        .judges("case.json", "broken")
        .says("goldens/case.json: a case is a folder below the root; move it into one");
}

#[test]
fn a_folder_named_case_json_is_a_broken_case() {
    let project = Project::good();
    fs::create_dir_all(project.path("goldens/bad/case.json")).expect("a folder");
    project
        .karat(["run"])
        .exits(1)
        .judges("good", "pass")
        .judges("bad", "broken")
        .says("goldens/bad/case.json: is a folder, not a file");
}

#[cfg(unix)]
mod links {
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    use std::process::Command;

    use super::*;

    #[test]
    fn a_link_to_an_ancestor_is_reported_and_not_followed() {
        let project = Project::good();
        fs::create_dir(project.path("goldens/loop")).expect("a folder");
        symlink("..", project.path("goldens/loop/again")).expect("a link");
        project
            .karat(["run"])
            .exits(1)
            .judges("good", "pass")
            .judges("loop/again", "broken")
            .says("goldens/loop/again: is a link to its own ancestor goldens; remove it");
    }

    /// Nothing is written where a link of the tree leads: into a file of the reader's, or a folder.
    #[test]
    fn nothing_is_written_through_a_link() {
        let project = Project::good();
        project.case("new", |case| case["params"]["note"] = "$(touch x)".into());
        project.case("far", |_| {});
        project.case("wrong", |case| case["params"]["eps"] = 1.into());
        project.write("precious", "precious\n");
        fs::create_dir_all(project.path("elsewhere")).expect("a folder");
        fs::create_dir_all(project.path("snapshots/new")).expect("a folder");
        fs::create_dir_all(project.path("target")).expect("a folder");
        symlink(project.path("precious"), project.path("snapshots/new/y.snap.new")).expect("a link");
        symlink(project.path("elsewhere"), project.path("snapshots/far")).expect("a link");
        symlink(project.path("elsewhere"), project.path("target/karat")).expect("a link");
        project
            .karat(["run"])
            .exits(1)
            .judges("new", "unrecorded")
            .judges("far", "broken")
            .judges("wrong", "mismatch")
            .says("snapshots/far: it is a link to")
            .says("karat does not write through links; replace it with a file or folder")
            .says("actual saved to target/karat/wrong/y.npy");
        assert_eq!(project.read("precious"), "precious\n");
        assert_eq!(project.files("elsewhere").len(), 0);
        assert!(!project.path("snapshots/new/y.snap.new").is_symlink() && !project.path("target/karat").is_symlink());
        assert!(project.has("target/karat/wrong/y.npy") && project.has("target/karat/failed.json"));

        project.write("elsewhere/y.snap.new", project.read("snapshots/new/y.snap.new"));
        project.karat(["accept", "far"]).exits(1).says("snapshots/far: it is a link to");
        assert_eq!(project.files("elsewhere").len(), 1);
        symlink(project.path("elsewhere"), project.path("goldens/out")).expect("a link");
        let add = ["add", "out/case", "--checkpoint", "layer_norm", "--output", "y=goldens/good/y.npy"];
        project.karat(add).exits(2).says("goldens/out: it is a link to");
        assert_eq!(project.files("elsewhere").len(), 1);
    }

    #[test]
    fn a_dangling_link_is_reported() {
        let project = Project::good();
        symlink("nowhere", project.path("goldens/bad")).expect("a link");
        project
            .karat(["run"])
            .exits(1)
            .judges("good", "pass")
            .judges("bad", "broken")
            .says("goldens/bad: is a link to nowhere, which does not exist; restore");
    }

    #[test]
    fn a_case_json_or_suite_json_that_is_a_pipe_is_waited_for_by_nobody() {
        for name in ["case.json", "suite.json"] {
            let project = Project::good();
            project.case("bad", |_| {});
            let file = project.path(&format!("goldens/bad/{name}"));
            fs::remove_file(&file).ok();
            assert!(Command::new("mkfifo").arg(file).status().expect("mkfifo").success());
            project
                .karat(["run"])
                .exits(1)
                .judges("good", "pass")
                .judges("bad", "broken")
                .says(&format!("goldens/bad/{name}: is a named pipe, not a file"));
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_folder_whose_name_is_not_utf_8_is_refused() {
        let project = Project::good();
        let folder = project.path("goldens").join(std::ffi::OsStr::from_bytes(b"b\xffd"));
        fs::create_dir(&folder).expect("a folder");
        fs::write(folder.join("case.json"), "{}").expect("a file");
        project
            .karat(["run"])
            .exits(1)
            .judges("good", "pass")
            .judges("b\u{fffd}d", "broken")
            .says("case folder \"b\\xFFd\" has a name that is not UTF-8");
    }
}

#[test]
fn a_misspelled_case_json_is_reported() {
    let project = Project::good();
    project.write("goldens/other/Case.json", "{}");
    project.karat(["run"]).exits(1).judges("good", "pass").judges("other", "broken").says("call it case.json");
}

#[test]
fn a_misspelled_suite_json_is_reported_and_not_ignored() {
    let project = Project::good();
    project.write("goldens/suite.JSON", r#"{"karat": 1, "tolerance": {"*": {"atol": 1e-30, "rtol": 0}}}"#);
    let said = project.karat(["run"]).exits(1).judges("good", "pass").judges("suite.JSON", "broken");
    said.says("goldens/suite.JSON: is not recognized as a suite; call it suite.json");
    project.remove("goldens/suite.JSON");
    // Beside the right one too: another system has room for one of them.
    project.write("goldens/good/Case.json", "{}");
    project.karat(["run"]).exits(1).judges("good", "broken").says("call it case.json");
}

#[cfg(unix)]
#[test]
fn a_case_whose_folder_another_system_cannot_have_is_broken_and_gets_a_name_that_it_can() {
    for (id, instead) in [
        ("aux", "aux_"),
        ("suite/con.v1", "con_.v1"),
        ("a:b", "a_b"),
        ("what?/x", "what_"),
        ("trail.", "trail"),
        ("trail ", "trail"),
        ("e\u{301}", "\u{e9}"),
    ] {
        let project = Project::good();
        project.case(id, |_| {});
        let said = project.karat(["run", "--ci"]).exits(1).judges("good", "pass").judges(id, "broken");
        said.says("is not a valid name; it must be usable as a file name on every system")
            .says(&format!("rename it to `{instead}`"));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn folders_that_are_one_in_another_unicode_form_or_by_a_suite_alone_are_twins() {
    let project = Project::good();
    project.case("caf\u{e9}/a", |_| {});
    project.case("cafe\u{301}/b", |_| {});
    let said = project.karat(["run"]).exits(1).judges("good", "pass").judges("caf\u{e9}/a", "broken");
    said.judges("cafe\u{301}/b", "broken").says("differ only in case or Unicode form; rename all but one");

    let project = Project::good();
    project.write("goldens/Good/suite.json", r#"{"karat": 1, "skip": "only where case does not matter"}"#);
    project.karat(["run"]).exits(1).judges("good", "broken").says("Good and good differ only in case");
}

#[test]
fn a_tensor_file_that_another_system_cannot_have_or_has_once_is_refused_by_name() {
    let project = Project::good();
    for (file, said) in [
        ("aux.npy", "`aux.npy` is not a valid name"),
        ("ab:c.npy", "rename it to `ab_c.npy`"),
        ("e\u{301}.npy", "NFC"),
        ("X.npy", "good/X.npy and good/x.npy differ only in case"),
    ] {
        project.edit("good", |case| case["outputs"]["y"] = file.into());
        project.karat(["run"]).exits(1).judges("good", "broken").says(said);
    }
}

#[test]
fn a_name_without_end_costs_no_time_and_few_words() {
    let long = "x".repeat(5_000_000);
    for field in ["checkpoint", "params", "outputs", "inputs", "skip", "from", "timeout", "tolerance"] {
        let project = Project::good();
        project.edit("good", |case| match field {
            "checkpoint" => case["checkpoint"] = long.as_str().into(),
            "skip" => case["skip"] = long.as_str().into(),
            "from" => case["inputs"]["x"] = serde_json::json!({ "tensor": "x.npy", "from": long.as_str() }),
            "timeout" => case[&long] = 1.into(),
            field => case[field][&long] = 1.into(),
        });
        let started = std::time::Instant::now();
        let said = project.karat(["run"]).exits(1).judges("good", "broken");
        assert!(said.stdout.len() < 3000, "{field}: {} bytes", said.stdout.len());
        assert!(started.elapsed().as_secs() < 10, "{field}");
    }
}

#[test]
fn a_folder_of_a_case_may_be_as_long_as_any_name() {
    let project = Project::empty();
    let (longest, long) = ("n".repeat(200), "n".repeat(201));
    project.case(&format!("s/{longest}"), |_| {});
    project.case(&format!("{long}/c"), |_| {});
    let said = project.karat(["run"]).exits(1);
    said.says("is not a valid name: it is 201 bytes long; the limit is 200").says("1 broken, 1 unrecorded");
}

#[test]
fn thousands_of_entries_in_one_case_take_linear_time() {
    let project = Project::empty();
    project.case("c", |case| {
        let params = case["params"].as_object_mut().expect("an object");
        params.extend((0..20_000).map(|at| (format!("p{at}"), at.into())));
    });
    project.accept_all();
    project.edit("c", |case| case["params"]["eps"] = 1e-9.into());
    let started = std::time::Instant::now();
    project.karat(["run", "-q"]).exits(1).judges("c", "drift");
    assert!(started.elapsed().as_secs() < 10);

    let alternatives: Vec<String> = (0..10_000).map(|at| format!("{at}.npy")).collect();
    project.edit("c", |case| case["outputs"]["y"] = serde_json::json!({ "tensor": "y.npy", "or": alternatives }));
    project.karat(["run"]).exits(1).says("outputs: names 10001 tensors; the limit is 10000");
}

#[cfg(unix)]
#[test]
fn links_that_double_at_every_level_are_refused_and_what_else_there_is_runs() {
    let project = Project::good();
    for level in 0..30 {
        let folder = project.path(&format!("far/{level}"));
        std::fs::create_dir_all(&folder).expect("a folder");
        for name in ["a", "b"] {
            std::os::unix::fs::symlink(format!("../{}", level + 1), folder.join(name)).expect("a link");
        }
    }
    project.write("far/30/note", "");
    for level in [0, 3, 15] {
        project.case("moved", |_| {});
        std::fs::rename(project.path("goldens/moved"), project.path(&format!("far/{level}/c"))).expect("moved");
    }
    std::os::unix::fs::symlink("../far/0", project.path("goldens/deep")).expect("a link");
    let said = project.karat(["run", "--ci", "--json", "r.json"]).exits(1).judges("good", "pass");
    let said = said.judges("deep", "broken").says("goldens/deep: there are too many links behind this link; remove it");
    // None behind it runs, whichever the walk came to.
    said.says("1 of 2 cases failed").keeps_quiet_of("deep/c");
    project.karat(["run", "--ci", "--json", "r.json"]).exits(1);
    project.karat(["doctor"]).exits(1).says("there are too many links behind this link");
}

#[cfg(unix)]
#[test]
fn a_target_folder_among_goldens_or_snapshots_is_refused_and_nothing_is_written_there() {
    for folder in ["goldens", "goldens/good", "snapshots"] {
        let project = Project::good();
        project.edit("good", |case| case["params"]["eps"] = 1.into());
        std::os::unix::fs::symlink(folder, project.path("target")).expect("a link");
        let before = project.files(folder);
        project.karat(["run"]).exits(2).says("target is inside").says("remove the link, or set CARGO_TARGET_DIR");
        assert!(project.files(folder) == before);
        project.remove("target");
        project.karat(["run", "--snapshots", "."]).exits(2).says("target is inside").keeps_quiet_of("link");
        let elsewhere = [("CARGO_TARGET_DIR", "elsewhere")];
        project.karat_with(&elsewhere, ["run"]).exits(1).judges("good", "mismatch");
        assert!(project.has("elsewhere/karat/good/y.npy") && project.files(folder) == before);
    }
}

#[cfg(unix)]
#[test]
fn snapshots_that_a_link_has_outside_of_the_project_are_written_only_where_they_are_named() {
    let outside = Project::empty();
    for (target, exists) in [(outside.path("nowhere"), false), (outside.path("goldens"), true)] {
        let project = Project::empty();
        project.case("new", |_| {});
        std::os::unix::fs::symlink(&target, project.path("snapshots")).expect("a link");
        for arguments in [&["run"][..], &["run", "goldens/new"], &["accept", "--all"], &["doctor"]] {
            let said = project.karat(arguments).exits(2).says("snapshots is a link to").says("outside of the project");
            said.says("or name the folder with --snapshots DIR");
        }
        project.karat(["list"]).exits(0).says("new");
        assert_eq!(outside.files("").len(), 0);
        if exists {
            project.karat(["run", "--snapshots", "snapshots"]).exits(1).judges("new", "unrecorded");
            assert!(outside.has("goldens/new/y.snap.new"));
        }
    }
    // A link to another place in the project is one of its folders.
    let project = Project::empty();
    project.case("new", |_| {});
    std::fs::create_dir_all(project.path("data/accepted")).expect("a folder");
    std::os::unix::fs::symlink("data/accepted", project.path("snapshots")).expect("a link");
    project.karat(["run"]).exits(1).judges("new", "unrecorded");
    assert!(project.has("data/accepted/new/y.snap.new"));
}
