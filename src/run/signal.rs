//! Signals by their names: what ended a process, and what asks a run to stop.

/// What a process that ended was ended by, in words.
const MEANINGS: &[(&str, &str)] = &[
    ("SIGABRT", "it aborted"),
    ("SIGBUS", "it used memory that is not there"),
    ("SIGFPE", "it divided an integer by zero, or the like"),
    ("SIGILL", "it ran an instruction that this processor does not have, or a trap"),
    ("SIGKILL", "something killed it; the system does where memory runs out"),
    ("SIGSEGV", "segmentation fault: it used memory that is not its own, or overflowed its stack"),
    ("SIGSYS", "a system call was forbidden"),
    ("SIGTERM", "something asked it to end"),
    ("SIGTRAP", "it ran into a trap"),
];

/// What the signal of that name says of a process that it ended.
#[must_use]
pub(crate) fn meaning(name: &str) -> Option<&'static str> {
    MEANINGS.iter().find(|(known, _)| *known == name).map(|(_, meaning)| *meaning)
}

/// The name of a signal, as this system numbers them.
#[cfg(unix)]
pub(super) fn name(number: i32) -> String {
    use rustix::process::Signal;
    let known = [
        (Signal::ABORT, "SIGABRT"),
        (Signal::BUS, "SIGBUS"),
        (Signal::FPE, "SIGFPE"),
        (Signal::HUP, "SIGHUP"),
        (Signal::ILL, "SIGILL"),
        (Signal::INT, "SIGINT"),
        (Signal::KILL, "SIGKILL"),
        (Signal::PIPE, "SIGPIPE"),
        (Signal::QUIT, "SIGQUIT"),
        (Signal::SEGV, "SIGSEGV"),
        (Signal::SYS, "SIGSYS"),
        (Signal::TERM, "SIGTERM"),
        (Signal::TRAP, "SIGTRAP"),
        (Signal::XCPU, "SIGXCPU"),
    ];
    let name = known.iter().find(|(signal, _)| signal.as_raw() == number).map(|(_, name)| (*name).to_owned());
    name.unwrap_or_else(|| format!("signal {number}"))
}

/// The name of a signal; those of C alone, where a system has no others.
#[cfg(not(unix))]
pub(super) fn name(number: i32) -> String {
    match number {
        2 => "SIGINT".to_owned(),
        15 => "SIGTERM".to_owned(),
        number => format!("signal {number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_has_its_name_and_what_it_means() {
        assert_eq!(name(15), "SIGTERM");
        assert_eq!(name(1000), "signal 1000");
        assert!(meaning("SIGSEGV").is_some_and(|text| text.starts_with("segmentation fault")));
        assert_eq!(meaning("signal 1000"), None);
    }
}
