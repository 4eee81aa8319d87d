//! The snapshot gate on disk, through the real insta.
//!
//! Each test runs steps in a process of its own, because insta takes its settings from the environment: this test binary,
//! asked for [`child`] alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use karat::case::{CaseId, Goldens};
use karat::snapshot::{Caller, Facts, Recorder};
use karat::{Tensor, summarize};
use tempfile::TempDir;

#[path = "tools/mod.rs"]
mod tools;

/// A project in a temporary folder.
struct Project(TempDir);

/// What a process said.
struct CommandOutput {
    /// One line for each step.
    answers: Vec<String>,
    stdout: String,
    stderr: String,
}

impl Project {
    /// A cargo project with a case.
    fn new() -> Project {
        // cargo-insta does not enter hidden folders, as which temporary ones are otherwise made.
        let project = Project(tempfile::Builder::new().prefix("karat-").tempdir().expect("a temporary folder"));
        project.write("Cargo.toml", "[package]\nname = \"some\"\nversion = \"0.1.0\"\nedition = \"2021\"\n");
        project.write("src/lib.rs", "");
        project.write("goldens/a/case.json", "{}");
        project
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("folders");
        fs::write(path, content).expect("files");
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// Every file below a folder, sorted, relative to it.
    fn files(&self, folder: &str) -> Vec<String> {
        let root = self.path(folder);
        let entries = walkdir::WalkDir::new(&root).sort_by_file_name().into_iter().filter_map(Result::ok);
        let name = |path: &Path| path.strip_prefix(&root).expect("below").display().to_string();
        entries.filter(|entry| entry.file_type().is_file()).map(|entry| name(entry.path())).collect()
    }

    /// A process with nothing of insta in its environment but that its output is off.
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if matches!(name.to_str(), Some(name) if name.starts_with("INSTA_") || name == "CI" || name == "TF_BUILD") {
                command.env_remove(name);
            }
        }
        command.current_dir(self.0.path()).env("INSTA_OUTPUT", "none");
        command
    }

    /// Runs the steps with these variables.
    fn run_with(&self, variables: &[(&str, &str)], steps: &[&str]) -> CommandOutput {
        let mut command = self.command(std::env::current_exe().expect("a test is a program"));
        command.args(["--exact", "child", "--ignored", "--nocapture", "--test-threads=1"]);
        command.env("KARAT_TEST_STEPS", steps.join("\n")).env("KARAT_TEST_ROOT", self.0.path());
        let output = command.envs(variables.iter().copied()).output().expect("a process");
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{stdout}{stderr}");
        let root = self.0.path().display().to_string();
        let answers =
            stdout.lines().filter_map(|line| Some(line.split_once("=> ")?.1.replace(&root, "ROOT"))).collect();
        CommandOutput { answers, stdout: stdout.into_owned(), stderr: stderr.into_owned() }
    }

    fn run(&self, steps: &[&str]) -> Vec<String> {
        self.run_with(&[], steps).answers
    }

    /// Records and accepts output `y` of that case.
    fn accepted(&self, id: &str) -> String {
        assert_eq!(self.run(&[&format!("record {id}|y|0"), "accept"])[0], "Unrecorded");
        self.read(&format!("snapshots/{id}/y.snap"))
    }
}

/// Runs the steps that its parent wrote into the environment, and answers each with a line.
#[test]
#[ignore = "the other tests run it, as a process of its own"]
fn child() {
    let (Ok(steps), Ok(root)) = (std::env::var("KARAT_TEST_STEPS"), std::env::var("KARAT_TEST_ROOT")) else {
        return;
    };
    let root = PathBuf::from(root);
    for step in steps.lines() {
        println!("\n=> {}", answer(&root, step).unwrap_or_else(|error| format!("error: {error}")));
    }
}

fn answer(root: &Path, step: &str) -> karat::Result<String> {
    let goldens = std::env::var("KARAT_TEST_GOLDENS").unwrap_or("goldens".to_owned());
    let snapshots = std::env::var("KARAT_TEST_SNAPSHOTS").unwrap_or("snapshots".to_owned());
    let goldens = Goldens { root: root.join(goldens), snapshots: root.join(snapshots), below: PathBuf::new() };
    let recorder = Recorder::new(&goldens.root, &goldens.snapshots, Caller::Test)?;
    let (verb, rest) = step.split_once(' ').unwrap_or((step, ""));
    let words: Vec<&str> = rest.split('|').collect();
    match (verb, &*words) {
        ("record", [id, output, mean]) => {
            // What is pending for a case that is gone is not accepted.
            let case = CaseId::new(id)?.below(&goldens.root);
            fs::create_dir_all(&case).and_then(|()| fs::write(case.join("case.json"), "{}")).expect("a case");
            let recorded = record(&recorder, id, output, mean.parse().expect("a number"))?;
            Ok(format!("{recorded:?}"))
        }
        ("touch", [id, output]) => recorder.touch(&CaseId::new(id)?, output).map(|()| "touched".to_owned()),
        ("touch_all", [id]) => recorder.touch_all(&CaseId::new(id)?).map(|()| "touched".to_owned()),
        ("accept", [filter]) => {
            let accepted = recorder.accept(&goldens, Some(*filter).filter(|filter| !filter.is_empty()))?;
            let written = accepted.written.iter().map(|path| format!("wrote {}", path.display()));
            let refused = accepted.refused.iter().map(ToString::to_string);
            Ok(written.chain(refused).collect::<Vec<_>>().join(" | "))
        }
        ("orphans", known) => {
            let known = known.iter().filter(|known| !known.is_empty()).map(|known| match known.split_once(':') {
                Some((id, outputs)) => (id, Some(outputs.split(',').map(str::to_owned).collect::<BTreeSet<_>>())),
                None => (*known, None),
            });
            let known: karat::Result<BTreeMap<_, _>> =
                known.map(|(id, outputs)| Ok((CaseId::new(id)?, outputs))).collect();
            let orphans = recorder.orphans(&known?)?;
            let orphans: Vec<String> =
                orphans.iter().map(|orphan| format!("{} {}", orphan.id, orphan.output)).collect();
            Ok(format!("{orphans:?}"))
        }
        ("check", _) => recorder.check_settings().map(|()| "fine".to_owned()),
        ("project", _) => Ok(format!("{}", recorder.in_cargo_project())),
        ("threads", _) => {
            let names: Vec<String> = (0..8).map(|index| format!("case{index}")).collect();
            let recorder = &recorder;
            std::thread::scope(|scope| {
                let threads: Vec<_> = names
                    .iter()
                    .map(|name| scope.spawn(move || (0..20).all(|_| record(recorder, name, "y", 0.0).is_ok())))
                    .collect();
                let loud = scope.spawn(|| panic!("a panic of somebody else"));
                let _ = loud.join();
                Ok(format!("{}", threads.into_iter().all(|thread| thread.join().unwrap_or(false))))
            })
        }
        _ => panic!("no such step: {step}"),
    }
}

fn record(recorder: &Recorder, id: &str, output: &str, mean: f64) -> karat::Result<karat::snapshot::RecordOutcome> {
    let tensor = Tensor::new(&[4], vec![-1.0, 1.0, -1.0, 1.0f64]).expect("four");
    let mut summary = summarize(&tensor, None);
    (summary.mean, summary.std) = (Some(mean), Some(1.0));
    let facts = Facts {
        checkpoint: "double",
        params: &BTreeMap::new(),
        inputs: &BTreeMap::new(),
        reference: None,
        alternatives: &[],
        mask: None,
        rules: None,
        chained: None,
        summary: &summary,
        comparison: None,
    };
    recorder.record(&CaseId::new(id)?, output, &facts)
}

/// The text of the facts that [`record`] records.
const TEXT: &str = "karat: 1\ncheckpoint: double\nreference: none\ndtype: f64\nshape: [4]\nnan: 0\ninf: 0\n-inf: 0\n\
                    left out: 0\nmin: -1\nmax: 1\nmean: 0\nstd: 1\nl2: 2\n";

const DRIFT: &str = r#"Drift([Drift { quantity: "mean", stored: "0", measured: "0.5", band: "within 1.4e-14" }])"#;

/// Sets the time of last change to long ago, and says whether it still is.
fn age(path: PathBuf) -> impl Fn() -> bool {
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let file = File::options().append(true).open(&path).expect("a file");
    file.set_modified(long_ago).expect("its time can be set");
    move || fs::metadata(&path).and_then(|metadata| metadata.modified()).expect("a time") == long_ago
}

#[test]
fn an_unrecorded_summary_is_pending_and_names_its_case() {
    let project = Project::new();
    assert_eq!(project.run(&["record a|y|0"]), ["Unrecorded"]);
    assert_eq!(project.files("snapshots"), ["a/y.snap.new"]);
    // The whole file: insta's function behind the macro is not documented, and a change of it shows here.
    let header = "---\nsource: goldens/a/case.json\nassertion_line: 1\n---\n";
    assert_eq!(project.read("snapshots/a/y.snap.new"), format!("{header}{TEXT}"));
    assert_eq!(project.run(&["record a|y|0"]), ["Unrecorded"], "pending is not accepted");
}

#[test]
fn an_accepted_summary_passes() {
    let project = Project::new();
    let snapshot = project.accepted("a");
    assert_eq!(snapshot, format!("---\nsource: goldens/a/case.json\n---\n{TEXT}"));
    assert_eq!(project.run(&["record a|y|0"]), ["Pass"]);
    assert_eq!(project.files("snapshots"), ["a/y.snap"]);
}

#[test]
fn a_drift_is_pending_with_only_its_line_moved() {
    let project = Project::new();
    let snapshot = project.accepted("a");
    assert_eq!(project.run(&["record a|y|0.5"]), [DRIFT]);
    let expected = snapshot.replace("mean: 0", "mean: 0.5").replace("case.json\n", "case.json\nassertion_line: 1\n");
    assert_eq!(project.read("snapshots/a/y.snap.new"), expected);
    assert_eq!(project.read("snapshots/a/y.snap"), snapshot);
    assert_eq!(project.run(&["record a|y|1e-15"]), ["Pass"]);
    assert!(!project.has("snapshots/a/y.snap.new"), "a pass drops what an earlier run left for review");
}

#[test]
fn a_pass_changes_no_byte_whatever_the_settings_of_insta() {
    let project = Project::new();
    project.accepted("a");
    // A header from before the case moved, and the line endings of another system.
    let stale = project.read("snapshots/a/y.snap").replace("goldens/a", "old/place").replace('\n', "\r\n");
    for variables in [
        &[][..],
        &[("INSTA_UPDATE", "force"), ("INSTA_CARGO_INSTA", "1"), ("INSTA_FORCE_PASS", "1")],
        &[("INSTA_UPDATE", "always"), ("INSTA_CARGO_INSTA", "1")],
        &[("INSTA_REQUIRE_FULL_MATCH", "1")],
        &[("CI", "true")],
    ] {
        project.write("snapshots/a/y.snap", &stale);
        project.write("snapshots/a/y.snap.new", "from an earlier run");
        let is_old = age(project.path("snapshots/a/y.snap"));
        assert_eq!(project.run_with(variables, &["record a|y|1e-15"]).answers, ["Pass"], "{variables:?}");
        assert_eq!(project.read("snapshots/a/y.snap"), stale);
        assert!(is_old(), "{variables:?}");
        // In CI what an earlier run left for review stays where it is too.
        let left = if variables.contains(&("CI", "true")) { &["a/y.snap", "a/y.snap.new"][..] } else { &["a/y.snap"] };
        assert_eq!(project.files("snapshots"), left, "{variables:?}");
    }
}

#[test]
fn insta_updates_at_once_where_its_driver_says_so_and_it_is_still_drift() {
    let project = Project::new();
    project.accepted("a");
    let forced = [("INSTA_UPDATE", "force"), ("INSTA_CARGO_INSTA", "1"), ("INSTA_FORCE_PASS", "1")];
    assert_eq!(project.run_with(&forced, &["record a|y|0.5"]).answers, [DRIFT]);
    assert!(project.read("snapshots/a/y.snap").contains("\nmean: 0.5\n"));
    assert_eq!(project.run(&["record a|y|0.5"]), ["Pass"]);
}

#[test]
fn nothing_is_written_in_ci_nor_under_check() {
    let project = Project::new();
    let snapshot = project.accepted("a");
    for variables in
        [&[("CI", "true")][..], &[("TF_BUILD", "True")], &[("INSTA_UPDATE", "no"), ("INSTA_CARGO_INSTA", "1")]]
    {
        let said = project.run_with(variables, &["record a|y|0.5", "record new|y|0"]);
        assert_eq!(said.answers, [DRIFT, "Unrecorded"]);
        assert_eq!(project.files("snapshots"), ["a/y.snap"]);
        assert_eq!(project.read("snapshots/a/y.snap"), snapshot);
    }
}

#[test]
fn ids_that_would_flatten_to_one_name_are_two_files() {
    let project = Project::new();
    project.run(&["record a/b|y|0", "record a__b|y|0.5", "record a|b__y|0.25", "record a/b|a__y|0", "accept"]);
    assert_eq!(project.files("snapshots"), ["a/b/a__y.snap", "a/b/y.snap", "a/b__y.snap", "a__b/y.snap"]);
    assert_eq!(project.run(&["record a/b|y|0", "record a__b|y|0.5", "record a|b__y|0.25"]), ["Pass"; 3]);
}

#[test]
fn names_may_hold_spaces_dots_and_other_scripts() {
    let project = Project::new();
    let steps = ["record grüße und küsse/层|выход 1.5|0", "accept", "record grüße und küsse/层|выход 1.5|0"];
    assert_eq!(project.run(&steps)[2], "Pass");
    assert_eq!(project.files("snapshots"), ["grüße und küsse/层/выход 1.5.snap"]);
    let snapshot = project.read("snapshots/grüße und küsse/层/выход 1.5.snap");
    assert!(snapshot.starts_with("---\nsource: goldens/grüße und küsse/层/case.json\n---\n"), "{snapshot}");
}

#[test]
fn an_output_that_names_no_file_is_refused() {
    let project = Project::new();
    assert_eq!(
        project.run(&["record a|x/y|0", "touch a|", "touch a|x\\y"]),
        [
            "error: `x/y` is not a valid name; it must be usable as a file name on every system",
            "error: `` is not a valid name; it must be usable as a file name on every system",
            "error: `x\\\\y` is not a valid name; it must be usable as a file name on every system: Windows reserves the characters < > : \" | ? * \\; rename it to `x_y`",
        ]
    );
    assert!(!project.has("snapshots"));
}

#[test]
fn a_damaged_snapshot_is_an_error_and_stays_as_it_is() {
    let project = Project::new();
    let snapshot = project.accepted("a");
    let remedy = "restore it from version control, or delete it, run again and accept the new snapshot";
    let missing = format!("error: ROOT/snapshots/a/y.snap: the line \"l2\" is missing; {remedy}");
    for (damaged, said) in [
        (
            snapshot.replace("mean: 0\n", "<<<<<<< ours\nmean: 0\n=======\nmean: 0.5\n>>>>>>> theirs\n"),
            "error: ROOT/snapshots/a/y.snap: line 15 contains a merge conflict; resolve it by hand, or delete the file, run \
             again and accept the new snapshot"
                .to_owned(),
        ),
        (snapshot.replace("l2: 2\n", ""), missing),
        (
            snapshot.replace("mean: 0", "mean: nought"),
            format!(
                "error: ROOT/snapshots/a/y.snap: line 15 has \"nought\" for \"mean\", which karat cannot read; {remedy}"
            ),
        ),
        (
            snapshot.trim_end().to_owned(),
            format!(
                "error: ROOT/snapshots/a/y.snap: it does not end with a newline, so it is incomplete; {remedy}"
            ),
        ),
        (
            String::new(),
            format!(
                "error: ROOT/snapshots/a/y.snap: line 1 is not the \"---\" that a snapshot begins with; {remedy}"
            ),
        ),
    ] {
        project.write("snapshots/a/y.snap", &damaged);
        for variables in [&[][..], &[("INSTA_UPDATE", "force"), ("INSTA_CARGO_INSTA", "1")]] {
            let is_old = age(project.path("snapshots/a/y.snap"));
            let answers = project.run_with(variables, &["record a|y|0", "touch a|y", "touch_all a"]).answers;
            assert_eq!(answers, [said.as_str(), "touched", "touched"]);
            assert!(is_old());
            assert_eq!(project.files("snapshots"), ["a/y.snap"]);
        }
    }
}

#[test]
fn a_header_that_insta_cannot_read_is_an_error() {
    let project = Project::new();
    let snapshot = project.accepted("a");
    project.write("snapshots/a/y.snap", &snapshot.replace("source:", "source: ["));
    let said = project.run(&["record a|y|0"]);
    assert!(said[0].contains("Failed parsing the YAML"), "{said:?}");
    project.write("snapshots/a/y.snap", &snapshot.replace("source:", "<<<<<<< ours\nsource:"));
    let said = project.run(&["record a|y|0"]);
    assert!(said[0].contains("y.snap: line 2 contains a merge conflict"), "{said:?}");
}

#[test]
fn a_snapshot_counts_as_referenced_whatever_the_verdict() {
    let project = Project::new();
    let snapshot = project.accepted("a");
    project.write("snapshots/broken/y.snap", &snapshot.replace("mean", ">>>>>>> theirs\nmean"));
    project.write("snapshots/b/x.snap", "");
    project.write("snapshots/b/y.snap", &snapshot);
    let list = project.path("references");
    let variables = [("INSTA_SNAPSHOT_REFERENCES_FILE", list.to_str().expect("a path"))];
    let referenced = |steps: &[&str]| {
        let _ = fs::remove_file(&list);
        project.run_with(&variables, steps);
        let lines: BTreeSet<PathBuf> =
            fs::read_to_string(&list).unwrap_or_default().lines().map(PathBuf::from).collect();
        lines.into_iter().collect::<Vec<_>>()
    };
    let path = |name: &str| project.path("snapshots").join(name);
    assert_eq!(referenced(&["record a|y|0"]), [path("a/y.snap")]);
    assert_eq!(referenced(&["record a|y|0.5"]), [path("a/y.snap")]);
    assert_eq!(referenced(&["record broken|y|0"]), [path("broken/y.snap")]);
    assert_eq!(referenced(&["touch broken|y"]), [path("broken/y.snap")]);
    assert_eq!(referenced(&["touch_all b"]), [path("b/x.snap"), path("b/y.snap")]);
    assert_eq!(referenced(&["touch none|y", "touch_all none"]), [] as [PathBuf; 0]);
}

#[test]
fn without_anything_to_record_nothing_is_pending() {
    let project = Project::new();
    project.accepted("a");
    project.run(&["record a|y|0.5", "record b|y|0", "touch a|y", "touch b|y"]);
    assert_eq!(project.files("snapshots"), ["a/y.snap"]);
    project.run(&["record a|y|0.5", "touch_all a"]);
    assert_eq!(project.files("snapshots"), ["a/y.snap"]);
}

#[test]
fn many_threads_record_at_once_and_the_panics_of_others_stay_loud() {
    let project = Project::new();
    let said = project.run_with(&[], &["threads"]);
    assert_eq!(said.answers, ["true"]);
    assert_eq!(project.files("snapshots").len(), 8);
    assert!(said.stderr.contains("a panic of somebody else"), "{}", said.stderr);
    assert!(!said.stderr.contains("snapshot assertion"), "{}", said.stderr);
}

#[test]
fn karat_works_while_insta_talks_and_refuses_an_output_that_insta_does_not_know() {
    let project = Project::new();
    let loud = project.run_with(&[("INSTA_OUTPUT", "diff")], &["record a|y|0"]);
    assert_eq!(loud.answers, ["Unrecorded"]);
    assert!(loud.stdout.contains("cargo insta review"), "{}", loud.stdout);
    let invalid = project.run_with(&[("INSTA_OUTPUT", "loud")], &["check"]);
    assert!(invalid.answers[0].starts_with("error: INSTA_OUTPUT is \"loud\""), "{:?}", invalid.answers);
}

#[test]
fn settings_are_checked_in_the_workspace_and_the_environment() {
    let project = Project::new();
    assert_eq!(project.run(&["check"]), ["fine"]);
    let always = [("INSTA_UPDATE", "always")];
    assert!(project.run_with(&always, &["check"]).answers[0].starts_with("error: INSTA_UPDATE=always"));
    project.write(".config/insta.yaml", "behavior:\n  force_pass: true\n");
    let said = project.run(&["check"]);
    assert!(said[0].starts_with("error: ROOT/.config/insta.yaml: `force_pass: true`"), "{said:?}");
    assert_eq!(project.run_with(&[("INSTA_CARGO_INSTA", "1")], &["check"]).answers, ["fine"]);
}

#[test]
fn a_configuration_that_insta_panics_at_is_an_error_for_every_case() {
    let project = Project::new();
    project.write("insta.yaml", "behavior:\n  output: loud\n");
    let said = project.run_with(&[("INSTA_OUTPUT", "")], &["record a|y|0", "record b|y|0"]);
    for answer in said.answers {
        assert!(answer.contains("insta cannot record it: Error building config"), "{answer}");
        assert!(answer.ends_with("invalid value for env var 'INSTA_OUTPUT'"), "{answer}");
    }
}

#[test]
fn a_file_in_place_of_a_folder_is_named() {
    let project = Project::new();
    project.write("snapshots", "not a folder");
    let said = "error: ROOT/snapshots: it is a file, but must be a folder of snapshots; move the file elsewhere";
    assert_eq!(project.run(&["record a|y|0", "accept", "orphans"]), [said; 3]);
    assert_eq!(project.run(&["touch a|y", "touch_all a"]), ["touched"; 2]);
    let deeper = Project::new();
    deeper.write("snapshots/a", "not a folder");
    let said = deeper.run(&["record a|y|0", "record b|y|0"]);
    assert!(said[0].starts_with("error: ROOT/snapshots/a: it is a file"), "{said:?}");
    assert_eq!(said[1], "Unrecorded", "no other case is stopped");
}

#[test]
fn a_folder_in_place_of_a_snapshot_is_an_error() {
    let project = Project::new();
    fs::create_dir_all(project.path("snapshots/a/y.snap")).expect("folders");
    let said = project.run(&["record a|y|0"]);
    assert!(said[0].starts_with("error: ROOT/snapshots/a/y.snap: it is a folder, not a file"), "{said:?}");
}

#[cfg(unix)]
#[test]
fn goldens_that_are_links_are_named_as_the_project_names_them() {
    let project = Project::new();
    let elsewhere = Project::new();
    std::os::unix::fs::symlink(elsewhere.path("goldens/a"), project.path("goldens/linked")).expect("a link");
    project.run(&["record linked|y|0", "accept"]);
    assert!(project.read("snapshots/linked/y.snap").starts_with("---\nsource: goldens/linked/case.json\n---\n"));
    std::os::unix::fs::symlink(project.0.path(), elsewhere.path("other")).expect("a link");
    let variables = [("KARAT_TEST_GOLDENS", "other/goldens"), ("KARAT_TEST_SNAPSHOTS", "snapshots")];
    elsewhere.run_with(&variables, &["record a|y|0"]);
    assert!(elsewhere.read("snapshots/a/y.snap.new").starts_with("---\nsource: goldens/a/case.json\n"));
}

#[test]
fn a_header_never_leads_out_of_the_workspace() {
    let project = Project::new();
    project.write("other/Cargo.toml", "[workspace]\n");
    let other = project.path("other");
    let chosen = [("INSTA_WORKSPACE_ROOT", other.to_str().expect("a path"))];
    project.run_with(&chosen, &["record a|y|0"]);
    assert!(project.read("snapshots/a/y.snap.new").starts_with("---\nsource: goldens/a/case.json\n"));
    let climbing = [("KARAT_TEST_GOLDENS", "src/../goldens"), ("KARAT_TEST_SNAPSHOTS", "src/../snapshots")];
    project.run_with(&climbing, &["record b|y|0"]);
    assert!(project.read("snapshots/b/y.snap.new").starts_with("---\nsource: goldens/b/case.json\n"));
}

#[test]
fn without_cargo_snapshots_work_and_cargo_insta_is_not_named() {
    let project = Project::new();
    assert_eq!(project.run(&["project"]), ["true"]);
    fs::remove_file(project.path("Cargo.toml")).expect("a file");
    assert_eq!(project.run(&["project"]), ["false"]);
    assert!(project.accepted("a").starts_with("---\nsource: goldens/a/case.json\n---\n"));
}

#[test]
fn a_pending_folder_takes_what_is_pending() {
    let project = Project::new();
    let folder = project.path("pending");
    let variables = [("INSTA_PENDING_DIR", folder.to_str().expect("a path"))];
    let said = project.run_with(&variables, &["record a|y|0", "accept", "record a|y|0.5"]);
    assert_eq!(said.answers, ["Unrecorded", "wrote ROOT/snapshots/a/y.snap", DRIFT]);
    assert_eq!(project.files("snapshots"), ["a/y.snap"]);
    assert_eq!(project.files("pending"), ["snapshots/a/y.snap.new"]);
    assert_eq!(project.run_with(&variables, &["record a|y|0"]).answers, ["Pass"]);
    assert_eq!(project.files("pending"), [] as [&str; 0]);
}

#[test]
fn a_pending_folder_cannot_take_what_is_outside_the_workspace() {
    let project = Project::new();
    let outside = Project::new();
    let snapshots = outside.path("snapshots");
    let variables = [("INSTA_PENDING_DIR", "pending"), ("KARAT_TEST_SNAPSHOTS", snapshots.to_str().expect("a path"))];
    let said = project.run_with(&variables, &["record a|y|0"]).answers;
    assert!(said[0].starts_with("error: INSTA_PENDING_DIR is set, but the snapshots in "), "{said:?}");
    assert!(said[0].ends_with("unset INSTA_PENDING_DIR"), "{said:?}");
}

#[test]
fn snapshots_without_a_case_or_output_are_orphans() {
    let project = Project::new();
    let snapshot = project.accepted("a");
    for name in ["a/z", "b/c/y", "unknown/y"] {
        project.write(&format!("snapshots/{name}.snap"), &snapshot);
    }
    project.write("snapshots/cut/y.snap", "---\nsource: goldens/cut/case.json\n---\n");
    project.write("snapshots/merged/y.snap", &snapshot.replace("---\nkarat", "---\n<<<<<<< ours\nkarat"));
    project.write("snapshots/karat__tests__one.snap", &snapshot.replace("/case.json", "/one.rs"));
    project.write("snapshots/insta/other.snap", "---\nsource: tests/other.rs\n---\nkarats\n");
    project.write("snapshots/pending/y.snap.new", &snapshot);
    assert_eq!(
        project.run(&["orphans a:y|unknown", "orphans a:y,z|unknown:x"]),
        [r#"["a z", "b/c y", "cut y", "merged y"]"#, r#"["b/c y", "cut y", "merged y", "unknown y"]"#]
    );
    assert_eq!(Project::new().run(&["orphans"]), ["[]"]);
}

#[test]
fn accepting_is_selective_and_lists_what_it_wrote() {
    let project = Project::new();
    assert_eq!(project.run(&["accept", "accept nothing"]), [""; 2]);
    project.run(&["record a/b|y|0", "record a/c|y|0", "record a/c|x|0"]);
    assert_eq!(
        project.run(&["accept z"]),
        [r#"error: no case id with a pending snapshot contains "z"; pending: a/b, a/c"#]
    );
    assert_eq!(project.run(&["accept a/c"]), ["wrote ROOT/snapshots/a/c/x.snap | wrote ROOT/snapshots/a/c/y.snap"]);
    assert_eq!(project.files("snapshots"), ["a/b/y.snap.new", "a/c/x.snap", "a/c/y.snap"]);
}

#[test]
fn accepting_refuses_in_ci() {
    let project = Project::new();
    project.run(&["record a|y|0"]);
    let said = project.run_with(&[("CI", "1")], &["accept"]).answers;
    assert!(said[0].starts_with("error: snapshots cannot be accepted in CI"), "{said:?}");
    assert_eq!(project.files("snapshots"), ["a/y.snap.new"]);
}

#[test]
fn a_damaged_pending_file_is_refused_and_keeps_no_other_from_being_accepted() {
    let project = Project::new();
    project.run(&["record a|y|0", "record b|y|0", "record c|y|0", "record d|y|0"]);
    let pending = project.read("snapshots/a/y.snap.new");
    project.write("snapshots/a/y.snap.new", &pending[..pending.len() - 3]);
    project.write("snapshots/b/y.snap.new", "");
    project.write("snapshots/d/y.snap.new", "---\nsource: goldens/d/case.json\n---\nsomething else\n");
    let said = project.run(&["accept"]);
    assert_eq!(
        said[0].split(" | ").collect::<Vec<_>>(),
        [
            "wrote ROOT/snapshots/c/y.snap",
            "ROOT/snapshots/a/y.snap.new: it was incomplete, as after a killed run, and has been deleted; run again",
            "ROOT/snapshots/b/y.snap.new: it was incomplete, as after a killed run, and has been deleted; run again",
            "ROOT/snapshots/d/y.snap.new: line 4 is \"something else\", but a karat snapshot begins with \"karat: 1\"; \
             delete it and run again",
        ]
    );
    assert_eq!(project.files("snapshots"), ["c/y.snap", "d/y.snap.new"]);
}

#[cfg(unix)]
#[test]
fn accepting_goes_through_no_link_and_keeps_ordinary_permissions() {
    use std::os::unix::fs::PermissionsExt as _;
    let project = Project::new();
    let snapshot = project.accepted("a");
    project.write("ordinary", "");
    let mode = |name: &str| fs::metadata(project.path(name)).expect("a file").permissions().mode();
    assert_eq!(mode("snapshots/a/y.snap"), mode("ordinary"));
    project.write("far/y.snap", &snapshot);
    fs::remove_file(project.path("snapshots/a/y.snap")).expect("a file");
    std::os::unix::fs::symlink(project.path("far/y.snap"), project.path("snapshots/a/y.snap")).expect("a link");
    let said = project.run(&["record a|y|0.5", "accept"]);
    assert!(
        said[1].contains("y.snap: it is a link to ") && said[1].contains("karat does not write through links"),
        "{said:?}"
    );
    assert_eq!(project.read("far/y.snap"), snapshot);
    assert_eq!(project.files("far"), ["y.snap"], "nothing is left beside it");
}

#[test]
fn accepting_writes_the_bytes_that_cargo_insta_writes() {
    let (ours, theirs) = (Project::new(), Project::new());
    let names = ["a", "grüße und küsse/层", "yes", "a: b # c"];
    for project in [&ours, &theirs] {
        project.accepted("a");
        for name in names {
            project.run(&[&format!("record {name}|y|0.5")]);
        }
    }
    ours.run(&["accept"]);
    let path = tools::path_with(&["cargo-insta"]);
    let output = theirs.command("cargo").args(["insta", "accept"]).env("PATH", path).output().expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(ours.files("snapshots"), theirs.files("snapshots"));
    for name in names {
        let name = format!("snapshots/{name}/y.snap");
        assert_eq!(ours.read(&name), theirs.read(&name));
        assert!(ours.read(&name).contains("mean: 0.5"));
    }
}
