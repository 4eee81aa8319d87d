//! A snapshot file, as insta reads it.

use std::path::Path;

use crate::error::{Error, Result};
use crate::fs::{Found, TEXT_LIMIT, read_regular};
use crate::snapshot::catch::catch;
use crate::snapshot::parse::{Fault, conflict};

/// A snapshot file as it is on disk.
pub(in crate::snapshot) struct Stored {
    /// Its content, without the header.
    pub text: String,
    /// How many lines are above the content.
    header_lines: usize,
}

impl Stored {
    /// Reads a snapshot; `None` where there is none.
    pub(in crate::snapshot) fn read(file: &Path) -> Result<Option<Stored>> {
        Stored::read_as(file, file)
    }

    /// Reads a copy of a snapshot; what is wrong with it is told of that file.
    pub(super) fn read_as(file: &Path, named: &Path) -> Result<Option<Stored>> {
        let broken = |line, what: &str| Err(broken(named, line, what));
        let raw = match read_regular(file, TEXT_LIMIT) {
            Ok(Found::File(raw)) => raw,
            Ok(Found::Other(what)) => return broken(None, &format!("it {what}")),
            Ok(Found::Nothing | Found::Dangling) => return blocked(file).map(|()| None),
            Err(error) => return blocked(file).and(Err(Error::read(file, error))),
        };
        let Ok(raw) = String::from_utf8(raw) else {
            return broken(None, "it is not UTF-8");
        };
        if let Some(line) = conflict(&raw) {
            return broken(Some(line), "holds a merge conflict");
        }
        if raw.lines().next().is_none_or(|line| line.trim_end() != "---") {
            return broken(Some(1), "is not the \"---\" that a snapshot begins with");
        }
        if !raw.ends_with('\n') {
            return broken(None, "it does not end with a newline, so it was cut short");
        }
        if let Some(text) = below_plain_header(&raw) {
            return Ok(Some(Stored { text: text.to_owned(), header_lines: 3 }));
        }
        // The header is insta's business, and may be stale; but it must be one, or `cargo insta review` stops at it.
        let header_lines = raw.lines().skip(1).position(|line| line.trim_end() == "---").map_or(0, |index| index + 2);
        let text = match load(file, &raw) {
            Ok(snapshot) => snapshot.as_text().map(ToString::to_string),
            Err(what) => return broken(None, &what),
        };
        match text {
            Some(text) => Ok(Some(Stored { text, header_lines })),
            None => broken(None, "it is a binary snapshot"),
        }
    }

    /// The error of a fault in the content.
    pub(in crate::snapshot) fn broken(&self, file: &Path, fault: Fault) -> Error {
        broken(file, fault.line.map(|line| line + self.header_lines), &fault.what)
    }
}

/// The snapshot of a file with that text, as insta reads it: an error in words also where insta would panic.
pub(super) fn load(file: &Path, raw: &str) -> Result<insta::Snapshot, String> {
    check_header(raw)?;
    match catch(|| insta::Snapshot::from_file(file).map_err(|error| error.to_string())) {
        Ok(read) => read,
        Err(panic) => Err(format!("its header cannot be read: insta stops at it ({})", panic.message)),
    }
}

/// Refuses a header that could cost insta's YAML parser its stack or all memory, neither of which can be caught: it recurses
/// into what is nested, and copies what an alias stands for.
fn check_header(raw: &str) -> Result<(), String> {
    const LONGEST: usize = 64 << 10;
    const DEEPEST: usize = 256;
    const ALIASES: usize = 8;
    let mut end = 0;
    let lines = raw.split_inclusive('\n').enumerate();
    for (number, line) in lines {
        if number > 0 && line.trim_end() == "---" {
            break;
        }
        end += line.len();
    }
    let header = &raw[..end];
    if header.len() > LONGEST {
        return Err(format!("its header is {} bytes long, and may be {LONGEST}", header.len()));
    }
    if header.matches(['[', '{', '?', ':', '-']).count() > DEEPEST || header.matches('*').count() > ALIASES {
        return Err("its header is no list of a few fields".to_owned());
    }
    Ok(())
}

/// What insta reads below a header of the form that nearly all have, in which nothing can be wrong: a `source` alone, of
/// characters that mean nothing to YAML.
fn below_plain_header(raw: &str) -> Option<&str> {
    let (source, content) = raw.strip_prefix("---\nsource: ")?.split_once("\n---\n")?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    // Which begins with a letter and ends so is text, and no number nor another word of YAML's.
    let is_path = source.starts_with(|c: char| c.is_ascii_alphabetic()) && source.ends_with("/case.json");
    // insta drops the first of two characters that end a line, and what is blank at the end.
    (is_path && source.chars().all(is_plain) && !content.contains('\r')).then(|| content.trim_end())
}

/// What a user reads about a snapshot that is not one of karat's, and what to do with it.
pub(super) fn broken(file: &Path, line: Option<usize>, what: &str) -> Error {
    let place = line.map(|line| format!("line {line} ")).unwrap_or_default();
    let is_pending = file.extension().is_some_and(|extension| extension == "new");
    let remedy = match what.contains("conflict") {
        _ if is_pending => "delete it and run again",
        true => "resolve it by hand, or delete the file, run again and accept the new one",
        false => "restore it from version control, or delete it, run again and accept the new one",
    };
    Error::Snapshot { path: file.to_path_buf(), what: format!("{place}{what}; {remedy}") }
}

/// Finds a file where a folder of snapshots should be: everything below it fails in ways that do not name it.
fn blocked(file: &Path) -> Result<()> {
    match file.ancestors().skip(1).find(|above| above.exists()) {
        Some(above) if !above.is_dir() => Err(Error::Snapshot {
            path: above.to_path_buf(),
            what: "it is a file, where karat keeps a folder of snapshots; move it away".to_owned(),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn no_header_ends_the_process_that_reads_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("y.snap");
        let read = |header: &str| {
            fs::write(&file, format!("---\n{header}\n---\nkarat: 1\n")).expect("a file");
            Stored::read(&file).map(drop).map_err(|error| error.to_string())
        };
        for header in ["x: .nan", "x: .inf", "x: -.inf", "x: [.NAN]", "? .inf", "x: !!float .nan"] {
            let said = read(header).expect_err(header);
            assert!(said.contains("insta stops at it") && said.contains("restore it from version control"), "{said}");
        }
        let nested = ["[", "{", "- ", "? ", "a: [", "{a: "].map(|open| format!("x: {}", open.repeat(100_000)));
        let doubled: String =
            (1..40).map(|at| format!("a{at}: &a{at} [*a{}, *a{}]\n", at - 1, at - 1)).collect::<String>();
        let aliases = format!("a0: &a0 [x, x]\n{doubled}");
        let long = format!("description: {}", "x".repeat(100_000));
        for header in nested.iter().chain([&aliases, &long]) {
            let said = read(header).expect_err("it is refused");
            assert!(said.contains("its header is ") && said.len() < 300, "{said}");
        }
        // As deep as may be, on a thread as small as karat's.
        let deep = format!("x: {}", "[".repeat(250));
        std::thread::scope(|scope| scope.spawn(|| read(&deep).expect_err("it has no end")).join().map(drop))
            .expect("done");
    }

    proptest::proptest! {
        #[test]
        fn whatever_a_header_is_it_is_read_or_refused(
            parts in proptest::collection::vec(
                proptest::sample::select(vec![
                    "source: ", "x", ": ", "\n", "- ", "  ", "[", "]", "{", "}", ",", "&a ", "*a", "!!float ", "!!int ",
                    ".nan", ".inf", "1e999", "0x", "0o9", "~", "null", "|", ">", "\"", "'", "#", "%YAML 1.2\n", "...",
                    "? ", "@", "`", "\t", "\u{feff}", "\u{85}", "9223372036854775808", "\\x0", "info", "snapshot_kind: binary",
                ]),
                0..24,
            )
        ) {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let file = folder.path().join("y.snap");
            fs::write(&file, format!("---\n{}\n---\nkarat: 1\n", parts.concat())).expect("a file");
            // It returns.
            let _ = Stored::read(&file);
        }
    }

    #[test]
    fn below_a_plain_header_is_what_insta_reads_there() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("y.snap");
        let read = |header: &str, content: &str| {
            let raw = format!("---\n{header}\n---\n{content}");
            fs::write(&file, &raw).expect("a file");
            let insta =
                insta::Snapshot::from_file(&file).ok().and_then(|snapshot| Some(snapshot.as_text()?.to_string()));
            let plain = below_plain_header(&raw).map(str::to_owned);
            assert!(plain.is_none() || plain == insta, "{raw:?}: {plain:?} is not {insta:?}");
            plain.is_some()
        };
        let source = "source: goldens/a-b/c_d.2/case.json";
        for content in
            ["karat: 1\n", "karat: 1\n\n \n", "\n\nkarat: 1\n", "", "---\nsource: x\n---\n", "\u{a0}x\u{a0}\n"]
        {
            assert!(read(source, content), "{content:?}");
        }
        assert!(!read(source, "karat: 1\r\n"));
        for header in [
            "source: x\nsnapshot_kind: binary\nextension: bin",
            "source: goldens/a/case.json ",
            "source:  goldens/a/case.json",
            "source: \"goldens/a/case.json\"",
            "source: goldens/a: b/case.json",
            "source: goldens/a #/case.json",
            "source: *goldens/case.json",
            "source: goldens/a/case.json\nexpression: y",
            "source: goldens/a/case.json\n<<<<<<< HEAD",
            "source: {goldens/case.json",
            "source: 1/case.json",
            "Source: goldens/a/case.json",
            "",
        ] {
            assert!(!read(header, "karat: 1\n"), "{header:?}");
        }
    }
}
