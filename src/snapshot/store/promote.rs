//! Accepting a pending snapshot.

use std::fs;
use std::io;
use std::path::Path;

use tempfile::NamedTempFile;

use super::stored::{Stored, broken, load};
use crate::error::{Error, Result};
use crate::fs::{Found, TEXT_LIMIT, beside, read_regular, refusal};
use crate::snapshot::lock::lock;
use crate::snapshot::parse::{conflict, parse};

/// Accepts a pending file: writes what `cargo insta accept` writes, whole or not at all and also where the power fails, and
/// removes the pending one. One that was cut short is removed alone.
pub(in crate::snapshot) fn promote(pending: &Path, snapshot: &Path, workspace: &Path) -> Result<()> {
    let broken = |what: String| Error::Snapshot { path: pending.to_path_buf(), what };
    let gone = || broken("it is gone: another process accepted or dropped it".to_owned());
    let _lock = lock(workspace);
    if snapshot.is_symlink() {
        return Err(Error::Snapshot { path: snapshot.to_path_buf(), what: refusal(snapshot) });
    }
    let folder = snapshot.parent().expect("a snapshot is in a folder");
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
    let new = load(copy.path(), &String::from_utf8_lossy(&raw)).map_err(broken)?;
    fs::create_dir_all(folder).map_err(|error| Error::write(folder, error))?;
    let written = beside(snapshot).map_err(|error| Error::write(folder, error))?;
    let write = || {
        new.save(written.path()).map_err(|error| io::Error::other(error.to_string()))?;
        fs::File::open(written.path())?.sync_all()?;
        written.persist(snapshot)?;
        sync(folder);
        Ok(())
    };
    write().map_err(|error| Error::write(snapshot, error))?;
    // It is accepted, whatever becomes of the pending file; the next run drops that. One that was written since is another.
    if regular(pending).is_ok_and(|now| now.is_some_and(|now| now == raw)) {
        fs::remove_file(pending).ok();
    }
    Ok(())
}

/// The bytes of a file; `None` where there is none.
fn regular(file: &Path) -> Result<Option<Vec<u8>>> {
    match read_regular(file, TEXT_LIMIT) {
        Ok(Found::File(raw)) => Ok(Some(raw)),
        Ok(Found::Other(what)) => Err(broken(file, None, &format!("it {what}"))),
        Ok(Found::Nothing | Found::Dangling) => Ok(None),
        Err(error) => Err(Error::read(file, error)),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::sample::sample;

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
