//! A checkpoint that ends the process: by `exit(0)` it would look as if all had passed.

use std::io::Write;
use std::sync::Once;
use std::sync::atomic::{AtomicI32, Ordering};

use crate::case::CaseId;
use crate::run::running;
use crate::text::safe::lines;

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
    let running = if status == 0 { Vec::new() } else { running() };
    if running.is_empty() {
        return;
    }
    let ids: Vec<&str> = running.iter().map(CaseId::as_str).collect();
    // There is nowhere left to say that stderr is closed.
    writeln!(std::io::stderr(), "{}", lines(&said(&ids.join(", ")))).ok();
    // `std::process::exit` must not be called inside of `exit`.
    signal_hook::low_level::exit(status)
}

fn said(ids: &str) -> String {
    format!(
        "karat: a checkpoint ended this process by calling exit, which no status of it can make a pass; what ran: {ids}\n\
         to find it:  the verb `run --isolate`"
    )
}
