//! What to say of a setup, and what to type: for the terminal and for programs alike.

use super::commands::{Commands, path_argument, quote, remove};
use super::message::listed;
use crate::doctor::{Complaint, ComplaintKind};
use crate::tensor::Pointer;
use crate::text::number::plural;

/// What is wrong, in words, and what to type.
pub(super) fn advice(commands: &Commands, complaint: &Complaint) -> (String, String) {
    let Complaint { kind, text, files, case } = complaint;
    let text = text.as_deref().unwrap_or_default();
    let shown = commands.relative(text);
    let paths: Vec<String> = files.iter().map(|file| commands.path(file)).collect();
    let words = |paths: &[String]| paths.iter().map(|path| path_argument(path)).collect::<Vec<_>>().join(" ");
    let of = |what: &str, rest: &str| format!("{}: {}{rest}", plural(files.len() as u64, what), some(&paths));
    let pending = |rest: &str| of("pending snapshot", rest);
    let delete = || paths.iter().map(|path| remove(path)).collect::<Vec<_>>().join("; ");
    let restore = || format!("git checkout -- {}", words(&paths));
    let record = || format!("{}; {}", commands.run(None), commands.review(None));
    match kind {
        ComplaintKind::Empty => ("there is no case: a case is a folder that holds a case.json".into(), commands.add()),
        ComplaintKind::Broken => (shown, commands.list(case.as_ref().map(|id| id.as_str()))),
        ComplaintKind::Pointers => {
            let pointer = Pointer::named_in(text).unwrap_or(Pointer::Lfs);
            (of(&shown, ", in place of tensors"), pointer.remedy().to_owned())
        }
        ComplaintKind::Missing | ComplaintKind::Damaged => (shown, restore()),
        ComplaintKind::Disarmed => (shown, remedy(text)),
        ComplaintKind::Orphaned => {
            (of("snapshot", ", without a case or output (restore it where it went by accident)"), delete())
        }
        ComplaintKind::Pending => (pending(", which nobody has reviewed"), commands.review(None)),
        // The verb `accept` knows the snapshots of cases alone.
        ComplaintKind::PendingAssertion => {
            (pending(", of assert_summary!, which nobody has reviewed"), "cargo insta review".into())
        }
        ComplaintKind::Stray => (pending(", of no case or output"), delete()),
        ComplaintKind::Unrecorded => (of("snapshot", ", not recorded yet"), record()),
        ComplaintKind::Drift => {
            (of("snapshot", &format!(", not what the case declares now (the first: {shown})")), record())
        }
        ComplaintKind::Skipped => {
            let count = plural(text.lines().count() as u64, "skipped case");
            let ids = listed(shown.lines());
            let allowed = text.lines().map(|id| format!(" {}", quote(&format!("--allow-skip={id}"))));
            let command = format!("{} --ci{}", commands.run(None), allowed.collect::<String>());
            (format!("{count}, which fails in CI unless it is allowed by name: {ids}"), command)
        }
        ComplaintKind::Vacuous => {
            let outputs = listed(shown.split(", "));
            let said = format!("accuracy cannot fail, or not on zeros or NaN: {outputs}");
            (said, format!("{} --deny vacuous", commands.run(None)))
        }
        ComplaintKind::Leftover => (of("half-written file", ", left by a karat that was killed"), delete()),
        ComplaintKind::Unversioned => {
            let why = if text.is_empty() { String::new() } else { format!(" ({shown})") };
            let command = match text {
                why if why.contains("safe.directory") => "git config --global --add safe.directory \"$PWD\"",
                why if why.contains("not a git repository") => "git init",
                _ => "git status",
            };
            let said = format!("git knows nothing of goldens and snapshots{why}: another machine may have neither");
            (said, command.into())
        }
        ComplaintKind::Ignored => {
            let command = format!("git check-ignore -v {}", words(&paths[..1]));
            (of("file", ", ignored by git: another clone will not have them"), command)
        }
        ComplaintKind::Untracked => {
            let command = format!("git add {}", words(&folders(&paths)));
            (of("file", ", not committed: another clone will not have them"), command)
        }
        ComplaintKind::NoCargoInsta => {
            let said = "cargo-insta, which reviews what drifts, is not installed; accept does without it";
            (said.into(), INSTALL.into())
        }
        ComplaintKind::OldCargoInsta => (shown, INSTALL.into()),
        ComplaintKind::Ci => {
            let said = "CI or TF_BUILD is set: a run here records nothing, and skips fail";
            (said.into(), "unset CI TF_BUILD".into())
        }
    }
}

/// What installs the newest cargo-insta.
const INSTALL: &str = "cargo install --locked cargo-insta";

/// What the error of a setting ends with, as a command.
fn remedy(text: &str) -> String {
    match (text.rsplit_once("unset "), text.rsplit_once(" set ")) {
        (Some((_, name)), _) => format!("unset {name}"),
        (None, Some((_, setting))) => format!("export {setting}"),
        (None, None) => String::new(),
    }
}

/// The first few of the files.
fn some(paths: &[String]) -> String {
    let first = paths.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", ");
    if paths.len() > 3 { format!("{first} and {} more", paths.len() - 3) } else { first }
}

/// The first folder of each path below the reader's folder, and each other path as it is.
fn folders(paths: &[String]) -> Vec<String> {
    let first = |path: &String| match path.starts_with('/') {
        true => path.clone(),
        false => path.split('/').next().unwrap_or_default().to_owned(),
    };
    let mut folders: Vec<String> = paths.iter().map(first).collect();
    folders.sort();
    folders.dedup();
    folders
}
