//! A process from outside and from inside: starting one, keeping the end of what it prints, ending it in time with all that it
//! started; and what one limits itself to.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::run::options::{GRACE, Interrupt, signal_name};

/// How a process ended, and the last lines that it printed.
pub(super) struct Ended {
    pub(super) how: How,
    pub(super) printed: Vec<String>,
}

/// How a process ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum How {
    /// By itself, with that status.
    Status(i32),
    /// By the signal of that name.
    Signal(String),
    /// It took too long, and was ended.
    TimedOut,
    /// The run was interrupted, and it was ended.
    Interrupted,
}

/// Starts a process and waits for its end, for no longer than `limit`, nor than the grace of an interrupt.
pub(super) fn run(mut command: Command, limit: Option<Duration>, interrupt: &Interrupt) -> io::Result<Ended> {
    let (reader, writer) = io::pipe()?;
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    lead(&mut command);
    let mut child = command.spawn()?;
    // The pipe ends when the last of its writers does.
    drop(command);
    let tail = Tail::of(reader);
    let how = wait(&mut child, limit, interrupt);
    if how.is_err() {
        // Nobody would ever look for it again.
        end(&mut child).ok();
    }
    Ok(Ended { how: how?, printed: tail.lines() })
}

fn wait(child: &mut Child, limit: Option<Duration>, interrupt: &Interrupt) -> io::Result<How> {
    const LONGEST: Duration = Duration::from_millis(10);
    let started = Instant::now();
    let mut interrupted: Option<Instant> = None;
    let mut pause = Duration::from_micros(200);
    loop {
        if has_ended(child)? {
            let how = how(end(child)?);
            // A signal that was sent to all of them is not a fault of the case.
            return Ok(if interrupt.name() == signal_of(&how) { How::Interrupted } else { how });
        }
        if limit.is_some_and(|limit| started.elapsed() >= limit) {
            end(child)?;
            return Ok(How::TimedOut);
        }
        if interrupt.signal().is_some() && interrupted.get_or_insert_with(Instant::now).elapsed() >= GRACE {
            end(child)?;
            return Ok(How::Interrupted);
        }
        thread::sleep(pause);
        pause = (pause * 2).min(LONGEST);
    }
}

fn signal_of(how: &How) -> Option<String> {
    match how {
        How::Signal(name) => Some(name.clone()),
        // So that it is not what an interrupt that never came is called.
        _ => Some(String::new()),
    }
}

/// Makes a process the first of a group, so that what it starts can be ended with it, and so that the terminal's Ctrl-C
/// comes to this process alone.
#[cfg(unix)]
fn lead(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    command.process_group(0);
}

#[cfg(not(unix))]
fn lead(_: &mut Command) {}

/// Whether a process has ended. It is left for [`end`] to collect: until then its number belongs to nobody else.
#[cfg(unix)]
fn has_ended(child: &Child) -> io::Result<bool> {
    use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    match waitid(WaitId::Pid(Pid::from_child(child)), options) {
        Ok(status) => Ok(status.is_some()),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(unix))]
fn has_ended(child: &mut Child) -> io::Result<bool> {
    Ok(child.try_wait()?.is_some())
}

/// Ends a process and what it started, and collects it.
#[cfg(unix)]
fn end(child: &mut Child) -> io::Result<ExitStatus> {
    use rustix::process::{Pid, Signal, kill_process_group};
    // Where all of them have ended already there is no group.
    kill_process_group(Pid::from_child(child), Signal::KILL).ok();
    child.wait()
}

#[cfg(not(unix))]
fn end(child: &mut Child) -> io::Result<ExitStatus> {
    // It may have ended already.
    child.kill().ok();
    child.wait()
}

#[cfg(unix)]
fn how(status: ExitStatus) -> How {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => How::Status(code),
        (None, number) => How::Signal(signal_name(number.unwrap_or(0))),
    }
}

#[cfg(not(unix))]
fn how(status: ExitStatus) -> How {
    // A crash is a status too, here.
    status.code().map_or_else(|| How::Signal(signal_name(0)), How::Status)
}

/// How many lines are kept.
const LINES: usize = 10;
/// How many characters of a line are.
const WIDTH: usize = 200;
/// How many bytes are: more than all lines hold.
const BYTES: usize = 16 * 1024;
/// How long the end of what was printed may take to come, once the process has ended. What it started may still hold the
/// pipe open.
const PATIENCE: Duration = Duration::from_millis(500);

/// Keeps reading, and keeps the end.
pub(super) struct Tail {
    bytes: Arc<Mutex<VecDeque<u8>>>,
    ended: Receiver<()>,
}

impl Tail {
    /// Reads all that comes, on a thread of its own: who prints never waits.
    pub(super) fn of(mut pipe: impl Read + Send + 'static) -> Tail {
        let bytes = Arc::new(Mutex::new(VecDeque::new()));
        let (end, ended) = channel();
        let kept = Arc::clone(&bytes);
        thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(count @ 1..) = pipe.read(&mut chunk) {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.extend(&chunk[..count]);
                let surplus = kept.len().saturating_sub(BYTES);
                kept.drain(..surplus);
            }
            // Nobody may be waiting any more.
            end.send(()).ok();
        });
        Tail { bytes, ended }
    }

    /// The last lines.
    pub(super) fn lines(self) -> Vec<String> {
        // Whether it is the end or no more than what there is: it is told.
        self.ended.recv_timeout(PATIENCE).ok();
        let bytes: Vec<u8> = self.bytes.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect();
        last(&String::from_utf8_lossy(&bytes))
    }
}

/// The last lines of a text that say something, without what would move a cursor.
fn last(text: &str) -> Vec<String> {
    let plain = |line: &str| {
        let line: String = line.chars().filter(|c| !c.is_control() || *c == '\t').collect();
        match line.char_indices().nth(WIDTH) {
            Some((end, _)) => format!("{}...", &line[..end]),
            None => line,
        }
    };
    let lines: Vec<String> = text.lines().map(plain).filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(LINES)..].to_vec()
}

/// Whether this system holds a process to a limit of memory.
pub(crate) fn can_limit_memory() -> bool {
    cfg!(target_os = "linux")
}

/// Lets this process take no more than that many bytes, from now on.
///
/// By `RLIMIT_DATA`, which counts what is really the process's own: heap, stacks of threads, private mappings that can be
/// written. `RLIMIT_AS` would count addresses: the 64 MiB that the allocator reserves for each thread and never touches, and
/// every file that is mapped to be read.
///
/// # Errors
///
/// Where the system refuses, or has no such limit.
#[cfg(target_os = "linux")]
pub(crate) fn limit_memory(bytes: u64) -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let bytes = bytes.saturating_add(taken()?);
    let Rlimit { current: _, maximum } = getrlimit(Resource::Data);
    let bytes = Some(maximum.map_or(bytes, |maximum| maximum.min(bytes)));
    Ok(setrlimit(Resource::Data, Rlimit { current: bytes, maximum: bytes })?)
}

/// What this process has taken already, as the limit counts it.
#[cfg(target_os = "linux")]
fn taken() -> io::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let data = status.lines().find_map(|line| line.strip_prefix("VmData:")?.trim().strip_suffix("kB"));
    let data = data.and_then(|kib| kib.trim().parse::<u64>().ok()).map(|kib| kib * 1024);
    data.ok_or_else(|| io::Error::other("/proc/self/status does not say how much memory is taken"))
}

/// Lets this process take no more than that many bytes: here nothing can.
///
/// # Errors
///
/// Always.
#[cfg(not(target_os = "linux"))]
pub(crate) fn limit_memory(_: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Has this process end with the one that started it, also where that is killed.
///
/// # Errors
///
/// Where that one is gone already.
#[cfg(target_os = "linux")]
pub(crate) fn die_with(parent: u32) -> io::Result<()> {
    use rustix::process::{Signal, getppid, set_parent_process_death_signal};
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let is_there = getppid().is_some_and(|pid| u32::try_from(pid.as_raw_nonzero().get()) == Ok(parent));
    if is_there { Ok(()) } else { Err(io::Error::other("the process that started this one is gone")) }
}

/// Has this process end with the one that started it: here it ends with its case.
///
/// # Errors
///
/// None.
#[cfg(not(target_os = "linux"))]
pub(crate) fn die_with(_: u32) -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn sh(line: &str, limit: Option<Duration>) -> Ended {
        let mut command = Command::new("sh");
        command.args(["-c", line]);
        run(command, limit, &Interrupt::default()).expect("there is a shell")
    }

    #[test]
    fn a_process_ends_by_itself_by_a_signal_or_in_time() {
        assert_eq!(sh("exit 3", None).how, How::Status(3));
        assert_eq!(sh("kill -SEGV $$", None).how, How::Signal("SIGSEGV".to_owned()));
        let started = Instant::now();
        let ended = sh("echo working; sleep 60", Some(Duration::from_millis(300)));
        assert_eq!((ended.how, ended.printed), (How::TimedOut, vec!["working".to_owned()]));
        assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    }

    #[test]
    fn what_a_process_started_ends_with_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("still-there");
        let line = format!("(sleep 1; touch {}) & exit 0", file.display());
        assert_eq!(sh(&line, None).how, How::Status(0));
        thread::sleep(Duration::from_millis(1500));
        assert!(!file.exists());
    }

    #[test]
    fn the_last_lines_are_kept_of_however_many() {
        let text: String = (0..100_000).map(|line| format!("line {line}\n")).collect();
        let lines = Tail::of(Cursor::new(text)).lines();
        assert_eq!((lines.len(), lines[0].as_str(), lines[9].as_str()), (10, "line 99990", "line 99999"));
    }

    #[test]
    fn a_long_line_is_cut_and_moves_no_cursor() {
        let lines = Tail::of(Cursor::new(format!("\x1b[31mred\n\n{}\n\u{fffd}", "x".repeat(1000)))).lines();
        assert_eq!(lines, ["[31mred".to_owned(), format!("{}...", "x".repeat(200)), "\u{fffd}".to_owned()]);
    }
}
