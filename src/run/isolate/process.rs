//! Starting a process, waiting for it no longer than it may take, and ending it with all that it started.

use std::io;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::tail::Tail;
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

#[cfg(all(test, unix))]
mod tests {
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
}
