//! The command line as a whole: its verbs, and the exit status.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use super::context::{Context, Exit, Program};
use super::output::{Screen, print};
use super::suggest::similar_verb;
use super::{accept, add, diff, doctor, examples, explain, interrupt, isolate, list, matrix, report, run, show};
#[cfg(feature = "cli")]
use super::{completions, schema};
use crate::error::Result;
use crate::run::Executors;
use crate::text::safe::escape_lines;

/// Numeric golden testing: compares every checkpoint of ported code with an independent reference.
#[derive(Debug, Parser)]
#[command(
    name = "karat",
    version,
    after_help = "Exit status: 0 all cases passed, 1 a case failed, 2 karat could not run. 130 or 143: interrupted."
)]
pub(super) struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run cases and compare their outputs with references and snapshots
    Run(run::Run),
    /// Run cases with several executors and print a table of largest differences and verdicts
    Matrix(matrix::Matrix),
    /// Write reports from the record of a run (`run --json FILE`); runs nothing
    Report(report::Report),
    /// Merge the records of the shards of a run into one; runs nothing
    Merge(report::Merge),
    /// List the cases
    List(list::List),
    /// Show a tensor file, one of its members, or a case
    Show(show::Show),
    /// Compare two tensor files, two containers, or two folders; the second is the reference
    Diff(diff::Diff),
    /// Run one case and explain its mismatches: likely causes, and where the differences are
    Explain(explain::Explain),
    /// Add a case
    Add(add::Add),
    /// Accept pending snapshots; runs nothing
    Accept(accept::Accept),
    /// Diagnose the setup and suggest fixes; runs nothing
    Doctor(doctor::Doctor),
    /// Print shell completions
    #[cfg(feature = "cli")]
    Completions(completions::Completions),
    /// Run one case of an isolated run
    #[command(name = crate::run::ISOLATED, hide = true)]
    RunIsolated(isolate::RunIsolated),
    /// Print the JSON Schema of case.json, suite.json or the output of `run --json`
    #[cfg(feature = "cli")]
    Schema(schema::Schema),
}

/// Returns the list of verbs for `--help` of a harness, one per line.
pub(crate) fn verbs_help() -> String {
    let command = Cli::command();
    let verbs = command.get_subcommands().filter(|verb| !verb.is_hide_set());
    verbs.map(|verb| format!("  {:<13}{}\n", verb.get_name(), verb.get_about().unwrap_or_default())).collect()
}

/// Runs the verb in `arguments`, whose first element is the program's name.
///
/// Prints to stdout and stderr. The exit code is 0 if all cases passed, 1 if one failed, 2 if karat could not run. Where insta would
/// print, `run` starts the program again with insta silenced (on Unix), so call this first in `main`.
pub(crate) fn main(executors: Executors, program: &Program, arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if let [_, only] = &arguments[..]
        && ["--version", "-V"].iter().any(|version| only == version)
    {
        return exit_code(print(|out| out.write_all(version().as_bytes())));
    }
    let command = examples::with_examples(Cli::command().bin_name(&program.command), &program.command);
    let cli = match command.try_get_matches_from(&arguments).and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(mut error) => {
            suggest_verb(&mut error);
            return match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => exit_code(print(|_| error.print())),
                _ => {
                    // If stderr is closed there is nowhere to report it.
                    writeln!(std::io::stderr(), "{}", escape_lines(&error.render().to_string())).ok();
                    ExitCode::from(2)
                }
            };
        }
    };
    let context = Context { program, screen: Screen::detect(), args: arguments.get(1..).unwrap_or_default() };
    // Only `run` records snapshots.
    if matches!(cli.verb, Verb::Run(_)) {
        crate::snapshot::silence_insta();
    }
    // The parent of an isolated case notices an early exit by itself.
    if !matches!(cli.verb, Verb::RunIsolated(_)) {
        interrupt::arm(2);
    }
    let exit = match cli.verb {
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
        Verb::RunIsolated(case) => case.main(executors),
        #[cfg(feature = "cli")]
        Verb::Schema(schema) => schema.main(),
    };
    match exit {
        Ok(Exit::Passed) => ExitCode::SUCCESS,
        Ok(Exit::Failed) => ExitCode::from(1),
        Ok(Exit::Interrupted(code)) => code,
        Err(error) => {
            context.screen.warn(&program.describe(&error));
            ExitCode::from(2)
        }
    }
}

/// Runs the command line of the `karat` binary.
#[cfg(feature = "cli")]
pub fn binary(executors: Executors) -> ExitCode {
    main(executors, &Program::new("karat", "goldens", super::Host::Binary), std::env::args_os())
}

/// Suggests a verb where clap finds none: clap does not count two swapped letters as one edit.
fn suggest_verb(error: &mut clap::Error) {
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand) else { return };
    if let (Some(verb), None) = (similar_verb(word), error.get(ContextKind::SuggestedSubcommand)) {
        error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(vec![verb.to_owned()]));
    }
}

/// Returns the exit code of a command that only prints.
fn exit_code(printed: Result<()>) -> ExitCode {
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            Screen::detect().warn(&error.to_string());
            ExitCode::from(2)
        }
    }
}

/// Returns what clap would print for `--version`; building clap's command first takes longer than the rest of the process.
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
    fn verbs_lists_every_visible_subcommand() {
        let command = Cli::command();
        let verbs = command.get_subcommands().filter(|verb| !verb.is_hide_set());
        let names: Vec<&str> = verbs.map(clap::Command::get_name).collect();
        assert_eq!(names, VERBS);
        Cli::command().debug_assert();
    }

    /// Splits each command into words as a shell does, without the program's name.
    #[cfg(unix)]
    fn split(commands: &[String]) -> Vec<Vec<String>> {
        let lines: String = commands.iter().map(|command| format!("printf '%s\\0' {command}; echo\n")).collect();
        let output = std::process::Command::new("sh").arg("-c").arg(lines).output().expect("sh runs");
        let text = String::from_utf8(output.stdout).expect("the output is UTF-8");
        let words = |line: &str| line.split_terminator('\0').skip(1).map(str::to_owned).collect();
        text.lines().map(words).collect()
    }

    #[cfg(unix)]
    #[test]
    fn every_suggested_command_selects_the_given_id() {
        use proptest::prelude::*;

        use crate::case::CaseId;

        let program = Program::new("karat", "goldens", Host::Harness);
        let plain = Commands { base: "/".into(), ..program.commands() };
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
    fn the_version_is_what_clap_would_print() {
        assert_eq!(version(), Cli::command().render_version());
    }
}
