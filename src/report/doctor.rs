//! What to say of a setup, and what to type: for the terminal and for programs alike.

use std::path::PathBuf;

use super::message;
use super::voice::{Voice, quote, remove};
use crate::doctor::{Ailment, Complaint};
use crate::tensor::Pointer;
use crate::text::number::counted;

/// How many files a message lists.
const LISTED: usize = 3;

/// What is wrong, in words.
pub(super) fn said(voice: &Voice, complaint: &Complaint) -> String {
    let Complaint { ailment, text, files, case: _ } = complaint;
    let text = || voice.relative(text.as_deref().unwrap_or_default());
    let of = |one: &str| format!("{}: {}", counted(files.len() as u64, one), listed(voice, files));
    match ailment {
        Ailment::Broken | Ailment::Missing | Ailment::Damaged | Ailment::Disarmed | Ailment::OldCargoInsta => text(),
        Ailment::Empty => "there is no case: a case is a folder that holds a case.json".to_owned(),
        Ailment::Pointers => of(&text()) + ", in place of tensors",
        Ailment::Orphaned => of("snapshot") + ", without a case or output (restore it where it went by accident)",
        Ailment::Pending => of("pending snapshot") + ", which nobody has reviewed",
        Ailment::PendingAssertion => of("pending snapshot") + ", of assert_summary!, which nobody has reviewed",
        Ailment::Stray => of("pending snapshot") + ", of no case or output",
        Ailment::Skipped => {
            let ids: Vec<String> = text().lines().map(str::to_owned).collect();
            format!(
                "{}, which fails in CI unless it is allowed by name: {}",
                counted(ids.len() as u64, "skipped case"),
                message::listed(&ids)
            )
        }
        Ailment::Drift => of("snapshot") + &format!(", not what the case declares now (the first: {})", text()),
        Ailment::Unrecorded => of("snapshot") + ", not recorded yet",
        Ailment::Vacuous => {
            format!(
                "accuracy cannot fail, or not on zeros or NaN: {}",
                message::listed(&text().split(", ").collect::<Vec<_>>())
            )
        }
        Ailment::Leftover => of("half-written file") + ", left by a karat that was killed",
        Ailment::Unversioned => {
            let why = text();
            let why = if why.is_empty() { why } else { format!(" ({why})") };
            format!("git knows nothing of goldens and snapshots{why}: another machine may have neither")
        }
        Ailment::Ignored => of("file") + ", ignored by git: another clone will not have them",
        Ailment::Untracked => of("file") + ", not committed: another clone will not have them",
        Ailment::NoCargoInsta => {
            "cargo-insta, which reviews what drifts, is not installed; accept does without it".to_owned()
        }
        Ailment::Ci => "CI or TF_BUILD is set: a run here records nothing, and skips fail".to_owned(),
    }
}

/// What to type.
pub(super) fn command(voice: &Voice, complaint: &Complaint) -> String {
    let Complaint { ailment, text, files, case } = complaint;
    let id = case.as_ref().map(|id| id.as_str());
    let paths = || files.iter().map(|file| voice.path(file)).collect::<Vec<_>>();
    match ailment {
        Ailment::Empty => voice.add(),
        Ailment::Pointers => {
            let pointer = text.as_deref().and_then(Pointer::named_in).unwrap_or(Pointer::Lfs);
            pointer.remedy().to_owned()
        }
        Ailment::Missing | Ailment::Damaged => format!("git checkout -- {}", words(&paths())),
        Ailment::Disarmed => remedy(text.as_deref().unwrap_or_default()),
        Ailment::Orphaned | Ailment::Stray | Ailment::Leftover => {
            paths().iter().map(|path| remove(path)).collect::<Vec<_>>().join("; ")
        }
        Ailment::Pending => voice.review(None),
        // The verb `accept` knows the snapshots of cases alone.
        Ailment::PendingAssertion => "cargo insta review".to_owned(),
        Ailment::Unrecorded | Ailment::Drift => format!("{}; {}", voice.run(None), voice.review(None)),
        Ailment::Skipped => {
            let ids = text.as_deref().unwrap_or_default().lines();
            format!(
                "{} --ci{}",
                voice.run(None),
                ids.map(|id| format!(" {}", quote(&format!("--allow-skip={id}")))).collect::<String>()
            )
        }
        Ailment::Vacuous => format!("{} --deny vacuous", voice.run(None)),
        Ailment::Unversioned => match text.as_deref().unwrap_or_default() {
            why if why.contains("safe.directory") => "git config --global --add safe.directory \"$PWD\"".to_owned(),
            why if why.contains("not a git repository") => "git init".to_owned(),
            _ => "git status".to_owned(),
        },
        Ailment::Ignored => format!("git check-ignore -v {}", words(&paths()[..1])),
        Ailment::Untracked => format!("git add {}", words(&folders(voice, files))),
        Ailment::NoCargoInsta | Ailment::OldCargoInsta => "cargo install --locked cargo-insta".to_owned(),
        Ailment::Ci => "unset CI TF_BUILD".to_owned(),
        Ailment::Broken => voice.list(id),
    }
}

/// What the error of a setting ends with, as a command.
fn remedy(text: &str) -> String {
    match (text.rsplit_once("unset "), text.rsplit_once(" set ")) {
        (Some((_, name)), _) => format!("unset {name}"),
        (None, Some((_, setting))) => format!("export {setting}"),
        (None, None) => String::new(),
    }
}

/// The first few of the files.
fn listed(voice: &Voice, files: &[PathBuf]) -> String {
    let first: Vec<String> = files.iter().take(LISTED).map(|file| voice.path(file)).collect();
    let first = first.join(", ");
    match files.len().saturating_sub(LISTED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// The first folder of each path, from where the reader is.
fn folders(voice: &Voice, files: &[PathBuf]) -> Vec<String> {
    let first =
        |path: String| path.trim_start_matches('/').split('/').next().map(|first| (first.to_owned(), path.clone()));
    let mut folders: Vec<String> = files
        .iter()
        .filter_map(|file| first(voice.path(file)))
        .map(|(first, path)| if path.starts_with('/') { path } else { first })
        .collect();
    folders.sort();
    folders.dedup();
    folders
}

fn words(paths: &[String]) -> String {
    paths.iter().map(|path| super::voice::path_argument(path).into_owned()).collect::<Vec<_>>().join(" ")
}
