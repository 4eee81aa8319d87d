//! The command line: one file a verb. The only user of clap.

mod accept;
mod add;
mod alone;
mod cases;
#[cfg(feature = "cli")]
mod completions;
mod diff;
mod doctor;
mod examples;
mod explain;
mod guard;
#[cfg(feature = "cli")]
mod harnesses;
mod interrupt;
mod isolate;
mod list;
mod made;
mod matrix;
mod merge;
mod near;
mod output;
mod own;
mod param;
mod part;
mod progress;
mod replaced;
mod report;
mod reports;
mod run;
#[cfg(feature = "cli")]
mod schema;
mod show;
mod shrunk;
#[cfg(feature = "cli")]
mod source_code;

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

pub(crate) use self::alone::ALONE;
pub(crate) use self::guard::{arm, disarm};
pub(crate) use self::isolate::{Told, isolation};
pub(crate) use self::near::near_verb;
use self::output::{Screen, print};
use crate::case::{Goldens, absolute};
use crate::error::{Error, Result};
use crate::report::{Review, Voice};
use crate::run::Executors;
use crate::snapshot::Recorder;
use crate::tensor::DType;
use crate::text::safe::lines;

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
    /// Whether a case fails whose comparison is [vacuous](crate::compare::vacuous()), typed or not.
    pub deny_vacuous: bool,
    /// The folder that the reader is in: paths below it are shown relative to it.
    pub base: PathBuf,
    /// Whose checkpoints the executors hold.
    pub host: Host,
}

/// Whose checkpoints a command line runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Host {
    /// Those of a test target with a [`Harness`](crate::Harness), or of a program that calls [`main`].
    Harness,
    /// karat's own: the binary. It does not run them in place of those of a harness.
    #[cfg(feature = "cli")]
    Binary,
}

impl Host {
    /// What the current folder is, where the reader may not know it.
    fn folder(self) -> &'static str {
        match self {
            Host::Harness => ", the folder of the package, in which cargo runs its tests",
            #[cfg(feature = "cli")]
            Host::Binary => "",
        }
    }
}

impl Home {
    /// The goldens at home, with that snapshots folder if one is given.
    pub(crate) fn goldens(&self, snapshots: Option<&Path>) -> Result<Goldens> {
        let snapshots = snapshots.or(self.snapshots.as_deref());
        let has_own = self.root.components().any(|part| part.as_os_str() == "goldens");
        if self.host == Host::Harness && snapshots.is_none() && !has_own {
            let root = self.root.display();
            return Err(Error::Usage(format!(
                "{root} is not in a folder named `goldens`; say where its snapshots are with Harness::snapshots(..)"
            )));
        }
        Goldens::locate(&self.root, snapshots)
    }

    /// What to say of an error: where there is no case yet, also the command that adds one, or that goes to where there are some.
    pub(crate) fn complaint(&self, error: &Error) -> String {
        let Error::NoCases { place, exists } = error else { return error.to_string() };
        let is_own = absolute(&self.root).is_ok_and(|root| root == *place);
        if let (true, false, Some(above)) = (is_own, exists, self.above()) {
            let root = above.join(&self.root);
            return format!("{error}\na folder above has one, {}; to use it:  cd {}", root.display(), above.display());
        }
        let shown = place.strip_prefix(&self.base).unwrap_or(place);
        let root = (!is_own).then(|| shown.display().to_string());
        let voice = Voice { root, ..self.voice() };
        format!("{error}\nto add the first:  {}", voice.add())
    }

    /// The nearest folder above in which the goldens would be found, from here. Cargo runs a harness where it always does.
    fn above(&self) -> Option<PathBuf> {
        let is_root = |(_, folder): &(usize, &Path)| folder.join(&self.root).is_dir();
        let (levels, _) = self.base.ancestors().enumerate().skip(1).find(is_root)?;
        (self.host != Host::Harness).then(|| vec![".."; levels].iter().collect())
    }

    /// How to name karat's commands here.
    fn voice(&self) -> Voice {
        Voice {
            command: self.command.clone(),
            review: Review::Accept,
            root: None,
            snapshots: None,
            executor: None,
            options: None,
            leaves_pending: true,
            base: self.base.clone(),
        }
    }
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

/// The verbs as `--help` of a harness lists them, a line each.
pub(crate) fn verbs_help() -> String {
    let command = Cli::command();
    let verbs = command.get_subcommands().filter(|verb| !verb.is_hide_set());
    verbs.map(|verb| format!("  {:<13}{}\n", verb.get_name(), verb.get_about().unwrap_or_default())).collect()
}

/// Which goldens a verb is about.
#[derive(Debug, Args)]
struct Place {
    /// The snapshots folder [default: `snapshots`, where the last component of the root named `goldens` stands]
    #[arg(long, value_name = "DIR", help_heading = cases::SELECTION)]
    snapshots: Option<PathBuf>,
}

impl Place {
    /// The goldens that were typed, or those at home.
    fn locate(&self, typed: Option<&PathBuf>, context: &Context<'_>) -> Result<Goldens> {
        let snapshots = self.snapshots.as_deref();
        let Some(typed) = typed else { return context.home.goldens(snapshots) };
        Goldens::locate(typed, snapshots).map_err(|error| near::root(context, typed, error))
    }
}

/// The goldens that were typed, or those at home, for a verb that only reads them: where their snapshots are is nothing to it.
fn source(typed: Option<&PathBuf>, context: &Context<'_>) -> Result<Goldens> {
    let root = typed.unwrap_or(&context.home.root);
    Goldens::locate(root, None).or_else(|_| Goldens::locate(root, Some(Path::new("snapshots")))).map_err(|error| {
        match typed {
            Some(typed) => near::root(context, typed, error),
            None => error,
        }
    })
}

/// Everything that a verb is given besides its own arguments.
struct Context<'a> {
    home: &'a Home,
    screen: Screen,
    /// What was typed behind the command: the verb first.
    typed: &'a [OsString],
}

impl Context<'_> {
    /// Where a file was looked for that is not there, behind `; `; nothing where that was typed.
    fn looked(&self, file: &Path) -> String {
        let folder = std::env::current_dir().unwrap_or_default();
        match file.is_relative() {
            true => format!("; looked in {}{}", folder.display(), self.home.host.folder()),
            false => String::new(),
        }
    }

    /// How to name karat's commands, where the reader has typed that root and place.
    fn voice(&self, typed: Option<&PathBuf>, place: Option<&Place>, recorder: Option<&Recorder>) -> Voice {
        Voice {
            review: match recorder.is_some_and(Recorder::has_cargo_insta) {
                true => Review::Insta,
                false => Review::Accept,
            },
            root: typed.map(|root| root.display().to_string()),
            snapshots: place.and_then(|place| place.snapshots.as_ref()).map(|folder| folder.display().to_string()),
            ..self.home.voice()
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
/// its job.
pub fn main(executors: Executors, home: &Home, arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if let [_, only] = &arguments[..]
        && ["--version", "-V"].iter().any(|version| only == version)
    {
        return printed(print(|out| out.write_all(version().as_bytes())));
    }
    let command = examples::with(Cli::command().bin_name(&home.command), &home.command);
    let cli = match command.try_get_matches_from(&arguments).and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(mut error) => {
            suggest_verb(&mut error);
            return match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => printed(print(|_| error.print())),
                _ => {
                    // There is nowhere left to say that stderr is closed.
                    writeln!(std::io::stderr(), "{}", lines(&error.render().to_string())).ok();
                    ExitCode::from(2)
                }
            };
        }
    };
    let context = Context { home, screen: Screen::detect(), typed: arguments.get(1..).unwrap_or_default() };
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
        Verb::Add(add) => add.main(&executors, &context),
        Verb::Accept(accept) => accept.main(&context),
        Verb::Doctor(doctor) => doctor.main(executors, &context),
        #[cfg(feature = "cli")]
        Verb::Completions(completions) => completions.main(),
        Verb::Alone(alone) => alone.main(executors),
        #[cfg(feature = "cli")]
        Verb::Schema(schema) => schema.main(),
    };
    match ended {
        Ok(Gate::Passed) => ExitCode::SUCCESS,
        Ok(Gate::Failed) => ExitCode::from(1),
        Ok(Gate::Interrupted(code)) => code,
        Err(error) => {
            context.screen.complain(&home.complaint(&error));
            ExitCode::from(2)
        }
    }
}

/// Adds the verb that was meant, where clap sees none: it does not count exchanged letters as one edit.
fn suggest_verb(error: &mut clap::Error) {
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand) else { return };
    let near = near_verb(word).filter(|_| error.get(ContextKind::SuggestedSubcommand).is_none());
    if let Some(verb) = near {
        error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(vec![verb.to_owned()]));
    }
}

/// The exit code where something was to be printed and nothing else.
fn printed(printed: Result<()>) -> ExitCode {
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            Screen::detect().complain(&error.to_string());
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

    /// The words of each command behind the program's name, as a shell splits them.
    #[cfg(unix)]
    fn split(commands: &[String]) -> Vec<Vec<String>> {
        let lines: String = commands.iter().map(|command| format!("printf '%s\\0' {command}; echo\n")).collect();
        let output = std::process::Command::new("sh").arg("-c").arg(lines).output().expect("there is a shell");
        let text = String::from_utf8(output.stdout).expect("what was printed is UTF-8");
        let words = |line: &str| line.split_terminator('\0').skip(1).map(str::to_owned).collect();
        text.lines().map(words).collect()
    }

    #[cfg(unix)]
    #[test]
    fn every_command_names_the_id_that_it_is_about() {
        use proptest::prelude::*;

        use crate::case::CaseId;

        let home = Home { root: "goldens".into(), ..home() };
        let plain = Voice { base: "/".into(), ..home.voice() };
        let id = "[-a-c$'\"` =#~*?!;&|<>(){}\\[\\]^%@:,+.éλ/0]{1,12}|-[-a-z]{0,3}";
        let options = ["-r", "a b", "r"].map(|text| Some(text.to_owned()));
        proptest!(|(id in id, root in proptest::option::of(proptest::sample::select(options.to_vec())))| {
            prop_assume!(CaseId::new(&id).is_ok());
            let root = root.flatten();
            let voice = Voice { snapshots: root.clone(), executor: root.clone(), root, ..plain.clone() };
            let commands = [
                (voice.run(Some(&id)), "filter"),
                (voice.list(Some(&id)), "filter"),
                (voice.explain(&id), "case"),
                (voice.show_case(&id), "what"),
                (voice.accept(Some(&id)), "filter"),
            ];
            let lines: Vec<String> = commands.iter().map(|(command, _)| command.clone()).collect();
            let split = split(&lines);
            prop_assert_eq!(split.len(), commands.len());
            for (words, (command, argument)) in split.into_iter().zip(&commands) {
                let words = std::iter::once("karat".to_owned()).chain(words);
                let matches = Cli::command().try_get_matches_from(words);
                let matches = matches.map_err(|error| TestCaseError::fail(format!("{command}: {error}")))?;
                let (_, verb) = matches.subcommand().expect("a verb");
                let named: Vec<&String> = verb.get_many(argument).expect("the argument").collect();
                prop_assert_eq!(named, vec![&id], "{}", command);
            }
        });
    }

    fn home() -> Home {
        Home {
            command: "karat".into(),
            root: PathBuf::new(),
            snapshots: None,
            allowed_skips: Vec::new(),
            deny_vacuous: false,
            base: PathBuf::new(),
            host: Host::Harness,
        }
    }

    #[test]
    fn the_version_is_that_of_the_command_line() {
        assert_eq!(version(), Cli::command().render_version());
    }
}
