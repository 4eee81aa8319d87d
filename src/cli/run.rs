//! `karat run`: every case against its reference and its snapshot.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use super::progress::Progress;
use super::{Context, Gate, Place};
use crate::error::{Error, Result};
use crate::golden::{CaseId, Goldens};
use crate::report::{json, terminal};
use crate::run::{Executor, Filter, Options, Session};

/// The arguments of `karat run`.
#[derive(Debug, Args)]
pub(super) struct Run {
    /// The goldens root, or a folder below it [default: goldens]
    root: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
    /// Run only cases whose id contains FILTER; several add up
    #[arg(short = 'k', long = "filter", value_name = "FILTER", value_parser = NonEmptyStringValueParser::new())]
    filter: Vec<String>,
    /// Run N cases at a time [default: one a processor]
    #[arg(short = 'j', long, value_name = "N", value_parser = parse_jobs)]
    jobs: Option<NonZeroUsize>,
    /// Call each checkpoint N times; all calls must agree bit for bit
    #[arg(long = "repeat", value_name = "N", default_value = "1")]
    repeats: NonZeroUsize,
    /// Let the case with that id be skipped in CI; several add up
    #[arg(long = "allow-skip", value_name = "ID")]
    allow_skip: Vec<String>,
    /// Print one JSON document and nothing else
    #[arg(long)]
    json: bool,
}

impl Run {
    pub(super) fn main(self, executor: Executor, context: &Context<'_>) -> Result<Gate> {
        let Run { root, place, filter, jobs, repeats, mut allow_skip, json } = self;
        let goldens = place.locate(root.as_ref(), context.home)?;
        check_skips(&goldens, &allow_skip)?;
        allow_skip.extend(context.home.allowed_skips.iter().cloned());
        let defaults = Options::default();
        let options = Options { jobs: jobs.unwrap_or(defaults.jobs), repeats, allowed_skips: allow_skip, ..defaults };
        let tree = goldens.discover()?;
        let filter = Filter { patterns: filter };
        let session = Session::new(goldens, executor, options)?;
        let voice = context.voice(root.as_ref(), Some(&place), Some(session.recorder()));

        let count = tree.cases.iter().filter(|id| filter.selects(id)).count();
        let progress = Progress::start(count, context.screen.is_watched && !json);
        let outcome = session.run(&tree, &filter, |case| progress.advance(case))?;
        progress.finish();
        context.screen.print(|out, palette| match json {
            true => json::run(out, &voice, &outcome),
            false => terminal::run(out, palette, &voice, &outcome),
        })?;
        Ok(if outcome.failed() == 0 { Gate::Passed } else { Gate::Failed })
    }
}

/// A number of threads that a system can start.
fn parse_jobs(text: &str) -> Result<NonZeroUsize, String> {
    match text.parse() {
        Ok(jobs) if jobs <= NonZeroUsize::new(1024).expect("1024 is not 0") => Ok(jobs),
        _ => Err("give a number from 1 to 1024".to_owned()),
    }
}

/// Refuses to allow the skip of a case that there is not: its name would go on to allow whatever is called so next.
fn check_skips(goldens: &Goldens, allowed: &[String]) -> Result<()> {
    let is_case = |id: &&String| CaseId::new(id).is_ok_and(|id| id.below(&goldens.root).join("case.json").exists());
    match allowed.iter().find(|id| !is_case(id)) {
        Some(id) => {
            Err(Error::Usage(format!("--allow-skip {id}: there is no such case below {}", goldens.root.display())))
        }
        None => Ok(()),
    }
}
