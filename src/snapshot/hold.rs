//! One summary, held against one snapshot file: karat decides, then insta writes.
//!
//! karat reads the stored snapshot itself and judges it by its own bands. insta is asked only where there is something to
//! review, so that its settings, its pending files and `cargo insta review` work as people know them. Where there is
//! nothing to review insta has nothing to write: even an assertion that holds would rewrite the file under
//! `INSTA_UPDATE=force`, and fail over a stale header under `INSTA_REQUIRE_FULL_MATCH`.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::band::judge;
use super::drift::Drift;
use super::settings::{self, Caller, is_ci, process};
use super::store::{Stored, Target, assert};
use super::text::{Facts, text};
use super::workspace;
use crate::error::{Error, Result};
use crate::fs::{link_below, refusal};
use crate::text::check_name;

/// Holds summaries against snapshot files below one folder, and has insta record what moved.
#[derive(Clone, Debug)]
pub(super) struct Holder {
    /// The folder of the project, which snapshot headers are relative to.
    pub workspace: PathBuf,
    /// The folder below which nothing is written through a link.
    snapshots: PathBuf,
    /// `INSTA_PENDING_DIR`: where pending files go instead of beside their snapshots.
    pub elsewhere: Option<PathBuf>,
    /// `INSTA_SNAPSHOT_REFERENCES_FILE`: where `cargo insta test --unreferenced` collects what exists.
    pub references: Option<PathBuf>,
    pub ci: bool,
    pub caller: Caller,
}

/// What became of one summary.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub enum Recorded {
    /// It is within the bands of its snapshot.
    Pass,
    /// It is within the bands, and these lines are much better than stored.
    Improved(Vec<Drift>),
    /// These lines left their bands.
    Drift(Vec<Drift>),
    /// There is no snapshot yet.
    Unrecorded,
}

impl Holder {
    /// A holder of the snapshots below a folder, in the project that `inside` is in; both are tidy. It reads insta's
    /// environment, once.
    ///
    /// # Errors
    ///
    /// As [`Recorder::new`](super::Recorder::new).
    pub(super) fn new(inside: &Path, snapshots: &Path, caller: Caller) -> Result<Holder> {
        let chosen = process("INSTA_WORKSPACE_ROOT").filter(|folder| !folder.is_empty()).map(PathBuf::from);
        let workspace = workspace::find(inside, chosen.as_deref())?;
        let elsewhere = process("INSTA_PENDING_DIR").filter(|folder| !folder.is_empty()).map(PathBuf::from);
        if elsewhere.is_some() && !snapshots.starts_with(&workspace) {
            return Err(Error::Usage(format!(
                "INSTA_PENDING_DIR is set, and the snapshots in {} are outside the workspace {}, where insta has no place \
                 for what is pending: unset INSTA_PENDING_DIR",
                snapshots.display(),
                workspace.display()
            )));
        }
        let references = process("INSTA_SNAPSHOT_REFERENCES_FILE").map(PathBuf::from);
        Ok(Holder { workspace, snapshots: snapshots.to_path_buf(), elsewhere, references, ci: is_ci(&process), caller })
    }

    /// Refuses every setting of insta that makes drift pass or rewrites snapshots, unless `cargo insta` set it; and those
    /// that insta would panic at. To be called before any case runs, by what gates.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] that names the setting, where it is, and how to be rid of it.
    pub(super) fn check_settings(&self) -> Result<()> {
        settings::check(&self.workspace, self.caller, &process)
    }

    /// Holds the facts against that snapshot file; a pending one names `source`. `is_clean` where it is known that no earlier
    /// run left one.
    pub(super) fn hold(
        &self,
        file: &Path,
        source: impl FnOnce() -> PathBuf,
        facts: &Facts<'_>,
        is_clean: bool,
    ) -> Result<Recorded> {
        self.refer(file)?;
        let new = text(facts);
        let Some(stored) = Stored::read(file)? else {
            self.assert(file, &source(), &new)?;
            return Ok(Recorded::Unrecorded);
        };
        // What did not change at all is in every band.
        if stored.text == new.trim_end() {
            self.pass(file, is_clean);
            return Ok(Recorded::Pass);
        }
        let judgement = judge(&stored.text, facts).map_err(|fault| stored.broken(file, fault))?;
        if !judgement.drift.is_empty() {
            self.assert(file, &source(), &judgement.pending)?;
            Ok(Recorded::Drift(judgement.drift))
        } else if !judgement.improved.is_empty() {
            // Better never fails: not `cargo insta test` in CI by a pending file, nor this run by a folder that is read-only.
            if !self.ci {
                let _ = self.assert(file, &source(), &judgement.pending);
            }
            Ok(Recorded::Improved(judgement.improved))
        } else {
            self.pass(file, is_clean);
            Ok(Recorded::Pass)
        }
    }

    /// Leaves nothing for review of what passes.
    fn pass(&self, file: &Path, is_clean: bool) {
        if !is_clean {
            self.forget(file);
        }
    }

    /// Where the pending file of a snapshot is, by insta's rule.
    pub(super) fn pending(&self, snapshot: &Path) -> PathBuf {
        let beside = match (&self.elsewhere, snapshot.strip_prefix(&self.workspace)) {
            (Some(folder), Ok(below)) => folder.join(below),
            _ => snapshot.to_path_buf(),
        };
        beside.with_extension("snap.new")
    }

    /// Appends an existing snapshot to the list by which `cargo insta test --unreferenced` knows what a test still uses.
    pub(super) fn refer(&self, snapshot: &Path) -> Result<()> {
        let Some(list) = self.references.as_ref().filter(|_| snapshot.is_file()) else {
            return Ok(());
        };
        let line = format!("{}\n", snapshot.display());
        let append = || OpenOptions::new().append(true).create(true).open(list)?.write_all(line.as_bytes());
        append().map_err(|error| Error::write(list, error))
    }

    /// Removes what an earlier run left for review. That there is nothing, or that it cannot be removed, changes no verdict.
    pub(super) fn forget(&self, snapshot: &Path) {
        // A file that is beyond a linked folder is nobody's here.
        if !self.leaves_the_tree() && self.check_folder(snapshot).is_ok() {
            let _ = fs::remove_file(self.pending(snapshot));
        }
    }

    /// Whether nothing is written into the tree: in CI nobody reviews. Under `cargo insta` there is, which then fails for
    /// what is pending.
    fn leaves_the_tree(&self) -> bool {
        self.ci && !settings::is_driven(self.caller, &process)
    }

    /// Refuses to write below a linked folder, out of which anything may be.
    pub(super) fn check_folder(&self, snapshot: &Path) -> Result<()> {
        match snapshot.parent().and_then(|folder| link_below(&self.snapshots, folder)) {
            Some(link) => Err(Error::Snapshot { what: refusal(&link), path: link }),
            None => Ok(()),
        }
    }

    /// The same of the files that insta writes, which it would write through: what is pending makes way, and a link to an
    /// accepted snapshot only where insta is asked to replace those.
    fn check_links(&self, snapshot: &Path) -> Result<()> {
        self.check_folder(snapshot)?;
        let pending = self.pending(snapshot);
        if self.elsewhere.is_none() && pending.is_symlink() {
            fs::remove_file(&pending).map_err(|error| Error::write(&pending, error))?;
        }
        match snapshot.is_symlink() && settings::is_driven(self.caller, &process) {
            true => Err(Error::Snapshot { what: refusal(snapshot), path: snapshot.to_path_buf() }),
            false => Ok(()),
        }
    }

    /// Has insta record a text that differs from the stored one, as its settings say.
    fn assert(&self, file: &Path, source: &Path, text: &str) -> Result<()> {
        if self.leaves_the_tree() {
            return Ok(());
        }
        self.check_links(file)?;
        let folder = file.parent().expect("a snapshot is in a folder");
        let name = file.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        let name = name.strip_suffix(".snap").unwrap_or(&name);
        assert(&Target { workspace: &self.workspace, source, folder, name }, text)
    }
}

/// The name of a snapshot file.
pub(super) fn file_name(output: &str) -> Result<String> {
    check_name(output).map_err(Error::Invalid)?;
    Ok(format!("{output}.snap"))
}
