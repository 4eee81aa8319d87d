//! `karat schema`: what an editor needs to check `case.json` and `suite.json`.

use clap::{Args, ValueEnum};

use super::Gate;
use super::output::print;
use crate::case::CaseFile;
use crate::error::Result;
use crate::report::json::run_schema;

/// The arguments of `karat schema`.
#[derive(Debug, Args)]
pub(super) struct Schema {
    /// Which file
    #[arg(value_enum, default_value = "case")]
    file: File,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum File {
    /// `case.json`
    Case,
    /// `suite.json`
    Suite,
    /// What `run --json` writes
    Run,
}

impl Schema {
    pub(super) fn main(self) -> Result<Gate> {
        let schema = match self.file {
            File::Case => schemars::schema_for!(CaseFile),
            File::Suite => suite_schema(),
            File::Run => run_schema(),
        };
        print(|out| {
            serde_json::to_writer_pretty(&mut *out, &schema)?;
            writeln!(out)
        })?;
        Ok(Gate::Passed)
    }
}

/// The fields of a suite are those of a case.
fn suite_schema() -> schemars::Schema {
    let mut schema = schemars::schema_for!(CaseFile);
    let what = "A `suite.json`: defaults for every case below its folder. Objects merge by key; the nearest wins, entry by entry.";
    schema.insert("title".to_owned(), "SuiteFile".into());
    schema.insert("description".to_owned(), what.into());
    schema
}
