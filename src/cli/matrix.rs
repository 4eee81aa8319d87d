//! `karat matrix`: cases by executors, each held to accuracy alone.

use clap::{Args, ValueEnum};

use super::cases::{Cases, Selected};
use super::context::{EXECUTION, GATE};
use super::output::Progress;
use super::{Context, Gate, own};
use crate::error::{Error, Result};
use crate::report::{json, markdown, terminal};
use crate::run::{Executors, Gates, Matrix as Outcomes, Session};

/// The arguments of `karat matrix`.
#[derive(Debug, Args)]
pub(super) struct Matrix {
    #[command(flatten)]
    cases: Cases,
    /// Run that executor; may be repeated [default: all]
    #[arg(long = "executor", value_name = "NAME", help_heading = EXECUTION)]
    executors: Vec<String>,
    /// Fail where that executor lacks a checkpoint; may be repeated
    #[arg(long = "require", value_name = "NAME", help_heading = GATE)]
    required: Vec<String>,
    /// What a row is
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
    pub(super) fn main(self, executors: Executors, context: &Context<'_>) -> Result<Gate> {
        let Matrix { cases, executors: typed, required, by, markdown, json } = self;
        for name in &required {
            executors.check(name)?;
            if !typed.is_empty() && !typed.contains(name) {
                return Err(Error::Usage(format!("--require {name}: --executor leaves it out")));
            }
        }
        let root = cases.root.as_ref().unwrap_or(&context.home.root);
        own::check(context, root, !typed.is_empty(), executors.default_name())?;
        let chosen = executors.choose(&typed)?;
        let selected = cases.select(context, Gates::Accuracy)?;
        let progress = Progress::start(selected.count() * chosen.len(), context.screen.is_watched && !json);
        let Selected { goldens, tree, filter, options } = selected;
        let run = |executor| {
            let session = Session::new(goldens.clone(), executor, options.clone())?;
            session.run(&tree, &filter, |case| progress.advance(case))
        };
        let runs = chosen.into_iter().map(run).collect::<Result<Vec<_>>>()?;
        progress.finish();
        let outcomes = Outcomes::new(runs, &required);
        let commands = context.commands(cases.root.as_ref(), Some(&cases.place), None);
        let by = match by {
            By::Case => terminal::RowKind::Case,
            By::Checkpoint => terminal::RowKind::Checkpoint,
        };
        context.screen.print(|out, palette| match (json, markdown) {
            (true, _) => json::matrix(out, &commands, &outcomes),
            (_, true) => out.write_all(markdown::matrix(by, &outcomes).as_bytes()),
            (_, false) => out.write_all(terminal::matrix(by, palette, &commands, &outcomes).as_bytes()),
        })?;
        if markdown && outcomes.failed() > 0 {
            // The table may be in a file: this is what a log shows.
            let cells = match outcomes.failed() {
                1 => "1 cell fails".to_owned(),
                failed => format!("{failed} cells fail"),
            };
            context.screen.complain(&format!("{cells}; to see why, run the same without --markdown"));
        }
        Ok(if outcomes.failed() == 0 { Gate::Passed } else { Gate::Failed })
    }
}
