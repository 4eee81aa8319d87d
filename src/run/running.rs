//! Registry of the cases that run in this process: read by the exit handler, after an interrupt, and by the handler of a crash.

use std::sync::{Mutex, PoisonError};

use crate::case::CaseId;

/// Each case with the thread that runs it.
static RUNNING: Mutex<Vec<(usize, CaseId)>> = Mutex::new(Vec::new());

/// Keeps a case in the registry until it is dropped.
pub(super) struct Running(CaseId);

/// Registers a case that begins to run.
#[must_use]
pub(super) fn begin(id: &CaseId) -> Running {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner).push((this_thread(), id.clone()));
    Running(id.clone())
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = running.iter().position(|(_, id)| *id == self.0) {
            running.swap_remove(at);
        }
    }
}

/// The cases that run now, sorted; those in other processes are not among them.
pub(crate) fn running() -> Vec<CaseId> {
    let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut ids: Vec<CaseId> = running.iter().map(|(_, id)| id.clone()).collect();
    ids.sort();
    ids.dedup();
    ids
}

/// A number that no other thread has.
#[cfg(unix)]
fn this_thread() -> usize {
    // SAFETY: it has no preconditions and cannot fail.
    unsafe { libc::pthread_self() as usize }
}

#[cfg(not(unix))]
fn this_thread() -> usize {
    0
}

#[cfg(unix)]
pub(crate) use crash::listen as listen_for_crashes;

/// A crash of this process (a stack overflow, a segmentation fault, an abort): names the cases that ran.
#[cfg(unix)]
mod crash {
    use std::io::stderr;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{MutexGuard, OnceLock, TryLockError};

    use libc::{SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, c_int, c_void, siginfo_t};

    use super::{CaseId, RUNNING, this_thread};

    /// What a crash raises.
    const SIGNALS: [(c_int, &str); 5] =
        [(SIGABRT, "SIGABRT"), (SIGBUS, "SIGBUS"), (SIGFPE, "SIGFPE"), (SIGILL, "SIGILL"), (SIGSEGV, "SIGSEGV")];

    /// The handlers that were there before.
    static BEFORE: OnceLock<[libc::sigaction; SIGNALS.len()]> = OnceLock::new();

    /// Lets a crash of this process name the cases that run, from now on; the process then ends as it would have.
    pub(crate) fn listen() {
        BEFORE.get_or_init(|| {
            SIGNALS.map(|(signal, _)| {
                // SAFETY: both are plain data, for which zeros are a valid value, and live through the call. The handler
                // calls only what a handler may, on the stack of its own that Rust gives each thread.
                unsafe {
                    let (mut action, mut before): (libc::sigaction, libc::sigaction) = std::mem::zeroed();
                    action.sa_sigaction = crashed as *const () as usize;
                    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
                    libc::sigaction(signal, &action, &mut before);
                    before
                }
            })
        });
    }

    /// The handler: names what ran, and lets the signal do what it did before.
    extern "C" fn crashed(signal: c_int, info: *mut siginfo_t, _: *mut c_void) {
        // What follows the first crash is part of it.
        static IS_REPORTED: AtomicBool = AtomicBool::new(false);
        let known = SIGNALS.iter().position(|(known, _)| *known == signal);
        if let (Some(at), Some(running)) = (known, try_lock().filter(|running| !running.is_empty()))
            && !IS_REPORTED.swap(true, Ordering::SeqCst)
        {
            report(SIGNALS[at].1, &running);
        }
        // SAFETY: all three may be called in a handler, and the system hands it the information of the signal.
        unsafe {
            if let (Some(before), Some(at)) = (BEFORE.get(), known) {
                libc::sigaction(signal, &before[at], std::ptr::null_mut());
            }
            // A fault happens again as soon as this returns; a signal that was sent has to be sent again.
            let is_fault = signal != SIGABRT && (*info).si_code > 0;
            if !is_fault {
                libc::raise(signal);
            }
        }
    }

    /// The registry, if it can be had without waiting for long: the thread that crashed may hold it.
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

    /// Writes piece by piece: a handler may not allocate.
    fn report(signal: &str, running: &[(usize, CaseId)]) {
        // There is nowhere to say that it failed.
        let write = |text: &str| {
            let _ = rustix::io::write(stderr(), text.as_bytes());
        };
        write("karat: ");
        write(signal);
        let here = this_thread();
        if let Some((_, id)) = running.iter().find(|(thread, _)| *thread == here) {
            write(" in the thread that ran the case ");
            write(id.as_str());
        } else {
            write(" in a thread that ran no case; what ran: ");
            for (place, (_, id)) in running.iter().enumerate() {
                write(if place > 0 { ", " } else { "" });
                write(id.as_str());
            }
        }
        write("\nto get the results of the others, give each case a process of its own:  the verb `run --isolate`\n");
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;
    use std::{env, thread};

    use libc::{SIGABRT, SIGBUS, SIGSEGV};

    use super::*;

    /// Says to the process below how to crash.
    const HOW: &str = "KARAT_TEST_CRASH";

    #[test]
    fn a_crash_names_the_case_that_ran_and_ends_the_process_as_it_would() {
        let alone = " in the thread that ran the case suite/deep\nto get the results";
        let other = " in a thread that ran no case; what ran: suite/deep\nto get the results";
        for (how, signals, said, also) in [
            ("overflow", ["SIGSEGV", "SIGBUS"], alone, "has overflowed its stack"),
            ("abort", ["SIGABRT"; 2], alone, ""),
            ("fault", ["SIGSEGV", "SIGBUS"], alone, ""),
            ("thread", ["SIGABRT"; 2], other, ""),
        ] {
            let ended = Command::new(env::current_exe().expect("this test"))
                .args(["--exact", "run::running::tests::crashes", "--nocapture"])
                .env(HOW, how)
                .output()
                .expect("this test starts");
            let told = String::from_utf8_lossy(&ended.stderr);
            assert!(signals.iter().any(|signal| told.contains(&format!("karat: {signal}{said}"))), "{how}: {told}");
            assert_eq!(told.matches("karat: ").count(), 1, "{how}: {told}");
            assert!(told.contains(also), "{how}: {told}");
            let signal = ended.status.signal();
            let expected = if how == "fault" { [SIGSEGV, SIGBUS] } else { [SIGABRT; 2] };
            assert!(expected.map(Some).contains(&signal), "{how}: {signal:?}");
        }
    }

    #[test]
    fn crashes() {
        // It ends the process, and runs only where the test above starts it.
        let Some(how) = env::var_os(HOW) else { return };
        listen_for_crashes();
        let _other = begin(&CaseId::new("suite/done").expect("an id"));
        drop(_other);
        let _running = begin(&CaseId::new("suite/deep").expect("an id"));
        match how.to_str() {
            Some("overflow") => _ = deep(&[0; 1024]),
            Some("abort") => std::process::abort(),
            // SAFETY: there is none: that address is nobody's.
            Some("fault") => _ = unsafe { (4096 as *const u8).read_volatile() },
            _ => thread::spawn(|| std::process::abort()).join().expect("it never returns"),
        }
    }

    #[expect(unconditional_recursion, reason = "the stack is to overflow")]
    fn deep(room: &[u8; 1024]) -> u8 {
        let more = std::hint::black_box(*room);
        deep(&more) + more[0]
    }
}
