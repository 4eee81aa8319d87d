//! Where the command line prints: stdout for what was asked, stderr for what went wrong.

use std::io::{self, ErrorKind, IsTerminal, Write};

use crate::error::{Error, Result};
use crate::report::Palette;

/// The two streams, and what they can show.
#[derive(Debug)]
pub(super) struct Screen {
    /// Colours for stdout.
    pub(super) palette: Palette,
    /// Whether somebody watches stderr.
    pub(super) is_watched: bool,
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
        }
    }

    /// Prints to stdout what `write` writes. A reader who has closed the pipe has seen enough: that is no error.
    pub(super) fn print(&self, write: impl FnOnce(&mut dyn Write, &Palette) -> io::Result<()>) -> Result<()> {
        let mut stdout = io::BufWriter::new(io::stdout().lock());
        match write(&mut stdout, &self.palette).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Error::write("stdout", error)),
            _ => Ok(()),
        }
    }

    /// Prints one error to stderr.
    pub(super) fn complain(&self, text: &str) {
        // There is nowhere left to say that stderr is closed.
        writeln!(io::stderr(), "karat: {text}").ok();
    }
}
