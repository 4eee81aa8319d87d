//! A crash of this process: a stack that overflows, a segmentation fault, an abort. It names the cases that ran.
//!
//! A signal handler may neither lock nor allocate, so that the names are kept where it can read them, besides in
//! [`running`](mod@super::running).

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};

use libc::{SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, c_int, c_void, siginfo_t};

use crate::case::CaseId;

/// What a crash raises.
const SIGNALS: [(c_int, &[u8]); 5] =
    [(SIGABRT, b"SIGABRT"), (SIGBUS, b"SIGBUS"), (SIGFPE, b"SIGFPE"), (SIGILL, b"SIGILL"), (SIGSEGV, b"SIGSEGV")];

/// How many cases can be named: as many as may run at a time.
const SLOTS: usize = 1024;

/// How many bytes of an id are named.
const NAME: usize = 256;

/// A case that runs.
struct Slot {
    /// The thread that runs it; 0 where the slot is free.
    thread: AtomicUsize,
    /// How long its name is; 0 until it is written.
    len: AtomicUsize,
    name: [AtomicU8; NAME],
}

static RUNNING: [Slot; SLOTS] = [const { Slot::free() }; SLOTS];

/// What was done before where these signals came.
static BEFORE: OnceLock<[libc::sigaction; SIGNALS.len()]> = OnceLock::new();

/// Whether a crash was told of: what follows it is the same one.
static IS_TOLD: AtomicBool = AtomicBool::new(false);

/// The slot of a case that runs, as long as this lives.
#[derive(Debug)]
pub(super) struct Name(Option<usize>);

impl Slot {
    const fn free() -> Slot {
        Slot { thread: AtomicUsize::new(0), len: AtomicUsize::new(0), name: [const { AtomicU8::new(0) }; NAME] }
    }

    fn take(&self, thread: usize) -> bool {
        self.thread.compare_exchange(0, thread, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }
}

impl Name {
    /// Has a crash name that case. Where more run than there are slots, it names the others.
    pub(super) fn keep(id: &CaseId) -> Name {
        let place = RUNNING.iter().position(|slot| slot.take(this_thread()));
        if let Some(slot) = place.map(|place| &RUNNING[place]) {
            let bytes = id.as_str().as_bytes();
            bytes.iter().zip(&slot.name).for_each(|(byte, kept)| kept.store(*byte, Ordering::Relaxed));
            slot.len.store(bytes.len().min(NAME), Ordering::SeqCst);
        }
        Name(place)
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        if let Some(slot) = self.0.map(|place| &RUNNING[place]) {
            slot.len.store(0, Ordering::SeqCst);
            slot.thread.store(0, Ordering::SeqCst);
        }
    }
}

/// Has a crash of this process, from now on, name the cases that run; the process ends as it would have.
pub(crate) fn listen() {
    BEFORE.get_or_init(|| {
        SIGNALS.map(|(signal, _)| {
            // SAFETY: all of it is plain data, of which zeros are a valid value; both are there while it is called. The handler
            // does what a handler may, on the stack of its own that Rust gives each thread.
            unsafe {
                let (mut before, mut action): (libc::sigaction, libc::sigaction) = std::mem::zeroed();
                action.sa_sigaction = told as *const () as usize;
                action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
                libc::sigaction(signal, &action, &mut before);
                before
            }
        })
    });
}

/// The handler: says what ran, and has the signal do what it did before.
extern "C" fn told(signal: c_int, info: *mut siginfo_t, _: *mut c_void) {
    let known = SIGNALS.iter().position(|(known, _)| *known == signal);
    let is_running = RUNNING.iter().any(|slot| slot.len.load(Ordering::SeqCst) > 0);
    if let (Some(at), true) = (known, is_running && !IS_TOLD.swap(true, Ordering::SeqCst)) {
        tell(SIGNALS[at].1);
    }
    // SAFETY: all three may be called wherever a signal comes, and the system gives a handler the signal's information.
    unsafe {
        if let (Some(before), Some(at)) = (BEFORE.get(), known) {
            libc::sigaction(signal, &before[at], std::ptr::null_mut());
        }
        // A fault happens again as soon as this returns; what was sent has to be sent again.
        let is_fault = signal != SIGABRT && (*info).si_code > 0;
        if !is_fault {
            libc::raise(signal);
        }
    }
}

fn tell(signal: &[u8]) {
    write(b"karat: ");
    write(signal);
    let here = this_thread();
    if let Some(slot) = RUNNING.iter().find(|slot| slot.thread.load(Ordering::SeqCst) == here) {
        write(b" in the thread that ran the case ");
        write_name(slot);
    } else {
        write(b" in a thread that ran no case; what ran: ");
        let running = RUNNING.iter().filter(|slot| slot.len.load(Ordering::SeqCst) > 0);
        for (place, slot) in running.enumerate() {
            write(if place > 0 { b", " } else { b"" });
            write_name(slot);
        }
    }
    write(b"\nto get the results of the others, give each case a process of its own:  the verb `run --isolate`\n");
}

fn write_name(slot: &Slot) {
    let mut name = [0; NAME];
    name.iter_mut().zip(&slot.name).for_each(|(byte, kept)| *byte = kept.load(Ordering::Relaxed));
    let len = slot.len.load(Ordering::SeqCst).min(NAME);
    write(&name[..len]);
    write(if len == NAME { b".." } else { b"" });
}

fn write(bytes: &[u8]) {
    // SAFETY: it may be called wherever a signal comes; the bytes are there while it is. There is nowhere to say that it failed.
    unsafe { libc::write(libc::STDERR_FILENO, bytes.as_ptr().cast(), bytes.len()) };
}

/// A number of this thread that no other has, and that is not 0.
fn this_thread() -> usize {
    // SAFETY: it takes nothing and fails never.
    unsafe { libc::pthread_self() as usize }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;
    use std::{env, thread};

    use super::*;
    use crate::run::running::begin;

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
                .args(["--exact", "run::crash::tests::crashes", "--nocapture"])
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
        listen();
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
