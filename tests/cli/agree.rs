//! What `run --ci` fails on without running anything, `doctor` names; and what it names of goldens and snapshots fails a run.

use std::fs;

use serde_json::{Value, json};

use crate::project::Project;

/// The kinds that fail a run too. The others are about git, tools, and what waits for a review.
const FAILING: [&str; 10] =
    ["empty", "broken", "pointers", "missing", "damaged", "disarmed", "orphaned", "unrecorded", "drift", "skipped"];

const LFS: &str = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n";

/// A change to a good project, and the kind of problem that doctor reports; `None` if neither reports any.
type Damage = (&'static str, fn(&Project), Option<&'static str>);

fn copy(project: &Project, to: &str) {
    project.write(to, project.read("snapshots/good/y.snap"));
}

fn append(project: &Project, file: &str, text: &str) {
    project.write(file, project.read(file) + text);
}

const DAMAGES: &[Damage] = &[
    ("nothing", |_| {}, None),
    ("no case", |p| p.remove("goldens/good/case.json"), Some("empty")),
    ("case.json is no JSON", |p| p.write("goldens/good/case.json", "{"), Some("broken")),
    ("case.json is a pointer", |p| p.write("goldens/good/case.json", LFS), Some("broken")),
    ("case.json by another name", |p| p.write("goldens/x/CASE.json", "{}"), Some("broken")),
    ("suite.json by another name", |p| p.write("goldens/Suite.json", "{}"), Some("broken")),
    ("suite.json is broken", |p| p.write("goldens/suite.json", "[]"), Some("broken")),
    ("idle tolerance", |p| p.write("goldens/suite.json", r#"{"karat": 1, "tolerance": {"z": {}}}"#), Some("broken")),
    ("a case in a hidden folder", |p| p.case(".hidden/c", |_| {}), Some("unrecorded")),
    ("a case that is new", |p| p.case("new", |_| {}), Some("unrecorded")),
    ("a case without a reference", |p| p.case("new", |case| case["outputs"] = json!({})), Some("unrecorded")),
    ("a tensor is gone", |p| p.remove("goldens/good/y.npy"), Some("missing")),
    ("an input is gone", |p| p.remove("goldens/good/x.npy"), Some("missing")),
    ("a tensor is a pointer", |p| p.write("goldens/good/y.npy", LFS), Some("pointers")),
    ("a tensor is cut short", |p| p.write("goldens/good/y.npy", "\u{93}NUMPY"), Some("damaged")),
    ("a link names no case", |p| from(p, "none:y"), Some("broken")),
    ("a link names no output", |p| from(p, "good:z"), Some("broken")),
    (
        "a link names another tensor",
        |p| {
            p.case("other", |case| case["skip"] = "not this one".into());
            from(p, "other:y");
        },
        Some("broken"),
    ),
    ("alternatives of floats", |p| or(p), Some("broken")),
    ("a snapshot is gone", |p| p.remove("snapshots/good/y.snap"), Some("unrecorded")),
    ("every snapshot is gone", |p| p.remove("snapshots"), Some("unrecorded")),
    ("a snapshot is no snapshot", |p| p.write("snapshots/good/y.snap", "// Jest Snapshot v1\n"), Some("damaged")),
    ("a snapshot is empty", |p| p.write("snapshots/good/y.snap", ""), Some("damaged")),
    ("a snapshot is a pointer", |p| p.write("snapshots/good/y.snap", LFS), Some("damaged")),
    ("a snapshot has a conflict", |p| append(p, "snapshots/good/y.snap", "<<<<<<< HEAD\n"), Some("damaged")),
    (
        "a snapshot has a header that insta stops at",
        |p| {
            p.write("snapshots/good/y.snap", p.read("snapshots/good/y.snap").replacen("---\n", "---\nx: .nan\n", 1));
        },
        Some("damaged"),
    ),
    (
        "a snapshot is a folder",
        |p| {
            p.remove("snapshots/good/y.snap");
            fs::create_dir(p.path("snapshots/good/y.snap")).expect("a folder");
        },
        Some("damaged"),
    ),
    (
        "the snapshots folder is a file",
        |p| {
            p.remove("snapshots");
            p.write("snapshots", "");
        },
        Some("broken"),
    ),
    ("a snapshot in the root", |p| copy(p, "snapshots/y.snap"), Some("orphaned")),
    ("a snapshot of a folder above", |p| copy(p, "snapshots/a/good/y.snap"), Some("orphaned")),
    ("a snapshot of another output", |p| copy(p, "snapshots/good/z.snap"), Some("orphaned")),
    ("a snapshot of no case", |p| copy(p, "snapshots/gone/y.snap"), Some("orphaned")),
    ("a snapshot deep below", |p| copy(p, "snapshots/good/deep/er/y.snap"), Some("orphaned")),
    ("a snapshot in a hidden folder", |p| copy(p, "snapshots/.hidden/y.snap"), Some("orphaned")),
    ("a snapshot in a folder that no case may have", |p| copy(p, "snapshots/aux/y.snap"), Some("orphaned")),
    ("a snapshot in capitals", |p| copy(p, "snapshots/gone/y.SNAP"), Some("orphaned")),
    ("an empty snapshot of no case", |p| p.write("snapshots/gone/y.snap", ""), Some("orphaned")),
    ("a pointer of no case", |p| p.write("snapshots/gone/y.snap", LFS), Some("orphaned")),
    ("a snapshot of jest in the root", |p| p.write("snapshots/foo.snap", "// Jest Snapshot v1\n"), None),
    ("a snapshot of jest in a suite", |p| p.write("snapshots/s/foo.snap", "// Jest Snapshot v1\n"), None),
    ("a snapshot of jest in a case", |p| p.write("snapshots/good/foo.snap", "// Jest Snapshot v1\n"), None),
    (
        "a snapshot of an ordinary test",
        |p| {
            p.write("snapshots/mod__name.snap", "---\nsource: tests/a.rs\n---\nkarat: 1\n");
        },
        None,
    ),
    ("a pending file", |p| p.write("snapshots/good/y.snap.new", p.read("snapshots/good/y.snap")), None),
    ("a pending file of no case", |p| p.write("snapshots/gone/y.snap.new", p.read("snapshots/good/y.snap")), None),
    ("a half-written file", |p| p.write("snapshots/good/.karat-abc.tmp", ""), None),
    ("another file", |p| p.write("snapshots/good/README.md", "---\nkarat: 1\n"), None),
    ("an empty folder", |p| fs::create_dir(p.path("snapshots/gone")).expect("a folder"), None),
    ("a case that is skipped", |p| edit(p, "skip", "slow".into()), Some("skipped")),
    ("a suite that is skipped", |p| suite(p, json!({ "skip": "slow" })), Some("skipped")),
    ("an unknown checkpoint", |p| edit(p, "checkpoint", "layer_nrm".into()), Some("broken")),
    ("another tolerance", |p| edit(p, "tolerance", json!({ "*": { "atol": 1e-3, "rtol": 0 } })), Some("drift")),
    ("another tolerance of a suite", |p| suite(p, json!({ "tolerance": { "*": { "max_ulps": 4 } } })), Some("drift")),
    (
        "another tolerance in a chain",
        |p| edit(p, "chained", json!({ "y": { "atol": 1e-3, "rtol": 0 } })),
        Some("drift"),
    ),
    ("another param", |p| edit(p, "params", json!({ "eps": 0, "more": 1 })), Some("drift")),
    ("a param less", |p| edit(p, "params", json!({ "eps": 1e-30 })), Some("drift")),
    ("another checkpoint in the snapshot", |p| replace(p, "checkpoint: layer_norm", "checkpoint: norm"), Some("drift")),
    ("another sha256 in the snapshot", |p| replace(p, "reference: sha256 ", "reference: sha256 0"), Some("damaged")),
    ("a line that no case has", |p| replace(p, "dtype: ", "param zeta: 1\ndtype: "), Some("drift")),
    ("another input", |p| p.tensor("goldens/good/x.npy", &[1, 2], vec![1.0f32, 5.0]), Some("drift")),
    ("a rule for NaN", |p| edit(p, "nan", "match".into()), Some("drift")),
    ("a reference with NaN", |p| p.tensor("goldens/good/y.npy", &[1, 2], vec![f32::NAN, 2.5]), Some("broken")),
    ("a mask of another shape", |p| mask(p, &[3]), Some("broken")),
    ("a mask that fits", |p| mask(p, &[1, 2]), Some("drift")),
    ("an input that is the case's own output", |p| from(p, "good:y"), Some("broken")),
    (
        "an input that is the case's own reference",
        |p| {
            edit(
                p,
                "inputs",
                json!({ "x": { "tensor": "y.npy", "from": "good:y" }, "weight": "weight.npy", "bias": "bias.npy" }),
            )
        },
        Some("broken"),
    ),
    (
        "a case without a reference and another param",
        |p| {
            p.case("good", |case| case["outputs"] = json!({}));
            p.remove("snapshots");
            p.accept_all();
            edit(p, "params", json!({ "eps": 1e-30 }));
        },
        Some("drift"),
    ),
    ("a setting of insta's", |p| p.write("insta.yaml", "behavior: {force_pass: true}"), Some("disarmed")),
];

#[cfg(unix)]
const LINKS: &[Damage] = &[
    ("a link to nowhere", |p| link(p, "nowhere", "snapshots/good/z.snap"), None),
    (
        "a snapshot is a link to nowhere",
        |p| {
            p.remove("snapshots/good/y.snap");
            link(p, "nowhere", "snapshots/good/y.snap");
        },
        Some("unrecorded"),
    ),
    ("a link to its own folder", |p| link(p, ".", "snapshots/good/loop"), None),
    ("a folder of goldens that is a link to itself", |p| link(p, ".", "goldens/loop"), Some("broken")),
    ("a link to a snapshot", |p| link(p, "../good/y.snap", "snapshots/x/y.snap"), Some("orphaned")),
    ("a snapshot is a device", |p| device(p, "snapshots/good/y.snap"), Some("damaged")),
    ("a device among the snapshots", |p| link(p, "/dev/zero", "snapshots/gone/y.snap"), None),
    ("case.json is a device", |p| device(p, "goldens/good/case.json"), Some("broken")),
    ("suite.json is a device", |p| link(p, "/dev/zero", "goldens/suite.json"), Some("broken")),
    ("a tensor is a device", |p| device(p, "goldens/good/y.npy"), Some("damaged")),
    ("a setting of insta's is a device", |p| link(p, "/dev/zero", ".config/insta.yaml"), Some("disarmed")),
    ("a manifest is a device", |p| link(p, "/dev/zero", "Cargo.toml"), None),
    #[cfg(target_os = "linux")]
    (
        "case.json has no end",
        |p| {
            p.remove("goldens/good/case.json");
            link(p, "/proc/self/pagemap", "goldens/good/case.json");
        },
        Some("broken"),
    ),
];

fn from(project: &Project, link: &str) {
    project.edit("good", |case| case["inputs"]["x"] = json!({ "tensor": "x.npy", "from": link }));
}

fn edit(project: &Project, field: &str, value: Value) {
    project.edit("good", |case| case[field] = value);
}

fn suite(project: &Project, fields: Value) {
    project.write("goldens/suite.json", fields.to_string());
}

fn replace(project: &Project, old: &str, new: &str) {
    let snapshot = project.read("snapshots/good/y.snap");
    assert!(snapshot.contains(old), "{snapshot}");
    project.write("snapshots/good/y.snap", snapshot.replace(old, new));
}

fn mask(project: &Project, shape: &[usize]) {
    project.tensor("goldens/good/m.npy", shape, vec![true; shape.iter().product()]);
    edit(project, "outputs", json!({ "y": { "tensor": "y.npy", "where": "m.npy" } }));
}

fn or(project: &Project) {
    project.edit("good", |case| case["outputs"]["y"] = json!({ "tensor": "y.npy", "or": ["x.npy"] }));
}

#[cfg(unix)]
fn link(project: &Project, target: &str, place: &str) {
    let place = project.path(place);
    fs::create_dir_all(place.parent().expect("a folder")).expect("folders");
    std::os::unix::fs::symlink(target, place).expect("a link");
}

#[cfg(unix)]
fn device(project: &Project, place: &str) {
    project.remove(place);
    link(project, "/dev/zero", place);
}

/// The kinds that doctor names, of those on which a run fails.
fn named(project: &Project) -> Vec<String> {
    let said = project.karat(["doctor", "--json"]);
    assert!(said.code < 2, "{}", said.stderr);
    let complaints = said.json()["complaints"].clone();
    let kinds =
        complaints.as_array().expect("a list").iter().map(|complaint| complaint["kind"].as_str().expect("text"));
    kinds.filter(|kind| FAILING.contains(kind)).map(str::to_owned).collect()
}

fn check(damages: &[Damage]) {
    let mut wrong = Vec::new();
    for (name, damage, expected) in damages {
        let project = Project::good();
        damage(&project);
        let named = named(&project);
        let run = project.karat(["run", "--ci"]);
        let is_as_expected = named.first().map(String::as_str) == *expected;
        if !is_as_expected || (run.code != 0) == named.is_empty() {
            wrong.push(format!("{name}: run exits {}, doctor names {named:?}, expected {expected:?}", run.code));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_run_in_ci_fails_on_what_doctor_names_and_on_nothing_else() {
    check(DAMAGES);
}

#[cfg(unix)]
#[test]
fn so_it_does_on_links_and_devices() {
    check(LINKS);
}

#[test]
fn a_snapshot_in_the_snapshots_root_is_reported_as_orphaned() {
    let project = Project::good();
    copy(&project, "snapshots/y.snap");
    let said = project.karat(["run", "--ci", "--json", "run.json"]).exits(1).says("snapshots/y.snap");
    said.judges("good", "pass").says("rm snapshots/y.snap");
    project.karat(["report", "run.json"]).exits(1).says("snapshots/y.snap");
    project.karat(["doctor"]).exits(1).says("rm snapshots/y.snap");
}

#[cfg(unix)]
#[test]
fn a_half_written_file_of_a_karat_that_was_killed_is_named_and_cleared() {
    use std::time::{Duration, SystemTime};

    let project = Project::good();
    let leave = |name: &str| {
        project.write(name, "half");
        let file = fs::File::options().write(true).open(project.path(name)).expect("a file");
        file.set_modified(SystemTime::now() - Duration::from_secs(60)).expect("a time");
    };
    let files = ["goldens/good/.karat-1.tmp", "snapshots/good/.karat-2.tmp"];
    files.iter().for_each(|file| leave(file));
    let said = project.karat(["doctor"]).exits(1);
    said.says(
        "2 incomplete files: goldens/good/.karat-1.tmp, snapshots/good/.karat-2.tmp, left by a karat process that was killed",
    )
    .says("rm goldens/good/.karat-1.tmp; rm snapshots/good/.karat-2.tmp");
    project.karat(["accept"]).exits(0);
    assert!(!files.iter().any(|file| project.has(file)));

    leave("target/karat/good/.karat-3.tmp");
    project.karat(["run", "--ci"]).exits(0);
    assert!(!project.has("target/karat/good/.karat-3.tmp"));

    leave(files[0]);
    project.tensor("y.npy", &[1], vec![1.0f32]);
    let add = ["add", "new", "--checkpoint", "softmax", "--input", "x=y.npy", "--output", "y=y.npy"];
    project.karat(add).exits(0);
    assert!(!project.has(files[0]));
}

#[test]
fn doctor_does_not_report_an_allowed_skip() {
    let project = Project::good();
    project.case("slow", |case| case["skip"] = "slow".into());
    project.karat(["run", "--ci"]).exits(1);
    let said = project.karat(["doctor"]).exits(1);
    said.says("1 skipped case, which fails in CI unless it is allowed by name: slow")
        .says("karat run --ci --allow-skip=slow");
    let allowed = ["--allow-skip", "slow"];
    project.karat(["run", "--ci"].iter().chain(&allowed)).exits(0);
    project.karat(["doctor"].iter().chain(&allowed)).keeps_quiet_of("skipped");
    project.karat(["doctor", "--allow-skip", "slwo"]).exits(2).says("no such case");
}
