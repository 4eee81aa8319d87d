//! Which goldens a verb is about, and what was meant where what was typed is not there.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::examples::VERBS;
use super::{Context, Place};
use crate::case::{CaseId, Goldens, absolute};
use crate::error::{Error, Result};
use crate::report::{Commands, quote};
use crate::text::name::similarity;
use crate::text::number::plural;

impl Place {
    /// The goldens that were typed, or those at home.
    pub(super) fn locate(&self, typed: Option<&PathBuf>, context: &Context<'_>) -> Result<Goldens> {
        let snapshots = self.snapshots.as_deref();
        let Some(typed) = typed else { return context.home.goldens(snapshots) };
        Goldens::locate(typed, snapshots).map_err(|error| root(context, typed, error))
    }
}

/// The goldens that were typed, or those at home, for a verb that only reads them: where their snapshots are is nothing to it.
pub(super) fn source(typed: Option<&PathBuf>, context: &Context<'_>) -> Result<Goldens> {
    let place = typed.unwrap_or(&context.home.root);
    Goldens::locate(place, None).or_else(|_| Goldens::locate(place, Some(Path::new("snapshots")))).map_err(|error| {
        match typed {
            Some(typed) => root(context, typed, error),
            None => error,
        }
    })
}

/// How many ids are offered.
const OFFERED: usize = 3;

/// The verb that a word may have been meant for, or that begins with it, where it is not one itself.
#[must_use]
pub(crate) fn near_verb(word: &str) -> Option<&'static str> {
    let verbs = || VERBS.iter().copied();
    let begun = || verbs().find(|verb| word.len() >= 2 && verb.starts_with(word));
    nearest(word, verbs()).or_else(begun).filter(|verb| *verb != word)
}

/// The most similar name, where one is similar.
pub(super) fn nearest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let alike = names.filter_map(|name| Some((similarity(word, name)?, name)));
    alike.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
}

/// The ids that may have been meant: those that end in what was typed, or else the one that ends in something similar.
fn ids<'a>(typed: &str, ids: &'a [CaseId]) -> Vec<&'a str> {
    let ending = ending(typed, ids);
    if !ending.is_empty() {
        return ending;
    }
    let typed = typed.trim_matches('/');
    let depth = typed.matches('/').count();
    // As many parts of the end of an id as were typed, and the whole.
    let end = |id: &'a str| id.rmatch_indices('/').nth(depth).map_or(id, |(at, _)| &id[at + 1..]);
    let alike = |id: &'a str| Some((similarity(typed, id).or_else(|| similarity(typed, end(id)))?, id));
    let best = ids.iter().map(CaseId::as_str).filter_map(alike).max_by(|a, b| a.0.total_cmp(&b.0));
    best.into_iter().map(|(_, id)| id).collect()
}

/// The first ids that end in what was typed.
fn ending<'a>(typed: &str, ids: &'a [CaseId]) -> Vec<&'a str> {
    let typed = typed.trim_matches('/');
    let is_end = |id: &&str| id.strip_suffix(typed).is_some_and(|start| start.is_empty() || start.ends_with('/'));
    ids.iter().map(CaseId::as_str).filter(is_end).take(OFFERED).collect()
}

/// The error that what was typed is not a case, nor anything else that the verb takes.
pub(super) fn case(
    context: &Context<'_>,
    (typed, wanted): (&str, &str),
    root: Option<&PathBuf>,
    command: impl Fn(&Commands, &str) -> String,
) -> Error {
    let found = source(root, context).and_then(|goldens| Ok((goldens.discover()?, goldens)));
    let (tree, goldens) = match found {
        Ok(found) => found,
        Err(error) => return error,
    };
    if tree.cases.is_empty() && tree.problems.is_empty() {
        return Error::NoCases { place: goldens.selected(), exists: true };
    }
    let commands = context.commands(root, None, None);
    let shown = root.unwrap_or(&context.home.root).display();
    let offered = |ids: &[&str]| offer(ids.iter().map(|id| command(&commands, id)));
    if let (Some((folder, inside)), []) = (inside(typed, &goldens, &tree.cases), &ending(typed, &tree.cases)[..]) {
        let first = offered(&inside[..inside.len().min(OFFERED)]);
        let list = commands.list(folder.as_deref());
        let count = plural(inside.len() as u64, "case");
        return Error::Usage(format!(
            "`{typed}` is {wanted} below {shown}, but a folder with {count}; {first}\nto list them:  {list}"
        ));
    }
    let next = match &ids(typed, &tree.cases)[..] {
        [] => format!("{} prints the cases", commands.list(None)),
        near => offered(near),
    };
    Error::Usage(format!("`{typed}` is {wanted} below {shown}; {next}"))
}

/// The cases in the folder that was typed, the root or one below it, and what of their ids selects them.
fn inside<'a>(typed: &str, goldens: &Goldens, ids: &'a [CaseId]) -> Option<(Option<String>, Vec<&'a str>)> {
    let path = absolute(Path::new(typed)).ok()?;
    let below = path.strip_prefix(&goldens.root).ok().and_then(Path::to_str);
    if below == Some("") {
        return Some((None, ids.iter().map(CaseId::as_str).collect()));
    }
    let folder = format!("{}/", below.unwrap_or(typed).trim_matches('/'));
    let is_inside = |id: &&str| id.match_indices(&folder).any(|(at, _)| at == 0 || id[..at].ends_with('/'));
    let inside: Vec<&str> = ids.iter().map(CaseId::as_str).filter(is_inside).collect();
    (!inside.is_empty()).then_some((Some(folder), inside))
}

/// The error of a root that is not there: a folder or the ids of cases may have been meant.
pub(super) fn root(context: &Context<'_>, typed: &Path, error: Error) -> Error {
    let Error::NoCases { exists: false, .. } = &error else { return error };
    let Some(text) = typed.to_str() else { return error };
    match folder(typed).map(|folder| again(context, text, &folder)).or_else(|| filter(context, text)) {
        Some(command) => Error::Usage(format!("there is no folder {text}; {}", offer([command]))),
        None => error,
    }
}

/// The folder beside a path that is not there whose name is similar.
fn folder(typed: &Path) -> Option<String> {
    beside(typed, Path::is_dir)
}

/// The file beside a path that is not there whose name is similar.
pub(super) fn file(typed: &Path) -> Option<String> {
    beside(typed, Path::is_file)
}

fn beside(typed: &Path, is_meant: impl Fn(&Path) -> bool) -> Option<String> {
    let name = typed.file_name()?.to_str()?;
    let above = typed.parent().filter(|above| *above != Path::new(""));
    let entries = fs::read_dir(above.unwrap_or(Path::new("."))).ok()?;
    let entries = entries.filter_map(std::result::Result::ok).filter(|entry| is_meant(&entry.path()));
    let names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    let near = nearest(name, names.iter().map(String::as_str))?;
    Some(above.map_or_else(|| near.to_owned(), |above| above.join(near).display().to_string()))
}

/// The command with the filter that selects the cases whose ids were typed as the root.
fn filter(context: &Context<'_>, text: &str) -> Option<String> {
    let verb = context.typed.first()?.to_str()?;
    if !["run", "matrix", "list"].contains(&verb) {
        return None;
    }
    let tree = context.home.goldens(None).and_then(|goldens| goldens.discover()).ok()?;
    let typed = text.trim_matches('/');
    let is_part = tree.cases.iter().any(|id| id.as_str().contains(typed));
    let meant = if is_part { typed } else { ids(typed, &tree.cases).into_iter().next()? };
    Some(format!("{} {verb} -k {}", context.home.command, quote(meant)))
}

/// The command that was typed, with another word for one of it.
fn again(context: &Context<'_>, typed: &str, meant: &str) -> String {
    let words =
        context.typed.iter().map(|word| if word == OsStr::new(typed) { meant.into() } else { word.to_string_lossy() });
    let words: Vec<String> = words.map(|word| quote(&word).into_owned()).collect();
    format!("{} {}", context.home.command, words.join(" "))
}

/// What may have been meant, as commands.
fn offer(commands: impl IntoIterator<Item = String>) -> String {
    let commands: Vec<String> = commands.into_iter().collect();
    format!("did you mean:  {}", commands.join("\n           or:  "))
}

/// Refuses the name of a checkpoint that is not registered; `besides` is what to say of others.
pub(super) fn check_checkpoint(name: &str, known: &BTreeSet<&str>, besides: &str) -> Result<()> {
    if known.contains(name) {
        return Ok(());
    }
    let near = nearest(name, known.iter().copied()).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    let known = match known.is_empty() {
        true => "no checkpoint is registered at all".to_owned(),
        false => format!("registered: {}", known.iter().copied().collect::<Vec<_>>().join(", ")),
    };
    Err(Error::Usage(format!("no checkpoint `{name}` is registered, and nothing was written{near}\n{known}{besides}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ids_that_were_meant_end_in_what_was_typed_or_in_something_similar() {
        let all: Vec<CaseId> = ["gpt2/h.0/ln_1", "gpt2/h.0/ln_2", "gpt2/h.1/ln_1", "gpt2/ln_f", "-bad"]
            .iter()
            .map(|id| CaseId::new(id).expect("an id"))
            .collect();
        for (typed, expected) in [
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
            assert_eq!(ids(typed, &all), expected, "{typed}");
        }
    }

    #[test]
    fn a_word_of_two_letters_or_more_is_near_to_the_verb_that_begins_with_it() {
        for (word, verb) in
            [("ru", Some("run")), ("doc", Some("doctor")), ("ex", Some("explain")), ("r", None), ("", None)]
        {
            assert_eq!(near_verb(word), verb, "{word}");
        }
    }

    #[test]
    fn a_verb_is_near_to_a_word_with_one_letter_wrong() {
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
            assert_eq!(near_verb(word), verb, "{word}");
        }
    }
}
