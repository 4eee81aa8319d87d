//! A progress bar for runs that take longer than a second, where somebody watches.

#[cfg(feature = "cli")]
use std::time::{Duration, Instant};

use crate::run::CaseOutcome;
#[cfg(feature = "cli")]
use crate::text::safe::name;

/// A bar on stderr, or nothing.
pub(super) struct Progress {
    #[cfg(feature = "cli")]
    bar: Option<(indicatif::ProgressBar, Instant)>,
}

#[cfg(feature = "cli")]
impl Progress {
    /// How long a run is left alone before the bar is drawn.
    const PATIENCE: Duration = Duration::from_secs(1);

    /// A bar over that many cases if it is watched.
    pub(super) fn start(count: usize, is_watched: bool) -> Progress {
        let style = indicatif::ProgressStyle::with_template("{bar:30} {pos}/{len} cases, {eta} left  {msg}")
            .expect("the template is a constant");
        let bar = || {
            let bar =
                indicatif::ProgressBar::with_draw_target(Some(count as u64), indicatif::ProgressDrawTarget::hidden());
            (bar.with_style(style), Instant::now())
        };
        Progress { bar: is_watched.then(bar) }
    }

    /// One case more is finished.
    pub(super) fn advance(&self, case: &CaseOutcome) {
        let Some((bar, started)) = &self.bar else { return };
        if bar.is_hidden() && started.elapsed() > Self::PATIENCE {
            bar.set_draw_target(indicatif::ProgressDrawTarget::stderr());
        }
        bar.set_message(name(case.id.as_str()));
        bar.inc(1);
    }

    /// Removes the bar.
    pub(super) fn finish(&self) {
        if let Some((bar, _)) = &self.bar {
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
