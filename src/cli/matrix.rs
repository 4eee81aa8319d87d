//! `karat matrix`: runs cases with several executors and checks the accuracy of each.

use clap::{Args, ValueEnum};

use super::cases::{Cases, SelectedCases};
use super::context::{EXECUTION, GATE};
use super::output::Progress;
use super::{Context, Exit, harnesses};
use crate::error::{Error, Result};
use crate::report::{json, markdown, terminal};
use crate::run::{Executors, Gates, Matrix as Outcomes, Session};

/// The arguments of `karat matrix`.
#[derive(Debug, Args)]
pub(super) struct Matrix {
    #[command(flatten)]
    cases: Cases,
    /// Run this executor; may be repeated [default: all]
    #[arg(long = "executor", value_name = "NAME", help_heading = EXECUTION)]
    executors: Vec<String>,
    /// Fail where this executor lacks a checkpoint; may be repeated
    #[arg(long = "require", value_name = "NAME", help_heading = GATE)]
    required: Vec<String>,
    /// What a row of the table is
    #[arg(long, value_enum, default_value = "case")]
    by: By,
    /// Print a Markdown table and nothing else
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
    /// Print one JSON document and nothing else, always by case
    #[arg(long, conflicts_with = "by")]
    json: bool,
}

/// What a row of the table is.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum By {
    /// One case
    Case,
    /// All cases of one checkpoint in one suite
    Checkpoint,
}

impl Matrix {
    pub(super) fn main(self, executors: Executors, context: &Context<'_>) -> Result<Exit> {
        let Matrix { cases, executors: names, required, by, markdown, json } = self;
        for name in &required {
            executors.check(name)?;
            if !names.is_empty() && !names.contains(name) {
                return Err(Error::Usage(format!("--require {name}: excluded by --executor")));
            }
        }
        let root = cases.root.as_ref().unwrap_or(&context.program.root);
        harnesses::check(context, root, !names.is_empty(), executors.default_name())?;
        let chosen = executors.choose(&names)?;
        let SelectedCases { goldens, tree, filter, options } = cases.select(context, Gates::Accuracy)?;
        let count = filter.select(&tree).cases.len() * chosen.len();
        let progress = Progress::start(count, context.screen.shows_progress && !json);
        let run = |executor| {
            let session = Session::new(goldens.clone(), executor, options.clone())?;
            session.run(&tree, &filter, |case| progress.advance(case))
        };
        let runs = chosen.into_iter().map(run).collect::<Result<Vec<_>>>()?;
        progress.finish();
        let outcomes = Outcomes::new(runs, &required);
        let commands = context.commands(cases.root.as_ref(), Some(&cases.snapshots), None);
        let by = match by {
            By::Case => terminal::RowKind::Case,
            By::Checkpoint => terminal::RowKind::Checkpoint,
        };
        context.screen.print_view(
            json,
            |out| json::matrix(out, &commands, &outcomes),
            |palette| match markdown {
                true => markdown::matrix(by, &outcomes),
                false => terminal::matrix(by, palette, &commands, &outcomes),
            },
        )?;
        if markdown && outcomes.failed() > 0 {
            // The table may be redirected to a file; this line appears in the log.
            let cells = match outcomes.failed() {
                1 => "1 cell failed".to_owned(),
                failed => format!("{failed} cells failed"),
            };
            context.screen.warn(&format!("{cells}; to see why, run this again without --markdown"));
        }
        Ok(Exit::from_passed(outcomes.failed() == 0))
    }
}
