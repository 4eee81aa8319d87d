//! The harness: a `harness = false` test in which every case is a test, and which is the whole tool besides.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use libtest_mimic::Arguments;

use super::trial;
use crate::cli::{self, Home, Host};
use crate::error::{Error, Result};
use crate::run::{
    CheckpointResult, Executor, Executors, Inputs, Isolation, Options, Scope, Session, Shard, bazel_shard,
};
use crate::snapshot::{self, Caller};
use crate::text::safe::escape_lines;

/// A test target that walks a goldens root.
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
/// [`goldens!`](crate::goldens) is a `main` that calls [`Harness::main`], and a test that fails where `harness = false` is missing.
///
/// Every case is a test of its own under `cargo test` and `cargo nextest`; `karat::complete` holds what belongs to no
/// case. Where the first argument is one of karat's verbs, the whole tool runs with these checkpoints:
/// `cargo test --test goldens -- run`.
///
/// The exit code is libtest's, 0 or 101, or 2 where karat could not begin; that of a verb is 0, 1 or 2, as
/// the command line has it. The package's folder is `CARGO_MANIFEST_DIR`, which cargo and nextest set; a test
/// binary that is started by hand looks in the current folder.
#[derive(Debug)]
#[must_use = "a harness runs nothing until its `main` is called"]
pub struct Harness {
    /// Where it is at home, with paths relative to the package's folder until it runs.
    home: Home,
    executor: Executor,
    others: Vec<Executor>,
}

impl Harness {
    /// A harness over the goldens root at that path, relative to the package's folder.
    pub fn new(root: impl Into<PathBuf>) -> Harness {
        let home = Home::new("", root, Host::Harness);
        Harness { home, executor: Executor::new("rust"), others: Vec::new() }
    }

    /// Takes all checkpoints of an executor, such as [`gpt2::executor`](crate::executors::gpt2::executor); more can be registered
    /// after it.
    ///
    /// # Panics
    ///
    /// Where a checkpoint is registered already: it would silently never run.
    pub fn executor(mut self, executor: Executor) -> Harness {
        let earlier: Vec<&str> = self.executor.names().collect();
        assert!(earlier.is_empty(), "the executor would replace {}: name it first", earlier.join(", "));
        self.executor = executor;
        self
    }

    /// Registers a checkpoint: the function that runs every case which names it.
    ///
    /// # Panics
    ///
    /// Where the name is registered already.
    pub fn checkpoint(
        mut self,
        name: &str,
        function: impl Fn(&Inputs) -> CheckpointResult + Send + Sync + 'static,
    ) -> Harness {
        self.executor = self.executor.checkpoint(name, function);
        self
    }

    /// Adds an executor for the verbs `run --executor` and `matrix`, beside the one whose checkpoints are tests: another
    /// implementation of the same, such as one around a second library or an exported model. [`Harness::main`] panics where
    /// two have one name.
    pub fn other(mut self, executor: Executor) -> Harness {
        self.others.push(executor);
        self
    }

    /// Says where the snapshots are, for a root with no component named `goldens`; relative to the package's folder.
    pub fn snapshots(mut self, folder: impl Into<PathBuf>) -> Harness {
        self.home.snapshots = Some(folder.into());
        self
    }

    /// Lets the case with that id be skipped: without it, a skip in CI and one found at run time fail. Where there is no
    /// such case, `karat::complete` fails.
    pub fn allow_skip(mut self, id: &str) -> Harness {
        self.home.allowed_skips.push(id.to_owned());
        self
    }

    /// Lets a case fail whose comparison cannot fail, or not on zeros or NaN: see [`vacuous`](crate::compare::vacuous()). The
    /// verb `run --deny vacuous` does so without it.
    pub fn deny_vacuous(mut self) -> Harness {
        self.home.deny_vacuous = true;
        self
    }

    /// Runs the tests that the command line asks for, or the verb that it names. To be called from `main`, first thing: where
    /// insta would print, it starts the program again with `INSTA_OUTPUT=none` (on Unix).
    pub fn main(self) -> ExitCode {
        let arguments: Vec<OsString> = std::env::args_os().collect();
        let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default();
        let Harness { mut home, executor, others } = self;
        // A name that is taken fails here, not only where a verb asks for it.
        let executors = others.into_iter().fold(Executors::new(executor), Executors::with);
        let is_member = snapshot::workspace(&package).is_ok_and(|root| root != package);
        home.command = command(&arguments[0], &package, is_member);
        home.root = package.join(home.root);
        home.snapshots = home.snapshots.map(|folder| package.join(folder));
        if is_member {
            // Cargo runs tests in the folder of their package; whoever tests a workspace is more likely in its root.
            home.base = PathBuf::new();
        }
        if is_verb(&arguments[1..]) {
            return cli::main(executors, &home, arguments);
        }
        if let Some(verb) = mistyped(&arguments[1..]) {
            let word = arguments[1].to_string_lossy();
            eprintln!("karat: there is no verb `{word}`; did you mean:  {} {verb}", home.command);
            return ExitCode::from(2);
        }
        if arguments[1..].iter().any(|word| ["-h", "--help"].iter().any(|help| word == help)) {
            println!("Verbs of karat, as in `{} run`:\n{}\nOr, as a test:\n", home.command, cli::verbs_help());
        }
        match test(executors.into_default(), &home, &Arguments::from_args()) {
            Ok(code) => code,
            Err(error) => {
                eprintln!("{}", escape_lines(&format!("karat: {}", home.complaint(&error))));
                ExitCode::from(2)
            }
        }
    }
}

/// Runs or lists the trials.
fn test(executor: Executor, home: &Home, arguments: &Arguments) -> Result<ExitCode> {
    if !arguments.list {
        snapshot::silence();
    }
    let goldens = home.goldens(None)?;
    let allowed_skips = home.allowed_skips.clone();
    let mut options = Options {
        allowed_skips,
        deny_vacuous: home.deny_vacuous,
        runs_skipped: arguments.ignored || arguments.include_ignored,
        caller: Caller::Test,
        explain: true,
        ..Options::default()
    };
    let shard = shard()?;
    let single = trial::single(&goldens, arguments, shard);
    if single.is_none() {
        options.isolation = Some(Isolation::new(Scope::Timed)?);
    }
    let session = Session::new(goldens, executor, options)?;
    cli::arm(trial::FAILED);
    let trials = trial::trials(session, single, home, arguments, shard)?;
    if let Some(filter) = arguments.filter.as_deref().filter(|_| !arguments.list && shard.is_none()) {
        let is_found = trials.iter().any(|trial| trial.name().contains(filter));
        if let Some(meant) = meant(filter, &home.command).filter(|_| !is_found) {
            return Err(Error::Usage(meant));
        }
        if filter == "accept" {
            eprintln!(
                "karat: `accept` alone is a filter of tests; for snapshots say `accept --all` or `accept FILTER`"
            );
        }
    }
    Ok(libtest_mimic::run(arguments, trials).exit_code())
}

/// The shard that Bazel asks for, where it does: <https://bazel.build/reference/test-encyclopedia#test-sharding>. It is told that this test knows shards, without which it takes all of them
/// for the whole, or fails.
fn shard() -> Result<Option<Shard>> {
    if let Some(file) = std::env::var_os("TEST_SHARD_STATUS_FILE").filter(|file| !file.is_empty()).map(PathBuf::from) {
        let touch = || OpenOptions::new().create(true).append(true).open(&file)?.set_modified(SystemTime::now());
        touch().map_err(|error| Error::write(&file, error))?;
    }
    bazel_shard()
}

/// The verbs that need arguments. Alone they are filters: `cargo test add` hands its filter to every test target.
const NEEDY: [&str; 8] = ["report", "merge", "show", "diff", "explain", "add", "accept", "completions"];

/// What to say of a filter that selects nothing, where it is a verb or resembles one; any other may be for another target.
fn meant(filter: &str, command: &str) -> Option<String> {
    let word = if filter == "help" { Some("") } else { NEEDY.into_iter().find(|verb| *verb == filter) };
    let verb = word.or_else(|| cli::near_verb(filter))?;
    let help = if verb.is_empty() || NEEDY.contains(&verb) { " --help" } else { "" };
    let typed = format!("{command} {verb}{help}").replace("  ", " ");
    Some(format!(
        "no test has `{filter}` in its name; did you mean:  {typed}\n\
         to select tests of another target by it, name that target, as in:  cargo test --lib {filter}"
    ))
}

/// Whether the arguments are a verb and its own.
fn is_verb(arguments: &[OsString]) -> bool {
    let Some(first) = arguments.first().and_then(|first| first.to_str()) else { return false };
    let is_filter = arguments.len() == 1 && (NEEDY.contains(&first) || first == "help");
    ((cli::VERBS.contains(&first) || first == "help") && !is_filter) || first == crate::run::ISOLATED
}

/// The verb that was meant where the first of several words is none: a test takes but one.
fn mistyped(arguments: &[OsString]) -> Option<&'static str> {
    let [first, second, ..] = arguments else { return None };
    let (first, second) = (first.to_str()?, second.to_str()?);
    cli::near_verb(first).filter(|_| !second.starts_with('-'))
}

/// What a person types to run a verb of this test binary.
fn command(program: &OsString, package: &Path, is_member: bool) -> String {
    let stem = Path::new(program).file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    // Cargo appends a dash and 16 hex digits to the name of the target.
    let target = match stem.rsplit_once('-') {
        Some((target, hash)) if hash.len() == 16 && hash.chars().all(|c| c.is_ascii_hexdigit()) => target,
        _ => &stem,
    };
    let target = with_dashes(target, package);
    let selected = std::env::var("CARGO_PKG_NAME").ok().filter(|_| is_member);
    let selected = selected.map(|name| format!("-p {name} ")).unwrap_or_default();
    format!("cargo test {selected}--test {target} --")
}

/// The name of a target as cargo knows it: the file of the program has `_` for each dash.
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
            assert_eq!(command(&program.into(), package.path(), false), expected);
        }
    }

    #[test]
    fn a_filter_that_selects_nothing_may_have_been_meant_for_a_verb() {
        for (filter, typed) in [
            ("explian", Some("karat explain --help")),
            ("add", Some("karat add --help")),
            ("lst", Some("karat list")),
            ("rnu", Some("karat run")),
            ("doc", Some("karat doctor")),
            ("help", Some("karat --help")),
            ("layers", None),
        ] {
            let meant = meant(filter, "karat").map(|text| text.lines().next().unwrap_or_default().to_owned());
            assert_eq!(meant.as_deref().map(|line| line.rsplit_once(":  ").expect("a command").1), typed, "{filter}");
        }
    }

    #[test]
    fn a_filter_of_cargo_is_no_verb_that_takes_arguments() {
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
    #[should_panic = "the executor would replace double: name it first"]
    fn an_executor_replaces_no_checkpoint() {
        let double = Harness::new("goldens").checkpoint("double", |_| Err("not run".into()));
        let _ = double.executor(Executor::new("other"));
    }
}
