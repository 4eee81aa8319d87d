//! Ctrl-C and SIGTERM: the first asks a run to stop, the second ends it, and so does time.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

use crate::error::{Error, Result};
use crate::run::Interrupt;

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
