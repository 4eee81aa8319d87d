//! The only file that knows insta: snapshot files are read, asserted and accepted here.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use tempfile::NamedTempFile;

use super::lock::lock;
use super::parse::{Fault, conflict, parse};
use super::settings;
use crate::error::{Error, Result};
use crate::golden::{Found, read_regular};
use crate::run::catch::catch;

/// A snapshot file as it is on disk.
pub(super) struct Stored {
    /// Its content, without the header.
    pub text: String,
    /// How many lines are above the content.
    header_lines: usize,
}

/// Where insta is to record a snapshot.
pub(super) struct Target<'a> {
    /// The folder that the header is relative to, and that insta's own file is in.
    pub workspace: &'a Path,
    /// The `case.json` that the header names.
    pub source: &'a Path,
    /// The folder of the snapshot.
    pub folder: &'a Path,
    /// The name of the snapshot file, without `.snap`.
    pub name: &'a str,
}

/// Keeps insta from printing diffs to stdout, from whatever thread. A value of `INSTA_OUTPUT` that insta does not know
/// stays, for [`Recorder::check_settings`](super::Recorder::check_settings) to refuse.
///
/// # Safety
///
/// Changes the environment, so no other thread may be running: call it first thing in `main`.
pub unsafe fn silence() {
    if settings::process("INSTA_OUTPUT").is_none_or(|value| settings::is_output(&value)) {
        // SAFETY: the caller promises that this is the only thread.
        unsafe { std::env::set_var("INSTA_OUTPUT", "none") };
    }
}

impl Stored {
    /// Reads a snapshot; `None` where there is none.
    pub(super) fn read(file: &Path) -> Result<Option<Stored>> {
        Stored::read_as(file, file)
    }

    /// Reads a copy of a snapshot; what is wrong with it is told of that file.
    fn read_as(file: &Path, named: &Path) -> Result<Option<Stored>> {
        let broken = |line, what: &str| Err(broken(named, line, what));
        let raw = match read_regular(file) {
            Ok(Found::File(raw)) => raw,
            Ok(Found::Other(_)) => return broken(None, "it is not a file"),
            Ok(Found::Nothing | Found::Dangling(_)) => return blocked(file).map(|()| None),
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
    pub(super) fn broken(&self, file: &Path, fault: Fault) -> Error {
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

/// Asserts a text that differs from the stored one, which makes insta record it as its settings say. What insta thinks of
/// it is no verdict.
pub(super) fn assert(place: &Target<'_>, text: &str) -> Result<()> {
    let Target { workspace, source, folder, name } = *place;
    // The trailing dot makes it no path of an existing file, which insta would resolve: where the goldens are links, to a
    // path of this machine. As it is, insta takes the text, in which a dot at the end means nothing.
    let source = source.join(".");
    let mut settings = insta::Settings::new();
    settings.set_snapshot_path(folder);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    // The function behind insta's macro. The macro itself would take workspace and source from karat's own build.
    let call = || {
        insta::_macro_support::assert_snapshot(
            (name, text).into(),
            workspace,
            "karat",
            "karat",
            &source.to_string_lossy(),
            1,
            "",
        )
    };
    let _lock = lock(workspace);
    serially(|| settings.bind(call).map_err(|error| error.to_string())).map_err(|what| Error::Snapshot {
        path: folder.join(format!("{name}.snap")),
        what: format!("insta cannot record it: {what}"),
    })
}

/// Accepts a pending file: writes what `cargo insta accept` writes, whole or not at all and also where the power fails, and
/// removes the pending one. One that was cut short is removed alone.
pub(super) fn promote(pending: &Path, snapshot: &Path, workspace: &Path) -> Result<()> {
    let broken = |what: String| Error::Snapshot { path: pending.to_path_buf(), what };
    let gone = || broken("it is gone: another process accepted or dropped it".to_owned());
    let _lock = lock(workspace);
    // Through a link, as a write would go.
    let target = fs::canonicalize(snapshot).unwrap_or_else(|_| snapshot.to_path_buf());
    let folder = target.parent().expect("a snapshot is in a folder");
    // It is read once: what is checked is what is accepted, whoever writes to it meanwhile.
    let raw = regular(pending)?.ok_or_else(gone)?;
    let copy = NamedTempFile::new().map_err(|error| Error::write(std::env::temp_dir(), error))?;
    fs::write(copy.path(), &raw).map_err(|error| Error::write(copy.path(), error))?;
    let checked = Stored::read_as(copy.path(), pending).and_then(|new| {
        let new = new.ok_or_else(gone)?;
        parse(&new.text).map_err(|fault| new.broken(pending, fault))
    });
    if let Err(error) = checked {
        if !is_cut_short(&raw) {
            return Err(error);
        }
        // What cannot be removed is overwritten by the next run, as what can.
        fs::remove_file(pending).ok();
        return Err(broken("it was cut short, as by a run that was killed, and is dropped; run again".to_owned()));
    }
    let new = insta::Snapshot::from_file(copy.path()).map_err(|error| broken(error.to_string()))?;
    fs::create_dir_all(folder).map_err(|error| Error::write(folder, error))?;
    let written = beside(folder)?;
    let write = || {
        new.save(written.path()).map_err(|error| io::Error::other(error.to_string()))?;
        fs::File::open(written.path())?.sync_all()?;
        written.persist(&target)?;
        sync(folder);
        Ok(())
    };
    write().map_err(|error| Error::write(&target, error))?;
    // It is accepted, whatever becomes of the pending file; the next run drops that. One that was written since is another.
    if fs::read(pending).is_ok_and(|now| now == raw) {
        fs::remove_file(pending).ok();
    }
    Ok(())
}

/// The bytes of a file; `None` where there is none.
fn regular(file: &Path) -> Result<Option<Vec<u8>>> {
    match fs::metadata(file) {
        // Reading a named pipe would wait for ever.
        Ok(metadata) if !metadata.is_file() => Err(broken(file, None, "it is not a file")),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        _ => match fs::read(file) {
            Ok(raw) => Ok(Some(raw)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::read(file, error)),
        },
    }
}

/// A file of no other process, to be renamed.
fn beside(folder: &Path) -> Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".karat-").suffix(".tmp");
    // As for any new file: a temporary one is otherwise its owner's alone.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder).map_err(|error| Error::write(folder, error))
}

/// Has a rename outlast a power failure, where a system can.
fn sync(folder: &Path) {
    #[cfg(unix)]
    if let Ok(folder) = fs::File::open(folder) {
        // The content is on disk already.
        folder.sync_all().ok();
    }
    #[cfg(not(unix))]
    let _ = folder;
}

/// Whether a pending file is only the beginning of one: insta does not write them all at once.
fn is_cut_short(raw: &[u8]) -> bool {
    // A character may be cut too.
    let text = String::from_utf8_lossy(raw);
    if conflict(&text).is_some() {
        return false;
    }
    let mut marks = text.match_indices("---\n").filter(|(at, _)| *at == 0 || text[..*at].ends_with('\n'));
    let content = match (marks.next(), marks.next()) {
        (Some((0, _)), Some((at, mark))) => &text[at + mark.len()..],
        (Some((0, _)), None) => return true,
        (_, _) => return "---\n".starts_with(&*text),
    };
    !text.ends_with('\n') || content.is_empty() || parse(content).is_err_and(|fault| fault.line.is_none())
}

/// What a user reads about a snapshot that is not one of karat's, and what to do with it.
fn broken(file: &Path, line: Option<usize>, what: &str) -> Error {
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

/// Runs one call of insta at a time, and turns its panic into nothing where it only says that the snapshot differs, which
/// karat knows, and into an error where it says anything else.
fn serially(call: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    /// What insta said about its own configuration; after that panic its lock is poisoned, and it says nothing useful.
    static INSTA: Mutex<Option<String>> = Mutex::new(None);
    let mut misconfigured = INSTA.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(why) = &*misconfigured {
        return Err(why.clone());
    }
    let said = match catch(call) {
        Ok(answer) => return answer,
        Err(panic) => panic.message,
    };
    if said.starts_with("snapshot assertion for ") {
        return Ok(());
    }
    if said.starts_with("Error building config") {
        *misconfigured = Some(said.clone());
    }
    Err(said)
}

#[cfg(test)]
mod tests {
    use super::super::sample::sample;
    use super::*;

    #[test]
    fn a_pending_file_that_was_cut_short_anywhere_is_dropped_and_never_accepted() {
        let odd = sample().with(|sample| sample.checkpoint = "na\u{ef}ve: \"quoted\"".to_owned());
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (pending, snapshot) = (folder.path().join("y.snap.new"), folder.path().join("y.snap"));
        for sample in [sample(), odd] {
            // As insta writes one.
            let whole = format!(
                "---\nsource: goldens/a/case.json\nassertion_line: 1\nexpression: \"\"\n---\n{}",
                sample.text()
            );
            for end in 0..whole.len() {
                fs::write(&pending, &whole.as_bytes()[..end]).expect("a file");
                let error = promote(&pending, &snapshot, folder.path()).expect_err("it is not whole").to_string();
                assert!(error.contains("it was cut short") && error.contains("run again"), "{end}: {error}");
                assert!(!pending.exists() && !snapshot.exists(), "{end}");
            }
            fs::write(&pending, &whole).expect("a file");
            promote(&pending, &snapshot, folder.path()).expect("it is whole");
            assert!(fs::read_to_string(&snapshot).expect("a snapshot").ends_with(&sample.text()));
            assert!(!pending.exists());
            fs::remove_file(&snapshot).expect("it is there");
        }
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0, "nothing is left beside");
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

    #[test]
    fn a_pending_file_that_was_damaged_otherwise_is_left_to_be_looked_at() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (pending, snapshot) = (folder.path().join("y.snap.new"), folder.path().join("y.snap"));
        let whole = format!("---\nsource: goldens/a/case.json\n---\n{}", sample().text());
        for (from, to) in
            [("mean: 0", "mean: zero"), ("mean: 0", "<<<<<<< HEAD\nmean: 0"), ("dtype: f32", "dtype: f32\ndtype: f64")]
        {
            fs::write(&pending, whole.replacen(from, to, 1)).expect("a file");
            promote(&pending, &snapshot, folder.path()).expect_err("it is damaged");
            assert!(pending.exists() && !snapshot.exists(), "{to}");
        }
    }
}
