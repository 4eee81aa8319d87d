//! Which reports of a run were asked for, and writing them: what `run` and `report` have in common.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::replaced::Place;
use super::{Context, near};
use crate::case::absolute;
use crate::error::{Error, Result};
use crate::fs::{Mode, RECORD_LIMIT, read_text, temporary_file, write_atomic};
use crate::report::terminal::Detail;
use crate::report::{Commands, json, terminal};
#[cfg(feature = "reports")]
use crate::report::{github, html, junit};
use crate::run::{Pictures, RunOutcome};

/// The arguments that ask for reports.
#[derive(Debug, Args)]
pub(super) struct Reports {
    /// Write the whole run to FILE as one JSON document; without FILE, or with `-`, print it and nothing else
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    json: Option<PathBuf>,
    /// Write JUnit's XML to FILE
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Print annotations for GitHub Actions, and append a summary to the file that $GITHUB_STEP_SUMMARY names
    #[arg(long)]
    github: bool,
    /// Write the run to FILE as one HTML page that needs nothing besides itself
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Tell on the page as much of what passed as of what did not
    #[arg(long, requires = "html")]
    html_all: bool,
}

/// Whether the terminal has its report where others were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Terminal {
    /// In any case, in that detail.
    Always(Detail),
    /// Only where no other was.
    IfAlone,
}

impl Terminal {
    /// In how much detail it has one, where that is the only report, or is not.
    fn detail(self, is_alone: bool) -> Option<Detail> {
        match self {
            Terminal::Always(detail) => Some(detail),
            Terminal::IfAlone => is_alone.then_some(Detail::Cases),
        }
    }
}

impl Reports {
    /// Whether stdout is one JSON document and nothing else.
    pub(super) fn is_document(&self) -> bool {
        self.json.as_deref() == Some(Path::new("-"))
    }

    /// Of which outputs the reports show pictures.
    pub(super) fn pictures(&self) -> Pictures {
        match self {
            Reports { html_all: true, .. } => Pictures::All,
            Reports { json: None, html: None, .. } => Pictures::None,
            _ => Pictures::NotPassed,
        }
    }

    /// Refuses, before anything runs, what could not be written afterwards, and what would replace something else than a
    /// report: anything below `folders` and the records `read`, which are what this run reads, or a file of another kind.
    pub(super) fn check(&self, folders: &[&Path], read: &[PathBuf]) -> Result<()> {
        self.check_features()?;
        if self.is_document() && self.github {
            return Err(Error::Usage(
                "--github prints annotations where --json prints its document: name a file, as in --json run.json"
                    .to_owned(),
            ));
        }
        let files = self.files();
        let places: Vec<Place> = files.iter().map(|(_, file)| Place::of(file)).collect();
        for (at, ((option, file), place)) in files.iter().zip(&places).enumerate() {
            let refuse = |why: String| Err(Error::Usage(format!("{option} {}: {why}", file.display())));
            if let Some(other) = places[..at].iter().position(|other| other.is(place)) {
                return Err(Error::Usage(format!("{} and {option} both name {}", files[other].0, file.display())));
            }
            if read.iter().any(|read| Place::of(read).is(place)) {
                return refuse("is the record that is read; name another file".to_owned());
            }
            if let Some(folder) = folders.iter().find(|folder| place.is_below(folder)) {
                let here = std::env::current_dir().unwrap_or_default();
                let folder = folder.strip_prefix(here).unwrap_or(folder).display();
                return refuse(format!(
                    "is a file of {folder}, which is read and never overwritten; name one elsewhere"
                ));
            }
            if place.is_other(option) {
                return refuse("is there, and is no report of karat; delete it, or name another file".to_owned());
            }
        }
        files.iter().filter(|(option, _)| *option != SUMMARY).try_for_each(|(option, file)| check(option, file))
    }

    /// Refuses the reports that this build of karat does not have.
    fn check_features(&self) -> Result<()> {
        let typed = [("--junit", self.junit.is_some()), ("--github", self.github), ("--html", self.html.is_some())];
        match typed.into_iter().find(|(_, is_typed)| *is_typed && cfg!(not(feature = "reports"))) {
            Some((option, _)) => Err(Error::Usage(format!(
                "{option}: karat is built without this report here; in Cargo.toml give karat features = [\"harness\", \"reports\"]"
            ))),
            None => Ok(()),
        }
    }

    /// The files that are written, behind their options.
    fn files(&self) -> Vec<(&'static str, PathBuf)> {
        let Reports { json, junit, github, html, html_all: _ } = self;
        let json = json.clone().filter(|_| !self.is_document()).map(|file| ("--json", file));
        let junit = junit.clone().map(|file| ("--junit", file));
        let html = html.clone().map(|file| ("--html", file));
        let summary = github.then(step_summary).flatten().map(|file| (SUMMARY, file));
        [json, junit, html, summary].into_iter().flatten().collect()
    }

    /// Prints and writes what was asked for. What cannot be written is told at the end, and costs no other report.
    pub(super) fn write(
        &self,
        context: &Context<'_>,
        commands: &Commands,
        run: &RunOutcome,
        told: Terminal,
    ) -> Result<()> {
        let Reports { json, junit, github, html, html_all: _ } = self;
        let is_alone = json.is_none() && junit.is_none() && html.is_none() && !github;
        let mut failed = Vec::new();
        if self.is_document() {
            failed.extend(context.screen.print(|out, _| json::run(out, commands, run)).err());
        } else if let Some(detail) = told.detail(is_alone) {
            failed.extend(
                context
                    .screen
                    .print(|out, palette| out.write_all(terminal::run(detail, palette, commands, run).as_bytes()))
                    .err(),
            );
        }
        if let Some(file) = json.as_deref().filter(|_| !self.is_document()) {
            failed.extend(create(file, |out| json::run(out, commands, run)).err());
        }
        #[cfg(feature = "reports")]
        failed.extend(self.write_for_ci(context, commands, run));
        if told == Terminal::IfAlone && !self.is_document() && failed.is_empty() {
            failed.extend(self.name_files(context).err());
        }
        let failed: Vec<String> = failed.iter().map(ToString::to_string).collect();
        if failed.is_empty() { Ok(()) } else { Err(Error::Usage(failed.join("\n"))) }
    }

    /// Writes the reports of the feature `reports`, and returns what could not be written.
    #[cfg(feature = "reports")]
    fn write_for_ci(&self, context: &Context<'_>, commands: &Commands, run: &RunOutcome) -> Vec<Error> {
        let Reports { json: _, junit, github, html, html_all } = self;
        let detail = if *html_all { html::Detail::All } else { html::Detail::NotPassed };
        let junit = junit.iter().map(|file| create(file, |out| out.write_all(junit::junit(commands, run).as_bytes())));
        let html =
            html.iter().map(|file| create(file, |out| out.write_all(html::run(commands, run, detail).as_bytes())));
        let github = github.then(|| to_github(context, commands, run));
        junit.chain(html).chain(github).filter_map(Result::err).collect()
    }

    /// Says which files were written: a line each.
    fn name_files(&self, context: &Context<'_>) -> Result<()> {
        let files = self.files().into_iter().filter(|(option, file)| *option != SUMMARY && !is_device(file));
        let files = files.map(|(_, file)| absolute(&file)).collect::<Result<Vec<PathBuf>>>()?;
        let base = &context.home.base;
        context.screen.print(|out, _| {
            files
                .iter()
                .try_for_each(|file| writeln!(out, "wrote {}", file.strip_prefix(base).unwrap_or(file).display()))
        })
    }
}

/// The text of a record; where there is no such file, where it was looked for and what writes one.
pub(super) fn read_record(context: &Context<'_>, file: &Path) -> Result<String> {
    match read_text(file, RECORD_LIMIT) {
        Err(Error::Read { path, source }) if source.kind() == io::ErrorKind::NotFound => {
            let near = near::file(file).map(|near| format!("; the nearest is {near}"));
            let near = near.unwrap_or_else(|| context.looked(file));
            let place = path.display();
            Err(Error::Usage(format!("cannot read {place}: no such file{near}; `run --json FILE` writes a record")))
        }
        read => read,
    }
}

/// The run that a file of `--json` holds.
pub(super) fn read(context: &Context<'_>, file: &Path) -> Result<RunOutcome> {
    let text = read_record(context, file)?;
    json::read_run(&text).map_err(|error| Error::Usage(format!("{}: {error}", file.display())))
}

/// Makes sure that a file can be written, and makes its folder.
fn check(option: &str, file: &Path) -> Result<()> {
    if file.is_dir() {
        let what = file.display();
        return Err(Error::Usage(format!("{option} {what}: is a folder; name a file, or put the folder first")));
    }
    if is_device(file) {
        return Ok(());
    }
    let file = &behind(file);
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).map_err(|error| Error::write(folder, error))?;
    }
    temporary_file(file).map(drop).map_err(|error| Error::write(file.parent().unwrap_or(file), error))
}

/// Whether there is something else than a file, which a file must not replace: a device, a pipe.
fn is_device(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|there| !there.is_file())
}

/// The file that a link leads to, or that itself.
fn behind(file: &Path) -> PathBuf {
    fs::canonicalize(file).unwrap_or_else(|_| file.to_path_buf())
}

/// A report appears whole or not at all: it is written beside its place and renamed.
fn create(file: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    if is_device(file) {
        let open = fs::OpenOptions::new().write(true).open(file);
        return open.and_then(|mut out| write(&mut out)).map_err(|error| Error::write(file, error));
    }
    let file = &behind(file);
    write_atomic(file, Mode::Replace, |out| write(out)).map_err(|error| Error::write(file, error))
}

/// What names the file of a step's summary.
const SUMMARY: &str = "GITHUB_STEP_SUMMARY";

/// The file to which GitHub has a step append its summary.
fn step_summary() -> Option<PathBuf> {
    std::env::var_os(SUMMARY).filter(|file| !file.is_empty()).map(PathBuf::from)
}

/// Annotations on stdout, and the summary at the end of the file that GitHub names.
#[cfg(feature = "reports")]
fn to_github(context: &Context<'_>, commands: &Commands, run: &RunOutcome) -> Result<()> {
    let workspace = std::env::var_os("GITHUB_WORKSPACE").map(PathBuf::from);
    // A relative path is relative to the folder that we are in.
    let commands = Commands { base: std::env::current_dir().unwrap_or_default(), ..commands.clone() };
    context
        .screen
        .print_commands(|out| out.write_all(github::annotations(&commands, run, workspace.as_deref()).as_bytes()))?;
    let Some(file) = step_summary() else {
        context.screen.complain("GITHUB_STEP_SUMMARY is not set: there is no step to write a summary of");
        return Ok(());
    };
    let append = || {
        let mut out = fs::OpenOptions::new().append(true).create(true).open(&file)?;
        let taken = usize::try_from(out.metadata()?.len()).unwrap_or(usize::MAX);
        let summary = github::summary(&commands, run, github::SUMMARY_LIMIT.saturating_sub(taken));
        out.write_all(summary.as_bytes())
    };
    append().map_err(|error| Error::write(&file, error))
}

#[cfg(all(test, not(feature = "reports")))]
mod absent_tests {
    use super::*;

    #[test]
    fn a_report_of_another_feature_is_refused_and_the_feature_named() {
        let none = Reports { json: None, junit: None, github: false, html: None, html_all: false };
        assert!(none.check(&[], &[]).is_ok());
        let refused = Reports { github: true, ..none }.check(&[], &[]).expect_err("there is no such report");
        assert_eq!(
            refused.to_string(),
            "--github: karat is built without this report here; in Cargo.toml give karat features = [\"harness\", \"reports\"]"
        );
    }
}

#[cfg(all(test, feature = "reports"))]
mod tests {
    use super::*;
    use crate::cli::output::Screen;
    use crate::cli::{Home, Host};

    #[cfg(unix)]
    #[test]
    fn a_device_and_a_link_stay_what_they_are() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, link) = (folder.path().join("run.json"), folder.path().join("link.json"));
        std::os::unix::fs::symlink(&file, &link).expect("a link");
        fs::write(&file, "old").expect("a file");
        for place in [&link, Path::new("/dev/null")] {
            check("--json", place).expect("it can be written");
            create(place, |out| out.write_all(b"new")).expect("it can be written");
            assert!(place == link.as_path() || is_device(place));
        }
        assert!(link.is_symlink());
        assert_eq!(fs::read_to_string(&file).expect("a file"), "new");
    }

    #[test]
    fn a_file_that_can_no_longer_be_written_costs_no_other_report() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name: &str| Some(folder.path().join(name));
        let reports =
            Reports { json: file("gone/run.json"), junit: file("run.xml"), github: false, html: None, html_all: false };
        reports.check(&[], &[]).expect("its folder was made");
        fs::remove_dir(folder.path().join("gone")).expect("it was there");

        let home = Home {
            command: "karat".into(),
            root: "goldens".into(),
            snapshots: None,
            allowed_skips: Vec::new(),
            deny_vacuous: false,
            base: PathBuf::new(),
            host: Host::Harness,
        };
        let context = Context { home: &home, screen: Screen::detect(), typed: &[] };
        let run = RunOutcome::empty();
        let error = reports.write(&context, &context.commands(None, None, None), &run, Terminal::IfAlone);
        assert!(error.expect_err("its folder is gone").to_string().contains("gone"));
        assert!(folder.path().join("run.xml").is_file());
    }
}
