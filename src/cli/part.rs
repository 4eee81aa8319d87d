//! `--partition`: which part of the cases a verb is about.

use std::str::FromStr;

use clap::Args;

use super::Context;
use super::context::SELECTION;
use crate::error::Result;
use crate::run::{Engine, Shard, engine};

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
    type Err = crate::error::Error;

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
                let Engine { shard, told } = engine()?;
                context.screen.complain(&format!("--partition auto: {told}"));
                Ok(Some(shard))
            }
        }
    }
}
