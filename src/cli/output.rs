//! Printing: results go to stdout, errors and progress to stderr.

use std::io::{self, ErrorKind, IsTerminal, Write};
#[cfg(feature = "cli")]
use std::time::Duration;

#[cfg(feature = "cli")]
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::error::{Error, Result};
use crate::report::Palette;
use crate::run::CaseOutcome;
use crate::text::safe::{Rule, escape_lines, write_guarded};

/// The two output streams, and what they can show.
#[derive(Debug)]
pub(super) struct Screen {
    /// The colours for stdout.
    pub(super) palette: Palette,
    /// Whether stderr is a terminal that can show a progress bar.
    pub(super) shows_progress: bool,
    /// Whether the palette has colours.
    is_colored: bool,
}

/// Prints to stdout what `write` writes, unchanged. A closed pipe is no error: the reader has seen enough.
pub(super) fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    let mut stdout = io::BufWriter::new(io::stdout().lock());
    match write(&mut stdout).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Error::write("stdout", error)),
        _ => Ok(()),
    }
}

impl Screen {
    /// Uses colours only where stdout is a terminal and `NO_COLOR` is unset or empty: <https://no-color.org>.
    pub(super) fn detect() -> Screen {
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let allows_color = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let is_colored = allows_color && !is_dumb && io::stdout().is_terminal();
        Screen {
            palette: if is_colored { Palette::colored() } else { Palette::plain() },
            shows_progress: io::stderr().is_terminal() && !is_dumb,
            is_colored,
        }
    }

    /// Prints to stdout what `write` writes, with control characters escaped.
    pub(super) fn print(&self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
        let rule = if self.is_colored { Rule::Colored } else { Rule::Text };
        print(|out| write_guarded(out, rule, write))
    }

    /// Prints one JSON document, or a text for people.
    pub(super) fn print_view(
        &self,
        is_json: bool,
        json: impl FnOnce(&mut dyn Write) -> io::Result<()>,
        text: impl FnOnce(&Palette) -> String,
    ) -> Result<()> {
        self.print(|out| if is_json { json(out) } else { out.write_all(text(&self.palette).as_bytes()) })
    }

    /// Prints workflow commands for a CI runner to stdout, one per line.
    #[cfg(feature = "reports")]
    pub(super) fn print_commands(&self, commands: &str) -> Result<()> {
        print(|out| write_guarded(out, Rule::Commands, |out| out.write_all(commands.as_bytes())))
    }

    /// Prints an error or a warning to stderr.
    pub(super) fn warn(&self, text: &str) {
        // If stderr is closed there is nowhere to report it.
        writeln!(io::stderr(), "{}", escape_lines(&format!("karat: {text}"))).ok();
    }
}

/// A progress bar on stderr for runs that take longer than a second. Only the binary has one.
pub(super) struct Progress {
    #[cfg(feature = "cli")]
    bar: Option<ProgressBar>,
}

#[cfg(feature = "cli")]
impl Progress {
    /// How long a run takes before the bar is drawn.
    const DELAY: Duration = Duration::from_secs(1);

    /// Starts a bar over `count` cases, if it is visible.
    pub(super) fn start(count: usize, is_visible: bool) -> Progress {
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} cases, {eta} left  {msg}");
        let style = style.expect("the template is a constant");
        let bar = || ProgressBar::with_draw_target(Some(count as u64), ProgressDrawTarget::hidden()).with_style(style);
        Progress { bar: is_visible.then(bar) }
    }

    /// Counts one more finished case.
    pub(super) fn advance(&self, case: &CaseOutcome) {
        let Some(bar) = &self.bar else { return };
        if bar.is_hidden() && bar.elapsed() > Self::DELAY {
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
