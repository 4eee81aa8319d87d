//! `karat completions`: what a shell needs to complete karat's command line.

use clap::{Args, Command};
use clap_complete::{Shell, generate};

use super::Gate;
use super::output::print;
use crate::error::Result;

/// The arguments of `karat completions`.
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    /// Prints the completions of that whole command line.
    pub(super) fn main(self, whole: &Command) -> Result<Gate> {
        // In memory first: what writes them panics where the reader has closed the pipe.
        let mut script = Vec::new();
        // A verb that nobody types is not offered.
        let typed: Vec<Command> = whole.get_subcommands().filter(|verb| !verb.is_hide_set()).cloned().collect();
        let mut command = Command::new("karat").args(whole.get_arguments().cloned()).subcommands(typed);
        generate(self.shell, &mut command, "karat", &mut script);
        print(|out| out.write_all(&script))?;
        Ok(Gate::Passed)
    }
}
