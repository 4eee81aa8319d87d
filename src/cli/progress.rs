//! A progress bar for runs that take longer than a second, where somebody watches.

#[cfg(feature = "cli")]
use std::time::Duration;

#[cfg(feature = "cli")]
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::run::CaseOutcome;

/// A bar on stderr, or nothing: only the binary has one.
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
        bar.set_message(crate::text::safe::name(case.id.as_str()));
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
