//! The snapshots of cases, by case and output, below one folder.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::shelf::Shelf;
use crate::case::CaseId;
use crate::error::{Error, Result};
use crate::snapshot::band::{is_declared, judge};
use crate::snapshot::drift::Drift;
use crate::snapshot::hold::{Holder, Recorded, file_name};
use crate::snapshot::parse::parse;
use crate::snapshot::settings::{self, Caller, process};
use crate::snapshot::store::Stored;
use crate::snapshot::text::Facts;
use crate::snapshot::tool::has_cargo_insta;
use crate::snapshot::workspace::tidy;

/// Holds summaries against the snapshots of one goldens root, and records what moved.
#[derive(Clone, Debug)]
pub struct Recorder {
    snapshots: PathBuf,
    /// The goldens root as snapshot headers name it.
    source: PathBuf,
    pub(super) holder: Holder,
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
        let holder = Holder::new(&goldens, &snapshots, caller)?;
        let source = match goldens.strip_prefix(&holder.workspace) {
            Ok(below) => below.to_path_buf(),
            // A path that leads out of the workspace would differ from machine to machine.
            Err(_) => goldens.file_name().map(PathBuf::from).unwrap_or_default(),
        };
        Ok(Recorder { snapshots, source, holder })
    }

    /// Records as in CI, whatever the environment says: nothing is left for review.
    pub(crate) fn assume_ci(&mut self) {
        self.holder.ci = true;
    }

    /// Whether `cargo insta test` drives this process and reviews afterwards what drifts.
    #[must_use]
    pub fn is_reviewed(&self) -> bool {
        settings::is_reviewed(self.holder.caller, &process)
    }

    /// Whether the goldens are in a cargo project: elsewhere `cargo insta` does not start.
    #[must_use]
    pub fn in_cargo_project(&self) -> bool {
        self.workspace().join("Cargo.toml").is_file()
    }

    /// Whether `cargo insta` works on the snapshots: they are in a cargo project, not in its target folder, and it is installed.
    #[must_use]
    pub fn has_cargo_insta(&self) -> bool {
        // It walks the workspace, and passes over what is ignored: cargo's target folder, as a rule.
        let is_walked = self.snapshots.strip_prefix(self.workspace()).is_ok_and(|below| !below.starts_with("target"));
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
        &self.holder.workspace
    }

    /// The package that the goldens are in, relative to the project; empty where it is the project itself, or there is none.
    pub(crate) fn member(&self) -> PathBuf {
        let goldens = self.workspace().join(&self.source);
        let package = goldens.ancestors().find(|folder| folder.join("Cargo.toml").is_file());
        package.and_then(|package| package.strip_prefix(self.workspace()).ok()).unwrap_or(Path::new("")).to_path_buf()
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
        self.holder.check_settings()
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

    /// The same, where somebody has looked already at which snapshots there are.
    pub(crate) fn record_with(
        &self,
        shelf: Option<&Shelf>,
        id: &CaseId,
        output: &str,
        facts: &Facts<'_>,
    ) -> Result<Recorded> {
        let source = || self.workspace().join(id.below(&self.source)).join("case.json");
        // Where pending files are beside snapshots, the shelf has them.
        let is_clean = self.holder.elsewhere.is_none() && shelf.is_some_and(|shelf| !shelf.has_pending(id));
        self.holder.hold(&self.file(id, output)?, source, facts, is_clean)
    }

    /// Reads an accepted snapshot, to see whether it can be; and which of its lines differ from what a case declares, where that
    /// is known: its facts have the summary of the reference. Statistics and differences are not looked at.
    ///
    /// # Errors
    ///
    /// [`Error::Snapshot`] where it is damaged; [`Error::Read`] where it cannot be read.
    pub(crate) fn inspect(&self, file: &Path, declared: Option<&Facts<'_>>) -> Result<Vec<Drift>> {
        let Some(stored) = Stored::read(file)? else { return Ok(Vec::new()) };
        let moved = || match declared {
            Some(facts) => {
                let moved = judge(&stored.text, facts)?.drift;
                Ok(moved.into_iter().filter(|line| is_declared(&line.quantity, facts)).collect())
            }
            None => parse(&stored.text).map(|_| Vec::new()),
        };
        moved().map_err(|fault| stored.broken(file, fault))
    }

    /// Counts the snapshot of an output as referenced although the output has nothing to record (mismatch, missing, broken,
    /// skipped), whatever the file holds, and drops what an earlier run left for review. It writes nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Write`] where insta's list of references cannot be written; [`Error::Invalid`] as [`Recorder::file`].
    pub fn touch(&self, id: &CaseId, output: &str) -> Result<()> {
        let file = self.file(id, output)?;
        self.holder.refer(&file)?;
        self.holder.forget(&file);
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
                self.holder.refer(&path)?;
                self.holder.forget(&path);
            }
        }
        Ok(())
    }

    /// Whether `cargo insta test --unreferenced` rejects or deletes what no case has any more. It does neither after a run
    /// that failed, so that one that fails for an orphan could never end in its deletion.
    pub(crate) fn leaves_orphans(&self) -> bool {
        self.holder.references.is_some() && settings::is_driven(self.holder.caller, &process)
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::snapshot::sample::{comparison, sample};

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
            command.args(["--exact", "snapshot::cases::record::tests::child", "--ignored"]);
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
