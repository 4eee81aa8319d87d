//! Early exits: Ctrl-C and SIGTERM, of which the first asks a run to stop, and checkpoints that call `exit`, which could otherwise
//! look as if all cases had passed.

use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Once};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

use crate::case::CaseId;
use crate::error::{Error, Result};
use crate::run::{Interrupt, running_cases};
use crate::text::safe::escape_lines;

/// How long a process may continue after it was asked to stop: two seconds for its cases, the rest for its reports. What is not
/// finished by then may be blocked for ever, for example on a full pipe.
const LIMIT: Duration = Duration::from_secs(8);

/// Installs handlers for both signals: the first signal asks the run to stop, a second one exits at once.
///
/// # Errors
///
/// [`Error::Usage`] if the handlers cannot be installed.
pub(super) fn listen() -> Result<Interrupt> {
    let interrupt = Interrupt::default();
    let is_asked = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        let number = usize::try_from(signal).expect("signals are plural from 1");
        // Order matters: the first handler must see the flag as the previous signal left it.
        let registered = flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&is_asked))
            .and_then(|_| flag::register_usize(signal, interrupt.flag(), number))
            .and_then(|_| flag::register(signal, Arc::clone(&is_asked)));
        registered.map_err(|error| Error::Usage(format!("cannot handle signals: {error}")))?;
    }
    let watched = interrupt.clone();
    let thread = thread::Builder::new().spawn(move || exit_when_late(&watched));
    thread.map_err(|error| Error::read("a thread", error))?;
    Ok(interrupt)
}

/// Exits if the process continues for too long after it was asked to stop.
fn exit_when_late(interrupt: &Interrupt) {
    let signal = loop {
        match interrupt.signal() {
            Some(signal) => break signal,
            None => thread::sleep(Duration::from_millis(100)),
        }
    };
    thread::sleep(LIMIT);
    eprintln!("karat: interrupted, and still not finished after {} s; reports may be missing", LIMIT.as_secs());
    // The exit handlers that `std::process::exit` runs may be what is blocked.
    low_level::exit(128 + signal);
}

/// Returns the exit status of a run that a signal stopped, by the signal's name in a record.
pub(super) fn exit_code_of(signal: &str) -> Option<ExitCode> {
    match signal {
        "SIGINT" => status(SIGINT),
        "SIGTERM" => status(SIGTERM),
        _ => None,
    }
}

/// Returns the exit status of a stopped run, as shells count: 130 for Ctrl-C, 143 for SIGTERM.
pub(super) fn exit_code(interrupt: &Interrupt) -> Option<ExitCode> {
    interrupt.signal().and_then(status)
}

fn status(signal: i32) -> Option<ExitCode> {
    u8::try_from(128 + signal).ok().map(ExitCode::from)
}

/// The exit status if a checkpoint exits; 0 while the guard is off.
static STATUS: AtomicI32 = AtomicI32::new(0);

/// Turns the guard on: if the process exits while a case runs, it names the case and exits with `status` instead.
///
/// A crash names the running case too. `_exit` cannot be detected.
pub(crate) fn arm(status: i32) {
    static REGISTER: Once = Once::new();
    STATUS.store(status, Ordering::SeqCst);
    REGISTER.call_once(|| {
        #[cfg(unix)]
        crate::run::listen_for_crashes();
        // SAFETY: `at_exit` is a function without arguments that does not unwind, as C's `atexit` asks for.
        unsafe { libc::atexit(at_exit) };
    });
}

/// Turns the guard off: the process may exit whatever runs.
pub(crate) fn disarm() {
    STATUS.store(0, Ordering::SeqCst);
}

extern "C" fn at_exit() {
    let status = STATUS.load(Ordering::SeqCst);
    let running = if status == 0 { Vec::new() } else { running_cases() };
    if running.is_empty() {
        return;
    }
    let ids: Vec<&str> = running.iter().map(CaseId::as_str).collect();
    let message = format!(
        "karat: a checkpoint called exit, which never counts as a pass; running cases: {}\n\
         to find it:  the verb `run --isolate`",
        ids.join(", ")
    );
    // If stderr is closed there is nowhere to report it.
    writeln!(std::io::stderr(), "{}", escape_lines(&message)).ok();
    // `std::process::exit` must not be called within `exit`.
    low_level::exit(status)
}
