//! A crate that has karat as a dev-dependency, and what its user runs there.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use karat::Tensor;
use karat::tensor::write_npy;
use serde_json::Value;
use walkdir::WalkDir;

use super::tools::path_with;

/// A harness with checkpoints that work, and one for each way in which they may not.
pub(crate) const GOLDENS: (&str, &str) = ("tests/goldens.rs", include_str!("port/goldens.rs"));

/// A harness with checkpoints that end their process, or do not end.
pub(crate) const CRASHING: (&str, &str) = ("tests/goldens.rs", include_str!("port/crashing.rs"));

/// A harness that allows the case `gpu` to be skipped.
pub(crate) const LENIENT: (&str, &str) = ("tests/lenient.rs", include_str!("port/lenient.rs"));

/// Ordinary tests with karat's assertions.
pub(crate) const NUMBERS: (&str, &str) = ("tests/numbers.rs", include_str!("port/numbers.rs"));

/// What every case of a [`Project`] has as its input `x`.
const X: [f32; 3] = [1.0, 2.0, 3.0];

/// A cargo project of the user's.
///
/// Each test has a folder of its own, the same in every run, so that cargo compiles nothing that it has compiled before.
pub(crate) struct Project(PathBuf);

/// What a command said.
pub(crate) struct CommandOutput {
    pub(crate) is_success: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The folder that all projects share, and the crates that cargo has built for them.
fn home() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("library")
}

/// The manifest of a package that tests with karat at that path. Where projects share a folder for what cargo builds, only
/// their names keep them apart.
pub(crate) fn manifest(name: &str, karat: &Path, files: &[(&str, &str)]) -> String {
    let harness = |name: &str| format!("\n[[test]]\nname = \"{name}\"\nharness = false\n");
    let is_harness = |(path, _): &&(&str, &str)| [GOLDENS.0, LENIENT.0].contains(path);
    let targets = files.iter().filter(is_harness).map(|(path, _)| {
        harness(Path::new(path).file_stem().and_then(OsStr::to_str).expect("the paths are constants"))
    });
    format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[dev-dependencies]\n\
         karat = {{ path = {karat:?}, default-features = false, features = [\"harness\", \"reports\"] }}\n{}",
        targets.collect::<String>()
    )
}

/// What stands at the root of a workspace: projects look for none above them.
pub(crate) const WORKSPACE: &str = "\n[workspace]\n\n[profile.dev]\ndebug = false\n";

impl Project {
    /// A package of that name with those sources and no goldens.
    pub(crate) fn new(name: &str, sources: &[(&str, &str)]) -> Project {
        Project::with_karat(name, Path::new(env!("CARGO_MANIFEST_DIR")), sources)
    }

    /// The same with karat at that path.
    pub(crate) fn with_karat(name: &str, karat: &Path, sources: &[(&str, &str)]) -> Project {
        let manifest = manifest(name, karat, sources) + WORKSPACE;
        let mut files = vec![("Cargo.toml", manifest.as_str()), ("src/lib.rs", "")];
        files.extend(sources);
        Project::of(name, &files)
    }

    /// A folder with those files, karat's lock file, and nothing else. On a fresh machine cargo-insta and cargo-nextest still
    /// download what it locks for other platforms.
    pub(crate) fn of(name: &str, files: &[(&str, &str)]) -> Project {
        let project = Project(home().join(name));
        let lock = include_str!("../../Cargo.lock");
        let files: BTreeMap<PathBuf, &str> =
            files.iter().chain(&[("Cargo.lock", lock)]).map(|(name, text)| (project.path(name), *text)).collect();
        for entry in WalkDir::new(&project.0).contents_first(true).into_iter().filter_map(Result::ok) {
            if !entry.file_type().is_dir() && !files.contains_key(entry.path()) {
                fs::remove_file(entry.path()).expect("the test owns the folder");
            }
            // One that is not empty stays.
            fs::remove_dir(entry.path()).ok();
        }
        for (path, text) in files {
            if fs::read_to_string(&path).is_ok_and(|old| old == text) {
                continue;
            }
            fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("folders");
            fs::write(path, text).expect("files");
        }
        project
    }

    /// The usual project: the harness [`GOLDENS`] and one case, accepted.
    pub(crate) fn accepted(name: &str) -> Project {
        let project = Project::new(name, &[GOLDENS]);
        project.case("layers/double", "double");
        project.accept();
        project
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("folders");
        fs::write(path, text).expect("files");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(crate) fn remove(&self, name: &str) {
        fs::remove_dir_all(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    }

    /// Replaces what is there once in a file.
    pub(crate) fn replace(&self, name: &str, old: &str, new: &str) {
        let text = self.read(name);
        assert_eq!(text.matches(old).count(), 1, "{old:?} in {text}");
        self.write(name, &text.replace(old, new));
    }

    /// The content of every file below a folder, by its path there.
    pub(crate) fn files(&self, folder: &str) -> BTreeMap<String, Vec<u8>> {
        let root = self.path(folder);
        let entries = WalkDir::new(&root).into_iter().filter_map(Result::ok);
        let files = entries.filter(|entry| entry.file_type().is_file());
        files
            .map(|entry| {
                let name = entry.path().strip_prefix(&root).expect("below").display().to_string();
                (name.replace('\\', "/"), fs::read(entry.path()).expect("a file that can be read"))
            })
            .collect()
    }

    /// The paths of every file below a folder.
    pub(crate) fn names(&self, folder: &str) -> Vec<String> {
        self.files(folder).into_keys().collect()
    }

    /// A case whose reference `y` is twice its input `x`.
    pub(crate) fn case(&self, id: &str, checkpoint: &str) {
        self.case_below("goldens", id, checkpoint, "");
    }

    /// A case below that root, with more fields.
    pub(crate) fn case_below(&self, root: &str, id: &str, checkpoint: &str, more: &str) {
        self.tensor(&format!("{root}/{id}/x.npy"), &X);
        self.tensor(&format!("{root}/{id}/y.npy"), &X.map(|x| 2.0 * x));
        let json = format!(
            r#"{{ "karat": 1, "checkpoint": "{checkpoint}", "inputs": {{ "x": "x.npy" }}, "outputs": {{ "y": "y.npy" }}{more} }}"#
        );
        self.write(&format!("{root}/{id}/case.json"), &json);
    }

    pub(crate) fn tensor(&self, name: &str, elements: &[f32]) {
        let tensor = Tensor::new(&[elements.len()], elements.to_vec()).expect("the shape is the length");
        write_npy(&self.path(name), &tensor).expect("a file that can be written");
    }

    /// A command in the folder, without the settings of the cargo, nextest or insta that this test runs under.
    pub(crate) fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            let is_outer = ["CARGO_", "INSTA_", "NEXTEST", "TEST_"].iter().any(|prefix| name.starts_with(prefix));
            if name != "CARGO_HOME" && (is_outer || ["CI", "TF_BUILD", "CARGO", "RUST_BACKTRACE"].contains(&&*name)) {
                command.env_remove(&*name);
            }
        }
        command.args(arguments).current_dir(&self.0);
        // Messages name `cargo insta` where it is installed.
        let tools = ["cargo-insta", "cargo-nextest"];
        let needed = if arguments.contains(&"nextest") { &tools[..] } else { &tools[..1] };
        command.env("PATH", path_with(needed));
        command.env("CARGO_TERM_COLOR", "never");
        // As `build.target-dir` in a configuration file; karat keeps actual tensors in the project's own `target`.
        command.env("CARGO_BUILD_TARGET_DIR", home().join("target"));
        command
    }

    /// What a cargo command said.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> CommandOutput {
        self.cargo_with(&[], arguments)
    }

    /// The same with these variables.
    pub(crate) fn cargo_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> CommandOutput {
        let mut command = self.command("cargo", arguments);
        let output = command.envs(variables.iter().copied()).output().expect("there is a cargo");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("what is printed is UTF-8");
        CommandOutput { is_success: output.status.success(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// What `cargo test --test goldens -- ARGUMENTS` said.
    pub(crate) fn goldens(&self, arguments: &[&str]) -> CommandOutput {
        self.cargo(&[&["test", "--test", "goldens", "--"], arguments].concat())
    }

    /// The harness itself, as cargo runs it.
    pub(crate) fn harness(&self, arguments: &[&str]) -> Command {
        let built = self.cargo(&["test", "--test", "goldens", "--no-run", "--message-format=json"]).passes();
        let mut artifacts = built.stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let harness = artifacts.find(|artifact| artifact["target"]["name"] == "goldens").expect("the harness");
        let mut command = self.command(harness["executable"].as_str().expect("a path"), arguments);
        command.env("CARGO_MANIFEST_DIR", self.path(""));
        command
    }

    /// Runs the harness and accepts what it recorded.
    pub(crate) fn accept(&self) {
        self.goldens(&[]);
        self.goldens(&["accept", "--all"]).passes();
    }
}

impl CommandOutput {
    /// Both streams.
    pub(crate) fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    #[track_caller]
    pub(crate) fn passes(self) -> CommandOutput {
        assert!(self.is_success, "{}", self.all());
        self
    }

    #[track_caller]
    pub(crate) fn fails(self) -> CommandOutput {
        assert!(!self.is_success, "{}", self.all());
        self
    }

    /// Both streams hold each of these texts.
    #[track_caller]
    pub(crate) fn says(self, texts: &[&str]) -> CommandOutput {
        let all = self.all();
        texts.iter().for_each(|text| assert!(all.contains(text), "{text:?} is not in:\n{all}"));
        self
    }

    /// Neither stream holds that text.
    #[track_caller]
    pub(crate) fn omits(self, text: &str) -> CommandOutput {
        assert!(!self.all().contains(text), "{text:?} is in:\n{}", self.all());
        self
    }
}
