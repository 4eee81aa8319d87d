//! What every verb is given besides its own arguments: where it is at home, and where it prints.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::output::Screen;
use crate::case::{Goldens, absolute};
use crate::error::{Error, Result};
use crate::report::{Commands, Review};
use crate::snapshot::Recorder;

/// Where the command line is at home: what it takes when nothing is typed, and how it is called.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    /// What the reader types before a verb: `karat`, or `cargo test --test goldens --`.
    pub command: String,
    /// The goldens root when none is typed.
    pub root: PathBuf,
    /// The snapshots folder when none is typed and the root has no component named `goldens`.
    pub snapshots: Option<PathBuf>,
    /// The ids of the cases that may be skipped in CI, besides those that are typed.
    pub allowed_skips: Vec<String>,
    /// Whether a case fails whose comparison is [vacuous](crate::compare::vacuous()), typed or not.
    pub deny_vacuous: bool,
    /// The folder that the reader is in: paths below it are shown relative to it.
    pub base: PathBuf,
    /// Whose checkpoints the executors hold.
    pub host: Host,
}

/// Whose checkpoints a command line runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    /// Those of a test target with a [`Harness`](crate::Harness), or of a program that calls [`main`](super::main::main).
    Harness,
    /// karat's own: the binary. It does not run them in place of those of a harness.
    #[cfg_attr(not(feature = "cli"), expect(dead_code, reason = "only the binary is one"))]
    Binary,
}

impl Host {
    /// What the current folder is, where the reader may not know it.
    fn folder(self) -> &'static str {
        match self {
            Host::Harness => ", the folder of the package, in which cargo runs its tests",
            Host::Binary => "",
        }
    }
}

impl Home {
    /// The home of a command with that goldens root.
    pub(crate) fn new(command: &str, root: impl Into<PathBuf>, host: Host) -> Home {
        Home {
            command: command.to_owned(),
            root: root.into(),
            snapshots: None,
            allowed_skips: Vec::new(),
            deny_vacuous: false,
            base: std::env::current_dir().unwrap_or_default(),
            host,
        }
    }

    /// The goldens at home, with that snapshots folder if one is given.
    pub(crate) fn goldens(&self, snapshots: Option<&Path>) -> Result<Goldens> {
        let snapshots = snapshots.or(self.snapshots.as_deref());
        let has_own = self.root.components().any(|part| part.as_os_str() == "goldens");
        if self.host == Host::Harness && snapshots.is_none() && !has_own {
            let root = self.root.display();
            return Err(Error::Usage(format!(
                "{root} is not in a folder named `goldens`; say where its snapshots are with Harness::snapshots(..)"
            )));
        }
        Goldens::locate(&self.root, snapshots)
    }

    /// What to say of an error: where there is no case yet, also the command that adds one, or that goes to where there are some.
    pub(crate) fn complaint(&self, error: &Error) -> String {
        let Error::NoCases { place, exists } = error else { return error.to_string() };
        let is_own = absolute(&self.root).is_ok_and(|root| root == *place);
        if let (true, false, Some(above)) = (is_own, exists, self.above()) {
            let root = above.join(&self.root);
            return format!("{error}\na folder above has one, {}; to use it:  cd {}", root.display(), above.display());
        }
        let shown = place.strip_prefix(&self.base).unwrap_or(place);
        let root = (!is_own).then(|| shown.display().to_string());
        let commands = Commands { root, ..self.commands() };
        format!("{error}\nto add the first:  {}", commands.add())
    }

    /// The nearest folder above in which the goldens would be found, from here. Cargo runs a harness where it always does.
    fn above(&self) -> Option<PathBuf> {
        let is_root = |(_, folder): &(usize, &Path)| folder.join(&self.root).is_dir();
        let (levels, _) = self.base.ancestors().enumerate().skip(1).find(is_root)?;
        (self.host != Host::Harness).then(|| vec![".."; levels].iter().collect())
    }

    /// How to name karat's commands here.
    pub(crate) fn commands(&self) -> Commands {
        Commands::new(&self.command, self.base.clone())
    }
}

/// The headings of help for what selects cases, how they run, what they are held to, and what is shown.
pub(super) const SELECTION: &str = "Which cases";
pub(super) const EXECUTION: &str = "How they run";
pub(super) const GATE: &str = "What fails";
pub(super) const OUTPUT: &str = "What is shown and written";

/// Which goldens a verb is about.
#[derive(Debug, Args)]
pub(super) struct Place {
    /// The snapshots folder [default: `snapshots`, where the last component of the root named `goldens` stands]
    #[arg(long, value_name = "DIR", help_heading = SELECTION)]
    pub(super) snapshots: Option<PathBuf>,
}

/// Everything that a verb is given besides its own arguments.
pub(super) struct Context<'a> {
    pub(super) home: &'a Home,
    pub(super) screen: Screen,
    /// What was typed behind the command: the verb first.
    pub(super) typed: &'a [OsString],
}

impl Context<'_> {
    /// Where a file was looked for that is not there, behind `; `; nothing where that was typed.
    pub(super) fn looked(&self, file: &Path) -> String {
        let folder = std::env::current_dir().unwrap_or_default();
        match file.is_relative() {
            true => format!("; looked in {}{}", folder.display(), self.home.host.folder()),
            false => String::new(),
        }
    }

    /// How to name karat's commands, where the reader has typed that root and place.
    pub(super) fn commands(
        &self,
        typed: Option<&PathBuf>,
        place: Option<&Place>,
        recorder: Option<&Recorder>,
    ) -> Commands {
        Commands {
            review: match recorder.is_some_and(Recorder::has_cargo_insta) {
                true => Review::Insta,
                false => Review::Accept,
            },
            root: typed.map(|root| root.display().to_string()),
            snapshots: place.and_then(|place| place.snapshots.as_ref()).map(|folder| folder.display().to_string()),
            ..self.home.commands()
        }
    }
}

/// Whether the gate is closed: what a verb ends with where karat could do its job.
#[derive(Clone, Copy, Debug)]
pub(super) enum Gate {
    Passed,
    Failed,
    /// Somebody asked to stop, and the process ends as that signal would end it.
    Interrupted(ExitCode),
}
