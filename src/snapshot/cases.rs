//! The snapshots of cases: recorded by case and output, accepted after a review, found without a case.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::band::{Drift, is_declared, judge};
use super::file::{Stored, promote};
use super::recorder::{Recorded, Recorder, file_name};
use super::settings::{self, in_ci, process};
use super::shelf::{Orphan, Shelf, is_ours};
use super::text::{Facts, parse};
use super::workspace::has_cargo_insta;
use crate::case::{CaseId, Goldens};
use crate::error::{Error, Result};
use crate::fs::remove_leftovers;

impl Recorder {
    /// Records as in CI, whatever the environment says: nothing is left for review.
    pub(crate) fn assume_ci(&mut self) {
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
        self.workspace.join("Cargo.toml").is_file()
    }

    /// Whether `cargo insta` works on the snapshots: they are in a cargo project, not in its target folder, and it is installed.
    #[must_use]
    pub fn has_cargo_insta(&self) -> bool {
        // It walks the workspace, and passes over what is ignored: cargo's target folder, as a rule.
        let is_walked = self.snapshots.strip_prefix(&self.workspace).is_ok_and(|below| !below.starts_with("target"));
        self.in_cargo_project() && is_walked && has_cargo_insta()
    }

    /// The folder of the snapshots.
    #[must_use]
    pub fn snapshots(&self) -> &Path {
        &self.snapshots
    }

    /// The folder of the project that the goldens are in; snapshot headers are relative to it.
    #[must_use]
    pub fn workspace(&self) -> &Path {
        &self.workspace
    }

    /// The package that the goldens are in, relative to the project; empty where it is the project itself, or there is none.
    pub(crate) fn member(&self) -> PathBuf {
        let goldens = self.workspace.join(&self.source);
        let package = goldens.ancestors().find(|folder| folder.join("Cargo.toml").is_file());
        package.and_then(|package| package.strip_prefix(&self.workspace).ok()).unwrap_or(Path::new("")).to_path_buf()
    }

    /// The outputs of a case that have a snapshot, sorted.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] where the folder cannot be read.
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

    /// The snapshot file of that output.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where the name of the output is none for a file.
    pub fn file(&self, id: &CaseId, output: &str) -> Result<PathBuf> {
        Ok(id.below(&self.snapshots).join(file_name(output)?))
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

    /// The same, where it is known already which snapshots there are.
    pub(crate) fn record_with(
        &self,
        shelf: Option<&Shelf>,
        id: &CaseId,
        output: &str,
        facts: &Facts<'_>,
    ) -> Result<Recorded> {
        let source = || id.below(&self.source).join("case.json");
        // Where pending files are beside snapshots, the shelf has them.
        let is_clean = self.elsewhere.is_none() && shelf.is_some_and(|shelf| !shelf.has_pending(id));
        self.hold(&self.file(id, output)?, source, facts, is_clean)
    }

    /// Reads an accepted snapshot, to see whether it can be; and which of its lines differ from what a case declares, where that
    /// is known: its facts have the summary of the reference. Statistics and differences are not looked at.
    ///
    /// # Errors
    ///
    /// [`Error::Snapshot`] where it is damaged; [`Error::Read`] where it cannot be read.
    pub(crate) fn inspect(&self, file: &Path, declared: Option<&Facts<'_>>) -> Result<Vec<Drift>> {
        let Some(stored) = Stored::read(file)? else { return Ok(Vec::new()) };
        let moved = match declared {
            Some(facts) => judge(&stored.text, facts).map(|judgement| {
                judgement.drift.into_iter().filter(|line| is_declared(&line.quantity, facts)).collect()
            }),
            None => parse(&stored.text).map(|_| Vec::new()),
        };
        moved.map_err(|fault| stored.broken(file, fault))
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

    /// Touches every snapshot of a case whose outputs are unknown, because its `case.json` is broken.
    ///
    /// # Errors
    ///
    /// As [`Recorder::touch`].
    pub fn touch_all(&self, id: &CaseId) -> Result<()> {
        self.recorded(id).unwrap_or_default().iter().try_for_each(|output| {
            let file = id.below(&self.snapshots).join(format!("{output}.snap"));
            self.refer(&file)?;
            self.forget(&file);
            Ok(())
        })
    }

    /// Whether `cargo insta test --unreferenced` rejects or deletes what no case has any more. It does neither after a run
    /// that failed, so that one that fails for an orphan could never end in its deletion.
    pub(crate) fn leaves_orphans(&self) -> bool {
        self.references.is_some() && settings::is_driven(self.caller, &process)
    }

    /// Finds the snapshots that belong to none of the known cases and their outputs, sorted. Where the outputs of a case are
    /// `None`, because its `case.json` is broken, nothing of it is an orphan.
    ///
    /// # Errors
    ///
    /// [`Error::Snapshot`] where the snapshots folder is a file; [`Error::Read`] where part of it cannot be read.
    pub fn orphans(&self, known: &BTreeMap<CaseId, Option<BTreeSet<String>>>) -> Result<Vec<Orphan>> {
        let shelf = Shelf::read(&self.snapshots);
        shelf.check()?;
        Ok(shelf.orphans(|id, output| {
            known.get(id).is_some_and(|outputs| outputs.as_ref().is_none_or(|outputs| outputs.contains(output)))
        }))
    }

    /// Whether the snapshot of that name in the folder of a case is karat's, and not one of another tool that lies there.
    pub(crate) fn owns(&self, id: &CaseId, output: &str) -> bool {
        is_ours(&id.below(&self.snapshots).join(format!("{output}.snap")))
    }
}

/// What became of the pending snapshots.
#[derive(Debug, Default)]
#[must_use]
pub struct Accepted {
    /// The snapshots that were written, sorted.
    pub written: Vec<PathBuf>,
    /// Why others were not, one for each. They are still pending, but for those that were cut short: these are dropped.
    pub refused: Vec<Error>,
}

impl Recorder {
    /// Accepts every pending snapshot below the selected part of the goldens whose case id contains the filter, or all of
    /// them; of the case alone whose id the filter is. Each is written whole or not at all, and one that is damaged, or whose
    /// case is gone, keeps no other from being accepted. Nothing pending is no error. Half-written files that a killed karat left
    /// below goldens and snapshots are removed.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] in CI, where nobody reviews, and where the filter matches nothing that is pending;
    /// [`Error::Read`] and [`Error::Snapshot`] where the folder cannot be searched.
    pub fn accept(&self, goldens: &Goldens, filter: Option<&str>) -> Result<Accepted> {
        if in_ci() {
            return Err(Error::Usage(
                "accepting is a review, and this is CI (CI or TF_BUILD is set): accept where you can look, and commit \
                 what was written"
                    .to_owned(),
            ));
        }
        let mut pending = self.pending_files()?;
        pending.retain(|(id, ..)| id.below(&goldens.root).starts_with(goldens.selected()));
        let has_any = !pending.is_empty();
        let ids: BTreeSet<String> = pending.iter().map(|(id, ..)| id.to_string()).collect();
        if let Some(filter) = filter {
            // Whoever accepts `h.1` has not looked at `h.10`.
            let is_recorded = |id: CaseId| self.recorded(&id).is_ok_and(|outputs| !outputs.is_empty());
            let is_id = ids.contains(filter) || CaseId::new(filter).is_ok_and(is_recorded);
            pending.retain(|(id, ..)| if is_id { id.as_str() == filter } else { id.as_str().contains(filter) });
            if has_any && pending.is_empty() {
                let ids = ids.into_iter().collect::<Vec<_>>().join(", ");
                return Err(Error::Usage(format!(
                    "no pending snapshot has {filter:?} in its case id; pending are {ids}"
                )));
            }
        }
        let mut accepted = Accepted::default();
        for (id, output, new) in pending {
            match self.accept_one(goldens, &id, &output, &new) {
                Ok(snapshot) => accepted.written.push(snapshot),
                Err(error) => accepted.refused.push(error),
            }
        }
        remove_leftovers(&[&goldens.root, &self.snapshots]);
        Ok(accepted)
    }

    fn accept_one(&self, goldens: &Goldens, id: &CaseId, output: &str, pending: &Path) -> Result<PathBuf> {
        // Accepted, it would be orphaned at once.
        if !id.below(&goldens.root).join("case.json").exists() {
            let what = format!("its case {id} is gone; restore the case, or delete this file");
            return Err(Error::Snapshot { path: pending.to_path_buf(), what });
        }
        let snapshot = self.file(id, output)?;
        self.check_folder(&snapshot)?;
        promote(pending, &snapshot)?;
        Ok(snapshot)
    }

    /// Every pending snapshot, with the case and output that it is of, sorted.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] and [`Error::Snapshot`] where the folder cannot be searched.
    pub fn pending_files(&self) -> Result<Vec<(CaseId, String, PathBuf)>> {
        let probe = self.pending(&self.snapshots.join("x.snap"));
        let shelf = Shelf::read(probe.parent().unwrap_or(&probe));
        shelf.check()?;
        Ok(shelf.pending())
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::snapshot::Caller;
    use crate::snapshot::text::sample::{comparison, sample};

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
            command.args(["--exact", "snapshot::cases::tests::child", "--ignored"]);
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
