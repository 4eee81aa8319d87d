//! How a run is run, and what stops it.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::outcome::{Gates, Verdict};
use crate::error::{Error, Result};
use crate::snapshot::Caller;

/// How to run. The process of one case is given the same, but for what only the run as a whole has.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// How many cases run at a time.
    pub jobs: NonZeroUsize,
    /// How often each checkpoint is called; all calls must agree bit for bit.
    pub repeats: NonZeroUsize,
    /// The ids of the cases that may be skipped in CI.
    pub allowed_skips: Vec<String>,
    /// Whether a case fails whose comparison is [vacuous](crate::compare::vacuous()).
    pub deny_vacuous: bool,
    /// Who calls: whether `cargo insta test` can be driving this process.
    pub caller: Caller,
    /// Whether cases with a `skip` run all the same.
    pub runs_skipped: bool,
    /// What outputs are held against.
    pub gates: Gates,
    /// Whether what is held to accuracy alone, and passes, is held against its snapshot too, without writing anything.
    pub looks_back: bool,
    /// Whether cases run once more, on what the cases before them really produced: each has a propagated difference then.
    pub chained: bool,
    /// Whether a reason is looked for where an output is not its reference.
    pub explain: bool,
    /// Whether no case is started after one that fails the gate.
    pub fail_fast: bool,
    /// Whether this is CI, whatever the environment says.
    pub ci: bool,
    /// Of which outputs there is a picture.
    pub pictures: Pictures,
    /// How a case is given a process of its own; `None` where every case runs in this one.
    #[serde(skip)]
    pub isolation: Option<Isolation>,
    /// What stops the run before its end.
    #[serde(skip)]
    pub interrupt: Interrupt,
}

/// How a case is given a process of its own.
#[derive(Clone, Debug)]
pub struct Isolation {
    /// Which cases are.
    pub scope: Scope,
    /// The program that is started, which has the same executors.
    pub program: PathBuf,
    /// How long a case may take that does not say so itself.
    pub timeout: Option<Duration>,
    /// How many bytes the process may take.
    pub memory_limit: Option<u64>,
}

/// Which cases have a process of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every case.
    All,
    /// The cases that say how long they may take: nothing else can end a checkpoint that does not return.
    Timed,
}

impl Isolation {
    /// By this same program, without limits.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] where the system does not say where this program is.
    pub fn new(scope: Scope) -> Result<Isolation> {
        let program = std::env::current_exe().map_err(|error| Error::read("the path of this program", error))?;
        Ok(Isolation { scope, program, timeout: None, memory_limit: None })
    }
}

/// Of which outputs there is a [`Picture`](crate::compare::Picture) of where they differ from their references.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pictures {
    /// Of none.
    #[default]
    None,
    /// Of those that did not pass by themselves: a chained run adds none.
    NotPassed,
    /// Of all that have a reference.
    All,
}

impl Pictures {
    /// Whether there is one of an output with that verdict.
    #[must_use]
    pub fn wants(self, verdict: Verdict) -> bool {
        match self {
            Pictures::None => false,
            Pictures::NotPassed => verdict != Verdict::Pass,
            Pictures::All => true,
        }
    }
}

impl Default for Options {
    /// As many jobs as there are processors, one call a checkpoint, no skip allowed in CI, called by a command line.
    fn default() -> Options {
        Options {
            jobs: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            repeats: NonZeroUsize::MIN,
            allowed_skips: Vec::new(),
            deny_vacuous: false,
            caller: Caller::default(),
            runs_skipped: false,
            gates: Gates::default(),
            looks_back: false,
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

/// How long cases that run already may go on when the run is asked to stop.
pub(super) const GRACE: Duration = Duration::from_secs(2);

/// What asks a run to stop; until then nothing. Its clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicUsize>);

impl Interrupt {
    /// Where a signal's handler leaves the number of the signal.
    #[must_use]
    pub fn flag(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.0)
    }

    /// The number of the signal that asked to stop, if one did.
    #[must_use]
    pub fn signal(&self) -> Option<i32> {
        i32::try_from(self.0.load(Ordering::SeqCst)).ok().filter(|&signal| signal > 0)
    }

    /// Its name.
    pub(super) fn name(&self) -> Option<String> {
        self.signal().map(signal_name)
    }
}

/// The name of a signal, as this system numbers them.
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

/// The name of a signal; those of C alone, where a system has no others.
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
