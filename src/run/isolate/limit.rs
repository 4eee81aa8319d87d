//! What a process limits itself to before it runs a case.

use std::io;

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
