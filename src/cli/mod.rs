//! The command line: one file a verb. The only user of clap.

mod accept;
mod add;
mod alone;
mod cases;
#[cfg(feature = "cli")]
mod completions;
mod diff;
mod doctor;
mod explain;
mod guard;
mod interrupt;
mod isolate;
mod list;
mod made;
mod matrix;
mod merge;
mod output;
mod part;
mod progress;
mod report;
mod reports;
mod run;
#[cfg(feature = "cli")]
mod schema;
mod show;
mod shrunk;

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

pub(crate) use self::alone::ALONE;
pub(crate) use self::guard::{arm, disarm};
pub(crate) use self::isolate::{Told, isolation};
use self::output::Screen;
use crate::error::Result;
use crate::golden::Goldens;
use crate::numeric::DType;
use crate::report::{Review, Voice};
use crate::run::Executors;
use crate::snapshot::Recorder;

/// Where the command line is at home: what it takes when nothing is typed, and how it is called.
#[derive(Clone, Debug)]
pub struct Home {
    /// What the reader types before a verb: `karat`, or `cargo test --test goldens --`.
    pub command: String,
    /// The goldens root when none is typed.
    pub root: PathBuf,
    /// The snapshots folder when none is typed and the root has no component named `goldens`.
    pub snapshots: Option<PathBuf>,
    /// The ids of the cases that may be skipped in CI, besides those that are typed.
    pub allowed_skips: Vec<String>,
    /// The folder that the reader is in: paths below it are shown relative to it.
    pub base: PathBuf,
}

/// Numeric golden testing: holds every checkpoint of ported code against an independent reference.
#[derive(Debug, Parser)]
#[command(
    name = "karat",
    version,
    after_help = "Exit status: 0 all passed, 1 the gate failed, 2 karat could not do its job. 130 or 143: a run was interrupted."
)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run every case, hold it against its reference and its snapshot
    Run(run::Run),
    /// Run every case with every executor: a table of largest differences and verdicts
    Matrix(matrix::Matrix),
    /// Make reports of a run from what `run --json FILE` wrote
    Report(report::Report),
    /// Make one run of the records of its shards; runs nothing
    Merge(merge::Merge),
    /// List the cases
    List(list::List),
    /// Show a tensor file, one of its members, or a case
    Show(show::Show),
    /// Compare two tensor files, two containers, or two folders; the second is the reference
    Diff(diff::Diff),
    /// Run a case and say what its mismatch looks like, and where it is
    Explain(explain::Explain),
    /// Add a case
    Add(add::Add),
    /// Accept pending snapshots; runs nothing
    Accept(accept::Accept),
    /// Say what is wrong with this setup, and what to type; runs nothing
    Doctor(doctor::Doctor),
    /// Print the completions of a shell
    #[cfg(feature = "cli")]
    Completions(completions::Completions),
    /// Run one case for another process
    #[command(name = ALONE, hide = true)]
    Alone(alone::Alone),
    /// Print the JSON Schema of case.json, of suite.json, or of what `run --json` writes
    #[cfg(feature = "cli")]
    Schema(schema::Schema),
}

/// The names of the verbs, as they are typed.
pub const VERBS: &[&str] = &[
    "run",
    "matrix",
    "report",
    "merge",
    "list",
    "show",
    "diff",
    "explain",
    "add",
    "accept",
    "doctor",
    #[cfg(feature = "cli")]
    "completions",
    #[cfg(feature = "cli")]
    "schema",
];

/// The verb that a word may have been meant for, where it is none.
#[must_use]
pub fn near_verb(word: &str) -> Option<&'static str> {
    /// How alike the two must be, from 0 to 1: a letter too many, too few, another, or two exchanged.
    const ALIKE: f64 = 0.7;
    let near = VERBS.iter().map(|verb| (strsim::normalized_damerau_levenshtein(word, verb), *verb));
    let best = near.filter(|(alike, _)| (ALIKE..1.0).contains(alike)).max_by(|a, b| a.0.total_cmp(&b.0));
    best.map(|(_, verb)| verb)
}

/// Which goldens a verb is about.
#[derive(Debug, Args)]
struct Place {
    /// The snapshots folder [default: `snapshots`, where the last component of the root named `goldens` stands]
    #[arg(long, value_name = "DIR")]
    snapshots: Option<PathBuf>,
}

impl Place {
    /// The goldens that were typed, or those at home.
    fn locate(&self, typed: Option<&PathBuf>, home: &Home) -> Result<Goldens> {
        let snapshots = self.snapshots.as_ref().or_else(|| home.snapshots.as_ref().filter(|_| typed.is_none()));
        Goldens::locate(typed.unwrap_or(&home.root), snapshots.map(PathBuf::as_path))
    }
}

/// The goldens that were typed, or those at home, for a verb that only reads them: where their snapshots are is nothing to it.
fn source(typed: Option<&PathBuf>, home: &Home) -> Result<Goldens> {
    let root = typed.unwrap_or(&home.root);
    Goldens::locate(root, None).or_else(|_| Goldens::locate(root, Some(Path::new("snapshots"))))
}

/// Everything that a verb is given besides its own arguments.
struct Context<'a> {
    home: &'a Home,
    screen: Screen,
}

impl Context<'_> {
    /// How to name karat's commands, where the reader has typed that root and place.
    fn voice(&self, typed: Option<&PathBuf>, place: Option<&Place>, recorder: Option<&Recorder>) -> Voice {
        Voice {
            command: self.home.command.clone(),
            review: match recorder.is_some_and(Recorder::has_cargo_insta) {
                true => Review::Insta,
                false => Review::Accept,
            },
            root: typed.map(|root| root.display().to_string()),
            snapshots: place.and_then(|place| place.snapshots.as_ref()).map(|folder| folder.display().to_string()),
            executor: None,
            options: None,
            base: self.home.base.clone(),
        }
    }
}

/// Whether the gate is closed: what a verb ends with where karat could do its job.
#[derive(Clone, Copy, Debug)]
enum Gate {
    Passed,
    Failed,
    /// Somebody asked to stop, and the process ends as that signal would end it.
    Interrupted(ExitCode),
}

/// Runs the verb that `arguments` name, the program's name first.
///
/// Prints to stdout and stderr. The exit code is 0 where all passed, 1 where the gate failed, 2 where karat could not do
/// its job. Call it from `main`, before any thread is started: insta is silenced by way of the environment.
pub fn main(executors: Executors, home: &Home, arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if let [_, only] = &arguments[..]
        && ["--version", "-V"].iter().any(|version| only == version)
    {
        // A closed pipe is nobody's concern here either.
        std::io::stdout().write_all(version().as_bytes()).ok();
        return ExitCode::SUCCESS;
    }
    // SAFETY: the caller is `main`, and no thread has been started.
    unsafe { crate::snapshot::silence() };
    let command = Cli::command().bin_name(&home.command);
    let cli = match command.try_get_matches_from(arguments).and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => {
            // A closed pipe is nobody's concern here.
            error.print().ok();
            return match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
                _ => ExitCode::from(2),
            };
        }
    };
    let context = Context { home, screen: Screen::detect() };
    // Whoever waits for the process of one case sees by itself that it ended early.
    if !matches!(cli.verb, Verb::Alone(_)) {
        guard::arm(2);
    }
    let ended = match cli.verb {
        Verb::Run(run) => run.main(executors, &context),
        Verb::Matrix(matrix) => matrix.main(executors, &context),
        Verb::Report(report) => report.main(&executors, &context),
        Verb::Merge(merge) => merge.main(&executors, &context),
        Verb::List(list) => list.main(&context),
        Verb::Show(show) => show.main(&context),
        Verb::Diff(diff) => diff.main(&context),
        Verb::Explain(explain) => explain.main(executors, &context),
        Verb::Add(add) => add.main(&context),
        Verb::Accept(accept) => accept.main(&context),
        Verb::Doctor(doctor) => doctor.main(&context),
        #[cfg(feature = "cli")]
        Verb::Completions(completions) => completions.main(&context),
        Verb::Alone(alone) => alone.main(executors),
        #[cfg(feature = "cli")]
        Verb::Schema(schema) => schema.main(&context),
    };
    match ended {
        Ok(Gate::Passed) => ExitCode::SUCCESS,
        Ok(Gate::Failed) => ExitCode::from(1),
        Ok(Gate::Interrupted(code)) => code,
        Err(error) => {
            context.screen.complain(&error.to_string());
            ExitCode::from(2)
        }
    }
}

/// What clap would print for `--version`: the command line that it builds first takes longer than the rest of the process.
fn version() -> String {
    format!("karat {}\n", env!("CARGO_PKG_VERSION"))
}

/// The dtype of that name, for clap.
fn parse_dtype(name: &str) -> Result<DType, String> {
    DType::from_name(name).ok_or_else(|| {
        let known: Vec<&str> = DType::ALL.into_iter().map(DType::name).collect();
        format!("dtypes are {}", known.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_verbs_is_that_of_the_command_line() {
        let command = Cli::command();
        let typed = command.get_subcommands().filter(|verb| !verb.is_hide_set());
        let names: Vec<&str> = typed.map(clap::Command::get_name).collect();
        assert_eq!(names, VERBS);
        Cli::command().debug_assert();
    }

    #[test]
    fn the_version_is_that_of_the_command_line() {
        assert_eq!(version(), Cli::command().render_version());
    }
}
