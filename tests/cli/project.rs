//! A temporary folder with goldens, the real binary in it, and what both say afterwards.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use karat::Tensor;
use karat::tensor::write_npy;
use serde_json::{Value, json};
use tempfile::TempDir;

/// The binary under test.
pub(crate) const KARAT: &str = env!("CARGO_BIN_EXE_karat");

/// Every file below a folder by its relative path, and its bytes.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// A folder outside any cargo project.
pub(crate) struct Project(TempDir);

/// What a process said and how it ended.
#[derive(Debug)]
pub(crate) struct CommandOutput {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Project {
    /// An empty goldens root.
    pub(crate) fn empty() -> Project {
        let project = Project(tempfile::Builder::new().prefix("karat-").tempdir().expect("a temporary folder"));
        fs::create_dir(project.path("goldens")).expect("a folder");
        project
    }

    /// A root with the case `good`, which passes.
    pub(crate) fn good() -> Project {
        static FILES: OnceLock<Files> = OnceLock::new();
        let files = FILES.get_or_init(|| {
            let project = Project::empty();
            project.case("good", |_| {});
            project.accept_all();
            project.files("")
        });
        let project = Project::empty();
        for (name, bytes) in files.iter().filter(|(name, _)| !name.starts_with("target/")) {
            project.write(name, bytes);
        }
        project
    }

    /// The committed goldens of a tiny GPT-2.
    pub(crate) fn gpt2_tiny() -> Project {
        let project = Project::empty();
        for (name, bytes) in files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("goldens/gpt2-tiny")) {
            project.write(&format!("goldens/gpt2-tiny/{name}"), bytes);
        }
        project
    }

    /// How many cases there are.
    pub(crate) fn cases(&self) -> usize {
        self.files("goldens").keys().filter(|name| name.ends_with("/case.json")).count()
    }

    /// Adds a case of `layer_norm` that passes as it is: x, weight and bias in, y out. `edit` is given its `case.json`.
    pub(crate) fn case(&self, id: &str, edit: impl FnOnce(&mut Value)) {
        let folder = format!("goldens/{id}");
        self.tensor(&format!("{folder}/x.npy"), &[1, 2], vec![1.0f32, 3.0]);
        self.tensor(&format!("{folder}/weight.npy"), &[2], vec![1.0f32, 2.0]);
        self.tensor(&format!("{folder}/bias.npy"), &[2], vec![0.0f32, 0.5]);
        self.tensor(&format!("{folder}/y.npy"), &[1, 2], vec![-1.0f32, 2.5]);
        let mut case = json!({
            "karat": 1,
            "checkpoint": "layer_norm",
            "params": { "eps": 0 },
            "inputs": { "x": "x.npy", "weight": "weight.npy", "bias": "bias.npy" },
            "outputs": { "y": "y.npy" },
        });
        edit(&mut case);
        self.write(&format!("{folder}/case.json"), format!("{case:#}\n"));
    }

    /// Changes a `case.json`.
    pub(crate) fn edit(&self, id: &str, edit: impl FnOnce(&mut Value)) {
        let file = format!("goldens/{id}/case.json");
        let mut case = serde_json::from_str(&self.read(&file)).expect("JSON");
        edit(&mut case);
        self.write(&file, format!("{case:#}\n"));
    }

    /// Writes a tensor.
    pub(crate) fn tensor<T: karat::tensor::Element>(&self, name: &str, shape: &[usize], elements: Vec<T>) {
        write_npy(&self.path(name), &Tensor::new(shape, elements).expect("as many as the shape")).expect("a file");
    }

    /// Runs everything and accepts it.
    pub(crate) fn accept_all(&self) {
        self.karat(["run"]).exits(1);
        self.karat(["accept"]).exits(0);
    }

    /// Runs the cases whose id contains that, and accepts them.
    pub(crate) fn accept_all_of(&self, filter: &str) {
        self.karat(["run", "-k", filter]).exits(1);
        self.karat(["accept", filter]).exits(0);
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.0.path().to_path_buf() } else { self.0.path().join(name) }
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("folders");
        fs::write(path, content).expect("files");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    pub(crate) fn remove(&self, name: &str) {
        let path = self.path(name);
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.expect("it is there");
    }

    /// Every file below a folder.
    pub(crate) fn files(&self, folder: &str) -> Files {
        files(&self.path(folder))
    }

    /// The binary in this folder, in an environment that no machine adds to.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        const OURS: [&str; 6] = ["CI", "TF_BUILD", "NO_COLOR", "TERM", "RUST_BACKTRACE", "RUST_LOG"];
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            let is_engine = ["CI_NODE_", "CIRCLE_NODE_", "BUILDKITE_", "SLURM_", "TEST_", "GITHUB_"];
            let is_engine = is_engine.iter().any(|start| text.starts_with(start));
            if is_engine || OURS.contains(&&*text) || text.starts_with("INSTA_") || text.starts_with("CARGO_") {
                command.env_remove(&name);
            }
        }
        command.current_dir(self.0.path());
        command
    }

    /// Runs karat.
    pub(crate) fn karat<I: IntoIterator<Item = A>, A: AsRef<OsStr>>(&self, arguments: I) -> CommandOutput {
        self.karat_with(&[], arguments)
    }

    /// Runs karat with these variables.
    pub(crate) fn karat_with<I, A>(&self, variables: &[(&str, &str)], arguments: I) -> CommandOutput
    where
        I: IntoIterator<Item = A>,
        A: AsRef<OsStr>,
    {
        let mut command = self.command(KARAT);
        CommandOutput::of(in_time(command.args(arguments).envs(variables.iter().copied())))
    }

    /// Types a line into a shell in which `karat` is found.
    #[cfg(unix)]
    pub(crate) fn shell(&self, line: &str) -> CommandOutput {
        let folder = Path::new(KARAT).parent().expect("a binary is in a folder");
        let mut path = folder.as_os_str().to_owned();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        CommandOutput::of(in_time(self.command("sh").arg("-c").arg(line).env("PATH", path)))
    }
}

/// What the process says and how it ends; killed, and so without an exit code, where it waits for what never comes.
fn in_time(command: &mut Command) -> Output {
    const PATIENCE: Duration = Duration::from_secs(60);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.expect("the program starts");
    let stdout = reader(child.stdout.take().expect("it is piped"));
    let stderr = reader(child.stderr.take().expect("it is piped"));
    let started = Instant::now();
    let status = loop {
        match child.try_wait().expect("it is a child") {
            Some(status) => break status,
            None if started.elapsed() > PATIENCE => child.kill().expect("it runs"),
            None => thread::sleep(Duration::from_millis(1)),
        }
    };
    let text = |reader: JoinHandle<Vec<u8>>| reader.join().expect("a pipe can be read");
    Output { status, stdout: text(stdout), stderr: text(stderr) }
}

/// Reads all of a pipe while the process runs, which else would wait for its reader.
fn reader(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("a pipe can be read");
        bytes
    })
}

/// Every file below that folder, links followed.
fn files(root: &Path) -> Files {
    let entries = walkdir::WalkDir::new(root).follow_links(true).into_iter().filter_map(Result::ok);
    let name = |path: &Path| path.strip_prefix(root).expect("below").display().to_string();
    entries
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| (name(entry.path()), fs::read(entry.path()).expect("a file")))
        .collect()
}

impl CommandOutput {
    fn of(output: Output) -> CommandOutput {
        let text = |bytes| String::from_utf8(bytes).expect("karat speaks UTF-8");
        CommandOutput {
            code: output.status.code().expect("it ends in time, and no signal ends it"),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Holds the exit code, and what is always so: no colour in a pipe, no panic.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> CommandOutput {
        assert_eq!(self.code, code, "{}{}", self.stdout, self.stderr);
        assert!(!self.stdout.contains('\x1b') && !self.stderr.contains('\x1b'), "{self:?}");
        assert!(!self.stderr.contains("panicked at"), "{}", self.stderr);
        self
    }

    /// Holds that stdout or stderr says that, wherever its lines break.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> CommandOutput {
        let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let said = format!("{} {}", flat(&self.stdout), flat(&self.stderr));
        assert!(said.contains(&flat(text)), "{text:?} is not in\n{}{}", self.stdout, self.stderr);
        self
    }

    /// Holds that neither says that.
    #[track_caller]
    pub(crate) fn keeps_quiet_of(self, text: &str) -> CommandOutput {
        assert!(!self.stdout.contains(text) && !self.stderr.contains(text), "{}{}", self.stdout, self.stderr);
        self
    }

    /// Holds the verdict in the line of that case.
    #[track_caller]
    pub(crate) fn judges(self, id: &str, verdict: &str) -> CommandOutput {
        let lines = self.stdout.lines().take_while(|line| !line.is_empty());
        let verdicts: Vec<&str> = lines
            .filter_map(|line| line.split_once(' '))
            .filter(|(_, rest)| rest.trim_start().strip_prefix(id).is_some_and(|rest| rest.starts_with("  ")))
            .map(|(verdict, _)| verdict)
            .collect();
        assert_eq!(verdicts, [verdict], "{id}\n{}{}", self.stdout, self.stderr);
        self
    }

    /// The one JSON document that stdout is.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }

    /// The command that follows that label.
    #[track_caller]
    pub(crate) fn command(&self, label: &str) -> &str {
        let marked = format!("{label}:  ");
        let line = self.stdout.lines().find_map(|line| line.split_once(marked.as_str()));
        line.unwrap_or_else(|| panic!("no {label:?} in\n{}", self.stdout)).1
    }
}
