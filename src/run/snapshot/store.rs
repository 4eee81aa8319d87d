//! The only file that knows insta: snapshot files are read, asserted and accepted here.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::parse::{Fault, conflict, parse};
use super::settings;
use crate::error::{Error, Result};
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
        let broken = |line, what: &str| Err(broken(file, line, what));
        let raw = match fs::metadata(file) {
            // Reading a named pipe would wait for ever.
            Ok(metadata) if !metadata.is_file() => return broken(None, "it is not a file"),
            Ok(_) => fs::read(file).map_err(|error| Error::read(file, error))?,
            Err(error) => {
                blocked(file)?;
                return if error.kind() == ErrorKind::NotFound { Ok(None) } else { Err(Error::read(file, error)) };
            }
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
    serially(|| settings.bind(call).map_err(|error| error.to_string())).map_err(|what| Error::Snapshot {
        path: folder.join(format!("{name}.snap")),
        what: format!("insta cannot record it: {what}"),
    })
}

/// Accepts a pending file: writes what `cargo insta accept` writes, whole or not at all, and removes the pending one.
pub(super) fn promote(pending: &Path, snapshot: &Path) -> Result<()> {
    let broken = |what: String| Error::Snapshot { path: pending.to_path_buf(), what };
    let not_there = || broken("it is gone: another process accepted or dropped it".to_owned());
    let new = Stored::read(pending)?.ok_or_else(not_there)?;
    parse(&new.text).map_err(|fault| new.broken(pending, fault))?;
    let new = insta::Snapshot::from_file(pending).map_err(|error| broken(error.to_string()))?;
    // Through a link, as a write would go.
    let target = fs::canonicalize(snapshot).unwrap_or_else(|_| snapshot.to_path_buf());
    let mut beside = target.clone().into_os_string();
    beside.push(format!(".{}", std::process::id()));
    let beside = PathBuf::from(beside);
    let written = new.save(&beside).map_err(|error| io::Error::other(error.to_string()));
    written.and_then(|()| fs::rename(&beside, &target)).map_err(|error| {
        let _ = fs::remove_file(&beside);
        Error::write(&target, error)
    })?;
    // It is accepted, whatever becomes of the pending file; the next run drops that.
    let _ = fs::remove_file(pending);
    Ok(())
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
