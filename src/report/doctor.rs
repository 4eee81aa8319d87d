//! The message and the command for each problem of a setup.

use std::collections::BTreeSet;

use super::commands::{Commands, path_argument, quote, remove};
use super::message::first_few;
use super::overview::CANNOT_FAIL;
use crate::doctor::{Complaint, ComplaintKind};
use crate::tensor::Pointer;
use crate::text::number::plural;

/// Returns what is wrong, and the command to type.
pub(super) fn advice(commands: &Commands, complaint: &Complaint) -> (String, String) {
    let Complaint { kind, text, files, case } = complaint;
    let text = text.as_deref().unwrap_or_default();
    let shown = commands.relative(text);
    let paths: Vec<String> = files.iter().map(|file| commands.path(file)).collect();
    let words = |paths: &[String]| paths.iter().map(|path| path_argument(path)).collect::<Vec<_>>().join(" ");
    let count = |noun: &str| format!("{}: {}", plural(files.len() as u64, noun), first_few(&paths));
    let delete = || paths.iter().map(|path| remove(path)).collect::<Vec<_>>().join("; ");
    let record = || format!("{}; {}", commands.run(None), commands.review(None));
    match kind {
        ComplaintKind::Empty => {
            ("there are no cases: a case is a folder that contains a case.json".into(), commands.add())
        }
        ComplaintKind::Broken => (shown, commands.list(case.as_ref().map(|id| id.as_str()))),
        ComplaintKind::Pointers => {
            let pointer = Pointer::named_in(text).unwrap_or(Pointer::Lfs);
            (count(&shown) + ", in place of tensors", pointer.remedy().to_owned())
        }
        ComplaintKind::Missing | ComplaintKind::Damaged => (shown, format!("git checkout -- {}", words(&paths))),
        ComplaintKind::Disarmed => (shown, setting_command(text)),
        ComplaintKind::Orphaned => {
            (count("snapshot") + ", without a case or output (restore it if it was removed by mistake)", delete())
        }
        ComplaintKind::Pending => (count("pending snapshot") + ", not reviewed yet", commands.review(None)),
        // `accept` handles only the snapshots of cases.
        ComplaintKind::PendingAssertion => {
            (count("pending snapshot") + ", of assert_summary!, not reviewed yet", "cargo insta review".into())
        }
        ComplaintKind::Stray => (count("pending snapshot") + ", without a case or output", delete()),
        ComplaintKind::Unrecorded => (count("snapshot") + ", not recorded yet", record()),
        ComplaintKind::Drift => (
            count("snapshot") + &format!(", different from what the case declares now (first line: {shown})"),
            record(),
        ),
        ComplaintKind::Skipped => {
            let cases = plural(text.lines().count() as u64, "skipped case");
            let ids = first_few(shown.lines());
            let allowed = text.lines().map(|id| format!(" {}", quote(&format!("--allow-skip={id}"))));
            let command = format!("{} --ci{}", commands.run(None), allowed.collect::<String>());
            (format!("{cases}, which fails in CI unless it is allowed by name: {ids}"), command)
        }
        ComplaintKind::Vacuous => {
            let outputs = first_few(shown.split(", "));
            (format!("accuracy {CANNOT_FAIL}: {outputs}"), format!("{} --deny vacuous", commands.run(None)))
        }
        ComplaintKind::Leftover => (count("incomplete file") + ", left by a karat process that was killed", delete()),
        ComplaintKind::Unversioned => {
            let why = if text.is_empty() { String::new() } else { format!(" ({shown})") };
            let command = match text {
                why if why.contains("safe.directory") => "git config --global --add safe.directory \"$PWD\"",
                why if why.contains("not a git repository") => "git init",
                _ => "git status",
            };
            let message = format!("goldens/ and snapshots/ are not in git{why}: other machines may not have them");
            (message, command.into())
        }
        ComplaintKind::Ignored => {
            let command = format!("git check-ignore -v {}", words(&paths[..1]));
            (count("file") + ", ignored by git: other clones will not have them", command)
        }
        ComplaintKind::Untracked => {
            let command = format!("git add {}", words(&top_folders(&paths)));
            (count("file") + ", not committed: other clones will not have them", command)
        }
        ComplaintKind::NoCargoInsta => {
            let message = "cargo-insta, which reviews drift, is not installed; `accept` works without it";
            (message.into(), INSTALL.into())
        }
        ComplaintKind::OldCargoInsta => (shown, INSTALL.into()),
        ComplaintKind::Ci => {
            let message = "CI or TF_BUILD is set: runs here record nothing, and skips fail";
            (message.into(), "unset CI TF_BUILD".into())
        }
    }
}

/// Installs the newest cargo-insta.
const INSTALL: &str = "cargo install --locked cargo-insta";

/// Returns the command that the error about a setting ends with.
fn setting_command(text: &str) -> String {
    // `unset NAME` or `set NAME=VALUE`, with words after it.
    let command = |verb: &str| text.rsplit_once(verb)?.1.split_whitespace().next();
    let unset = command(" unset ").map(|name| format!("unset {name}"));
    unset.or_else(|| Some(format!("export {}", command(" set ")?))).unwrap_or_default()
}

/// Returns the first folder of each relative path, and each absolute path unchanged.
fn top_folders(paths: &[String]) -> Vec<String> {
    let first = |path: &String| match path.starts_with('/') {
        true => path.clone(),
        false => path.split('/').next().unwrap_or_default().to_owned(),
    };
    paths.iter().map(first).collect::<BTreeSet<_>>().into_iter().collect()
}
