//! Giving cases a process of their own: what is typed for it, and the command line of that process.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::time::Duration;

use clap::Args;

use super::alone::ALONE;
use super::context::EXECUTION;
use crate::case::{Goldens, seconds_from};
use crate::error::{Error, Result};
use crate::run::{Gates, Isolation, Pictures, Scope, can_limit_memory};
use crate::snapshot::Caller;

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

/// What the process of a case is told besides its case.
pub(crate) struct Told<'a> {
    /// The goldens of the run.
    pub(crate) goldens: &'a Goldens,
    /// The name of the executor.
    pub(crate) executor: &'a str,
    /// What outputs are held against.
    pub(crate) gates: Gates,
    /// How often each checkpoint is called.
    pub(crate) repeats: NonZeroUsize,
    /// Who calls.
    pub(crate) caller: Caller,
    /// Whether cases with a `skip` run.
    pub(crate) runs_skipped: bool,
    /// Of which outputs there is a picture.
    pub(crate) pictures: Pictures,
    /// Whether the run is one as in CI by an option, whatever the environment says.
    pub(crate) ci: bool,
}

impl Isolate {
    /// How cases are isolated. Without `--isolate` those are that have a `timeout`: nothing else could end them.
    pub(super) fn isolation(&self, told: &Told<'_>) -> Result<Isolation> {
        let is_typed = self.isolate || self.timeout.is_some() || self.memory_limit.is_some();
        let mut isolation = isolation(told, if is_typed { Scope::All } else { Scope::Timed })?;
        isolation.timeout = self.timeout;
        isolation.memory_limit = self.memory_limit.as_ref().map(|size| size.bytes);
        if let Some(Size { bytes, .. }) = self.memory_limit {
            isolation.arguments.extend(["--memory-limit".into(), bytes.to_string().into()]);
        }
        Ok(isolation)
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

/// How this same program is started for one case.
pub(crate) fn isolation(told: &Told<'_>, scope: Scope) -> Result<Isolation> {
    let Told { goldens, executor, gates, repeats, caller, runs_skipped, pictures, ci } = told;
    let program = std::env::current_exe().map_err(|error| Error::read("the path of this program", error))?;
    let mut arguments: Vec<OsString> = vec![
        ALONE.into(),
        "--root".into(),
        goldens.root.clone().into(),
        "--snapshots".into(),
        goldens.snapshots.clone().into(),
        format!("--executor={executor}").into(),
        format!("--repeat={repeats}").into(),
        format!("--parent={}", std::process::id()).into(),
    ];
    let flags = [
        (*gates == Gates::Accuracy, "--accuracy-only"),
        (*caller == Caller::Test, "--as-test"),
        (*runs_skipped, "--unskipped"),
        (*ci, "--ci"),
        (*pictures != Pictures::None, "--pictures"),
        (*pictures == Pictures::All, "--all-pictures"),
    ];
    arguments.extend(flags.iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| (*flag).into()));
    Ok(Isolation { scope, program, arguments, timeout: None, memory_limit: None })
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
