//! `karat completions`: what a shell needs to complete karat's command line.

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use super::{Cli, Context, Gate};
use crate::error::Result;

/// The arguments of `karat completions`.
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(super) fn main(self, context: &Context<'_>) -> Result<Gate> {
        // In memory first: what writes them panics where the reader has closed the pipe.
        let mut script = Vec::new();
        generate(self.shell, &mut Cli::command(), "karat", &mut script);
        context.screen.print(|out, _| out.write_all(&script))?;
        Ok(Gate::Passed)
    }
}
