//! Compares summaries with snapshot files: karat decides by its own bands, then insta records.
//!
//! insta is called only if there is something to review, so that its settings, its pending files and `cargo insta review` work as
//! usual. Otherwise it is not called, because even an assertion that passes would rewrite the file under `INSTA_UPDATE=force`, and
//! fail because of an outdated header under `INSTA_REQUIRE_FULL_MATCH`.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::band::{Drift, judge};
use super::file::{SnapshotFile, Target, assert};
use super::settings::{self, Caller, env_var, is_ci};
use super::text::{Facts, format_snapshot};
use super::workspace::{find_from, normalize};
use crate::error::{Error, Result};
use crate::fs::{describe_link, link_below};
use crate::text::check_name;

/// Compares summaries with the snapshots of one project, and records changes.
#[derive(Clone, Debug)]
pub struct Recorder {
    /// The root folder of the project, which snapshot headers are relative to.
    pub(super) workspace: PathBuf,
    /// The snapshots folder. Nothing below it is written through a link.
    pub(super) snapshots: PathBuf,
    /// The goldens root, as named in snapshot headers.
    #[cfg_attr(not(feature = "harness"), allow(dead_code, reason = "an assertion names its own source"))]
    pub(super) source: PathBuf,
    /// `INSTA_PENDING_DIR`: the folder for pending files, if they are not next to their snapshots.
    pub(super) pending_dir: Option<PathBuf>,
    /// `INSTA_SNAPSHOT_REFERENCES_FILE`: the list in which `cargo insta test --unreferenced` collects the snapshots in use.
    pub(super) references_file: Option<PathBuf>,
    pub(super) ci: bool,
    pub(super) caller: Caller,
}

/// The outcome of comparing one summary with its snapshot.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub enum RecordOutcome {
    /// All lines are within their bands.
    Pass,
    /// All lines are within their bands, and these are much better than the stored ones.
    Improved(Vec<Drift>),
    /// These lines are outside their bands.
    Drift(Vec<Drift>),
    /// There is no snapshot yet.
    Unrecorded,
}

impl Recorder {
    /// Creates a recorder for the cases below `goldens` and the snapshots below `snapshots`. Neither has to exist. The environment
    /// variables of insta are read here.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] if `INSTA_PENDING_DIR` is set and the snapshots are outside the workspace, so that insta has no place for
    /// pending ones; [`Error::Read`] if the current folder does not exist.
    pub fn new(goldens: &Path, snapshots: &Path, caller: Caller) -> Result<Recorder> {
        let (goldens, snapshots) = (normalize(goldens)?, normalize(snapshots)?);
        let folder = |name| env_var(name).filter(|folder| !folder.is_empty()).map(PathBuf::from);
        let workspace = find_from(&goldens, folder("INSTA_WORKSPACE_ROOT").as_deref())?;
        let pending_dir = folder("INSTA_PENDING_DIR");
        if pending_dir.is_some() && !snapshots.starts_with(&workspace) {
            return Err(Error::Usage(format!(
                "INSTA_PENDING_DIR is set, but the snapshots in {} are outside the workspace {}, so that insta has no place \
                 for pending ones: unset INSTA_PENDING_DIR",
                snapshots.display(),
                workspace.display()
            )));
        }
        let source = match goldens.strip_prefix(&workspace) {
            Ok(below) => below.to_path_buf(),
            // A path outside the workspace would differ between machines.
            Err(_) => goldens.file_name().map(PathBuf::from).unwrap_or_default(),
        };
        let references_file = env_var("INSTA_SNAPSHOT_REFERENCES_FILE").map(PathBuf::from);
        Ok(Recorder { workspace, snapshots, source, pending_dir, references_file, ci: is_ci(&env_var), caller })
    }

    /// Rejects every insta setting that lets drift pass or rewrites snapshots, unless `cargo insta` set it, and every value that
    /// makes insta panic. Call this before any case runs, if drift is to fail the run.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] with the setting, its location, and how to remove it.
    pub fn check_settings(&self) -> Result<()> {
        settings::check(&self.workspace, self.caller, &env_var)
    }

    /// Compares the facts with a snapshot file, and records a pending snapshot if they differ. `source` is the file that a pending
    /// snapshot names, relative to the workspace. `has_no_pending` means that there is certainly no pending snapshot of an earlier
    /// run.
    pub(super) fn compare_and_record(
        &self,
        file: &Path,
        source: impl FnOnce() -> PathBuf,
        facts: &Facts<'_>,
        has_no_pending: bool,
    ) -> Result<RecordOutcome> {
        self.add_reference(file)?;
        let new = format_snapshot(facts);
        let Some(stored) = SnapshotFile::read(file)? else {
            self.assert(file, &source(), &new)?;
            return Ok(RecordOutcome::Unrecorded);
        };
        // An unchanged text is within every band.
        if stored.text != new.trim_end() {
            let judgement = judge(&stored.text, facts).map_err(|fault| stored.error(file, fault))?;
            if !judgement.drift.is_empty() {
                self.assert(file, &source(), &judgement.pending)?;
                return Ok(RecordOutcome::Drift(judgement.drift));
            }
            if !judgement.improved.is_empty() {
                // An improvement never fails: neither `cargo insta test` in CI because of a pending file, nor this run because of a
                // read-only folder.
                if !self.ci {
                    self.assert(file, &source(), &judgement.pending).ok();
                }
                return Ok(RecordOutcome::Improved(judgement.improved));
            }
        }
        if !has_no_pending {
            self.discard_pending(file);
        }
        Ok(RecordOutcome::Pass)
    }

    /// Returns the path of the pending file of a snapshot, by insta's rule.
    pub(super) fn pending(&self, snapshot: &Path) -> PathBuf {
        let place = match (&self.pending_dir, snapshot.strip_prefix(&self.workspace)) {
            (Some(folder), Ok(below)) => folder.join(below),
            _ => snapshot.to_path_buf(),
        };
        place.with_extension("snap.new")
    }

    /// Appends an existing snapshot to the list of snapshots in use, which `cargo insta test --unreferenced` reads.
    pub(super) fn add_reference(&self, snapshot: &Path) -> Result<()> {
        let Some(list) = self.references_file.as_ref().filter(|_| snapshot.is_file()) else {
            return Ok(());
        };
        let line = format!("{}\n", snapshot.display());
        let append = || OpenOptions::new().append(true).create(true).open(list)?.write_all(line.as_bytes());
        append().map_err(|error| Error::write(list, error))
    }

    /// Removes the pending snapshot of an earlier run. Errors are ignored, because they do not affect a verdict.
    pub(super) fn discard_pending(&self, snapshot: &Path) {
        // A file behind a linked folder may belong to something else.
        if !self.is_read_only() && self.check_folder(snapshot).is_ok() {
            fs::remove_file(self.pending(snapshot)).ok();
        }
    }

    /// Whether nothing is written into the tree, because nobody reviews it in CI. Under `cargo insta` it is written, and insta fails
    /// because of pending snapshots.
    fn is_read_only(&self) -> bool {
        self.ci && !settings::is_driven_by_insta(self.caller, &env_var)
    }

    /// Refuses to write below a linked folder, which may lead anywhere.
    pub(super) fn check_folder(&self, snapshot: &Path) -> Result<()> {
        match snapshot.parent().and_then(|folder| link_below(&self.snapshots, folder)) {
            Some(link) => Err(Error::Snapshot { what: describe_link(&link), path: link }),
            None => Ok(()),
        }
    }

    /// Prevents insta from writing through a link: removes a linked pending file, and rejects a linked snapshot if insta may replace
    /// it.
    fn check_links(&self, snapshot: &Path) -> Result<()> {
        self.check_folder(snapshot)?;
        let pending = self.pending(snapshot);
        if self.pending_dir.is_none() && pending.is_symlink() {
            fs::remove_file(&pending).map_err(|error| Error::write(&pending, error))?;
        }
        match snapshot.is_symlink() && settings::is_driven_by_insta(self.caller, &env_var) {
            true => Err(Error::Snapshot { what: describe_link(snapshot), path: snapshot.to_path_buf() }),
            false => Ok(()),
        }
    }

    /// Lets insta record a text that differs from the stored one, according to its settings.
    fn assert(&self, snapshot: &Path, source: &Path, text: &str) -> Result<()> {
        if self.is_read_only() {
            return Ok(());
        }
        self.check_links(snapshot)?;
        assert(&Target { workspace: &self.workspace, source, snapshot }, text)
    }
}

/// The location of an assertion.
#[derive(Clone, Copy, Debug)]
pub struct TestSite<'a> {
    /// The folder of the package: `env!("CARGO_MANIFEST_DIR")`.
    pub manifest: &'a Path,
    /// The source file, relative to the workspace: `file!()`.
    pub file: &'a str,
    /// The module: `module_path!()`.
    pub module: &'a str,
}

/// Compares the facts with the snapshot `snapshots/<module>__<name>.snap` next to the source file of a test, where insta stores its
/// own snapshots too.
///
/// # Errors
///
/// [`Error::Snapshot`] if the stored snapshot is not a karat snapshot or nothing can be recorded there; [`Error::Usage`] if a
/// setting of insta would disable the drift gate; [`Error::Invalid`] if the name is not valid for a snapshot; [`Error::Read`] and
/// [`Error::Write`] from the file system.
pub fn record_in_test(site: &TestSite<'_>, name: &str, facts: &Facts<'_>) -> Result<RecordOutcome> {
    let TestSite { manifest, file, module } = *site;
    let package = normalize(manifest)?;
    let recorder = Recorder::new(&package, &package, Caller::Test)?;
    recorder.check_settings()?;
    // Cargo compiles members of a workspace from its root, and excluded packages from their own folder. `file!()` is relative to
    // that.
    let [own, shared] = &[&package, &recorder.workspace].map(|folder| folder.join(file));
    let source = if own.is_file() { own } else { shared };
    let folder = source.parent().unwrap_or(&package).join("snapshots");
    let name = file_name(&format!("{}__{name}", module.replace("::", "__")))?;
    let relative = || source.strip_prefix(&recorder.workspace).map_or_else(|_| PathBuf::from(file), Path::to_path_buf);
    recorder.compare_and_record(&folder.join(name), relative, facts, false)
}

/// Returns the file name of a snapshot.
pub(super) fn file_name(output: &str) -> Result<String> {
    check_name(output).map_err(Error::Invalid)?;
    Ok(format!("{output}.snap"))
}
