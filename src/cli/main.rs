//! The command line as a whole: its verbs, and how a run of it ends.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use super::context::{Context, Gate, Home};
use super::near::near_verb;
use super::output::{Screen, print};
use super::{accept, add, diff, doctor, examples, explain, interrupt, isolate, list, matrix, report, run, show};
#[cfg(feature = "cli")]
use super::{completions, schema};
use crate::error::Result;
use crate::run::Executors;
use crate::text::safe::escape_lines;

/// Numeric golden testing: holds every checkpoint of ported code against an independent reference.
#[derive(Debug, Parser)]
#[command(
    name = "karat",
    version,
    after_help = "Exit status: 0 all passed, 1 the gate failed, 2 karat could not do its job. 130 or 143: a run was interrupted."
)]
pub(super) struct Cli {
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
    Merge(report::Merge),
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
    #[command(name = crate::run::ISOLATED, hide = true)]
    Alone(isolate::Alone),
    /// Print the JSON Schema of case.json, of suite.json, or of what `run --json` writes
    #[cfg(feature = "cli")]
    Schema(schema::Schema),
}

/// The verbs as `--help` of a harness lists them, a line each.
pub(crate) fn verbs_help() -> String {
    let command = Cli::command();
    let verbs = command.get_subcommands().filter(|verb| !verb.is_hide_set());
    verbs.map(|verb| format!("  {:<13}{}\n", verb.get_name(), verb.get_about().unwrap_or_default())).collect()
}

/// Runs the verb that `arguments` name, the program's name first.
///
/// Prints to stdout and stderr. The exit code is 0 where all passed, 1 where the gate failed, 2 where karat could not do
/// its job. Where insta would print, `run` starts the program again, silenced (on Unix): it is to be called first thing in `main`.
pub(crate) fn main(executors: Executors, home: &Home, arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
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
                    writeln!(std::io::stderr(), "{}", escape_lines(&error.render().to_string())).ok();
                    ExitCode::from(2)
                }
            };
        }
    };
    let context = Context { home, screen: Screen::detect(), typed: arguments.get(1..).unwrap_or_default() };
    // No other verb records.
    if matches!(cli.verb, Verb::Run(_)) {
        crate::snapshot::silence_insta();
    }
    // Whoever waits for the process of one case sees by itself that it ended early.
    if !matches!(cli.verb, Verb::Alone(_)) {
        interrupt::arm(2);
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
        Verb::Completions(completions) => completions.main(&Cli::command()),
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

/// Runs the verb that the command line of the `karat` binary names.
#[cfg(feature = "cli")]
pub fn binary(executors: Executors) -> ExitCode {
    main(executors, &Home::new("karat", "goldens", super::Host::Binary), std::env::args_os())
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

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(unix)]
    use crate::cli::Host;
    use crate::cli::VERBS;
    #[cfg(unix)]
    use crate::report::Commands;

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

        let home = Home::new("karat", "goldens", Host::Harness);
        let plain = Commands { base: "/".into(), ..home.commands() };
        let id = "[-a-c$'\"` =#~*?!;&|<>(){}\\[\\]^%@:,+.éλ/0]{1,12}|-[-a-z]{0,3}";
        let options = ["-r", "a b", "r"].map(|text| Some(text.to_owned()));
        proptest!(|(id in id, root in proptest::option::of(proptest::sample::select(options.to_vec())))| {
            prop_assume!(CaseId::new(&id).is_ok());
            let root = root.flatten();
            let commands = Commands { snapshots: root.clone(), executor: root.clone(), root, ..plain.clone() };
            let commands = [
                (commands.run(Some(&id)), "filter"),
                (commands.list(Some(&id)), "filter"),
                (commands.explain(&id), "case"),
                (commands.show_case(&id), "what"),
                (commands.accept(Some(&id)), "filter"),
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

    #[test]
    fn the_version_is_that_of_the_command_line() {
        assert_eq!(version(), Cli::command().render_version());
    }
}
