//! The settings of insta that would disarm the gate, found before any case runs.
//!
//! insta lets the environment and a file decide that a changed snapshot passes, or is rewritten at once. Under `cargo
//! insta test`, which sets them itself, these are how a review works. Anywhere else they mean that drift goes through
//! unseen, and nobody remembers the line in a profile that did it.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::fs::{Lookup, TEXT_LIMIT, read_regular};

/// How a setting is read: the value of an environment variable.
pub(super) type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The settings with few values, and those that insta takes; at any other it panics.
const VALUES: [(&str, &[&str]); 4] = [
    ("INSTA_UPDATE", &["auto", "always", "1", "new", "unseen", "no", "force"]),
    ("INSTA_OUTPUT", &["diff", "summary", "minimal", "none"]),
    ("INSTA_FORCE_PASS", &["0", "1"]),
    ("INSTA_REQUIRE_FULL_MATCH", &["0", "1"]),
];

const PASSES: &str = "lets every drift pass";
const REWRITES: &str = "makes insta rewrite snapshots without a review";

/// The variables that can disarm the gate, with the values that do not, and what the others do.
const VARIABLES: [(&str, &[&str], &str); 4] = [
    ("INSTA_UPDATE", HARMLESS_UPDATES, REWRITES),
    ("INSTA_FORCE_PASS", &["0"], PASSES),
    ("INSTA_FORCE_UPDATE", &["0"], REWRITES),
    ("INSTA_FORCE_UPDATE_SNAPSHOTS", &["0"], REWRITES),
];

/// A key of insta's file that can disarm the gate.
#[derive(Debug)]
struct Key {
    name: &'static str,
    /// The variable that goes before it, and a value of that for this run.
    variable: &'static str,
    instead: &'static str,
    /// The values that do not disarm the gate.
    harmless: &'static [&'static str],
}

static KEYS: [Key; 3] = [
    Key { name: "force_pass", variable: "INSTA_FORCE_PASS", instead: "0", harmless: &["false"] },
    Key { name: UPDATE, variable: "INSTA_UPDATE", instead: "auto", harmless: HARMLESS_UPDATES },
    Key { name: "force_update", variable: "INSTA_UPDATE", instead: "auto", harmless: &["false"] },
];

const UPDATE: &str = "update";

/// The values of an update that keep the review.
const HARMLESS_UPDATES: &[&str] = &["auto", "new", "no"];

/// The places where insta looks for its file; the first that can be read counts.
const FILES: [&str; 3] = [".config/insta.yaml", "insta.yaml", ".insta.yaml"];

/// The environment of this process.
pub(super) fn process(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Whether this is CI, by insta's own rule: `CI` is set and not `false` or `0`, or `TF_BUILD` is set.
#[must_use]
pub fn in_ci() -> bool {
    is_ci(&process)
}

/// Who asks for snapshots to be held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Caller {
    /// A command line, which `cargo insta` never starts: a variable that says so has leaked from elsewhere.
    #[default]
    CommandLine,
    /// A cargo test, which `cargo insta test` may drive.
    Test,
}

/// Whether `cargo insta test` drives this cargo test and reviews afterwards what drifts. With `--check` it does not.
#[must_use]
pub fn reviewed() -> bool {
    is_reviewed(Caller::Test, &process)
}

/// Whether `cargo insta test` drives this process: then its settings are how a review works.
pub(super) fn is_driven(caller: Caller, env: Env<'_>) -> bool {
    caller == Caller::Test && env("INSTA_CARGO_INSTA").as_deref() == Some("1")
}

pub(super) fn is_ci(env: Env<'_>) -> bool {
    match env("CI").as_deref() {
        Some("false" | "0" | "") => false,
        Some(_) => true,
        None => env("TF_BUILD").is_some(),
    }
}

/// Whether `cargo insta test` drives this process and reviews afterwards what drifts. With `--check` it does not.
pub(super) fn is_reviewed(caller: Caller, env: Env<'_>) -> bool {
    let passes = env("INSTA_FORCE_PASS").as_deref() == Some("1");
    is_driven(caller, env) && passes && env("INSTA_UPDATE").as_deref() != Some("no")
}

/// Refuses settings that insta would panic at, and those that let drift pass or rewrite.
///
/// # Errors
///
/// [`Error::Usage`] that names the setting, where it is, what it does, and how to be rid of it.
pub(super) fn check(workspace: &Path, caller: Caller, env: Env<'_>) -> Result<()> {
    for (name, values) in VALUES {
        if let Some(value) = set(env, name).filter(|value| !values.contains(&value.as_str())) {
            return Err(Error::Usage(format!(
                "{name} is {value:?} in the environment, and insta knows {}: unset {name}",
                values.join(", ")
            )));
        }
    }
    // insta would read a pipe or a device too, and wait for ever.
    let file = read_file(workspace)?;
    if is_driven(caller, env) {
        return Ok(());
    }
    for (name, harmless, effect) in VARIABLES {
        if let Some(value) = set(env, name).filter(|value| !harmless.contains(&value.as_str())) {
            return Err(Error::Usage(format!(
                "{name}={value} in the environment {effect}, and karat gates nothing that way: unset {name}"
            )));
        }
    }
    file.map_or(Ok(()), |(path, yaml)| check_file(&path, &yaml, env))
}

/// Whether insta prints what differs: `INSTA_OUTPUT` is one of its values, and not the one that says nothing.
#[cfg(all(unix, feature = "harness"))]
pub(super) fn would_print(env: Env<'_>) -> bool {
    let [_, (name, values), ..] = VALUES;
    set(env, name).is_none_or(|value| value != "none" && values.contains(&value.as_str()))
}

/// The file that insta reads, if there is one, and its text.
fn read_file(workspace: &Path) -> Result<Option<(PathBuf, String)>> {
    for name in FILES {
        let path = workspace.join(name);
        match read_regular(&path, TEXT_LIMIT) {
            // insta goes on to the next where it is not UTF-8.
            Ok(Lookup::File(bytes)) => match String::from_utf8(bytes) {
                Ok(yaml) => return Ok(Some((path, yaml))),
                Err(_) => continue,
            },
            Ok(Lookup::Unusable(what)) if !path.is_dir() => {
                return Err(Error::Usage(format!("{} {what}, and insta would read it: remove it", path.display())));
            }
            Ok(_) | Err(_) => {}
        }
    }
    Ok(None)
}

/// The environment goes before the file, as in insta: a variable that is set makes the line in the file idle.
fn check_file(path: &Path, yaml: &str, env: Env<'_>) -> Result<()> {
    let tokens = tokens(yaml);
    if let Some(what) = disguise(yaml, &tokens) {
        return Err(Error::Usage(format!(
            "{}: {what}, behind which a setting that disarms the gate could stand: write keys and values plainly",
            path.display()
        )));
    }
    for (Key { name, variable, instead, harmless }, value) in settings(&tokens) {
        if set(env, variable).is_none() && !harmless.contains(&value.as_str()) {
            return Err(Error::Usage(format!(
                "{}: `{name}: {value}` lets drift pass or rewrites snapshots without a review, and karat gates nothing that \
                 way: remove it, or for this run set {variable}={instead}",
                path.display(),
            )));
        }
    }
    Ok(())
}

/// The value of a variable that is set to something: insta takes an empty one for none.
fn set(env: Env<'_>, name: &str) -> Option<String> {
    env(name).filter(|value| !value.is_empty())
}

/// Every such key among the tokens of a YAML text with what follows it, wherever it is nested. No YAML parser: what this reads
/// wrongly it reads as a value nobody knows, and a false alarm is better than silence.
fn settings(tokens: &[String]) -> Vec<(&'static Key, String)> {
    let pairs = tokens.windows(2).enumerate().filter(|(_, pair)| pair[1] == ":");
    let keys = pairs.filter_map(|(at, pair)| Some((KEYS.iter().find(|key| key.name == pair[0])?, at)));
    keys.map(|(key, at)| (key, tokens.get(at + 2).cloned().unwrap_or_default())).collect()
}

/// What YAML could spell a key by that the scan for keys does not read: an escape between double quotes, or an alias as a key.
fn disguise(yaml: &str, tokens: &[String]) -> Option<&'static str> {
    let is_alias = |pair: &[String]| pair[0].starts_with('*') && pair[0].len() > 1 && pair[1] == ":";
    match () {
        () if yaml.lines().any(|line| line.contains('"') && line.contains('\\')) => {
            Some("there is a backslash in quotes")
        }
        () if tokens.windows(2).any(is_alias) => Some("an alias is a key"),
        () => None,
    }
}

/// The scalars of a YAML text without quotes, and its punctuation, without comments.
fn tokens(yaml: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = yaml;
    let mut spaced = true;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '#' if spaced => rest.find('\n').unwrap_or(rest.len()),
            '"' | '\'' if quoted(rest).is_some() => {
                let inside = quoted(rest).unwrap_or_default();
                tokens.push(inside.to_owned());
                inside.len() + 2
            }
            '{' | '}' | '[' | ']' | ',' | ':' => {
                tokens.push(first.to_string());
                1
            }
            _ if first.is_whitespace() => first.len_utf8(),
            _ => {
                let ends = |c: char| c.is_whitespace() || "{}[],:".contains(c);
                let end = rest.find(ends).unwrap_or(rest.len());
                tokens.push(rest[..end].to_owned());
                end
            }
        };
        spaced = first.is_whitespace();
        rest = &rest[length..];
    }
    tokens
}

/// What is between the quote that the text begins with and its partner on the same line: a lone quote inside prose must
/// not swallow the lines after it.
fn quoted(text: &str) -> Option<&str> {
    let mut characters = text.char_indices();
    let (_, quote) = characters.next()?;
    while let Some((at, character)) = characters.next() {
        match character {
            '\n' => return None,
            '\\' if quote == '"' => drop(characters.next()),
            _ if character == quote => return Some(&text[1..at]),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// What the check says of these variables and this file.
    fn said(variables: &[(&str, &str)], yaml: Option<&str>) -> Option<String> {
        let workspace = tempfile::tempdir().expect("a temporary folder");
        if let Some(yaml) = yaml {
            fs::write(workspace.path().join("insta.yaml"), yaml).expect("a file");
        }
        let env = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        match check(workspace.path(), Caller::Test, &env) {
            Ok(()) => None,
            Err(Error::Usage(text)) => Some(text.replace(&workspace.path().display().to_string(), "")),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn a_command_line_does_not_believe_that_cargo_insta_drives_it() {
        let env = |name: &str| matches!(name, "INSTA_CARGO_INSTA" | "INSTA_FORCE_PASS").then(|| "1".to_owned());
        let nowhere = Path::new("");
        assert!(check(nowhere, Caller::Test, &env).is_ok() && is_reviewed(Caller::Test, &env));
        assert!(check(nowhere, Caller::CommandLine, &env).is_err() && !is_reviewed(Caller::CommandLine, &env));
    }

    #[test]
    fn settings_that_rewrite_or_pass_are_refused_by_name() {
        for (name, value) in [
            ("INSTA_UPDATE", "always"),
            ("INSTA_UPDATE", "force"),
            ("INSTA_UPDATE", "unseen"),
            ("INSTA_UPDATE", "1"),
            ("INSTA_FORCE_PASS", "1"),
            ("INSTA_FORCE_UPDATE", "1"),
            ("INSTA_FORCE_UPDATE", "yes"),
            ("INSTA_FORCE_UPDATE_SNAPSHOTS", "1"),
        ] {
            let text = said(&[(name, value)], None).expect("refused");
            assert!(text.contains(&format!("{name}={value}")) && text.ends_with(&format!("unset {name}")), "{text}");
            assert_eq!(said(&[(name, value), ("INSTA_CARGO_INSTA", "1")], None), None);
            assert!(said(&[(name, value), ("INSTA_CARGO_INSTA", "0")], None).is_some());
        }
    }

    #[test]
    fn settings_that_keep_the_review_are_none_of_our_business() {
        for (name, value) in [
            ("INSTA_UPDATE", "auto"),
            ("INSTA_UPDATE", "new"),
            ("INSTA_UPDATE", "no"),
            ("INSTA_UPDATE", ""),
            ("INSTA_FORCE_PASS", "0"),
            ("INSTA_FORCE_PASS", ""),
            ("INSTA_FORCE_UPDATE", "0"),
            ("INSTA_OUTPUT", "none"),
        ] {
            assert_eq!(said(&[(name, value)], None), None, "{name}={value}");
        }
    }

    #[test]
    fn a_value_that_insta_panics_at_is_refused_even_under_cargo_insta() {
        for name in ["INSTA_UPDATE", "INSTA_OUTPUT", "INSTA_FORCE_PASS", "INSTA_REQUIRE_FULL_MATCH"] {
            let text = said(&[(name, "perhaps"), ("INSTA_CARGO_INSTA", "1")], None).expect("refused");
            assert!(text.starts_with(&format!("{name} is \"perhaps\"")), "{text}");
        }
    }

    #[test]
    fn a_file_that_disarms_the_gate_is_refused_in_every_style() {
        for yaml in [
            "behavior:\n  force_pass: true\n",
            "behavior: {force_pass: true}",
            "behavior: { output: diff, \"force_pass\" : 'true' } # comment",
            "{\"behavior\":{\"force_pass\":true}}",
            "behavior:\n  force_pass:\n    true",
            "behavior:\n  ? force_pass\n  : true",
            "behavior:\n  update: always",
            "behavior:\n  update: \"force\" # for now\n",
            "behavior:\n  update: unseen\r\n",
            "behavior:\n  update: 1",
            "behavior:\n  update: sometimes",
            "behavior:\n  update: &anchor always",
            "behavior:\n  update: !!str always",
            "behavior:\n  force_update: true",
            "x: it's\nbehavior:\n  force_pass: true",
            "x: say 'hello\nbehavior:\n  force_pass: true\ny: bye'",
            "{x: \"\\\"\", force_pass: true, y: \"\"}",
            "{x: y,#z: 1, force_pass: true}",
        ] {
            assert!(said(&[], Some(yaml)).is_some(), "{yaml}");
            assert_eq!(said(&[("INSTA_CARGO_INSTA", "1")], Some(yaml)), None, "{yaml}");
        }
        assert_eq!(
            said(&[], Some("behavior:\n  update: always")).as_deref(),
            Some(
                "/insta.yaml: `update: always` lets drift pass or rewrites snapshots without a review, and karat gates \
                 nothing that way: remove it, or for this run set INSTA_UPDATE=auto"
            )
        );
    }

    #[test]
    fn a_key_that_the_scan_cannot_read_is_refused() {
        for yaml in [
            "behavior:\n  \"up\\u0064ate\": always\n",
            "behavior:\n  \"force_\\\n    pass\": true\n",
            "x: &k force_pass\nbehavior:\n  *k : true\n",
        ] {
            assert!(said(&[], Some(yaml)).is_some_and(|text| text.contains("write keys and values plainly")), "{yaml}");
        }
    }

    #[test]
    fn a_harmless_file_is_harmless() {
        for yaml in [
            "",
            "behavior:\n  output: summary\n  update: auto\n  force_pass: false",
            "behavior:\n  update: new # not always",
            "# force_pass: true\nbehavior:\n  # update: always\n  output: diff",
            "behavior: {update: no, force_pass: false}",
            "review:\n  include_hidden: true",
            "note: 'update'",
        ] {
            assert_eq!(said(&[], Some(yaml)), None, "{yaml}");
        }
    }

    #[test]
    fn the_environment_goes_before_the_file_as_in_insta() {
        assert_eq!(said(&[("INSTA_UPDATE", "auto")], Some("behavior:\n  update: always")), None);
        assert_eq!(said(&[("INSTA_FORCE_PASS", "0")], Some("behavior:\n  force_pass: true")), None);
        assert!(said(&[("INSTA_UPDATE", "auto")], Some("behavior:\n  force_pass: true")).is_some());
    }

    #[test]
    fn only_the_first_file_counts() {
        let workspace = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(workspace.path().join(".config")).expect("a folder");
        fs::write(workspace.path().join(".config/insta.yaml"), "behavior: {output: diff}").expect("a file");
        fs::write(workspace.path().join("insta.yaml"), "behavior: {force_pass: true}").expect("a file");
        assert!(check(workspace.path(), Caller::Test, &|_| None).is_ok());
        fs::remove_file(workspace.path().join(".config/insta.yaml")).expect("a file");
        assert!(check(workspace.path(), Caller::Test, &|_| None).is_err());
    }

    #[test]
    fn a_review_follows_cargo_insta_unless_it_only_checks() {
        let with = |variables: &[(&str, &str)]| {
            is_reviewed(Caller::Test, &|name| {
                variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
            })
        };
        assert!(with(&[("INSTA_CARGO_INSTA", "1"), ("INSTA_FORCE_PASS", "1"), ("INSTA_UPDATE", "new")]));
        assert!(!with(&[("INSTA_CARGO_INSTA", "1"), ("INSTA_UPDATE", "no")]));
        assert!(!with(&[("INSTA_CARGO_INSTA", "1"), ("INSTA_FORCE_PASS", "1"), ("INSTA_UPDATE", "no")]));
        assert!(!with(&[("INSTA_FORCE_PASS", "1")]));
    }

    #[test]
    fn ci_is_what_insta_takes_for_ci() {
        let with = |name: &'static str, value: &'static str| is_ci(&|key| (key == name).then(|| value.to_owned()));
        assert!(with("CI", "true") && with("CI", "1") && with("TF_BUILD", ""));
        assert!(!with("CI", "false") && !with("CI", "0") && !with("CI", "") && !with("OTHER", "1"));
    }
}
