//! A snapshot file, as insta reads it.

use std::path::Path;

use crate::error::{Error, Result};
use crate::golden::{Found, read_regular};
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
        let raw = match read_regular(file) {
            Ok(Found::File(raw)) => raw,
            Ok(Found::Other(other)) => return broken(None, &format!("it is {other}, not a file")),
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
        let text = match insta::Snapshot::from_file(file) {
            Ok(snapshot) => snapshot.as_text().map(ToString::to_string),
            Err(error) => return broken(None, &error.to_string()),
        };
        let header_lines = raw.lines().skip(1).position(|line| line.trim_end() == "---").map_or(0, |index| index + 2);
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
