//! The reports that the command line asks for, and writing them: shared by `run`, `report` and `merge`.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::destination::Destination;
use super::{Context, suggest};
use crate::case::absolute;
use crate::error::{Error, Result};
use crate::fs::{Mode, RECORD_LIMIT, read_text, temporary_file, write_atomic};
use crate::report::terminal::Detail;
use crate::report::{Commands, json, terminal};
#[cfg(feature = "reports")]
use crate::report::{github, html, junit};
use crate::run::{Pictures, RunOutcome};

/// The arguments that select reports.
#[derive(Debug, Args)]
pub(super) struct Reports {
    /// Write the run to FILE as one JSON document (a record); without FILE, or with `-`, print it and nothing else
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    json: Option<PathBuf>,
    /// Write JUnit XML to FILE
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Print annotations for GitHub Actions, and append a summary to the file in $GITHUB_STEP_SUMMARY
    #[arg(long)]
    github: bool,
    /// Write the run to FILE as one self-contained HTML page
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Include full details for passing outputs in the HTML page
    #[arg(long, requires = "html")]
    html_all: bool,
}

/// When the report for the terminal is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TerminalReport {
    /// Always, in this detail, unless stdout is a JSON document.
    Always(Detail),
    /// Only if no other report was selected.
    IfAlone,
}

impl Reports {
    /// Whether stdout is one JSON document and nothing else.
    pub(super) fn is_document(&self) -> bool {
        self.json.as_deref() == Some(Path::new("-"))
    }

    /// Returns which outputs need pictures for these reports.
    pub(super) fn pictures(&self) -> Pictures {
        match self {
            Reports { html_all: true, .. } => Pictures::All,
            Reports { json: None, html: None, .. } => Pictures::None,
            _ => Pictures::NotPassed,
        }
    }

    /// Checks before anything runs that every report can be written, and that none replaces anything below `folders`, one of the
    /// `records` that are read, or a file that is not a report.
    pub(super) fn check(&self, folders: &[&Path], records: &[PathBuf]) -> Result<()> {
        self.check_features()?;
        if self.is_document() && self.github {
            return Err(Error::Usage(
                "--github and --json both print to stdout; name a file, as in --json run.json".to_owned(),
            ));
        }
        let files = self.files();
        let destinations: Vec<Destination> = files.iter().map(|(_, file)| Destination::resolve(file)).collect();
        for (at, ((option, file), destination)) in files.iter().zip(&destinations).enumerate() {
            let refuse = |why: String| Err(Error::Usage(format!("{option} {}: {why}", file.display())));
            if let Some(other) = destinations[..at].iter().position(|other| other.is_same(destination)) {
                return Err(Error::Usage(format!("{} and {option} both name {}", files[other].0, file.display())));
            }
            if records.iter().any(|record| Destination::resolve(record).is_same(destination)) {
                return refuse("this is the record that is read; name another file".to_owned());
            }
            if let Some(folder) = folders.iter().find(|folder| destination.is_below(folder)) {
                let here = std::env::current_dir().unwrap_or_default();
                let folder = folder.strip_prefix(here).unwrap_or(folder).display();
                return refuse(format!(
                    "this file is in {folder}, where karat never overwrites files; name a file elsewhere"
                ));
            }
            if destination.is_foreign(option) {
                return refuse(
                    "the file exists and is not a report of karat; delete it, or name another file".to_owned(),
                );
            }
        }
        files.iter().filter(|(option, _)| *option != SUMMARY).try_for_each(|(option, file)| prepare(option, file))
    }

    /// Refuses reports whose feature is not enabled.
    fn check_features(&self) -> Result<()> {
        let selected = [("--junit", self.junit.is_some()), ("--github", self.github), ("--html", self.html.is_some())];
        match selected.into_iter().find(|(_, is_selected)| *is_selected && cfg!(not(feature = "reports"))) {
            Some((option, _)) => Err(Error::Usage(format!(
                "{option} needs a feature of karat; in Cargo.toml set features = [\"harness\", \"reports\"]"
            ))),
            None => Ok(()),
        }
    }

    /// Returns the files that will be written, each with its option.
    fn files(&self) -> Vec<(&'static str, PathBuf)> {
        let Reports { json, junit, github, html, html_all: _ } = self;
        let json = json.clone().filter(|_| !self.is_document()).map(|file| ("--json", file));
        let junit = junit.clone().map(|file| ("--junit", file));
        let html = html.clone().map(|file| ("--html", file));
        let summary = github.then(step_summary).flatten().map(|file| (SUMMARY, file));
        [json, junit, html, summary].into_iter().flatten().collect()
    }

    /// Prints and writes the selected reports. One that cannot be written stops no other; the error names all of them.
    pub(super) fn write(
        &self,
        context: &Context<'_>,
        commands: &Commands,
        run: &RunOutcome,
        terminal: TerminalReport,
    ) -> Result<()> {
        let Reports { json, junit, github, html, html_all: _ } = self;
        let is_alone = json.is_none() && junit.is_none() && html.is_none() && !github;
        let detail = match terminal {
            TerminalReport::Always(detail) => Some(detail),
            TerminalReport::IfAlone => is_alone.then_some(Detail::Cases),
        };
        let mut errors = Vec::new();
        if let Some(detail) = detail.filter(|_| !self.is_document()) {
            let text = terminal::run(detail, &context.screen.palette, commands, run);
            errors.extend(context.screen.print(|out| out.write_all(text.as_bytes())).err());
        }
        match json {
            Some(_) if self.is_document() => {
                errors.extend(context.screen.print(|out| json::run(out, commands, run)).err())
            }
            Some(file) => errors.extend(create(file, |out| json::run(out, commands, run)).err()),
            None => {}
        }
        #[cfg(feature = "reports")]
        errors.extend(self.write_for_ci(context, commands, run));
        if terminal == TerminalReport::IfAlone && !self.is_document() && errors.is_empty() {
            errors.extend(self.print_files(context).err());
        }
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        if errors.is_empty() { Ok(()) } else { Err(Error::Usage(errors.join("\n"))) }
    }

    /// Writes the reports of the feature `reports`, and returns the errors.
    #[cfg(feature = "reports")]
    fn write_for_ci(&self, context: &Context<'_>, commands: &Commands, run: &RunOutcome) -> Vec<Error> {
        let Reports { json: _, junit, github, html, html_all } = self;
        let detail = if *html_all { html::Detail::All } else { html::Detail::NotPassed };
        let junit = junit.iter().map(|file| create(file, |out| out.write_all(junit::junit(commands, run).as_bytes())));
        let html =
            html.iter().map(|file| create(file, |out| out.write_all(html::run(commands, run, detail).as_bytes())));
        let github = github.then(|| write_github(context, commands, run));
        junit.chain(html).chain(github).filter_map(Result::err).collect()
    }

    /// Prints which files were written, one per line.
    fn print_files(&self, context: &Context<'_>) -> Result<()> {
        let files = self.files().into_iter().filter(|(option, file)| *option != SUMMARY && !is_device(file));
        let files = files.map(|(_, file)| absolute(&file)).collect::<Result<Vec<PathBuf>>>()?;
        context.screen.print(|out| files.iter().try_for_each(|file| writeln!(out, "wrote {}", context.relative(file))))
    }
}

/// Reads the text of a record. If the file does not exist, the error names where karat looked, a similar name, and what writes a record.
pub(super) fn read_record(context: &Context<'_>, file: &Path) -> Result<String> {
    match read_text(file, RECORD_LIMIT) {
        Err(Error::Read { path: _, source }) if source.kind() == io::ErrorKind::NotFound => {
            let hint = suggest::file(file).map(|similar| format!("; the most similar name is {similar}"));
            let hint = hint.unwrap_or_else(|| context.search_folder(file));
            let file = file.display();
            Err(Error::Usage(format!("cannot read {file}: no such file{hint}; `run --json FILE` writes a record")))
        }
        read => read,
    }
}

/// Checks that a file can be written, and creates its folder.
fn prepare(option: &str, file: &Path) -> Result<()> {
    if file.is_dir() {
        let what = file.display();
        return Err(Error::Usage(format!(
            "{option} {what}: this is a folder; name a file (or put the goldens root before the option)"
        )));
    }
    if is_device(file) {
        return Ok(());
    }
    let file = &follow_link(file);
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).map_err(|error| Error::write(folder, error))?;
    }
    temporary_file(file).map(drop).map_err(|error| Error::write(file.parent().unwrap_or(file), error))
}

/// Whether the path exists and is not a regular file, for example a device or a pipe, which must not be replaced.
fn is_device(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|metadata| !metadata.is_file())
}

/// Returns the target of a link, or the path itself.
fn follow_link(file: &Path) -> PathBuf {
    fs::canonicalize(file).unwrap_or_else(|_| file.to_path_buf())
}

/// Writes a report atomically: to a temporary file in the same folder, which is then renamed.
fn create(file: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    if is_device(file) {
        let open = fs::OpenOptions::new().write(true).open(file);
        return open.and_then(|mut out| write(&mut out)).map_err(|error| Error::write(file, error));
    }
    let file = &follow_link(file);
    write_atomic(file, Mode::Replace, |out| write(out)).map_err(|error| Error::write(file, error))
}

/// The environment variable that names the file for the summary of a step.
const SUMMARY: &str = "GITHUB_STEP_SUMMARY";

/// Returns the file to which a step of GitHub Actions appends its summary.
fn step_summary() -> Option<PathBuf> {
    std::env::var_os(SUMMARY).filter(|file| !file.is_empty()).map(PathBuf::from)
}

/// Prints annotations to stdout, and appends the summary to the file that GitHub names.
#[cfg(feature = "reports")]
fn write_github(context: &Context<'_>, commands: &Commands, run: &RunOutcome) -> Result<()> {
    let workspace = std::env::var_os("GITHUB_WORKSPACE").map(PathBuf::from);
    // Relative paths are relative to the current folder.
    let commands = Commands { base: std::env::current_dir().unwrap_or_default(), ..commands.clone() };
    context.screen.print_commands(&github::annotations(&commands, run, workspace.as_deref()))?;
    let Some(file) = step_summary() else {
        context.screen.warn("GITHUB_STEP_SUMMARY is not set, so no summary was written");
        return Ok(());
    };
    let append = || {
        let mut out = fs::OpenOptions::new().append(true).create(true).open(&file)?;
        let used = usize::try_from(out.metadata()?.len()).unwrap_or(usize::MAX);
        let summary = github::summary(&commands, run, github::SUMMARY_LIMIT.saturating_sub(used));
        out.write_all(summary.as_bytes())
    };
    append().map_err(|error| Error::write(&file, error))
}

#[cfg(all(test, not(feature = "reports")))]
mod absent_tests {
    use super::*;

    #[test]
    fn a_report_without_its_feature_is_refused_and_the_feature_named() {
        let none = Reports { json: None, junit: None, github: false, html: None, html_all: false };
        assert!(none.check(&[], &[]).is_ok());
        let refused = Reports { github: true, ..none }.check(&[], &[]).expect_err("the feature is off");
        assert_eq!(
            refused.to_string(),
            "--github needs a feature of karat; in Cargo.toml set features = [\"harness\", \"reports\"]"
        );
    }
}

#[cfg(all(test, feature = "reports"))]
mod tests {
    use super::*;
    use crate::cli::output::Screen;
    use crate::cli::{Host, Program};

    #[cfg(unix)]
    #[test]
    fn a_device_and_a_link_stay_what_they_are() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, link) = (folder.path().join("run.json"), folder.path().join("link.json"));
        std::os::unix::fs::symlink(&file, &link).expect("a link");
        fs::write(&file, "old").expect("a file");
        for place in [&link, Path::new("/dev/null")] {
            prepare("--json", place).expect("it can be written");
            create(place, |out| out.write_all(b"new")).expect("it can be written");
            assert!(place == link.as_path() || is_device(place));
        }
        assert!(link.is_symlink());
        assert_eq!(fs::read_to_string(&file).expect("a file"), "new");
    }

    #[test]
    fn a_report_that_cannot_be_written_stops_no_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name: &str| Some(folder.path().join(name));
        let reports =
            Reports { json: file("gone/run.json"), junit: file("run.xml"), github: false, html: None, html_all: false };
        reports.check(&[], &[]).expect("its folder was created");
        fs::remove_dir(folder.path().join("gone")).expect("it exists");

        let program = Program {
            command: "karat".into(),
            root: "goldens".into(),
            snapshots: None,
            allowed_skips: Vec::new(),
            deny_vacuous: false,
            base: PathBuf::new(),
            host: Host::Harness,
        };
        let context = Context { program: &program, screen: Screen::detect(), args: &[] };
        let run = RunOutcome::empty();
        let error = reports.write(&context, &context.commands(None, None, None), &run, TerminalReport::IfAlone);
        assert!(error.expect_err("its folder is gone").to_string().contains("gone"));
        assert!(folder.path().join("run.xml").is_file());
    }
}
