//! `karat list`: lists the cases.

use std::path::PathBuf;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use super::cases::PartitionArg;
use super::context::SELECTION;
use super::suggest::locate_source;
use super::{Context, Exit, SnapshotsArg};
use crate::case::{CaseId, Goldens, Suites, cores, parallel_map};
use crate::error::Result;
use crate::report::{CaseLine, json, terminal};
use crate::run::{Filter, Selection, empty_selection_error};

/// The arguments of `karat list`.
#[derive(Debug, Args)]
pub(super) struct List {
    /// The goldens root, or a folder below it [default: goldens]
    root: Option<PathBuf>,
    #[command(flatten)]
    snapshots: SnapshotsArg,
    /// List only cases whose id contains FILTER; may be repeated (any match)
    #[arg(short = 'k', long = "filter", value_name = "FILTER", value_parser = NonEmptyStringValueParser::new())]
    #[arg(help_heading = SELECTION)]
    filter: Vec<String>,
    #[command(flatten)]
    partition: PartitionArg,
    /// Print one JSON document and nothing else
    #[arg(long)]
    json: bool,
}

impl List {
    pub(super) fn main(self, context: &Context<'_>) -> Result<Exit> {
        let List { root, snapshots, filter, partition, json } = self;
        let goldens = locate_source(root.as_ref(), context)?;
        let filter = Filter { patterns: filter, shard: partition.shard(context)?, ..Filter::default() };
        let tree = goldens.discover()?;
        let selection = filter.select(&tree);
        if selection.is_empty {
            return Err(empty_selection_error(&goldens, &tree, &filter));
        }
        let commands = context.commands(root.as_ref(), Some(&snapshots), None);
        let mut lines = lines(&goldens, &selection);
        for error in lines.iter_mut().filter_map(|line| line.error.as_mut()) {
            *error = commands.relative(error);
        }
        context.screen.print_view(
            json,
            |out| json::list(out, &commands, &lines),
            |palette| terminal::list(palette, &lines),
        )?;
        Ok(Exit::from_passed(lines.iter().all(|line| line.error.is_none())))
    }
}

/// Returns a line for every selected case and every selected problem, sorted by id.
fn lines(goldens: &Goldens, selection: &Selection<'_>) -> Vec<CaseLine> {
    let suites = Suites::new(&goldens.root);
    let cases = parallel_map(&selection.cases, cores(), |id| match suites.case(id) {
        Ok(case) => CaseLine {
            id: case.id,
            file: case.file,
            checkpoint: Some(case.checkpoint),
            outputs: case.outputs.into_keys().collect(),
            skip: case.skip,
            error: None,
        },
        Err(error) => broken(goldens, id, error.to_string()),
    });
    let problems = selection.problems.iter().map(|(id, what)| broken(goldens, id, (*what).to_owned()));
    let mut lines: Vec<CaseLine> = cases.into_iter().chain(problems).collect();
    lines.sort_by(|a, b| a.id.cmp(&b.id));
    lines
}

/// Returns the line of a case that cannot be read.
fn broken(goldens: &Goldens, id: &CaseId, error: String) -> CaseLine {
    let place = id.below(&goldens.root);
    CaseLine {
        id: id.clone(),
        file: if place.is_file() { place } else { place.join("case.json") },
        checkpoint: None,
        outputs: Vec::new(),
        skip: None,
        error: Some(error),
    }
}
