//! Recording summaries: karat decides, then insta writes.
//!
//! karat reads the stored snapshot itself and judges it by its own bands. insta is asked only where there is something to
//! review, so that its settings, its pending files and `cargo insta review` work as people know them. Where there is
//! nothing to review insta has nothing to write: even an assertion that holds would rewrite the file under
//! `INSTA_UPDATE=force`, and fail over a stale header under `INSTA_REQUIRE_FULL_MATCH`.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use super::band::judge;
use super::parse::parse;
use super::settings::{self, Caller, is_ci, process};
use super::shelf::Shelf;
use super::store::{Stored, Target, assert};
use super::text::{Facts, text};
use super::tool::has_cargo_insta;
use super::workspace::{self, Workspace, tidy};
use crate::error::{Error, Result};
use crate::golden::{CaseId, check_name};
use crate::run::outcome::Drift;

/// Holds summaries against the snapshots of one goldens root, and records what moved.
#[derive(Clone, Debug)]
pub struct Recorder {
    snapshots: PathBuf,
    workspace: Workspace,
    /// The goldens root as snapshot headers name it.
    source: PathBuf,
    /// `INSTA_PENDING_DIR`: where pending files go instead of beside their snapshots.
    pending: Option<PathBuf>,
    /// `INSTA_SNAPSHOT_REFERENCES_FILE`: where `cargo insta test --unreferenced` collects what exists.
    references: Option<PathBuf>,
    ci: bool,
    caller: Caller,
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

/// Whether an earlier run may have left something of an output for review.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pending {
    None,
    Perhaps,
}

impl Recorder {
    /// A recorder of the cases below `goldens` into the folder `snapshots`. Neither has to exist. It reads insta's
    /// environment, once.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] where `INSTA_PENDING_DIR` is set and the snapshots are outside the workspace, where insta has no
    /// place for them; [`Error::Read`] where the current folder is gone.
    pub fn new(goldens: &Path, snapshots: &Path, caller: Caller) -> Result<Recorder> {
        let (goldens, snapshots) = (tidy(goldens)?, tidy(snapshots)?);
        let chosen = process("INSTA_WORKSPACE_ROOT").filter(|folder| !folder.is_empty()).map(PathBuf::from);
        let workspace = workspace::find(&goldens, chosen.as_deref())?;
        let pending = process("INSTA_PENDING_DIR").filter(|folder| !folder.is_empty()).map(PathBuf::from);
        if pending.is_some() && !snapshots.starts_with(&workspace.root) {
            return Err(Error::Usage(format!(
                "INSTA_PENDING_DIR is set, and the snapshots in {} are outside the workspace {}, where insta has no place \
                 for what is pending: unset INSTA_PENDING_DIR",
                snapshots.display(),
                workspace.root.display()
            )));
        }
        let source = match goldens.strip_prefix(&workspace.root) {
            Ok(below) => below.to_path_buf(),
            // A path that leads out of the workspace would differ from machine to machine.
            Err(_) => goldens.file_name().map(PathBuf::from).unwrap_or_default(),
        };
        let references = process("INSTA_SNAPSHOT_REFERENCES_FILE").map(PathBuf::from);
        Ok(Recorder { snapshots, workspace, source, pending, references, ci: is_ci(&process), caller })
    }

    /// Records as in CI, whatever the environment says: nothing is left for review.
    pub(in crate::run) fn assume_ci(&mut self) {
        self.ci = true;
    }

    /// Whether `cargo insta test` drives this process and reviews afterwards what drifts.
    #[must_use]
    pub fn is_reviewed(&self) -> bool {
        settings::is_reviewed(self.caller, &process)
    }

    /// Whether the goldens are in a cargo project: elsewhere `cargo insta` does not start.
    #[must_use]
    pub fn in_cargo_project(&self) -> bool {
        self.workspace.is_cargo
    }

    /// Whether `cargo insta` works on the snapshots: they are in a cargo project, not in its target folder, and it is installed.
    #[must_use]
    pub fn has_cargo_insta(&self) -> bool {
        // It walks the workspace, and passes over what is ignored: cargo's target folder, as a rule.
        let is_walked =
            self.snapshots.strip_prefix(&self.workspace.root).is_ok_and(|below| !below.starts_with("target"));
        self.workspace.is_cargo && is_walked && has_cargo_insta()
    }

    /// The folder of the snapshots.
    #[must_use]
    pub fn snapshots(&self) -> &Path {
        &self.snapshots
    }

    /// The folder of the project that the goldens are in; snapshot headers are relative to it.
    #[must_use]
    pub fn workspace(&self) -> &Path {
        &self.workspace.root
    }

    /// The outputs of a case that have a snapshot, sorted.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] where the folder of its snapshots is there but cannot be read.
    pub fn recorded(&self, id: &CaseId) -> Result<Vec<String>> {
        let folder = id.below(&self.snapshots);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(Vec::new());
            }
            Err(error) => return Err(Error::read(folder, error)),
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut outputs: Vec<String> = names.filter_map(|name| Some(name.strip_suffix(".snap")?.to_owned())).collect();
        outputs.sort();
        Ok(outputs)
    }

    /// Refuses every setting of insta that makes drift pass or rewrites snapshots, unless `cargo insta` set it; and those
    /// that insta would panic at. To be called before any case runs, by what gates.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] that names the setting, where it is, and how to be rid of it.
    pub fn check_settings(&self) -> Result<()> {
        settings::check(&self.workspace.root, self.caller, &process)
    }

    /// The snapshot file of that output.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where the name of the output is none for a file.
    pub fn file(&self, id: &CaseId, output: &str) -> Result<PathBuf> {
        Ok(id.below(&self.snapshots).join(self.name(output)?))
    }

    /// The name of a snapshot file.
    pub(super) fn name(&self, output: &str) -> Result<String> {
        check_name(output).map_err(Error::Invalid)?;
        Ok(format!("{output}.snap"))
    }

    /// Holds the facts of one output, which is within its tolerance, against its snapshot, and leaves for review what
    /// moved. Whatever the answer, the snapshot counts as referenced.
    ///
    /// # Errors
    ///
    /// [`Error::Snapshot`] where the stored snapshot is not one of karat's or nothing can be recorded there;
    /// [`Error::Read`] and [`Error::Write`] from the file system.
    pub fn record(&self, id: &CaseId, output: &str, facts: &Facts<'_>) -> Result<Recorded> {
        self.record_with(None, id, output, facts)
    }

    /// The same, where somebody has looked already at which snapshots there are.
    pub(in crate::run) fn record_with(
        &self,
        shelf: Option<&Shelf>,
        id: &CaseId,
        output: &str,
        facts: &Facts<'_>,
    ) -> Result<Recorded> {
        let source = || self.workspace.root.join(id.below(&self.source)).join("case.json");
        // Where pending files are beside snapshots, the shelf has them.
        let is_clean = self.pending.is_none() && shelf.is_some_and(|shelf| !shelf.has_pending(id));
        let before = if is_clean { Pending::None } else { Pending::Perhaps };
        self.hold(&self.file(id, output)?, source, facts, before)
    }

    /// Reads an accepted snapshot, to see whether it can be.
    ///
    /// # Errors
    ///
    /// [`Error::Snapshot`] where it is damaged; [`Error::Read`] where it cannot be read.
    pub(in crate::run) fn inspect(&self, file: &Path) -> Result<()> {
        let Some(stored) = Stored::read(file)? else { return Ok(()) };
        parse(&stored.text).map(drop).map_err(|fault| stored.broken(file, fault))
    }

    /// Holds the facts against that snapshot file; a pending one names `source`.
    pub(super) fn hold(
        &self,
        file: &Path,
        source: impl FnOnce() -> PathBuf,
        facts: &Facts<'_>,
        before: Pending,
    ) -> Result<Recorded> {
        self.refer(file)?;
        let new = text(facts);
        let Some(stored) = Stored::read(file)? else {
            self.assert(file, &source(), &new)?;
            return Ok(Recorded::Unrecorded);
        };
        // What did not change at all is in every band.
        if stored.text == new.trim_end() {
            self.pass(file, before);
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
            self.pass(file, before);
            Ok(Recorded::Pass)
        }
    }

    /// Leaves nothing for review of what passes.
    fn pass(&self, file: &Path, before: Pending) {
        match before {
            Pending::None => {}
            Pending::Perhaps => self.forget(file),
        }
    }

    /// Counts the snapshot of an output as referenced although the output has nothing to record (mismatch, missing, broken,
    /// skipped), whatever the file holds, and drops what an earlier run left for review. It writes nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Write`] where insta's list of references cannot be written; [`Error::Invalid`] as [`Recorder::file`].
    pub fn touch(&self, id: &CaseId, output: &str) -> Result<()> {
        let file = self.file(id, output)?;
        self.refer(&file)?;
        self.forget(&file);
        Ok(())
    }

    /// Touches every snapshot of a case whose outputs nobody knows, because its `case.json` is broken.
    ///
    /// # Errors
    ///
    /// As [`Recorder::touch`].
    pub fn touch_all(&self, id: &CaseId) -> Result<()> {
        let Ok(entries) = fs::read_dir(id.below(&self.snapshots)) else {
            return Ok(());
        };
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            if path.extension().is_some_and(|extension| extension == "snap") {
                self.refer(&path)?;
                self.forget(&path);
            }
        }
        Ok(())
    }

    /// Where the pending file of a snapshot is, by insta's rule.
    pub(super) fn pending(&self, snapshot: &Path) -> PathBuf {
        let beside = match (&self.pending, snapshot.strip_prefix(&self.workspace.root)) {
            (Some(folder), Ok(below)) => folder.join(below),
            _ => snapshot.to_path_buf(),
        };
        beside.with_extension("snap.new")
    }

    /// Whether `cargo insta test --unreferenced` rejects or deletes what no case has any more. It does neither after a run
    /// that failed, so that one that fails for an orphan could never end in its deletion.
    pub(in crate::run) fn leaves_orphans(&self) -> bool {
        self.references.is_some() && settings::is_driven(self.caller, &process)
    }

    /// Appends an existing snapshot to the list by which `cargo insta test --unreferenced` knows what a test still uses.
    fn refer(&self, snapshot: &Path) -> Result<()> {
        let Some(list) = self.references.as_ref().filter(|_| snapshot.is_file()) else {
            return Ok(());
        };
        let line = format!("{}\n", snapshot.display());
        let append = || OpenOptions::new().append(true).create(true).open(list)?.write_all(line.as_bytes());
        append().map_err(|error| Error::write(list, error))
    }

    /// Removes what an earlier run left for review. That there is nothing, or that it cannot be removed, changes no verdict.
    fn forget(&self, snapshot: &Path) {
        if !self.leaves_the_tree() {
            let _ = fs::remove_file(self.pending(snapshot));
        }
    }

    /// Whether nothing is written into the tree: in CI nobody reviews. Under `cargo insta` there is, which then fails for
    /// what is pending.
    fn leaves_the_tree(&self) -> bool {
        self.ci && !settings::is_driven(self.caller, &process)
    }

    /// Has insta record a text that differs from the stored one, as its settings say.
    fn assert(&self, file: &Path, source: &Path, text: &str) -> Result<()> {
        if self.leaves_the_tree() {
            return Ok(());
        }
        let folder = file.parent().expect("a snapshot is in a folder");
        let name = file.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        let name = name.strip_suffix(".snap").unwrap_or(&name);
        assert(&Target { workspace: &self.workspace.root, source, folder, name }, text)
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::super::sample::{comparison, sample};
    use super::*;

    /// Records what is much better than stored, in the folder that the environment names.
    #[test]
    #[ignore = "the next test runs it, as a process of its own"]
    fn child() {
        let Some(root) = std::env::var_os("KARAT_TEST_ROOT").map(PathBuf::from) else {
            return;
        };
        let recorder = Recorder::new(&root.join("goldens"), &root.join("snapshots"), Caller::Test).expect("a recorder");
        let better = sample().with(|sample| sample.comparison = Some(comparison(0.001, 0.001)));
        let recorded = recorder.record(&CaseId::new("a").expect("an id"), "y", &better.facts());
        let Ok(Recorded::Improved(improved)) = recorded else { panic!("{recorded:?}") };
        assert_eq!((improved.len(), improved[0].quantity.as_str()), (2, "largest difference"));
    }

    #[test]
    fn what_is_much_better_passes_and_is_pending_outside_ci() {
        let stored = sample().with(|sample| sample.comparison = Some(comparison(0.5, 0.25)));
        for (ci, expected) in [("", true), ("true", false)] {
            let root = tempfile::tempdir().expect("a temporary folder");
            let file = root.path().join("snapshots/a/y.snap");
            fs::create_dir_all(file.parent().expect("a folder")).expect("folders");
            fs::write(&file, format!("---\nsource: x\n---\n{}", stored.text())).expect("a file");
            let mut command = Command::new(std::env::current_exe().expect("a test is a program"));
            command.args(["--exact", "run::snapshot::record::tests::child", "--ignored"]);
            // As under `cargo insta test`, which would take a pending file for a failure in CI too.
            for name in ["INSTA_PENDING_DIR", "INSTA_WORKSPACE_ROOT", "INSTA_FORCE_PASS"] {
                command.env_remove(name);
            }
            command.env("INSTA_UPDATE", "new").env("CI", ci).env("KARAT_TEST_ROOT", root.path());
            let output = command.output().expect("a process");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
            let pending = fs::read_to_string(file.with_extension("snap.new")).ok();
            assert_eq!(pending.is_some(), expected, "CI={ci:?}");
            if let Some(pending) = pending {
                let tighter = stored.text().replace("e: 0.5", "e: 0.001").replace("rmse: 0.25", "rmse: 0.001");
                assert!(pending.ends_with(&tighter), "{pending}");
            }
        }
    }
}
