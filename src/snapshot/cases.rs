//! Records, accepts and finds the snapshots of cases.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::band::{Drift, is_declared, judge};
use super::file::{SnapshotFile, promote};
use super::index::{Orphan, SnapshotIndex, is_ours};
use super::recorder::{RecordOutcome, Recorder, file_name};
use super::settings::{self, env_var, in_ci};
use super::text::{Facts, parse};
use super::workspace::has_cargo_insta;
use crate::case::{CaseId, Goldens};
use crate::error::{Error, Result};
use crate::fs::remove_leftovers;

impl Recorder {
    /// Behaves as in CI regardless of the environment: no pending snapshots are written.
    pub(crate) fn assume_ci(&mut self) {
        self.ci = true;
    }

    /// Whether `cargo insta test` started this process and reviews drift afterwards.
    #[must_use]
    pub fn is_reviewed(&self) -> bool {
        settings::is_reviewed(self.caller, &env_var)
    }

    /// Whether the goldens are in a cargo project, which `cargo insta` requires.
    #[must_use]
    pub fn in_cargo_project(&self) -> bool {
        self.workspace.join("Cargo.toml").is_file()
    }

    /// Whether `cargo insta` is installed and finds the snapshots, which must be in a cargo project and outside its target folder.
    #[must_use]
    pub fn has_cargo_insta(&self) -> bool {
        // It walks the workspace without ignored folders, such as cargo's target folder.
        let is_found = self.snapshots.strip_prefix(&self.workspace).is_ok_and(|below| !below.starts_with("target"));
        self.in_cargo_project() && is_found && has_cargo_insta()
    }

    /// The snapshots folder.
    #[must_use]
    pub fn snapshots(&self) -> &Path {
        &self.snapshots
    }

    /// The root folder of the project, which snapshot headers are relative to.
    #[must_use]
    pub fn workspace(&self) -> &Path {
        &self.workspace
    }

    /// Returns the folder of the package that contains the goldens, relative to the project. It is empty for the root package, or if
    /// there is no package.
    pub(crate) fn package_folder(&self) -> PathBuf {
        let goldens = self.workspace.join(&self.source);
        let package = goldens.ancestors().find(|folder| folder.join("Cargo.toml").is_file());
        package.and_then(|package| package.strip_prefix(&self.workspace).ok()).unwrap_or(Path::new("")).to_path_buf()
    }

    /// Returns the outputs of a case that have a snapshot, sorted.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] if the folder cannot be read.
    pub fn recorded_outputs(&self, id: &CaseId) -> Result<Vec<String>> {
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

    /// Returns the path of the snapshot of an output.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the name of the output is not a valid file name.
    pub fn file(&self, id: &CaseId, output: &str) -> Result<PathBuf> {
        Ok(id.below(&self.snapshots).join(file_name(output)?))
    }

    /// Compares the facts of an output that is within its tolerance with its snapshot, and writes a pending snapshot if they differ.
    /// In any case the snapshot counts as referenced.
    ///
    /// # Errors
    ///
    /// [`Error::Snapshot`] if the stored snapshot is not a karat snapshot or nothing can be recorded there; [`Error::Read`] and
    /// [`Error::Write`] from the file system.
    pub fn record(&self, id: &CaseId, output: &str, facts: &Facts<'_>) -> Result<RecordOutcome> {
        self.record_with(None, id, output, facts)
    }

    /// Does the same as [`Recorder::record`], with an index of the snapshots if there is one.
    pub(crate) fn record_with(
        &self,
        index: Option<&SnapshotIndex>,
        id: &CaseId,
        output: &str,
        facts: &Facts<'_>,
    ) -> Result<RecordOutcome> {
        let source = || id.below(&self.source).join("case.json");
        // The index includes pending files only if they are next to their snapshots.
        let has_no_pending = self.pending_dir.is_none() && index.is_some_and(|index| !index.has_pending(id));
        self.compare_and_record(&self.file(id, output)?, source, facts, has_no_pending)
    }

    /// Checks that an accepted snapshot can be read, and returns its lines that differ from the declaration of the case, if that is
    /// given, with the summary of the reference. Statistics and differences are ignored.
    ///
    /// # Errors
    ///
    /// [`Error::Snapshot`] if it is damaged; [`Error::Read`] if it cannot be read.
    pub(crate) fn inspect(&self, file: &Path, declared: Option<&Facts<'_>>) -> Result<Vec<Drift>> {
        let Some(stored) = SnapshotFile::read(file)? else { return Ok(Vec::new()) };
        let drift = match declared {
            Some(facts) => judge(&stored.text, facts).map(|judgement| {
                judgement.drift.into_iter().filter(|line| is_declared(&line.quantity, facts)).collect()
            }),
            None => parse(&stored.text).map(|_| Vec::new()),
        };
        drift.map_err(|fault| stored.error(file, fault))
    }

    /// Counts the snapshot of an output as referenced even though there is nothing to record (mismatch, missing, broken, skipped),
    /// and removes the pending snapshot of an earlier run. The snapshot itself is neither read nor written.
    ///
    /// # Errors
    ///
    /// [`Error::Write`] if insta's list of references cannot be written; [`Error::Invalid`] as from [`Recorder::file`].
    pub fn touch(&self, id: &CaseId, output: &str) -> Result<()> {
        self.touch_file(&self.file(id, output)?)
    }

    /// Touches every snapshot of a case whose outputs are unknown, because its `case.json` is broken.
    ///
    /// # Errors
    ///
    /// As from [`Recorder::touch`].
    pub fn touch_all(&self, id: &CaseId) -> Result<()> {
        let outputs = self.recorded_outputs(id).unwrap_or_default();
        outputs.iter().try_for_each(|output| self.touch_file(&id.below(&self.snapshots).join(format!("{output}.snap"))))
    }

    fn touch_file(&self, file: &Path) -> Result<()> {
        self.add_reference(file)?;
        self.discard_pending(file);
        Ok(())
    }

    /// Whether `cargo insta test --unreferenced` rejects or deletes orphans. It does neither after a failed run, so that a run must
    /// not fail because of an orphan.
    pub(crate) fn leaves_orphans_to_insta(&self) -> bool {
        self.references_file.is_some() && settings::is_driven_by_insta(self.caller, &env_var)
    }

    /// Finds the snapshots that do not belong to a known output of a known case, sorted. If the outputs of a case are `None`, because
    /// its `case.json` is broken, none of its snapshots is an orphan.
    ///
    /// # Errors
    ///
    /// [`Error::Snapshot`] if the snapshots folder is a file; [`Error::Read`] if part of it cannot be read.
    pub fn orphans(&self, known: &BTreeMap<CaseId, Option<BTreeSet<String>>>) -> Result<Vec<Orphan>> {
        let index = SnapshotIndex::read(&self.snapshots);
        index.check()?;
        Ok(index.orphans(|id, output| {
            known.get(id).is_some_and(|outputs| outputs.as_ref().is_none_or(|outputs| outputs.contains(output)))
        }))
    }

    /// Whether the snapshot of this name in the folder of a case was written by karat, and not by another tool.
    pub(crate) fn owns(&self, id: &CaseId, output: &str) -> bool {
        is_ours(&id.below(&self.snapshots).join(format!("{output}.snap")))
    }
}

/// The outcome of accepting pending snapshots.
#[derive(Debug, Default)]
#[must_use]
pub struct AcceptOutcome {
    /// The snapshots that were written, sorted.
    pub written: Vec<PathBuf>,
    /// The error of each snapshot that was not accepted. It is still pending, unless it was incomplete and therefore deleted.
    pub refused: Vec<Error>,
}

impl Recorder {
    /// Accepts the pending snapshots below the selected part of the goldens: those whose case id is the filter, otherwise those whose
    /// case id contains it, or all without a filter. Each is written completely or not at all. One that is damaged, or whose case
    /// does not exist, does not prevent others from being accepted. If nothing is pending, that is not an error. Also removes
    /// temporary files that a killed process left below goldens and snapshots.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] in CI, where nobody reviews, and if the filter matches no pending snapshot; [`Error::Read`] and
    /// [`Error::Snapshot`] if the folder cannot be searched.
    pub fn accept(&self, goldens: &Goldens, filter: Option<&str>) -> Result<AcceptOutcome> {
        if in_ci() {
            return Err(Error::Usage(
                "snapshots cannot be accepted in CI (CI or TF_BUILD is set), where nobody reviews them: accept them on your \
                 machine, and commit the written files"
                    .to_owned(),
            ));
        }
        let mut pending = self.pending_files()?;
        pending.retain(|(id, ..)| id.below(&goldens.root).starts_with(goldens.selected()));
        let has_any = !pending.is_empty();
        let ids: BTreeSet<String> = pending.iter().map(|(id, ..)| id.to_string()).collect();
        if let Some(filter) = filter {
            // The filter `h.1` must not accept `h.10`, which was not reviewed.
            let is_recorded = |id: CaseId| self.recorded_outputs(&id).is_ok_and(|outputs| !outputs.is_empty());
            let is_id = ids.contains(filter) || CaseId::new(filter).is_ok_and(is_recorded);
            pending.retain(|(id, ..)| if is_id { id.as_str() == filter } else { id.as_str().contains(filter) });
            if has_any && pending.is_empty() {
                let ids = ids.into_iter().collect::<Vec<_>>().join(", ");
                return Err(Error::Usage(format!(
                    "no case id with a pending snapshot contains {filter:?}; pending: {ids}"
                )));
            }
        }
        let mut outcome = AcceptOutcome::default();
        for (id, output, new) in pending {
            match self.accept_one(goldens, &id, &output, &new) {
                Ok(snapshot) => outcome.written.push(snapshot),
                Err(error) => outcome.refused.push(error),
            }
        }
        remove_leftovers(&[&goldens.root, &self.snapshots]);
        Ok(outcome)
    }

    fn accept_one(&self, goldens: &Goldens, id: &CaseId, output: &str, pending: &Path) -> Result<PathBuf> {
        // Otherwise it would become an orphan.
        if !id.below(&goldens.root).join("case.json").exists() {
            let what = format!("its case {id} no longer exists; restore the case, or delete this file");
            return Err(Error::Snapshot { path: pending.to_path_buf(), what });
        }
        let snapshot = self.file(id, output)?;
        self.check_folder(&snapshot)?;
        promote(pending, &snapshot)?;
        Ok(snapshot)
    }

    /// Returns the case, the output and the path of every pending snapshot, sorted.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] and [`Error::Snapshot`] if the folder cannot be searched.
    pub fn pending_files(&self) -> Result<Vec<(CaseId, String, PathBuf)>> {
        let probe = self.pending(&self.snapshots.join("x.snap"));
        let index = SnapshotIndex::read(probe.parent().unwrap_or(&probe));
        index.check()?;
        Ok(index.pending())
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::snapshot::Caller;
    use crate::snapshot::text::sample::{comparison, sample};

    /// Records an improvement in the folder named by an environment variable.
    #[test]
    #[ignore = "run by the next test in a separate process"]
    fn child() {
        let Some(root) = std::env::var_os("KARAT_TEST_ROOT").map(PathBuf::from) else {
            return;
        };
        let recorder = Recorder::new(&root.join("goldens"), &root.join("snapshots"), Caller::Test).expect("a recorder");
        let better = sample().with(|sample| sample.comparison = Some(comparison(0.001, 0.001)));
        let recorded = recorder.record(&CaseId::new("a").expect("an id"), "y", &better.facts());
        let Ok(RecordOutcome::Improved(improved)) = recorded else { panic!("{recorded:?}") };
        assert_eq!((improved.len(), improved[0].quantity.as_str()), (2, "largest difference"));
    }

    #[test]
    fn an_improvement_passes_and_is_pending_outside_ci() {
        let stored = sample().with(|sample| sample.comparison = Some(comparison(0.5, 0.25)));
        for (ci, expected) in [("", true), ("true", false)] {
            let root = tempfile::tempdir().expect("a temporary folder");
            let file = root.path().join("snapshots/a/y.snap");
            fs::create_dir_all(file.parent().expect("a folder")).expect("folders");
            fs::write(&file, format!("---\nsource: x\n---\n{}", stored.text())).expect("a file");
            let mut command = Command::new(std::env::current_exe().expect("a test is a program"));
            command.args(["--exact", "snapshot::cases::tests::child", "--ignored"]);
            // As under `cargo insta test`, which would treat a pending file as a failure, in CI too.
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
