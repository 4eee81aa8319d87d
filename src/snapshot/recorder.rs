//! Summaries held against snapshot files: karat decides by its own bands, then insta records.
//!
//! insta is asked only where there is something to review, so that its settings, its pending files and `cargo insta review` work
//! as people know them. Where there is nothing to review insta has nothing to write: even an assertion that holds would rewrite the
//! file under `INSTA_UPDATE=force`, and fail over a stale header under `INSTA_REQUIRE_FULL_MATCH`.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::band::{Drift, judge};
use super::file::{Stored, Target, assert};
use super::settings::{self, Caller, is_ci, process};
use super::text::{Facts, text};
use super::workspace::{find, tidy};
use crate::error::{Error, Result};
use crate::fs::{describe_link, link_below};
use crate::text::check_name;

/// Holds summaries against the snapshots of one project, and records what moved.
#[derive(Clone, Debug)]
pub struct Recorder {
    /// The folder of the project, which snapshot headers are relative to.
    pub(super) workspace: PathBuf,
    /// The folder below which nothing is written through a link.
    pub(super) snapshots: PathBuf,
    /// The goldens root as snapshot headers name it.
    #[cfg_attr(not(feature = "harness"), allow(dead_code, reason = "an assertion names its own source"))]
    pub(super) source: PathBuf,
    /// `INSTA_PENDING_DIR`: where pending files go instead of beside their snapshots.
    pub(super) elsewhere: Option<PathBuf>,
    /// `INSTA_SNAPSHOT_REFERENCES_FILE`: where `cargo insta test --unreferenced` collects what exists.
    pub(super) references: Option<PathBuf>,
    pub(super) ci: bool,
    pub(super) caller: Caller,
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
        let folder = |name| process(name).filter(|folder| !folder.is_empty()).map(PathBuf::from);
        let workspace = find(&goldens, folder("INSTA_WORKSPACE_ROOT").as_deref())?;
        let elsewhere = folder("INSTA_PENDING_DIR");
        if elsewhere.is_some() && !snapshots.starts_with(&workspace) {
            return Err(Error::Usage(format!(
                "INSTA_PENDING_DIR is set, and the snapshots in {} are outside the workspace {}, where insta has no place \
                 for what is pending: unset INSTA_PENDING_DIR",
                snapshots.display(),
                workspace.display()
            )));
        }
        let source = match goldens.strip_prefix(&workspace) {
            Ok(below) => below.to_path_buf(),
            // A path that leads out of the workspace would differ from machine to machine.
            Err(_) => goldens.file_name().map(PathBuf::from).unwrap_or_default(),
        };
        let references = process("INSTA_SNAPSHOT_REFERENCES_FILE").map(PathBuf::from);
        Ok(Recorder { workspace, snapshots, source, elsewhere, references, ci: is_ci(&process), caller })
    }

    /// Refuses every setting of insta that makes drift pass or rewrites snapshots, unless `cargo insta` set it; and those
    /// that insta would panic at. To be called before any case runs, by what gates.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] that names the setting, where it is, and how to be rid of it.
    pub fn check_settings(&self) -> Result<()> {
        settings::check(&self.workspace, self.caller, &process)
    }

    /// Holds the facts against that snapshot file; a pending one names `source`, relative to the workspace. `is_clean` where it is known that no earlier run left one.
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
        let is_same = stored.text == new.trim_end();
        if !is_same {
            let judgement = judge(&stored.text, facts).map_err(|fault| stored.broken(file, fault))?;
            if !judgement.drift.is_empty() {
                self.assert(file, &source(), &judgement.pending)?;
                return Ok(Recorded::Drift(judgement.drift));
            }
            if !judgement.improved.is_empty() {
                // Better never fails: not `cargo insta test` in CI by a pending file, nor this run by a folder that is read-only.
                if !self.ci {
                    self.assert(file, &source(), &judgement.pending).ok();
                }
                return Ok(Recorded::Improved(judgement.improved));
            }
        }
        if !is_clean {
            self.forget(file);
        }
        Ok(Recorded::Pass)
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
        // A file that is beyond a linked folder belongs to something else.
        if !self.leaves_the_tree() && self.check_folder(snapshot).is_ok() {
            fs::remove_file(self.pending(snapshot)).ok();
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
            Some(link) => Err(Error::Snapshot { what: describe_link(&link), path: link }),
            None => Ok(()),
        }
    }

    /// Refuses to have insta write through a link: what is pending makes way, and a link to an accepted snapshot is refused
    /// only where insta is asked to replace those.
    fn check_links(&self, snapshot: &Path) -> Result<()> {
        self.check_folder(snapshot)?;
        let pending = self.pending(snapshot);
        if self.elsewhere.is_none() && pending.is_symlink() {
            fs::remove_file(&pending).map_err(|error| Error::write(&pending, error))?;
        }
        match snapshot.is_symlink() && settings::is_driven(self.caller, &process) {
            true => Err(Error::Snapshot { what: describe_link(snapshot), path: snapshot.to_path_buf() }),
            false => Ok(()),
        }
    }

    /// Has insta record a text that differs from the stored one, as its settings say.
    fn assert(&self, snapshot: &Path, source: &Path, text: &str) -> Result<()> {
        if self.leaves_the_tree() {
            return Ok(());
        }
        self.check_links(snapshot)?;
        assert(&Target { workspace: &self.workspace, source, snapshot }, text)
    }
}

/// Where an assertion stands, as the compiler says it.
#[derive(Clone, Copy, Debug)]
pub struct TestSite<'a> {
    /// The folder of the package: `env!("CARGO_MANIFEST_DIR")`.
    pub manifest: &'a Path,
    /// The source, relative to the workspace: `file!()`.
    pub file: &'a str,
    /// The module: `module_path!()`.
    pub module: &'a str,
}

/// Holds the facts against the snapshot `snapshots/<module>__<name>.snap` beside the source of a test, where insta keeps its
/// own.
///
/// # Errors
///
/// [`Error::Snapshot`] where the stored snapshot is not one of karat's or nothing can be recorded there; [`Error::Usage`] where
/// a setting of insta would disarm the gate; [`Error::Invalid`] where the name cannot name a snapshot; [`Error::Read`] and
/// [`Error::Write`] from the file system.
pub fn record_in_test(site: &TestSite<'_>, name: &str, facts: &Facts<'_>) -> Result<Recorded> {
    let TestSite { manifest, file, module } = *site;
    let package = tidy(manifest)?;
    let recorder = Recorder::new(&package, &package, Caller::Test)?;
    recorder.check_settings()?;
    // Cargo compiles members of a workspace from its root, so that `file!()` is relative to that; and a package that the
    // workspace above it excludes from its own folder.
    let sources = [&package, &recorder.workspace].map(|folder| folder.join(file));
    let [own, shared] = &sources;
    let source = if own.is_file() { own } else { shared };
    let folder = source.parent().unwrap_or(&package).join("snapshots");
    let name = file_name(&format!("{}__{name}", module.replace("::", "__")))?;
    let relative = || source.strip_prefix(&recorder.workspace).map_or_else(|_| PathBuf::from(file), Path::to_path_buf);
    recorder.hold(&folder.join(name), relative, facts, false)
}

/// The name of a snapshot file.
pub(super) fn file_name(output: &str) -> Result<String> {
    check_name(output).map_err(Error::Invalid)?;
    Ok(format!("{output}.snap"))
}
