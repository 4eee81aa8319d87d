//! What ends the process before its time: Ctrl-C and SIGTERM, the first of which asks a run to stop, and a checkpoint that exits:
//! by `exit(0)` it would look as if all had passed.

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

/// How long a process may go on that was asked to stop: its cases have two seconds, and its reports the rest. What is not done
/// then may never be, as what is written to a pipe that nobody reads.
const LIMIT: Duration = Duration::from_secs(8);

/// Has both signals ask to stop from now on, and end the process at once where it was asked before.
///
/// # Errors
///
/// [`Error::Usage`] where the system does not allow it.
pub(super) fn listen() -> Result<Interrupt> {
    let interrupt = Interrupt::default();
    let is_asked = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        let number = usize::try_from(signal).expect("signals are counted from 1");
        // The first of these acts on what the signal before has left.
        let registered = flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&is_asked))
            .and_then(|_| flag::register_usize(signal, interrupt.flag(), number))
            .and_then(|_| flag::register(signal, Arc::clone(&is_asked)));
        registered.map_err(|error| Error::Usage(format!("signals cannot be listened to: {error}")))?;
    }
    let watched = interrupt.clone();
    let thread = thread::Builder::new().spawn(move || end_late(&watched));
    thread.map_err(|error| Error::read("a thread", error))?;
    Ok(interrupt)
}

/// Ends the process where it goes on for too long after it was asked to stop.
fn end_late(interrupt: &Interrupt) {
    let signal = loop {
        match interrupt.signal() {
            Some(signal) => break signal,
            None => thread::sleep(Duration::from_millis(100)),
        }
    };
    thread::sleep(LIMIT);
    eprintln!("karat: interrupted, and not done {} s later: a report may be missing", LIMIT.as_secs());
    // What `std::process::exit` would do first may be what does not end.
    low_level::exit(128 + signal);
}

/// The exit status of what a signal stopped, by the signal's name in a record.
pub(super) fn ends(signal: &str) -> Option<ExitCode> {
    match signal {
        "SIGINT" => status(SIGINT),
        "SIGTERM" => status(SIGTERM),
        _ => None,
    }
}

/// The exit status of what that signal stopped, as shells count: 130 for Ctrl-C, 143 for SIGTERM.
pub(super) fn exit_code(interrupt: &Interrupt) -> Option<ExitCode> {
    interrupt.signal().and_then(status)
}

fn status(signal: i32) -> Option<ExitCode> {
    u8::try_from(128 + signal).ok().map(ExitCode::from)
}

/// The status that the process ends with where a checkpoint ends it; 0 while nothing is guarded.
static STATUS: AtomicI32 = AtomicI32::new(0);

/// From now on, a process that exits while a case runs names it, and exits with that status instead.
///
/// A crash names it too, and ends the process as it would. What ends a process by `_exit` is not seen.
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

/// From now on, the process may exit whatever runs: its end has been decided on.
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
    // There is nowhere left to say that stderr is closed.
    writeln!(std::io::stderr(), "{}", escape_lines(&said(&ids.join(", ")))).ok();
    // `std::process::exit` must not be called inside of `exit`.
    low_level::exit(status)
}

fn said(ids: &str) -> String {
    format!(
        "karat: a checkpoint ended this process by calling exit, which no status of it can make a pass; what ran: {ids}\n\
         to find it:  the verb `run --isolate`"
    )
}
