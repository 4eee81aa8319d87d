//! `karat list`: the cases, and what each holds.

use std::path::PathBuf;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use super::{Context, Gate, Place, source};
use crate::error::Result;
use crate::golden::{Case, CaseId, Goldens, Tree};
use crate::report::{CaseLine, json, terminal};
use crate::run::{Filter, nothing_selected};

/// The arguments of `karat list`.
#[derive(Debug, Args)]
pub(super) struct List {
    /// The goldens root, or a folder below it [default: goldens]
    root: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
    /// List only cases whose id contains FILTER; several add up
    #[arg(short = 'k', long = "filter", value_name = "FILTER", value_parser = NonEmptyStringValueParser::new())]
    filter: Vec<String>,
    /// Print one JSON document and nothing else
    #[arg(long)]
    json: bool,
}

impl List {
    pub(super) fn main(self, context: &Context<'_>) -> Result<Gate> {
        let List { root, place, filter, json } = self;
        let goldens = source(root.as_ref(), context.home)?;
        let filter = Filter { patterns: filter };
        let tree = goldens.discover()?;
        let mut lines = lines(&goldens, &tree, &filter);
        if lines.is_empty() {
            return Err(nothing_selected(&goldens, &tree, &filter));
        }
        let voice = context.voice(root.as_ref(), Some(&place), None);
        for error in lines.iter_mut().filter_map(|line| line.error.as_mut()) {
            *error = voice.relative(error);
        }
        context.screen.print(|out, palette| match json {
            true => json::list(out, &voice, &lines),
            false => terminal::list(out, palette, &lines),
        })?;
        Ok(if lines.iter().all(|line| line.error.is_none()) { Gate::Passed } else { Gate::Failed })
    }
}

/// A line for every case and every problem that the filter selects, by id.
fn lines(goldens: &Goldens, tree: &Tree, filter: &Filter) -> Vec<CaseLine> {
    let selected = tree.cases.iter().filter(|id| filter.selects(id));
    let cases = selected.map(|id| match Case::load(&goldens.root, id) {
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
    let problems = tree.problems.iter().filter(|(id, _)| filter.selects(id));
    let problems = problems.map(|(id, what)| broken(goldens, id, what.clone()));
    let mut lines: Vec<CaseLine> = cases.chain(problems).collect();
    lines.sort_by(|a, b| a.id.cmp(&b.id));
    lines
}

/// The line of a case that could not be understood.
fn broken(goldens: &Goldens, id: &CaseId, error: String) -> CaseLine {
    CaseLine {
        id: id.clone(),
        file: id.below(&goldens.root).join("case.json"),
        checkpoint: None,
        outputs: Vec::new(),
        skip: None,
        error: Some(error),
    }
}
