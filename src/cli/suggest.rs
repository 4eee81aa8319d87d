//! Locating the goldens of a verb, and suggestions for names that do not exist.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::examples::VERBS;
use super::{Context, SnapshotsArg};
use crate::case::{CaseId, Goldens, absolute};
use crate::error::{Error, Result};
use crate::report::{Commands, quote};
use crate::text::name::similarity;
use crate::text::number::plural;

impl SnapshotsArg {
    /// Locates the goldens in `root`, or the default ones.
    pub(super) fn locate(&self, root: Option<&PathBuf>, context: &Context<'_>) -> Result<Goldens> {
        let snapshots = self.snapshots.as_deref();
        let Some(root) = root else { return context.program.goldens(snapshots) };
        Goldens::locate(root, snapshots).map_err(|error| explain_root(context, root, error))
    }
}

/// Locates the goldens in `root`, or the default ones, for a verb that does not use snapshots.
pub(super) fn locate_source(root: Option<&PathBuf>, context: &Context<'_>) -> Result<Goldens> {
    let place = root.unwrap_or(&context.program.root);
    let goldens = Goldens::locate(place, None).or_else(|_| Goldens::locate(place, Some(Path::new("snapshots"))));
    goldens.map_err(|error| match root {
        Some(root) => explain_root(context, root, error),
        None => error,
    })
}

/// The maximum number of suggested ids.
const MAX_SUGGESTIONS: usize = 3;

/// Returns the verb that is similar to `word` or begins with it, unless `word` is a verb.
#[must_use]
pub(crate) fn similar_verb(word: &str) -> Option<&'static str> {
    let verbs = || VERBS.iter().copied();
    let completed = || verbs().find(|verb| word.len() >= 2 && verb.starts_with(word));
    most_similar(word, verbs()).or_else(completed).filter(|verb| *verb != word)
}

/// Returns the most similar of `names`, if any is similar.
fn most_similar<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let similar = names.filter_map(|name| Some((similarity(word, name)?, name)));
    similar.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
}

/// Returns the ids that end in `name`, or else the id that is most similar.
fn similar_ids<'a>(name: &str, ids: &'a [CaseId]) -> Vec<&'a str> {
    let ending = ids_ending_in(name, ids);
    if !ending.is_empty() {
        return ending;
    }
    let name = name.trim_matches('/');
    let depth = name.matches('/').count();
    // Compares with the whole id, and with as many of its last components as `name` has.
    let end = |id: &'a str| id.rmatch_indices('/').nth(depth).map_or(id, |(at, _)| &id[at + 1..]);
    let similar = |id: &'a str| Some((similarity(name, id).or_else(|| similarity(name, end(id)))?, id));
    let best = ids.iter().map(CaseId::as_str).filter_map(similar).max_by(|a, b| a.0.total_cmp(&b.0));
    best.into_iter().map(|(_, id)| id).collect()
}

/// Returns the first ids whose last components are `name`.
fn ids_ending_in<'a>(name: &str, ids: &'a [CaseId]) -> Vec<&'a str> {
    let name = name.trim_matches('/');
    let is_end = |id: &&str| id.strip_suffix(name).is_some_and(|start| start.is_empty() || start.ends_with('/'));
    ids.iter().map(CaseId::as_str).filter(is_end).take(MAX_SUGGESTIONS).collect()
}

/// Returns the error that `name` is not a case (`expected` says what it is not), with the commands that were probably meant.
pub(super) fn case(
    context: &Context<'_>,
    (name, expected): (&str, &str),
    root: Option<&PathBuf>,
    command: impl Fn(&Commands, &str) -> String,
) -> Error {
    let discovered = locate_source(root, context).and_then(|goldens| Ok((goldens.discover()?, goldens)));
    let (tree, goldens) = match discovered {
        Ok(discovered) => discovered,
        Err(error) => return error,
    };
    if tree.cases.is_empty() && tree.problems.is_empty() {
        return Error::NoCases { place: goldens.selected(), exists: true };
    }
    let commands = context.commands(root, None, None);
    let root = root.unwrap_or(&context.program.root).display();
    let suggestions = |ids: &[&str]| did_you_mean(ids.iter().map(|id| command(&commands, id)));
    let cases_inside = cases_in_folder(name, &goldens, &tree.cases);
    if let (Some((filter, ids)), []) = (cases_inside, &ids_ending_in(name, &tree.cases)[..]) {
        let first = suggestions(&ids[..ids.len().min(MAX_SUGGESTIONS)]);
        let list = commands.list(filter.as_deref());
        let count = plural(ids.len() as u64, "case");
        return Error::Usage(format!(
            "`{name}` is {expected} below {root}, but a folder with {count}; {first}\nto list them:  {list}"
        ));
    }
    let next = match &similar_ids(name, &tree.cases)[..] {
        [] => format!("to list the cases:  {}", commands.list(None)),
        similar => suggestions(similar),
    };
    Error::Usage(format!("`{name}` is {expected} below {root}; {next}"))
}

/// Returns the cases in the folder `name` (the root or one below it), and the filter that selects them.
fn cases_in_folder<'a>(name: &str, goldens: &Goldens, ids: &'a [CaseId]) -> Option<(Option<String>, Vec<&'a str>)> {
    let path = absolute(Path::new(name)).ok()?;
    let below = path.strip_prefix(&goldens.root).ok().and_then(Path::to_str);
    if below == Some("") {
        return Some((None, ids.iter().map(CaseId::as_str).collect()));
    }
    let folder = format!("{}/", below.unwrap_or(name).trim_matches('/'));
    let is_inside = |id: &&str| id.match_indices(&folder).any(|(at, _)| at == 0 || id[..at].ends_with('/'));
    let inside: Vec<&str> = ids.iter().map(CaseId::as_str).filter(is_inside).collect();
    (!inside.is_empty()).then_some((Some(folder), inside))
}

/// Explains the error of a root that does not exist: suggests a similar folder, or a filter if `root` is part of an id.
fn explain_root(context: &Context<'_>, root: &Path, error: Error) -> Error {
    let Error::NoCases { exists: false, .. } = &error else { return error };
    let Some(text) = root.to_str() else { return error };
    let folder = similar_sibling(root, Path::is_dir).map(|folder| replace_argument(context, text, &folder));
    match folder.or_else(|| filter_command(context, text)) {
        Some(command) => Error::Usage(format!("no folder {text}; {}", did_you_mean([command]))),
        None => error,
    }
}

/// Returns the file with a similar name in the same folder as a path that does not exist.
pub(super) fn file(path: &Path) -> Option<String> {
    similar_sibling(path, Path::is_file)
}

fn similar_sibling(path: &Path, is_candidate: impl Fn(&Path) -> bool) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let above = path.parent().filter(|above| *above != Path::new(""));
    let entries = fs::read_dir(above.unwrap_or(Path::new("."))).ok()?;
    let entries = entries.filter_map(std::result::Result::ok).filter(|entry| is_candidate(&entry.path()));
    let names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    let similar = most_similar(name, names.iter().map(String::as_str))?;
    Some(above.map_or_else(|| similar.to_owned(), |above| above.join(similar).display().to_string()))
}

/// Returns the command with a filter, if `text` was given as the root but is part of an id.
fn filter_command(context: &Context<'_>, text: &str) -> Option<String> {
    let verb = context.args.first()?.to_str()?;
    if !["run", "matrix", "list"].contains(&verb) {
        return None;
    }
    let tree = context.program.goldens(None).and_then(|goldens| goldens.discover()).ok()?;
    let name = text.trim_matches('/');
    let is_part = tree.cases.iter().any(|id| id.as_str().contains(name));
    let filter = if is_part { name } else { similar_ids(name, &tree.cases).into_iter().next()? };
    Some(format!("{} {verb} -k {}", context.program.command, quote(filter)))
}

/// Returns the command line with one argument replaced.
fn replace_argument(context: &Context<'_>, old: &str, new: &str) -> String {
    let args = context.args.iter().map(|arg| if arg == OsStr::new(old) { new.into() } else { arg.to_string_lossy() });
    let args: Vec<String> = args.map(|arg| quote(&arg).into_owned()).collect();
    format!("{} {}", context.program.command, args.join(" "))
}

/// Lists commands that were probably meant.
fn did_you_mean(commands: impl IntoIterator<Item = String>) -> String {
    let commands: Vec<String> = commands.into_iter().collect();
    format!("did you mean:  {}", commands.join("\n           or:  "))
}

/// Refuses a checkpoint that is not registered; the error ends with `hint`.
pub(super) fn check_checkpoint(name: &str, known: &BTreeSet<&str>, hint: &str) -> Result<()> {
    if known.contains(name) {
        return Ok(());
    }
    let similar = most_similar(name, known.iter().copied());
    let similar = similar.map(|similar| format!("; did you mean `{similar}`?")).unwrap_or_default();
    let known = match known.is_empty() {
        true => "no checkpoints are registered".to_owned(),
        false => format!("registered: {}", known.iter().copied().collect::<Vec<_>>().join(", ")),
    };
    Err(Error::Usage(format!("no checkpoint `{name}` is registered; nothing was written{similar}\n{known}{hint}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggested_ids_end_in_the_given_name_or_a_similar_one() {
        let all: Vec<CaseId> = ["gpt2/h.0/ln_1", "gpt2/h.0/ln_2", "gpt2/h.1/ln_1", "gpt2/ln_f", "-bad"]
            .iter()
            .map(|id| CaseId::new(id).expect("an id"))
            .collect();
        for (name, expected) in [
            ("ln_f", &["gpt2/ln_f"][..]),
            ("ln_1", &["gpt2/h.0/ln_1", "gpt2/h.1/ln_1"]),
            ("h.1/ln_1", &["gpt2/h.1/ln_1"]),
            ("h.1/ln_1x", &["gpt2/h.1/ln_1"]),
            ("gpt2/ln_ff", &["gpt2/ln_f"]),
            ("ln_f/", &["gpt2/ln_f"]),
            ("bad", &["-bad"]),
            ("something", &[]),
            ("gpt2/h.9", &[]),
        ] {
            assert_eq!(similar_ids(name, &all), expected, "{name}");
        }
    }

    #[test]
    fn two_or_more_letters_suggest_the_verb_that_begins_with_them() {
        for (word, verb) in
            [("ru", Some("run")), ("doc", Some("doctor")), ("ex", Some("explain")), ("r", None), ("", None)]
        {
            assert_eq!(similar_verb(word), verb, "{word}");
        }
    }

    #[test]
    fn one_wrong_letter_suggests_the_verb() {
        for (word, verb) in [
            ("explian", Some("explain")),
            ("lst", Some("list")),
            ("lsit", Some("list")),
            ("rnu", Some("run")),
            ("Run", Some("run")),
            ("docter", Some("doctor")),
            ("run", None),
            ("softmax", None),
            ("layers", None),
            ("complete", None),
        ] {
            assert_eq!(similar_verb(word), verb, "{word}");
        }
    }
}
