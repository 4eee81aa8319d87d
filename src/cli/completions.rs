//! `karat completions`: prints shell completions.

use clap::{Args, Command};
use clap_complete::{Shell, generate};

use super::Exit;
use super::output::print;
use crate::error::Result;

/// The arguments of `karat completions`.
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    /// Prints the completions of the command line `whole`, without its hidden verbs.
    pub(super) fn main(self, whole: &Command) -> Result<Exit> {
        let verbs = whole.get_subcommands().filter(|verb| !verb.is_hide_set()).cloned();
        let mut command = Command::new("karat").args(whole.get_arguments().cloned()).subcommands(verbs);
        // `generate` panics on a closed pipe, so it writes to memory first.
        let mut script = Vec::new();
        generate(self.shell, &mut command, "karat", &mut script);
        print(|out| out.write_all(&script))?;
        Ok(Exit::Passed)
    }
}
