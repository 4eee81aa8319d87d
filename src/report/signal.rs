//! What signals mean to whoever reads that one ended a process.

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
pub(super) fn meaning(name: &str) -> Option<&'static str> {
    MEANINGS.iter().find(|(known, _)| *known == name).map(|(_, meaning)| *meaning)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_has_a_meaning_where_one_is_known() {
        assert!(meaning("SIGSEGV").is_some_and(|text| text.starts_with("segmentation fault")));
        assert_eq!(meaning("signal 1000"), None);
    }
}
