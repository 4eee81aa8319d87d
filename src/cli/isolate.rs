//! Giving cases a process of their own: what is typed for it, and that process itself.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::cases::choose;
use super::context::{EXECUTION, Gate};
use crate::case::seconds_from;
use crate::error::Result;
use crate::run::{Executors, Isolation, Job, Scope, can_limit_memory};

/// The arguments that isolate cases.
#[derive(Debug, Args)]
pub(super) struct Isolate {
    /// Run each case in a process of its own: a crash, an exit or an endless loop costs that case alone
    #[arg(long, help_heading = EXECUTION)]
    isolate: bool,
    /// End a case that takes longer and has no `timeout` of its own; with --isolate, which it implies
    #[arg(long, value_name = "SECONDS", value_parser = parse_timeout, help_heading = EXECUTION)]
    timeout: Option<Duration>,
    /// Let each case take no more memory, such as 512MiB; with --isolate, which it implies
    ///
    /// Counts what the process allocates: heap, stacks, private mappings that can be written. Does not count files that are mapped
    /// to be read, memory shared with others, memory of a GPU, nor what processes take that the checkpoint starts.
    #[arg(long, value_name = "SIZE", value_parser = parse_size, help_heading = EXECUTION)]
    memory_limit: Option<Size>,
}

/// A number of bytes, as it was typed.
#[derive(Clone, Debug, PartialEq)]
struct Size {
    bytes: u64,
    typed: String,
}

impl Isolate {
    /// How cases are isolated. Without `--isolate` those are that have a `timeout`: nothing else could end them.
    pub(super) fn isolation(&self) -> Result<Isolation> {
        let Isolate { isolate, timeout, memory_limit } = self;
        let is_typed = *isolate || timeout.is_some() || memory_limit.is_some();
        let isolation = Isolation::new(if is_typed { Scope::All } else { Scope::Timed })?;
        Ok(Isolation { timeout: *timeout, memory_limit: memory_limit.as_ref().map(|size| size.bytes), ..isolation })
    }

    /// What was typed, to be typed again.
    pub(super) fn typed(&self) -> Option<String> {
        let Isolate { isolate, timeout, memory_limit } = self;
        let isolate = isolate.then(|| "--isolate".to_owned());
        let timeout = timeout.map(|limit| format!("--timeout {}", limit.as_secs_f64()));
        let memory = memory_limit.as_ref().map(|size| format!("--memory-limit {}", size.typed));
        [isolate, timeout, memory].into_iter().flatten().reduce(|one, other| format!("{one} {other}"))
    }
}

/// The process of one case, which a run starts with its folder: a verb that nobody types.
#[derive(Debug, Args)]
pub(super) struct Alone {
    folder: PathBuf,
}

impl Alone {
    pub(super) fn main(self, executors: Executors) -> Result<Gate> {
        let job = Job::read(&self.folder)?;
        job.apply_limits()?;
        let (executor, _) = choose(executors, Some(job.executor.clone()))?;
        job.run(&self.folder, executor)?;
        Ok(Gate::Passed)
    }
}

/// A time that a case may take.
fn parse_timeout(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map_err(|_| "give a number of seconds above 0".to_owned())?;
    seconds_from(seconds)
}

/// A number of bytes with its unit.
fn parse_size(text: &str) -> Result<Size, String> {
    const UNITS: [(&str, u64); 6] =
        [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("kB", 1000), ("MB", 1_000_000), ("GB", 1_000_000_000)];
    if !can_limit_memory() {
        return Err("karat can limit the memory of a process on Linux alone".to_owned());
    }
    let size = UNITS.iter().find_map(|(unit, bytes)| {
        let number: u64 = text.strip_suffix(unit)?.trim_end().parse().ok()?;
        number.checked_mul(*bytes).filter(|bytes| *bytes > 0)
    });
    let typed = text.replace(' ', "");
    size.map(|bytes| Size { bytes, typed }).ok_or("give a number and KiB, MiB, GiB, kB, MB or GB: 512MiB".to_owned())
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
