//! `karat schema`: prints the JSON Schemas of karat's files, for editors and validators.

use clap::{Args, ValueEnum};

use super::Exit;
use super::output::print;
use crate::case::CaseFile;
use crate::error::Result;
use crate::report::json::run_schema;

/// The arguments of `karat schema`.
#[derive(Debug, Args)]
pub(super) struct Schema {
    /// The kind of file
    #[arg(value_enum, default_value = "case")]
    file: File,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum File {
    /// `case.json`
    Case,
    /// `suite.json`
    Suite,
    /// The output of `run --json`
    Run,
}

impl Schema {
    pub(super) fn main(self) -> Result<Exit> {
        let schema = match self.file {
            File::Case => schemars::schema_for!(CaseFile),
            File::Suite => suite_schema(),
            File::Run => run_schema(),
        };
        print(|out| {
            serde_json::to_writer_pretty(&mut *out, &schema)?;
            writeln!(out)
        })?;
        Ok(Exit::Passed)
    }
}

/// Returns the schema of `suite.json`, which has the same fields as `case.json`.
fn suite_schema() -> schemars::Schema {
    let mut schema = schemars::schema_for!(CaseFile);
    let description = "A `suite.json`: defaults for every case below its folder. Objects merge by key; the nearest wins, entry by entry.";
    schema.insert("title".to_owned(), "SuiteFile".into());
    schema.insert("description".to_owned(), description.into());
    schema
}
