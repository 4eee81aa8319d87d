//! Isolation: the arguments that run each case in a process of its own, and the verb that such a process runs.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::cases::choose;
use super::context::{EXECUTION, Exit, join_flags};
use crate::case::seconds_from;
use crate::error::Result;
use crate::run::{Executors, Isolation, Job, Scope, can_limit_memory};

/// The arguments that isolate cases.
#[derive(Debug, Args)]
pub(super) struct IsolationArgs {
    /// Run each case in its own process: a crash, an exit or an endless loop fails only that case
    #[arg(long, help_heading = EXECUTION)]
    isolate: bool,
    /// The time limit of each case without a `timeout` of its own; implies --isolate
    #[arg(long, value_name = "SECONDS", value_parser = parse_timeout, help_heading = EXECUTION)]
    timeout: Option<Duration>,
    /// The memory limit of each case, for example 512MiB; implies --isolate
    ///
    /// Counts the memory that the process allocates: heap, stacks and private writable mappings. Does not count files that are mapped
    /// read-only, shared memory, GPU memory, or the memory of processes that the checkpoint starts.
    #[arg(long, value_name = "SIZE", value_parser = parse_size, help_heading = EXECUTION)]
    memory_limit: Option<Size>,
}

/// A number of bytes, and its text on the command line.
#[derive(Clone, Debug, PartialEq)]
struct Size {
    bytes: u64,
    text: String,
}

impl IsolationArgs {
    /// Returns how cases are isolated. Without `--isolate` only cases with a `timeout` are, which only a process can enforce.
    pub(super) fn isolation(&self) -> Result<Isolation> {
        let IsolationArgs { isolate, timeout, memory_limit } = self;
        let is_requested = *isolate || timeout.is_some() || memory_limit.is_some();
        let isolation = Isolation::new(if is_requested { Scope::All } else { Scope::Timed })?;
        Ok(Isolation { timeout: *timeout, memory_limit: memory_limit.as_ref().map(|size| size.bytes), ..isolation })
    }

    /// Returns these arguments as flags, for commands that repeat the run.
    pub(super) fn to_flags(&self) -> Option<String> {
        let IsolationArgs { isolate, timeout, memory_limit } = self;
        let isolate = isolate.then(|| "--isolate".to_owned());
        let timeout = timeout.map(|limit| format!("--timeout {}", limit.as_secs_f64()));
        let memory = memory_limit.as_ref().map(|size| format!("--memory-limit {}", size.text));
        join_flags([isolate, timeout, memory])
    }
}

/// The hidden verb that the process of one isolated case runs, with the folder of its job.
#[derive(Debug, Args)]
pub(super) struct RunIsolated {
    folder: PathBuf,
}

impl RunIsolated {
    pub(super) fn main(self, executors: Executors) -> Result<Exit> {
        let job = Job::read(&self.folder)?;
        job.apply_limits()?;
        let (executor, _) = choose(executors, Some(job.executor.clone()))?;
        job.run(&self.folder, executor)?;
        Ok(Exit::Passed)
    }
}

/// Parses a time limit.
fn parse_timeout(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map_err(|_| "expected a number of seconds above 0".to_owned())?;
    seconds_from(seconds)
}

/// Parses a number of bytes with a unit.
fn parse_size(text: &str) -> Result<Size, String> {
    const UNITS: [(&str, u64); 6] =
        [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("kB", 1000), ("MB", 1_000_000), ("GB", 1_000_000_000)];
    if !can_limit_memory() {
        return Err("memory limits are supported on Linux only".to_owned());
    }
    let size = UNITS.iter().find_map(|(unit, bytes)| {
        let number: u64 = text.strip_suffix(unit)?.trim_end().parse().ok()?;
        number.checked_mul(*bytes).filter(|bytes| *bytes > 0)
    });
    let text = text.replace(' ', "");
    size.map(|bytes| Size { bytes, text })
        .ok_or("expected a number and KiB, MiB, GiB, kB, MB or GB, as in 512MiB".to_owned())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_number_with_its_unit() {
        for (text, expected) in [
            ("512MiB", Some(512 << 20)),
            ("2 GiB", Some(2 << 30)),
            ("1kB", Some(1000)),
            ("0MiB", None),
            ("512", None),
            ("-1MiB", None),
            ("1.5GiB", None),
            ("99999999999GiB", None),
        ] {
            assert_eq!(parse_size(text).ok().map(|size| size.bytes), expected, "{text}");
        }
    }

    #[test]
    fn a_timeout_is_a_number_of_seconds_above_0() {
        assert_eq!(parse_timeout("0.5"), Ok(Duration::from_millis(500)));
        for text in ["0", "-1", "nan", "inf", "1s", "", "1e300"] {
            assert!(parse_timeout(text).is_err(), "{text}");
        }
    }
}
