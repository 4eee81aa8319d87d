//! The harness: a `harness = false` test target in which every case is a test, and which also runs every verb.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use libtest_mimic::Arguments;

use super::trial;
use crate::cli::{self, Host, Program};
use crate::error::{Error, Result};
use crate::run::{
    CheckpointResult, Executor, Executors, Inputs, Isolation, Options, Scope, Session, Shard, bazel_shard,
};
use crate::snapshot::{self, Caller};
use crate::text::safe::escape_lines;

/// A test target for the cases of a goldens root.
///
/// ```no_run
/// // tests/goldens.rs, with `harness = false` in Cargo.toml
/// use karat::outputs;
///
/// karat::goldens! {
///     karat::Harness::new("goldens").checkpoint("double", |case| {
///         let x = case.input::<f32>("x")?;
///         Ok(outputs! { "y" => x * 2.0 })
///     })
/// }
/// ```
///
/// [`goldens!`](crate::goldens) defines a `main` that calls [`Harness::main`], and a test that fails if `harness = false` is
/// missing.
///
/// Every case is a test of its own in `cargo test` and `cargo nextest`; problems that belong to no case fail the test
/// `karat::complete`. If the first argument is a verb of karat, that verb runs with these checkpoints:
/// `cargo test --test goldens -- run`.
///
/// The exit code is that of libtest, 0 or 101, or 2 if the tests could not start; verbs exit with 0, 1 or 2. Paths are relative
/// to `CARGO_MANIFEST_DIR`, which cargo and nextest set, or else to the current folder.
#[derive(Debug)]
#[must_use = "a harness runs nothing until its `main` is called"]
pub struct Harness {
    /// Its settings, with paths relative to the package's folder until `main` runs.
    program: Program,
    executor: Executor,
    others: Vec<Executor>,
}

impl Harness {
    /// Creates a harness for a goldens root, relative to the package's folder.
    pub fn new(root: impl Into<PathBuf>) -> Harness {
        let program = Program::new("", root, Host::Harness);
        Harness { program, executor: Executor::new("rust"), others: Vec::new() }
    }

    /// Uses the checkpoints of an executor, such as [`gpt2::executor`](crate::executors::gpt2::executor); more can be registered
    /// afterwards.
    ///
    /// # Panics
    ///
    /// If a checkpoint is already registered, since it would be lost.
    pub fn executor(mut self, executor: Executor) -> Harness {
        let earlier: Vec<&str> = self.executor.names().collect();
        assert!(earlier.is_empty(), "the executor would replace {}: set it first", earlier.join(", "));
        self.executor = executor;
        self
    }

    /// Registers a checkpoint: the function for all cases that name it.
    ///
    /// # Panics
    ///
    /// If the name is already registered.
    pub fn checkpoint(
        mut self,
        name: &str,
        function: impl Fn(&Inputs) -> CheckpointResult + Send + Sync + 'static,
    ) -> Harness {
        self.executor = self.executor.checkpoint(name, function);
        self
    }

    /// Adds an executor for the verbs `run --executor` and `matrix`: another implementation of the same checkpoints, such as one
    /// that uses a second library or an exported model. [`Harness::main`] panics if two executors have the same name.
    pub fn other(mut self, executor: Executor) -> Harness {
        self.others.push(executor);
        self
    }

    /// Sets the snapshots folder, relative to the package's folder. Needed if no component of the root is named `goldens`.
    pub fn snapshots(mut self, folder: impl Into<PathBuf>) -> Harness {
        self.program.snapshots = Some(folder.into());
        self
    }

    /// Allows a case to be skipped in CI, or by its checkpoint at run time. If there is no such case, `karat::complete` fails.
    pub fn allow_skip(mut self, id: &str) -> Harness {
        self.program.allowed_skips.push(id.to_owned());
        self
    }

    /// Fails cases with a comparison that also passes for zeros, NaN or anything else: see
    /// [`vacuous`](crate::compare::vacuous()). The same as `run --deny vacuous`.
    pub fn deny_vacuous(mut self) -> Harness {
        self.program.deny_vacuous = true;
        self
    }

    /// Runs the tests or the verb that the command line selects. Call it first thing in `main`: if insta would print, it
    /// restarts the program with `INSTA_OUTPUT=none` (on Unix).
    pub fn main(self) -> ExitCode {
        let arguments: Vec<OsString> = std::env::args_os().collect();
        let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default();
        let Harness { mut program, executor, others } = self;
        // Panics on a duplicate name, even if no verb uses it.
        let executors = others.into_iter().fold(Executors::new(executor), Executors::with);
        let is_member = snapshot::find_workspace(&package).is_ok_and(|root| root != package);
        program.command = verb_command(&arguments[0], &package, is_member);
        program.root = package.join(program.root);
        program.snapshots = program.snapshots.map(|folder| package.join(folder));
        if is_member {
            // Cargo runs tests in the folder of the package, but the user of a workspace is more likely in its root.
            program.base = PathBuf::new();
        }
        if is_verb(&arguments[1..]) {
            return cli::main(executors, &program, arguments);
        }
        if let Some(verb) = misspelled_verb(&arguments[1..]) {
            let word = arguments[1].to_string_lossy();
            eprintln!("karat: unknown verb `{word}`; did you mean:  {} {verb}", program.command);
            return ExitCode::from(2);
        }
        if arguments[1..].iter().any(|word| ["-h", "--help"].iter().any(|help| word == help)) {
            println!(
                "Verbs of karat, as in `{} run`:\n{}\nOptions for the tests:\n",
                program.command,
                cli::verbs_help()
            );
        }
        match run_tests(executors.into_default(), &program, &Arguments::from_args()) {
            Ok(code) => code,
            Err(error) => {
                eprintln!("{}", escape_lines(&format!("karat: {}", program.describe(&error))));
                ExitCode::from(2)
            }
        }
    }
}

/// Runs or lists the tests.
fn run_tests(executor: Executor, program: &Program, arguments: &Arguments) -> Result<ExitCode> {
    if !arguments.list {
        snapshot::silence_insta();
    }
    let goldens = program.goldens(None)?;
    let mut options = Options {
        allowed_skips: program.allowed_skips.clone(),
        deny_vacuous: program.deny_vacuous,
        runs_skipped: arguments.ignored || arguments.include_ignored,
        caller: Caller::Test,
        explain: true,
        ..Options::default()
    };
    let shard = shard()?;
    let single = trial::single_case(&goldens, arguments, shard);
    if single.is_none() {
        options.isolation = Some(Isolation::new(Scope::Timed)?);
    }
    let session = Session::new(goldens, executor, options)?;
    cli::arm(trial::FAILED);
    let trials = trial::trials(session, single, program, arguments, shard)?;
    if let Some(filter) = arguments.filter.as_deref().filter(|_| !arguments.list && shard.is_none()) {
        let is_unknown = trials.iter().all(|trial| !trial.name().contains(filter));
        if let Some(text) = suggest_verb(filter, &program.command).filter(|_| is_unknown) {
            return Err(Error::Usage(text));
        }
        if filter == "accept" {
            eprintln!(
                "karat: `accept` alone is a test filter; to accept snapshots use `accept --all` or `accept FILTER`"
            );
        }
    }
    Ok(libtest_mimic::run(arguments, trials).exit_code())
}

/// Returns the shard that Bazel selects, if any: <https://bazel.build/reference/test-encyclopedia#test-sharding>. Touches
/// Bazel's status file, which declares that this test supports shards.
fn shard() -> Result<Option<Shard>> {
    if let Some(file) = std::env::var_os("TEST_SHARD_STATUS_FILE").filter(|file| !file.is_empty()).map(PathBuf::from) {
        let touch = || OpenOptions::new().create(true).append(true).open(&file)?.set_modified(SystemTime::now());
        touch().map_err(|error| Error::write(&file, error))?;
    }
    bazel_shard()
}

/// The verbs that need arguments. Alone they are test filters, since `cargo test add` passes its filter to every target.
const VERBS_WITH_ARGUMENTS: [&str; 8] = ["report", "merge", "show", "diff", "explain", "add", "accept", "completions"];

/// Returns the message for a filter that selects no test but is a verb or resembles one. Other filters may be meant for another
/// target.
fn suggest_verb(filter: &str, command: &str) -> Option<String> {
    let word = if filter == "help" { Some("") } else { VERBS_WITH_ARGUMENTS.into_iter().find(|verb| *verb == filter) };
    let verb = word.or_else(|| cli::similar_verb(filter))?;
    let help = if verb.is_empty() || VERBS_WITH_ARGUMENTS.contains(&verb) { " --help" } else { "" };
    let suggestion = format!("{command} {verb}{help}").replace("  ", " ");
    Some(format!(
        "no test has `{filter}` in its name; did you mean:  {suggestion}\n\
         to filter the tests of another target, name that target:  cargo test --lib {filter}"
    ))
}

/// Returns whether the arguments are a verb and its arguments.
fn is_verb(arguments: &[OsString]) -> bool {
    let Some(first) = arguments.first().and_then(|first| first.to_str()) else { return false };
    let is_filter = arguments.len() == 1 && (VERBS_WITH_ARGUMENTS.contains(&first) || first == "help");
    ((cli::VERBS.contains(&first) || first == "help") && !is_filter) || first == crate::run::ISOLATED
}

/// Returns the verb that the first of several words probably means. A test filter would be a single word.
fn misspelled_verb(arguments: &[OsString]) -> Option<&'static str> {
    let [first, second, ..] = arguments else { return None };
    let (first, second) = (first.to_str()?, second.to_str()?);
    cli::similar_verb(first).filter(|_| !second.starts_with('-'))
}

/// Returns the command that runs a verb of this test binary.
fn verb_command(program: &OsString, package: &Path, is_member: bool) -> String {
    let stem = Path::new(program).file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    // Cargo appends a dash and 16 hex digits to the target name.
    let target = match stem.rsplit_once('-') {
        Some((target, hash)) if hash.len() == 16 && hash.chars().all(|c| c.is_ascii_hexdigit()) => target,
        _ => &stem,
    };
    let target = with_dashes(target, package);
    let selected = std::env::var("CARGO_PKG_NAME").ok().filter(|_| is_member);
    let selected = selected.map(|name| format!("-p {name} ")).unwrap_or_default();
    format!("cargo test {selected}--test {target} --")
}

/// Returns the name of a target with its dashes, which the name of the program has as `_`.
fn with_dashes(target: &str, package: &Path) -> String {
    let entries = std::fs::read_dir(package.join("tests")).into_iter().flatten().filter_map(Result::ok);
    let stems = entries.filter_map(|entry| entry.path().file_stem()?.to_str().map(str::to_owned));
    let alike: Vec<String> = stems.filter(|stem| stem.replace('-', "_") == target).collect();
    match &alike[..] {
        [only] => only.clone(),
        _ => target.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_names_the_target_without_cargos_hash() {
        let package = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(package.path().join("tests")).expect("a folder");
        std::fs::write(package.path().join("tests/my-port.rs"), "").expect("a file");
        for (program, expected) in [
            ("/t/goldens-0123456789abcdef", "cargo test --test goldens --"),
            ("/t/my-goldens", "cargo test --test my-goldens --"),
            ("/t/my_port-0123456789abcdef", "cargo test --test my-port --"),
        ] {
            assert_eq!(verb_command(&program.into(), package.path(), false), expected);
        }
    }

    #[test]
    fn a_filter_that_selects_nothing_suggests_a_verb() {
        for (filter, suggestion) in [
            ("explian", Some("karat explain --help")),
            ("add", Some("karat add --help")),
            ("lst", Some("karat list")),
            ("rnu", Some("karat run")),
            ("doc", Some("karat doctor")),
            ("help", Some("karat --help")),
            ("layers", None),
        ] {
            let text = suggest_verb(filter, "karat");
            let line = text.as_deref().and_then(|text| text.lines().next());
            assert_eq!(line.map(|line| line.rsplit_once(":  ").expect("a command").1), suggestion, "{filter}");
        }
    }

    #[test]
    fn a_verb_that_needs_arguments_is_a_filter_without_them() {
        for (arguments, expected) in [
            (vec!["run"], true),
            (vec!["accept"], false),
            (vec!["accept", "--all"], true),
            (vec!["add"], false),
            (vec!["add", "a/b"], true),
            (vec!["report"], false),
            (vec!["report", "run.json"], true),
            (vec!["show"], false),
            (vec!["merge"], false),
            (vec!["help"], false),
            (vec!["help", "run"], true),
            (vec!["--list"], false),
            (vec!["runs"], false),
            (vec![], false),
        ] {
            let arguments: Vec<OsString> = arguments.into_iter().map(OsString::from).collect();
            assert_eq!(is_verb(&arguments), expected, "{arguments:?}");
        }
    }

    #[test]
    #[should_panic = "the executor would replace double: set it first"]
    fn an_executor_replaces_no_checkpoint() {
        let double = Harness::new("goldens").checkpoint("double", |_| Err("not run".into()));
        let _ = double.executor(Executor::new("other"));
    }
}
