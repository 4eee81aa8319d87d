//! Which cases a verb runs, and how: what `run` and `matrix` are both asked.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use super::context::{EXECUTION, GATE, SELECTION};
use super::{Context, Place, source};
use crate::case::{CaseId, Goldens, Tree, absolute};
use crate::error::{Error, Result};
use crate::run::{CiShard, Executor, Executors, Filter, Gates, Options, Shard, shard_from_env};

/// The arguments that select cases and say how they run.
#[derive(Debug, Args)]
pub(super) struct Cases {
    /// The goldens root, or a folder below it [default: goldens]
    pub(super) root: Option<PathBuf>,
    #[command(flatten)]
    pub(super) place: Place,
    /// Run only cases whose id contains FILTER; may be repeated (any match)
    #[arg(short = 'k', long = "filter", value_name = "FILTER", value_parser = NonEmptyStringValueParser::new())]
    #[arg(help_heading = SELECTION)]
    filter: Vec<String>,
    /// Run N cases at a time [default: one a processor]
    #[arg(short = 'j', long, value_name = "N", value_parser = parse_jobs, help_heading = EXECUTION)]
    jobs: Option<NonZeroUsize>,
    /// Call each checkpoint N times; all calls must agree bit for bit
    #[arg(long = "repeat", value_name = "N", default_value = "1", help_heading = EXECUTION)]
    repeats: NonZeroUsize,
    /// Let the case with that id be skipped in CI; may be repeated
    #[arg(long = "allow-skip", value_name = "ID", help_heading = GATE)]
    allow_skip: Vec<String>,
}

/// The argument that deals cases out to several machines.
#[derive(Debug, Args)]
pub(super) struct Part {
    /// Only one part of the cases: slice:M/N (round robin), hash:M/N (by id), as in cargo-nextest; auto asks the
    /// variables of Bazel, GitLab CI, Buildkite, CircleCI or Slurm
    #[arg(long, value_name = "PART", help_heading = SELECTION)]
    partition: Option<Typed>,
}

/// A part as it is typed.
#[derive(Clone, Copy, Debug)]
enum Typed {
    Auto,
    Shard(Shard),
}

impl FromStr for Typed {
    type Err = Error;

    fn from_str(text: &str) -> Result<Typed> {
        if text == "auto" { Ok(Typed::Auto) } else { text.parse().map(Typed::Shard) }
    }
}

impl Part {
    /// The shard that was typed, or that the environment names, which is said.
    pub(super) fn shard(&self, context: &Context<'_>) -> Result<Option<Shard>> {
        match self.partition {
            None => Ok(None),
            Some(Typed::Shard(shard)) => Ok(Some(shard)),
            Some(Typed::Auto) => {
                let CiShard { shard, description } = shard_from_env()?;
                context.screen.complain(&format!("--partition auto: {description}"));
                Ok(Some(shard))
            }
        }
    }
}

/// What [`Cases`] selects, looked up on disk.
pub(super) struct Selected {
    pub(super) goldens: Goldens,
    pub(super) tree: Tree,
    pub(super) filter: Filter,
    pub(super) options: Options,
}

impl Selected {
    /// How many cases are selected.
    pub(super) fn count(&self) -> usize {
        self.filter.select(&self.tree).cases.len()
    }
}

impl Cases {
    /// Looks up what is selected.
    pub(super) fn select(&self, context: &Context<'_>, gates: Gates) -> Result<Selected> {
        let goldens = self.place.locate(self.root.as_ref(), context)?;
        check_skips(&goldens, &self.allow_skip)?;
        let allowed_skips = self.allow_skip.iter().chain(&context.home.allowed_skips).cloned().collect();
        let defaults = Options::default();
        Ok(Selected {
            tree: goldens.discover()?,
            goldens,
            filter: Filter { patterns: self.filter.clone(), ..Filter::default() },
            options: Options {
                jobs: self.jobs.unwrap_or(defaults.jobs),
                repeats: self.repeats,
                allowed_skips,
                gates,
                ..defaults
            },
        })
    }
}

/// The case that was typed: a folder that holds a `case.json`, that file itself, or an id below the root.
pub(super) fn find(context: &Context<'_>, what: &str, root: Option<&PathBuf>) -> Option<(Goldens, CaseId)> {
    let typed = Path::new(what);
    let folder = if typed.ends_with("case.json") { typed.parent()? } else { typed };
    let goldens = source(root, context).ok();
    let Some(folder) = absolute(folder).ok().filter(|folder| folder.join("case.json").is_file()) else {
        let (goldens, id) = (goldens?, CaseId::new(what.trim_end_matches('/')).ok()?);
        return id.below(&goldens.root).join("case.json").is_file().then_some((goldens, id));
    };
    let below = |goldens: Goldens| {
        let id = CaseId::from_path(folder.strip_prefix(&goldens.root).ok()?).ok()?;
        Some((goldens, id))
    };
    goldens.and_then(below).or_else(|| below(Goldens::locate(&folder, None).ok()?))
}

/// The executor of that name, or the default one; and its name, where it is another.
pub(super) fn choose(executors: Executors, name: Option<String>) -> Result<(Executor, Option<String>)> {
    let Some(name) = name else { return Ok((executors.into_default(), None)) };
    let is_default = executors.names().next() == Some(name.as_str());
    let executor = executors.choose(std::slice::from_ref(&name))?.swap_remove(0);
    Ok((executor, Some(name).filter(|_| !is_default)))
}

/// A number of threads that a system can start.
fn parse_jobs(text: &str) -> Result<NonZeroUsize, String> {
    match text.parse() {
        Ok(jobs) if jobs <= NonZeroUsize::new(1024).expect("1024 is not 0") => Ok(jobs),
        _ => Err("give a number from 1 to 1024".to_owned()),
    }
}

/// Refuses to allow the skip of a case that there is not: its name would go on to allow whatever is called so next.
pub(super) fn check_skips(goldens: &Goldens, allowed: &[String]) -> Result<()> {
    let is_case = |id: &&String| CaseId::new(id).is_ok_and(|id| id.below(&goldens.root).join("case.json").exists());
    match allowed.iter().find(|id| !is_case(id)) {
        Some(id) => {
            Err(Error::Usage(format!("--allow-skip {id}: there is no such case below {}", goldens.root.display())))
        }
        None => Ok(()),
    }
}
