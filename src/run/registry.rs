//! The registry of cases running in this process, read on exit, after an interrupt and on a crash.

use std::sync::{Mutex, PoisonError};

use crate::case::CaseId;

/// Each running case with its thread.
static RUNNING: Mutex<Vec<(usize, CaseId)>> = Mutex::new(Vec::new());

/// Removes a case from the registry when dropped.
pub(super) struct Registration(CaseId);

/// Registers a case that starts to run.
#[must_use]
pub(super) fn register(id: &CaseId) -> Registration {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner).push((this_thread(), id.clone()));
    Registration(id.clone())
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = running.iter().position(|(_, id)| *id == self.0) {
            running.swap_remove(at);
        }
    }
}

/// Returns the cases that are running in this process, sorted.
pub(crate) fn running_cases() -> Vec<CaseId> {
    let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut ids: Vec<CaseId> = running.iter().map(|(_, id)| id.clone()).collect();
    ids.sort();
    ids.dedup();
    ids
}

/// Returns a number that is unique to this thread.
#[cfg(unix)]
fn this_thread() -> usize {
    // SAFETY: the call has no preconditions and cannot fail.
    unsafe { libc::pthread_self() as usize }
}

#[cfg(not(unix))]
fn this_thread() -> usize {
    0
}

#[cfg(unix)]
pub(crate) use crash::listen as listen_for_crashes;

/// Names the running cases when this process crashes by a stack overflow, a segmentation fault or an abort.
#[cfg(unix)]
mod crash {
    use std::io::stderr;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{MutexGuard, OnceLock, TryLockError};

    use libc::{SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, c_int, c_void, siginfo_t};

    use super::{CaseId, RUNNING, this_thread};

    /// The signals of a crash.
    const SIGNALS: [(c_int, &str); 5] =
        [(SIGABRT, "SIGABRT"), (SIGBUS, "SIGBUS"), (SIGFPE, "SIGFPE"), (SIGILL, "SIGILL"), (SIGSEGV, "SIGSEGV")];

    /// The handlers that were installed before.
    static PREVIOUS: OnceLock<[libc::sigaction; SIGNALS.len()]> = OnceLock::new();

    /// Installs the handlers. After the message, the process still terminates by the signal.
    pub(crate) fn listen() {
        PREVIOUS.get_or_init(|| {
            SIGNALS.map(|(signal, _)| {
                // SAFETY: both are plain data, for which zeros are a valid value, and outlive the call. The handler only
                // calls async-signal-safe functions, on the alternate stack that Rust gives each thread.
                unsafe {
                    let (mut action, mut previous): (libc::sigaction, libc::sigaction) = std::mem::zeroed();
                    action.sa_sigaction = handle_crash as *const () as usize;
                    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
                    libc::sigaction(signal, &action, &mut previous);
                    previous
                }
            })
        });
    }

    /// Names the running cases, and restores the previous handler.
    extern "C" fn handle_crash(signal: c_int, info: *mut siginfo_t, _: *mut c_void) {
        // Later signals are part of the first crash.
        static IS_REPORTED: AtomicBool = AtomicBool::new(false);
        let known = SIGNALS.iter().position(|(known, _)| *known == signal);
        if let (Some(at), Some(running)) = (known, try_lock().filter(|running| !running.is_empty()))
            && !IS_REPORTED.swap(true, Ordering::SeqCst)
        {
            report(SIGNALS[at].1, &running);
        }
        // SAFETY: all three are async-signal-safe, and the system passes a valid `info`.
        unsafe {
            if let (Some(previous), Some(at)) = (PREVIOUS.get(), known) {
                libc::sigaction(signal, &previous[at], std::ptr::null_mut());
            }
            // A fault is raised again when this function returns; a signal that was sent must be sent again.
            let is_fault = signal != SIGABRT && (*info).si_code > 0;
            if !is_fault {
                libc::raise(signal);
            }
        }
    }

    /// Locks the registry without waiting long, since the crashed thread may hold the lock.
    fn try_lock() -> Option<MutexGuard<'static, Vec<(usize, CaseId)>>> {
        (0..10_000).find_map(|_| match RUNNING.try_lock() {
            Ok(running) => Some(running),
            Err(TryLockError::Poisoned(running)) => Some(running.into_inner()),
            Err(TryLockError::WouldBlock) => {
                std::hint::spin_loop();
                None
            }
        })
    }

    /// Writes the message piece by piece, because a signal handler must not allocate.
    fn report(signal: &str, running: &[(usize, CaseId)]) {
        // A failure cannot be reported anywhere.
        let write = |text: &str| {
            let _ = rustix::io::write(stderr(), text.as_bytes());
        };
        write("karat: ");
        write(signal);
        let here = this_thread();
        if let Some((_, id)) = running.iter().find(|(thread, _)| *thread == here) {
            write(" in the thread running case ");
            write(id.as_str());
        } else {
            write(" in a thread without a case; running cases: ");
            for (place, (_, id)) in running.iter().enumerate() {
                write(if place > 0 { ", " } else { "" });
                write(id.as_str());
            }
        }
        write("\nto get the results of the other cases, run each in its own process:  the verb `run --isolate`\n");
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;
    use std::{env, thread};

    use libc::{SIGABRT, SIGBUS, SIGSEGV};

    use super::*;

    /// Tells the child process how to crash.
    const HOW: &str = "KARAT_TEST_CRASH";

    #[test]
    fn a_crash_names_the_running_case_and_still_terminates_the_process() {
        let alone = " in the thread running case suite/deep\nto get the results";
        let other = " in a thread without a case; running cases: suite/deep\nto get the results";
        for (how, signals, text, also) in [
            ("overflow", ["SIGSEGV", "SIGBUS"], alone, "has overflowed its stack"),
            ("abort", ["SIGABRT"; 2], alone, ""),
            ("fault", ["SIGSEGV", "SIGBUS"], alone, ""),
            ("thread", ["SIGABRT"; 2], other, ""),
        ] {
            let output = Command::new(env::current_exe().expect("this test"))
                .args(["--exact", "run::registry::tests::crashes", "--nocapture"])
                .env(HOW, how)
                .output()
                .expect("this test starts");
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert!(signals.iter().any(|signal| stderr.contains(&format!("karat: {signal}{text}"))), "{how}: {stderr}");
            assert_eq!(stderr.matches("karat: ").count(), 1, "{how}: {stderr}");
            assert!(stderr.contains(also), "{how}: {stderr}");
            let signal = output.status.signal();
            let expected = if how == "fault" { [SIGSEGV, SIGBUS] } else { [SIGABRT; 2] };
            assert!(expected.map(Some).contains(&signal), "{how}: {signal:?}");
        }
    }

    #[test]
    fn crashes() {
        // This terminates the process, so it only runs when the test above starts it.
        let Some(how) = env::var_os(HOW) else { return };
        listen_for_crashes();
        drop(register(&CaseId::new("suite/done").expect("an id")));
        let _registration = register(&CaseId::new("suite/deep").expect("an id"));
        match how.to_str() {
            Some("overflow") => _ = deep(&[0; 1024]),
            Some("abort") => std::process::abort(),
            // SAFETY: none, the address is invalid on purpose.
            Some("fault") => _ = unsafe { (4096 as *const u8).read_volatile() },
            _ => thread::spawn(|| std::process::abort()).join().expect("it never returns"),
        }
    }

    #[expect(unconditional_recursion, reason = "the stack must overflow")]
    fn deep(room: &[u8; 1024]) -> u8 {
        let more = std::hint::black_box(*room);
        deep(&more) + more[0]
    }
}
