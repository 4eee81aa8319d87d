//! What every verb gets in addition to its own arguments: how karat was started, and where to print.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::output::Screen;
use crate::case::{Goldens, absolute};
use crate::error::{Error, Result};
use crate::report::{Commands, Review};
use crate::snapshot::Recorder;

/// The program that parses the command line: its name and its defaults.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// What the user types before a verb: `karat`, or `cargo test --test goldens --`.
    pub command: String,
    /// The default goldens root.
    pub root: PathBuf,
    /// The default snapshots folder, for a root that has no component named `goldens`.
    pub snapshots: Option<PathBuf>,
    /// The ids of cases that may be skipped in CI, in addition to those on the command line.
    pub allowed_skips: Vec<String>,
    /// Whether a [vacuous](crate::compare::vacuous()) comparison always fails its case.
    pub deny_vacuous: bool,
    /// The user's current folder: paths below it are shown relative to it.
    pub base: PathBuf,
    /// Who registered the checkpoints.
    pub host: Host,
}

/// Who registered the checkpoints that a command line runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    /// A test target with a [`Harness`](crate::Harness), or a program that calls [`main`](super::main::main).
    Harness,
    /// The `karat` binary, whose built-in checkpoints must not run in place of those of a harness.
    Binary,
}

impl Program {
    /// Creates a program with that name and default goldens root, which runs in the current folder.
    pub(crate) fn new(command: &str, root: impl Into<PathBuf>, host: Host) -> Program {
        Program {
            command: command.to_owned(),
            root: root.into(),
            snapshots: None,
            allowed_skips: Vec::new(),
            deny_vacuous: false,
            base: std::env::current_dir().unwrap_or_default(),
            host,
        }
    }

    /// Returns the default goldens, with `snapshots` as their snapshots folder if one is given.
    pub(crate) fn goldens(&self, snapshots: Option<&Path>) -> Result<Goldens> {
        let snapshots = snapshots.or(self.snapshots.as_deref());
        let has_default = self.root.components().any(|part| part.as_os_str() == "goldens");
        if self.host == Host::Harness && snapshots.is_none() && !has_default {
            return Err(Error::Usage(format!(
                "{} is not in a folder named `goldens`; name its snapshots folder with Harness::snapshots(..)",
                self.root.display()
            )));
        }
        Goldens::locate(&self.root, snapshots)
    }

    /// Describes an error. Where there is no case yet, adds the command that adds one, or that changes to the folder that has some.
    pub(crate) fn describe(&self, error: &Error) -> String {
        let Error::NoCases { place, exists } = error else { return error.to_string() };
        let is_default = absolute(&self.root).is_ok_and(|root| root == *place);
        if let (true, false, Some(above)) = (is_default, exists, self.folder_above()) {
            let root = above.join(&self.root);
            return format!("{error}\na parent folder has one, {}; to use it:  cd {}", root.display(), above.display());
        }
        let relative = place.strip_prefix(&self.base).unwrap_or(place);
        let root = (!is_default).then(|| relative.display().to_string());
        let commands = Commands { root, ..self.commands() };
        format!("{error}\nto add the first:  {}", commands.add())
    }

    /// Returns the nearest parent folder that has the default goldens. Cargo always runs a harness in the folder of its package.
    fn folder_above(&self) -> Option<PathBuf> {
        let has_root = |(_, folder): &(usize, &Path)| folder.join(&self.root).is_dir();
        let (levels, _) = self.base.ancestors().enumerate().skip(1).find(has_root)?;
        (self.host == Host::Binary).then(|| vec![".."; levels].iter().collect())
    }

    /// Returns how to write karat's commands for this program.
    pub(crate) fn commands(&self) -> Commands {
        Commands::new(&self.command, self.base.clone())
    }
}

/// The headings of the help for options that select cases, run them, decide what fails, and control output.
pub(super) const SELECTION: &str = "Case selection";
pub(super) const EXECUTION: &str = "Execution";
pub(super) const GATE: &str = "Pass and fail";
pub(super) const OUTPUT: &str = "Output and reports";

/// The option that names the snapshots folder.
#[derive(Debug, Args)]
pub(super) struct SnapshotsArg {
    /// The snapshots folder [default: the root's path with its last `goldens` replaced by `snapshots`]
    #[arg(long, value_name = "DIR", help_heading = SELECTION)]
    pub(super) snapshots: Option<PathBuf>,
}

/// What every verb gets in addition to its own arguments.
pub(super) struct Context<'a> {
    pub(super) program: &'a Program,
    pub(super) screen: Screen,
    /// The arguments after the program's name: the verb first.
    pub(super) args: &'a [OsString],
}

impl Context<'_> {
    /// Returns `; looked in FOLDER` for a relative path that does not exist; nothing for an absolute one.
    pub(super) fn search_folder(&self, file: &Path) -> String {
        if !file.is_relative() {
            return String::new();
        }
        let folder = std::env::current_dir().unwrap_or_default();
        let explanation = match self.program.host {
            Host::Harness => ", the folder of the package, in which cargo runs its tests",
            Host::Binary => "",
        };
        format!("; looked in {}{explanation}", folder.display())
    }

    /// Shortens a path below the user's current folder.
    pub(super) fn relative<'p>(&self, path: &'p Path) -> std::path::Display<'p> {
        path.strip_prefix(&self.program.base).unwrap_or(path).display()
    }

    /// Returns how to write karat's commands, with the root and the snapshots folder that the user gave.
    pub(super) fn commands(
        &self,
        root: Option<&PathBuf>,
        snapshots: Option<&SnapshotsArg>,
        recorder: Option<&Recorder>,
    ) -> Commands {
        Commands {
            review: match recorder.is_some_and(Recorder::has_cargo_insta) {
                true => Review::Insta,
                false => Review::Accept,
            },
            root: root.map(|root| root.display().to_string()),
            snapshots: snapshots.and_then(|of| of.snapshots.as_ref()).map(|folder| folder.display().to_string()),
            ..self.program.commands()
        }
    }
}

/// How a verb ends when karat could do its job.
#[derive(Clone, Copy, Debug)]
pub(super) enum Exit {
    Passed,
    Failed,
    /// A signal stopped the run; the process exits with the status of that signal.
    Interrupted(ExitCode),
}

impl Exit {
    /// Returns `Passed` or `Failed`.
    pub(super) fn from_passed(passed: bool) -> Exit {
        if passed { Exit::Passed } else { Exit::Failed }
    }
}

/// Joins the flags that are present with spaces.
pub(super) fn join_flags<const N: usize>(flags: [Option<String>; N]) -> Option<String> {
    flags.into_iter().flatten().reduce(|one, other| format!("{one} {other}"))
}
