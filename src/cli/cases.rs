//! Selecting cases and how they run: the arguments that `run` and `matrix` share.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use super::context::{EXECUTION, GATE, SELECTION};
use super::suggest::locate_source;
use super::{Context, SnapshotsArg};
use crate::case::{CaseId, Goldens, Tree, absolute};
use crate::error::{Error, Result};
use crate::run::{CiShard, Executor, Executors, Filter, Gates, Options, Shard, shard_from_env};

/// The arguments that select cases and control how they run.
#[derive(Debug, Args)]
pub(super) struct Cases {
    /// The goldens root, or a folder below it [default: goldens]
    pub(super) root: Option<PathBuf>,
    #[command(flatten)]
    pub(super) snapshots: SnapshotsArg,
    /// Run only cases whose id contains FILTER; may be repeated (any match)
    #[arg(short = 'k', long = "filter", value_name = "FILTER", value_parser = NonEmptyStringValueParser::new())]
    #[arg(help_heading = SELECTION)]
    filter: Vec<String>,
    /// The number of cases that run at the same time [default: the number of processors]
    #[arg(short = 'j', long, value_name = "N", value_parser = parse_jobs, help_heading = EXECUTION)]
    jobs: Option<NonZeroUsize>,
    /// Call each checkpoint N times; the outputs of all calls must be equal bit for bit
    #[arg(long = "repeat", value_name = "N", default_value = "1", help_heading = EXECUTION)]
    repeats: NonZeroUsize,
    /// Allow the case with this id to be skipped in CI; may be repeated
    #[arg(long = "allow-skip", value_name = "ID", help_heading = GATE)]
    allow_skip: Vec<String>,
}

/// The argument that distributes cases over several machines.
#[derive(Debug, Args)]
pub(super) struct PartitionArg {
    /// Select one part of the cases: slice:M/N (round robin) or hash:M/N (by id), as in cargo-nextest; auto reads the
    /// variables of Bazel, GitLab CI, Buildkite, CircleCI or Slurm
    #[arg(long, value_name = "PART")]
    #[arg(help_heading = SELECTION)]
    partition: Option<Partition>,
}

#[derive(Clone, Copy, Debug)]
enum Partition {
    Auto,
    Shard(Shard),
}

impl FromStr for Partition {
    type Err = Error;

    fn from_str(text: &str) -> Result<Partition> {
        if text == "auto" { Ok(Partition::Auto) } else { text.parse().map(Partition::Shard) }
    }
}

impl PartitionArg {
    /// Returns the shard from the command line, or from the environment, which is printed.
    pub(super) fn shard(&self, context: &Context<'_>) -> Result<Option<Shard>> {
        match self.partition {
            None => Ok(None),
            Some(Partition::Shard(shard)) => Ok(Some(shard)),
            Some(Partition::Auto) => {
                let CiShard { shard, description } = shard_from_env()?;
                context.screen.warn(&format!("--partition auto: {description}"));
                Ok(Some(shard))
            }
        }
    }
}

/// The cases that [`Cases`] selects, read from disk.
pub(super) struct SelectedCases {
    pub(super) goldens: Goldens,
    pub(super) tree: Tree,
    pub(super) filter: Filter,
    pub(super) options: Options,
}

impl Cases {
    /// Discovers the cases and applies the arguments.
    pub(super) fn select(&self, context: &Context<'_>, gates: Gates) -> Result<SelectedCases> {
        let goldens = self.snapshots.locate(self.root.as_ref(), context)?;
        check_skips(&goldens, &self.allow_skip)?;
        let defaults = Options::default();
        Ok(SelectedCases {
            tree: goldens.discover()?,
            goldens,
            filter: Filter { patterns: self.filter.clone(), ..Filter::default() },
            options: Options {
                jobs: self.jobs.unwrap_or(defaults.jobs),
                repeats: self.repeats,
                allowed_skips: self.allow_skip.iter().chain(&context.program.allowed_skips).cloned().collect(),
                gates,
                ..defaults
            },
        })
    }
}

/// Finds a case by its folder, its `case.json`, or its id below the root.
pub(super) fn find(context: &Context<'_>, name: &str, root: Option<&PathBuf>) -> Option<(Goldens, CaseId)> {
    let path = Path::new(name);
    let folder = if path.ends_with("case.json") { path.parent()? } else { path };
    let goldens = locate_source(root, context).ok();
    let Some(folder) = absolute(folder).ok().filter(|folder| folder.join("case.json").is_file()) else {
        let (goldens, id) = (goldens?, CaseId::new(name.trim_end_matches('/')).ok()?);
        return id.below(&goldens.root).join("case.json").is_file().then_some((goldens, id));
    };
    let below = |goldens: Goldens| {
        let id = CaseId::from_path(folder.strip_prefix(&goldens.root).ok()?).ok()?;
        Some((goldens, id))
    };
    goldens.and_then(below).or_else(|| below(Goldens::locate(&folder, None).ok()?))
}

/// Returns the executor with that name, or the default one, and whether it is the default one.
pub(super) fn choose(executors: Executors, name: Option<String>) -> Result<(Executor, bool)> {
    let Some(name) = name else { return Ok((executors.into_default(), true)) };
    let is_default = executors.default_name() == name;
    Ok((executors.choose(&[name])?.swap_remove(0), is_default))
}

/// Parses a number of threads that any system can start.
fn parse_jobs(text: &str) -> Result<NonZeroUsize, String> {
    match text.parse() {
        Ok(jobs) if jobs <= NonZeroUsize::new(1024).expect("1024 is not 0") => Ok(jobs),
        _ => Err("expected a number from 1 to 1024".to_owned()),
    }
}

/// Refuses `--allow-skip` for a case that does not exist: it would allow a later case of that name to be skipped.
pub(super) fn check_skips(goldens: &Goldens, allowed: &[String]) -> Result<()> {
    let is_case = |id: &&String| CaseId::new(id).is_ok_and(|id| id.below(&goldens.root).join("case.json").exists());
    match allowed.iter().find(|id| !is_case(id)) {
        Some(id) => Err(Error::Usage(format!("--allow-skip {id}: no such case below {}", goldens.root.display()))),
        None => Ok(()),
    }
}
