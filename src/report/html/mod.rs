//! For people who look closer: one page that needs nothing besides itself, light and dark, by keyboard and by ear.

mod anchor;
mod case;
mod chain;
mod chain_legend;
mod chain_plot;
mod decades;
mod element;
mod explanations;
mod filter;
mod glance;
mod heat;
mod measures;
mod moved;
mod output;
mod picture;
mod shell;
mod step;
mod suites;
mod verdict;
mod wide;
mod worst;

use std::io::{self, Write};

use super::Voice;
use crate::run::RunOutcome;
use element::el;

/// How much a page says of what passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// A row a case.
    #[default]
    NotPassed,
    /// As much as of what did not: each output with its pictures, where the run has drawn them.
    All,
}

/// Writes a whole run as one HTML page: the run at a glance, its cases by suite, its chains.
///
/// # Errors
///
/// What `out` returns.
pub fn run(out: &mut dyn Write, voice: &Voice, run: &RunOutcome, detail: Detail) -> io::Result<()> {
    let main = el("main").put(suites::suites(voice, run, detail)).all(run.chains.as_deref().map(chain::chains));
    let title = format!("karat: {}", glance::headline(run));
    let page = shell::document(&title, !run.passed(), [glance::glance(voice, run), main, shell::footer()]);
    writeln!(out, "<!doctype html>\n{page}")
}
