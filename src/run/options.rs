//! The options of a run, and its interruption.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::outcome::{Gates, Verdict};
use crate::error::{Error, Result};
use crate::snapshot::Caller;

/// The options of a run. An isolated process gets the same options, except `isolation` and `interrupt`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// The number of cases that run at a time.
    pub jobs: NonZeroUsize,
    /// The number of calls of each checkpoint; all calls must return the same bits.
    pub repeats: NonZeroUsize,
    /// The ids of the cases whose skip is allowed in CI.
    pub allowed_skips: Vec<String>,
    /// Whether a case with a [vacuous](crate::compare::vacuous()) comparison fails.
    pub deny_vacuous: bool,
    /// The kind of program: whether `cargo insta test` can have started this process.
    pub caller: Caller,
    /// Whether cases with a `skip` run anyway.
    pub runs_skipped: bool,
    /// What outputs are compared with.
    pub gates: Gates,
    /// Whether drift is reported if only accuracy is checked. Nothing is written.
    pub previews_drift: bool,
    /// Whether cases run again on the actual outputs of the cases before them, to measure propagated differences.
    pub chained: bool,
    /// Whether to look for explanations of mismatches.
    pub explain: bool,
    /// Whether to start no more cases after one that fails.
    pub fail_fast: bool,
    /// Whether to run as in CI even if the environment does not look like it.
    pub ci: bool,
    /// Which outputs get a picture.
    pub pictures: Pictures,
    /// How cases run in their own processes; `None` if all run in this one.
    #[serde(skip)]
    pub isolation: Option<Isolation>,
    /// Stops the run early.
    #[serde(skip)]
    pub interrupt: Interrupt,
}

/// How cases run in their own processes.
#[derive(Clone, Debug)]
pub struct Isolation {
    /// Which cases are isolated.
    pub scope: Scope,
    /// The program to start, which must have the same executors.
    pub program: PathBuf,
    /// The time limit of cases without a `timeout` of their own.
    pub timeout: Option<Duration>,
    /// The memory limit in bytes.
    pub memory_limit: Option<u64>,
}

/// Which cases run in their own processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every case.
    All,
    /// The cases with a `timeout`: a checkpoint that does not return can only be stopped by killing its process.
    Timed,
}

impl Isolation {
    /// Isolates cases with this same program, without limits.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] if the path of this program is unknown.
    pub fn new(scope: Scope) -> Result<Isolation> {
        let program = std::env::current_exe().map_err(|error| Error::read("the path of this program", error))?;
        Ok(Isolation { scope, program, timeout: None, memory_limit: None })
    }
}

/// Which outputs get a [`Picture`](crate::compare::Picture) of where they differ from their references.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pictures {
    /// None.
    #[default]
    None,
    /// Those that did not pass the isolated run.
    NotPassed,
    /// All that have a reference.
    All,
}

impl Pictures {
    /// Returns whether an output with that verdict gets a picture.
    #[must_use]
    pub fn includes(self, verdict: Verdict) -> bool {
        match self {
            Pictures::None => false,
            Pictures::NotPassed => verdict != Verdict::Pass,
            Pictures::All => true,
        }
    }
}

impl Default for Options {
    /// One job per processor, one call per checkpoint, no skip allowed in CI, started from a command line.
    fn default() -> Options {
        Options {
            jobs: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            repeats: NonZeroUsize::MIN,
            allowed_skips: Vec::new(),
            deny_vacuous: false,
            caller: Caller::default(),
            runs_skipped: false,
            gates: Gates::default(),
            previews_drift: false,
            chained: false,
            explain: false,
            fail_fast: false,
            ci: false,
            pictures: Pictures::default(),
            isolation: None,
            interrupt: Interrupt::default(),
        }
    }
}

/// How long running cases can continue after an interrupt.
pub(super) const GRACE: Duration = Duration::from_secs(2);

/// Asks a run to stop when a signal arrives. Clones share their state.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicUsize>);

impl Interrupt {
    /// Returns the flag in which a signal handler stores the number of the signal.
    #[must_use]
    pub fn flag(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.0)
    }

    /// Returns the number of the signal, if one arrived.
    #[must_use]
    pub fn signal(&self) -> Option<i32> {
        i32::try_from(self.0.load(Ordering::SeqCst)).ok().filter(|&signal| signal > 0)
    }

    /// Returns the name of the signal, if one arrived.
    pub(super) fn name(&self) -> Option<String> {
        self.signal().map(signal_name)
    }
}

/// Returns the name of a signal.
#[cfg(unix)]
pub(super) fn signal_name(number: i32) -> String {
    use rustix::process::Signal;
    let known = [
        (Signal::ABORT, "SIGABRT"),
        (Signal::BUS, "SIGBUS"),
        (Signal::FPE, "SIGFPE"),
        (Signal::HUP, "SIGHUP"),
        (Signal::ILL, "SIGILL"),
        (Signal::INT, "SIGINT"),
        (Signal::KILL, "SIGKILL"),
        (Signal::PIPE, "SIGPIPE"),
        (Signal::QUIT, "SIGQUIT"),
        (Signal::SEGV, "SIGSEGV"),
        (Signal::SYS, "SIGSYS"),
        (Signal::TERM, "SIGTERM"),
        (Signal::TRAP, "SIGTRAP"),
        (Signal::XCPU, "SIGXCPU"),
    ];
    let name = known.iter().find(|(signal, _)| signal.as_raw() == number).map(|(_, name)| (*name).to_owned());
    name.unwrap_or_else(|| format!("signal {number}"))
}

/// Returns the name of a signal: of those that C defines.
#[cfg(not(unix))]
pub(super) fn signal_name(number: i32) -> String {
    match number {
        2 => "SIGINT".to_owned(),
        15 => "SIGTERM".to_owned(),
        number => format!("signal {number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_has_its_name() {
        assert_eq!(signal_name(15), "SIGTERM");
        assert_eq!(signal_name(1000), "signal 1000");
    }
}
