//! `karat merge`: one run of the records of its shards.

use std::path::PathBuf;

use clap::Args;

use super::report::{gate, voice};
use super::reports::{Reports, Terminal, read_record};
use super::{Context, Gate};
use crate::error::{Error, Result};
use crate::report::json;
use crate::report::terminal::Detail;
use crate::run::{Executors, Record, merge};

/// The arguments of `karat merge`.
#[derive(Debug, Args)]
pub(super) struct Merge {
    /// What `run --partition .. --json FILE` wrote, of every shard
    #[arg(required = true, value_name = "RECORD")]
    records: Vec<PathBuf>,
    #[command(flatten)]
    reports: Reports,
}

impl Merge {
    pub(super) fn main(self, executors: &Executors, context: &Context<'_>) -> Result<Gate> {
        let Merge { records, reports } = self;
        let run = merge(read(context, &records)?)?;
        let base = &context.home.base;
        reports.check(&[&base.join(&run.root), &base.join(&run.snapshots)], &records)?;
        let voice = voice(executors, context, &run);
        reports.write(context, &voice, &run, Terminal::Always(Detail::Cases))?;
        Ok(gate(&run))
    }
}

/// Reads every record; what is wrong with several is told of each.
fn read(context: &Context<'_>, files: &[PathBuf]) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    let mut unread = Vec::new();
    for file in files {
        let name = file.display().to_string();
        match read_record(context, file) {
            Err(error) => unread.push(error.to_string()),
            Ok(text) => match json::read_run(&text).and_then(|run| Ok((json::version(&text)?, run))) {
                Ok((version, run)) => records.push(Record { name, version, run }),
                Err(error) => unread.push(format!("{name}: {error}")),
            },
        }
    }
    if unread.is_empty() { Ok(records) } else { Err(Error::Usage(unread.join("\n"))) }
}
