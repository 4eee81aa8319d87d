//! Child processes: starts one, keeps the last lines of its output, kills it with its descendants after a time limit, and
//! limits the memory of the current one.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::run::options::{GRACE, Interrupt, signal_name};

/// How a process terminated.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// It exited with a status.
    Status(i32),
    /// It was terminated by the signal of that name.
    Signal(String),
    /// It was killed after its time limit.
    TimedOut,
    /// It was killed because the run was interrupted.
    Interrupted,
}

/// Runs a process, and kills it after `limit` or some time after an interrupt. Returns the last lines of its output too.
pub(super) fn run(
    mut command: Command,
    limit: Option<Duration>,
    interrupt: &Interrupt,
) -> io::Result<(Exit, Vec<String>)> {
    let (reader, writer) = io::pipe()?;
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    // In its own group, so that its descendants can be killed with it, and so that Ctrl-C is sent to this process only.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child = command.spawn()?;
    // Closes our copies of the writer, so that the reader sees the end of the output.
    drop(command);
    let tail = Tail::new(reader);
    let exit = wait(&mut child, limit, interrupt);
    if exit.is_err() {
        // Otherwise the process would be left running.
        kill(&mut child).ok();
    }
    Ok((exit?, tail.lines()))
}

fn wait(child: &mut Child, limit: Option<Duration>, interrupt: &Interrupt) -> io::Result<Exit> {
    const MAX_PAUSE: Duration = Duration::from_millis(10);
    let started = Instant::now();
    let mut interrupted: Option<Instant> = None;
    let mut pause = Duration::from_micros(200);
    loop {
        if has_exited(child)? {
            // Kills its descendants too.
            let exit = exit(kill(child)?);
            // The same signal as that of the interrupt was sent to all processes, and is not a crash.
            let is_interrupt = matches!(&exit, Exit::Signal(name) if interrupt.name().as_ref() == Some(name));
            return Ok(if is_interrupt { Exit::Interrupted } else { exit });
        }
        if limit.is_some_and(|limit| started.elapsed() >= limit) {
            kill(child)?;
            return Ok(Exit::TimedOut);
        }
        if interrupt.signal().is_some() && interrupted.get_or_insert_with(Instant::now).elapsed() >= GRACE {
            kill(child)?;
            return Ok(Exit::Interrupted);
        }
        thread::sleep(pause);
        pause = (pause * 2).min(MAX_PAUSE);
    }
}

/// Returns whether a process has exited, without reaping it: [`kill`] does, so that its id is not reused before.
#[cfg(unix)]
fn has_exited(child: &Child) -> io::Result<bool> {
    use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    match waitid(WaitId::Pid(Pid::from_child(child)), options) {
        Ok(status) => Ok(status.is_some()),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(unix))]
fn has_exited(child: &mut Child) -> io::Result<bool> {
    Ok(child.try_wait()?.is_some())
}

/// Kills a process and, on Unix, its descendants, and reaps it.
fn kill(child: &mut Child) -> io::Result<ExitStatus> {
    // It may have exited already, and its group may be gone.
    #[cfg(unix)]
    rustix::process::kill_process_group(rustix::process::Pid::from_child(child), rustix::process::Signal::KILL).ok();
    #[cfg(not(unix))]
    child.kill().ok();
    child.wait()
}

fn exit(status: ExitStatus) -> Exit {
    #[cfg(unix)]
    let signal = std::os::unix::process::ExitStatusExt::signal(&status).unwrap_or(0);
    #[cfg(not(unix))]
    let signal = 0;
    status.code().map_or_else(|| Exit::Signal(signal_name(signal)), Exit::Status)
}

/// The maximum number of lines of output to keep.
const MAX_LINES: usize = 10;
/// The maximum number of characters of a line.
const MAX_WIDTH: usize = 200;
/// The number of bytes to keep while reading: more than those lines need.
const MAX_BYTES: usize = 16 * 1024;
/// How long to wait for the end of the output after a process has exited. Its descendants may still hold the pipe open.
const PATIENCE: Duration = Duration::from_millis(500);

/// Reads the output of a process, and keeps the end of it.
struct Tail {
    bytes: Arc<Mutex<VecDeque<u8>>>,
    end: Receiver<()>,
}

impl Tail {
    /// Reads on a thread, so that the process never blocks on its output.
    fn new(mut pipe: impl Read + Send + 'static) -> Tail {
        let tail = Arc::new(Mutex::new(VecDeque::new()));
        let (sender, end) = channel();
        let bytes = Arc::clone(&tail);
        thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(count @ 1..) = pipe.read(&mut chunk) {
                let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
                tail.extend(&chunk[..count]);
                let surplus = tail.len().saturating_sub(MAX_BYTES);
                tail.drain(..surplus);
            }
            // The receiver may be gone.
            sender.send(()).ok();
        });
        Tail { bytes, end }
    }

    /// Returns the last lines.
    fn lines(self) -> Vec<String> {
        // If the end has not come by then, the lines so far are enough.
        self.end.recv_timeout(PATIENCE).ok();
        let bytes: Vec<u8> = self.bytes.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect();
        last_lines(&String::from_utf8_lossy(&bytes))
    }
}

/// Returns the last lines of a text that are not blank, without control characters.
fn last_lines(text: &str) -> Vec<String> {
    let shorten = |line: &str| {
        let line: String = line.chars().filter(|c| !c.is_control() || *c == '\t').collect();
        match line.char_indices().nth(MAX_WIDTH) {
            Some((end, _)) => format!("{}...", &line[..end]),
            None => line,
        }
    };
    let lines: Vec<String> = text.lines().map(shorten).filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(MAX_LINES)..].to_vec()
}

/// Returns whether this system can limit the memory of a process.
pub(crate) fn can_limit_memory() -> bool {
    cfg!(target_os = "linux")
}

/// Limits the memory that this process can use in addition to what it already uses.
///
/// Uses `RLIMIT_DATA`, which counts private memory: heap, thread stacks and writable private mappings. `RLIMIT_AS` would count
/// address space: the 64 MiB that the allocator reserves for each thread, and every file that is mapped for reading.
///
/// # Errors
///
/// If the system refuses, or has no such limit.
#[cfg(target_os = "linux")]
pub(crate) fn limit_memory(bytes: u64) -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let bytes = bytes.saturating_add(used_memory()?);
    let Rlimit { current: _, maximum } = getrlimit(Resource::Data);
    let bytes = Some(maximum.map_or(bytes, |maximum| maximum.min(bytes)));
    Ok(setrlimit(Resource::Data, Rlimit { current: bytes, maximum: bytes })?)
}

/// Returns the memory that this process already uses, as `RLIMIT_DATA` counts it.
#[cfg(target_os = "linux")]
fn used_memory() -> io::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let data = status.lines().find_map(|line| line.strip_prefix("VmData:")?.trim().strip_suffix("kB"));
    let data = data.and_then(|kib| kib.trim().parse::<u64>().ok()).map(|kib| kib * 1024);
    data.ok_or_else(|| io::Error::other("/proc/self/status has no VmData"))
}

/// Fails, because this system has no such limit.
#[cfg(not(target_os = "linux"))]
pub(crate) fn limit_memory(_: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Kills this process when its parent exits, even if the parent is killed.
///
/// # Errors
///
/// If the parent has already exited.
#[cfg(target_os = "linux")]
pub(crate) fn exit_with_parent(parent: u32) -> io::Result<()> {
    use rustix::process::{Signal, getppid, set_parent_process_death_signal};
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let is_alive = getppid().is_some_and(|pid| u32::try_from(pid.as_raw_nonzero().get()) == Ok(parent));
    if is_alive { Ok(()) } else { Err(io::Error::other("the parent process has already exited")) }
}

/// Does nothing: on this system the process exits when its case is done.
#[cfg(not(target_os = "linux"))]
pub(crate) fn exit_with_parent(_: u32) -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn sh(line: &str, limit: Option<Duration>) -> (Exit, Vec<String>) {
        let mut command = Command::new("sh");
        command.args(["-c", line]);
        run(command, limit, &Interrupt::default()).expect("there is a shell")
    }

    #[test]
    fn a_process_exits_is_terminated_by_a_signal_or_times_out() {
        assert_eq!(sh("exit 3", None).0, Exit::Status(3));
        assert_eq!(sh("kill -SEGV $$", None).0, Exit::Signal("SIGSEGV".to_owned()));
        let started = Instant::now();
        let output = sh("echo working; sleep 60", Some(Duration::from_millis(300)));
        assert_eq!(output, (Exit::TimedOut, vec!["working".to_owned()]));
        assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    }

    #[test]
    fn descendants_are_killed_with_their_process() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("still-there");
        let line = format!("(sleep 1; touch {}) & exit 0", file.display());
        assert_eq!(sh(&line, None).0, Exit::Status(0));
        thread::sleep(Duration::from_millis(1500));
        assert!(!file.exists());
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let text: String = (0..100_000).map(|line| format!("line {line}\n")).collect();
        let lines = Tail::new(Cursor::new(text)).lines();
        assert_eq!((lines.len(), lines[0].as_str(), lines[9].as_str()), (10, "line 99990", "line 99999"));
    }

    #[test]
    fn long_lines_are_cut_and_control_characters_removed() {
        let lines = Tail::new(Cursor::new(format!("\x1b[31mred\n\n{}\n\u{fffd}", "x".repeat(1000)))).lines();
        assert_eq!(lines, ["[31mred".to_owned(), format!("{}...", "x".repeat(200)), "\u{fffd}".to_owned()]);
    }
}
