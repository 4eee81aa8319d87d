//! Where the command line prints: stdout for what was asked, stderr for what went wrong.

use std::io::{self, ErrorKind, IsTerminal, Write};
#[cfg(feature = "cli")]
use std::time::Duration;

#[cfg(feature = "cli")]
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::error::{Error, Result};
use crate::report::Palette;
use crate::run::CaseOutcome;
use crate::text::safe::{Rule, escape_lines, write_guarded};

/// The two streams, and what they can show.
#[derive(Debug)]
pub(super) struct Screen {
    /// Colours for stdout.
    pub(super) palette: Palette,
    /// Whether somebody watches stderr.
    pub(super) is_watched: bool,
    /// Whether the palette has colours.
    is_colored: bool,
}

/// Prints to stdout what `write` writes, as it is. A reader who has closed the pipe has seen enough: that is no error.
pub(super) fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    let mut stdout = io::BufWriter::new(io::stdout().lock());
    match write(&mut stdout).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Error::write("stdout", error)),
        _ => Ok(()),
    }
}

impl Screen {
    /// Colours only where stdout is a terminal and `NO_COLOR` is unset or empty: <https://no-color.org>.
    pub(super) fn detect() -> Screen {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let colored = wanted && !dumb && io::stdout().is_terminal();
        Screen {
            palette: if colored { Palette::colored() } else { Palette::plain() },
            is_watched: io::stderr().is_terminal() && !dumb,
            is_colored: colored,
        }
    }

    /// Prints to stdout the lines that `write` writes, each made safe.
    pub(super) fn print(&self, write: impl FnOnce(&mut dyn Write, &Palette) -> io::Result<()>) -> Result<()> {
        let rule = if self.is_colored { Rule::Colored } else { Rule::Text };
        print(|out| write_guarded(out, rule, |out| write(out, &self.palette)))
    }

    /// Prints to stdout karat's own commands to a CI runner, a line each.
    #[cfg(feature = "reports")]
    pub(super) fn print_commands(&self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
        print(|out| write_guarded(out, Rule::Commands, write))
    }

    /// Prints one error to stderr.
    pub(super) fn complain(&self, text: &str) {
        // There is nowhere left to say that stderr is closed.
        writeln!(io::stderr(), "{}", escape_lines(&format!("karat: {text}"))).ok();
    }
}

/// A bar on stderr for runs that take longer than a second, where somebody watches: only the binary has one.
pub(super) struct Progress {
    #[cfg(feature = "cli")]
    bar: Option<ProgressBar>,
}

#[cfg(feature = "cli")]
impl Progress {
    /// How long a run is left alone before the bar is drawn.
    const PATIENCE: Duration = Duration::from_secs(1);

    /// A bar over that many cases if it is watched.
    pub(super) fn start(count: usize, is_watched: bool) -> Progress {
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} cases, {eta} left  {msg}");
        let style = style.expect("the template is a constant");
        let bar = || ProgressBar::with_draw_target(Some(count as u64), ProgressDrawTarget::hidden()).with_style(style);
        Progress { bar: is_watched.then(bar) }
    }

    /// One case more is finished.
    pub(super) fn advance(&self, case: &CaseOutcome) {
        let Some(bar) = &self.bar else { return };
        if bar.is_hidden() && bar.elapsed() > Self::PATIENCE {
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        bar.set_message(crate::text::safe::escape_name(case.id.as_str()));
        bar.inc(1);
    }

    /// Removes the bar.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(not(feature = "cli"))]
impl Progress {
    pub(super) fn start(_: usize, _: bool) -> Progress {
        Progress {}
    }

    pub(super) fn advance(&self, _: &CaseOutcome) {}

    pub(super) fn finish(&self) {}
}
