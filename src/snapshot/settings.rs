//! Finds settings of insta that would disable the drift gate, before any case runs.
//!
//! insta has environment variables, and a settings file, that let a changed snapshot pass or rewrite it immediately. `cargo insta
//! test` sets them itself, as part of a review. Anywhere else drift would pass unnoticed, perhaps because of a forgotten line in a
//! shell profile.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::fs::{Lookup, TEXT_LIMIT, read_regular};

/// Reads an environment variable.
pub(super) type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The variables with a fixed set of values. At any other value insta panics.
const VALID_VALUES: [(&str, &[&str]); 4] = [
    ("INSTA_UPDATE", &["auto", "always", "1", "new", "unseen", "no", "force"]),
    ("INSTA_OUTPUT", &["diff", "summary", "minimal", "none"]),
    ("INSTA_FORCE_PASS", &["0", "1"]),
    ("INSTA_REQUIRE_FULL_MATCH", &["0", "1"]),
];

const PASSES: &str = "lets every drift pass";
const REWRITES: &str = "makes insta rewrite snapshots without a review";

/// The variables that can disable the gate, with their harmless values, and the effect of the others.
const VARIABLES: [(&str, &[&str], &str); 4] = [
    ("INSTA_UPDATE", HARMLESS_UPDATES, REWRITES),
    ("INSTA_FORCE_PASS", &["0"], PASSES),
    ("INSTA_FORCE_UPDATE", &["0"], REWRITES),
    ("INSTA_FORCE_UPDATE_SNAPSHOTS", &["0"], REWRITES),
];

/// A key of insta's settings file that can disable the gate.
#[derive(Debug)]
struct Key {
    name: &'static str,
    /// The variable that takes precedence, and a harmless value of it.
    variable: &'static str,
    instead: &'static str,
    /// The values that do not disable the gate.
    harmless: &'static [&'static str],
}

static KEYS: [Key; 3] = [
    Key { name: "force_pass", variable: "INSTA_FORCE_PASS", instead: "0", harmless: &["false"] },
    Key { name: "update", variable: "INSTA_UPDATE", instead: "auto", harmless: HARMLESS_UPDATES },
    Key { name: "force_update", variable: "INSTA_UPDATE", instead: "auto", harmless: &["false"] },
];

/// The update modes that leave the decision to a review.
const HARMLESS_UPDATES: &[&str] = &["auto", "new", "no"];

/// The paths at which insta looks for its settings file. The first one that can be read is used.
const FILES: [&str; 3] = [".config/insta.yaml", "insta.yaml", ".insta.yaml"];

/// Reads a variable from the environment of this process.
pub(super) fn env_var(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Whether this is CI, by insta's rule: `CI` is set and not `false`, `0` or empty, or `TF_BUILD` is set.
#[must_use]
pub fn in_ci() -> bool {
    is_ci(&env_var)
}

/// The kind of process that records snapshots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Caller {
    /// A command line. `cargo insta` never starts one; variables that suggest it were inherited by accident.
    #[default]
    CommandLine,
    /// A cargo test, which `cargo insta test` may have started.
    Test,
}

/// Whether `cargo insta test` started this cargo test and reviews drift afterwards. With `--check` it does not.
#[must_use]
pub fn insta_reviews() -> bool {
    is_reviewed(Caller::Test, &env_var)
}

/// Whether `cargo insta test` started this process, so that its settings are part of a review.
pub(super) fn is_driven_by_insta(caller: Caller, env: Env<'_>) -> bool {
    caller == Caller::Test && env("INSTA_CARGO_INSTA").as_deref() == Some("1")
}

pub(super) fn is_ci(env: Env<'_>) -> bool {
    match env("CI").as_deref() {
        Some("false" | "0" | "") => false,
        Some(_) => true,
        None => env("TF_BUILD").is_some(),
    }
}

/// Whether `cargo insta test` started this process and reviews drift afterwards. With `--check` it does not.
pub(super) fn is_reviewed(caller: Caller, env: Env<'_>) -> bool {
    let forces_pass = env("INSTA_FORCE_PASS").as_deref() == Some("1");
    is_driven_by_insta(caller, env) && forces_pass && env("INSTA_UPDATE").as_deref() != Some("no")
}

/// Rejects settings that make insta panic, let drift pass, or rewrite snapshots.
///
/// # Errors
///
/// [`Error::Usage`] with the setting, its location, its effect, and how to remove it.
pub(super) fn check(workspace: &Path, caller: Caller, env: Env<'_>) -> Result<()> {
    for (name, values) in VALID_VALUES {
        if let Some(value) = non_empty(env, name).filter(|value| !values.contains(&value.as_str())) {
            return Err(Error::Usage(format!(
                "{name} is {value:?} in the environment, but insta accepts only {}: unset {name}",
                values.join(", ")
            )));
        }
    }
    // Checked even under `cargo insta`, because insta would wait forever for a pipe or a device.
    let file = read_file(workspace)?;
    if is_driven_by_insta(caller, env) {
        return Ok(());
    }
    for (name, harmless, effect) in VARIABLES {
        if let Some(value) = non_empty(env, name).filter(|value| !harmless.contains(&value.as_str())) {
            return Err(Error::Usage(format!(
                "{name}={value} in the environment {effect}, which disables the drift gate: unset {name}"
            )));
        }
    }
    file.map_or(Ok(()), |(path, yaml)| check_file(&path, &yaml, env))
}

/// Whether insta prints differences: `INSTA_OUTPUT` is valid, and not `none`.
#[cfg(all(unix, feature = "harness"))]
pub(super) fn insta_prints(env: Env<'_>) -> bool {
    let [_, (name, values), ..] = VALID_VALUES;
    non_empty(env, name).is_none_or(|value| value != "none" && values.contains(&value.as_str()))
}

/// Reads insta's settings file, if there is one.
fn read_file(workspace: &Path) -> Result<Option<(PathBuf, String)>> {
    for name in FILES {
        let path = workspace.join(name);
        match read_regular(&path, TEXT_LIMIT) {
            // insta skips a file that is not UTF-8.
            Ok(Lookup::File(bytes)) => {
                if let Ok(yaml) = String::from_utf8(bytes) {
                    return Ok(Some((path, yaml)));
                }
            }
            Ok(Lookup::Unusable(what)) if !path.is_dir() => {
                return Err(Error::Usage(format!("{} {what}, but insta would read it: remove it", path.display())));
            }
            Ok(_) | Err(_) => {}
        }
    }
    Ok(None)
}

/// Rejects a settings file that disables the gate. As in insta, a variable that is set takes precedence.
fn check_file(path: &Path, yaml: &str, env: Env<'_>) -> Result<()> {
    let tokens = tokens(yaml);
    if let Some(what) = find_disguise(yaml, &tokens) {
        return Err(Error::Usage(format!(
            "{}: {what}, which could hide a setting that disables the drift gate: write keys and values plainly",
            path.display()
        )));
    }
    for (Key { name, variable, instead, harmless }, value) in settings(&tokens) {
        if non_empty(env, variable).is_none() && !harmless.contains(&value.as_str()) {
            return Err(Error::Usage(format!(
                "{}: `{name}: {value}` lets drift pass or rewrites snapshots without a review, which disables the drift \
                 gate: remove it, or set {variable}={instead} for this run",
                path.display(),
            )));
        }
    }
    Ok(())
}

/// Reads a variable that is not empty. insta ignores empty ones too.
fn non_empty(env: Env<'_>, name: &str) -> Option<String> {
    env(name).filter(|value| !value.is_empty())
}

/// Returns every key in [`KEYS`] among the tokens of a YAML text, at any depth, with its value. This is not a YAML parser: a value that
/// it misreads is an unknown value, which is rejected.
fn settings(tokens: &[String]) -> Vec<(&'static Key, String)> {
    let pairs = tokens.windows(2).enumerate().filter(|(_, pair)| pair[1] == ":");
    let keys = pairs.filter_map(|(at, pair)| Some((KEYS.iter().find(|key| key.name == pair[0])?, at)));
    keys.map(|(key, at)| (key, tokens.get(at + 2).cloned().unwrap_or_default())).collect()
}

/// Finds spellings of a key that [`settings`] does not recognise: an escape in double quotes, or an alias as a key.
fn find_disguise(yaml: &str, tokens: &[String]) -> Option<&'static str> {
    let is_alias = |pair: &[String]| pair[0].starts_with('*') && pair[0].len() > 1 && pair[1] == ":";
    if yaml.lines().any(|line| line.contains('"') && line.contains('\\')) {
        return Some("there is a backslash in quotes");
    }
    tokens.windows(2).any(is_alias).then_some("an alias is used as a key")
}

/// Splits a YAML text into scalars, without quotes, and punctuation. Comments are dropped.
fn tokens(yaml: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = yaml;
    let mut is_after_space = true;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '#' if is_after_space => rest.find('\n').unwrap_or(rest.len()),
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
        is_after_space = first.is_whitespace();
        rest = &rest[length..];
    }
    tokens
}

/// Returns the text between the quote at the beginning and the matching one on the same line, if any. A single quote inside plain
/// text must not hide the following lines.
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

    /// Returns the error for these variables and this file, if any.
    fn check_error(variables: &[(&str, &str)], yaml: Option<&str>) -> Option<String> {
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
    fn a_command_line_ignores_the_variables_of_cargo_insta() {
        let env = |name: &str| matches!(name, "INSTA_CARGO_INSTA" | "INSTA_FORCE_PASS").then(|| "1".to_owned());
        let nowhere = Path::new("");
        assert!(check(nowhere, Caller::Test, &env).is_ok() && is_reviewed(Caller::Test, &env));
        assert!(check(nowhere, Caller::CommandLine, &env).is_err() && !is_reviewed(Caller::CommandLine, &env));
    }

    #[test]
    fn settings_that_rewrite_or_pass_are_rejected_by_name() {
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
            let text = check_error(&[(name, value)], None).expect("an error");
            assert!(text.contains(&format!("{name}={value}")) && text.ends_with(&format!("unset {name}")), "{text}");
            assert_eq!(check_error(&[(name, value), ("INSTA_CARGO_INSTA", "1")], None), None);
            assert!(check_error(&[(name, value), ("INSTA_CARGO_INSTA", "0")], None).is_some());
        }
    }

    #[test]
    fn settings_that_keep_the_review_are_accepted() {
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
            assert_eq!(check_error(&[(name, value)], None), None, "{name}={value}");
        }
    }

    #[test]
    fn a_value_that_makes_insta_panic_is_rejected_even_under_cargo_insta() {
        for name in ["INSTA_UPDATE", "INSTA_OUTPUT", "INSTA_FORCE_PASS", "INSTA_REQUIRE_FULL_MATCH"] {
            let text = check_error(&[(name, "perhaps"), ("INSTA_CARGO_INSTA", "1")], None).expect("an error");
            assert!(text.starts_with(&format!("{name} is \"perhaps\"")), "{text}");
        }
    }

    #[test]
    fn a_file_that_disables_the_gate_is_rejected_in_every_style() {
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
            assert!(check_error(&[], Some(yaml)).is_some(), "{yaml}");
            assert_eq!(check_error(&[("INSTA_CARGO_INSTA", "1")], Some(yaml)), None, "{yaml}");
        }
        assert_eq!(
            check_error(&[], Some("behavior:\n  update: always")).as_deref(),
            Some(
                "/insta.yaml: `update: always` lets drift pass or rewrites snapshots without a review, which disables \
                 the drift gate: remove it, or set INSTA_UPDATE=auto for this run"
            )
        );
    }

    #[test]
    fn a_disguised_key_is_rejected() {
        for yaml in [
            "behavior:\n  \"up\\u0064ate\": always\n",
            "behavior:\n  \"force_\\\n    pass\": true\n",
            "x: &k force_pass\nbehavior:\n  *k : true\n",
        ] {
            assert!(
                check_error(&[], Some(yaml)).is_some_and(|text| text.contains("write keys and values plainly")),
                "{yaml}"
            );
        }
    }

    #[test]
    fn a_harmless_file_is_accepted() {
        for yaml in [
            "",
            "behavior:\n  output: summary\n  update: auto\n  force_pass: false",
            "behavior:\n  update: new # not always",
            "# force_pass: true\nbehavior:\n  # update: always\n  output: diff",
            "behavior: {update: no, force_pass: false}",
            "review:\n  include_hidden: true",
            "note: 'update'",
        ] {
            assert_eq!(check_error(&[], Some(yaml)), None, "{yaml}");
        }
    }

    #[test]
    fn the_environment_takes_precedence_over_the_file() {
        assert_eq!(check_error(&[("INSTA_UPDATE", "auto")], Some("behavior:\n  update: always")), None);
        assert_eq!(check_error(&[("INSTA_FORCE_PASS", "0")], Some("behavior:\n  force_pass: true")), None);
        assert!(check_error(&[("INSTA_UPDATE", "auto")], Some("behavior:\n  force_pass: true")).is_some());
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
    fn cargo_insta_reviews_unless_it_only_checks() {
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
    fn ci_is_detected_as_by_insta() {
        let with = |name: &'static str, value: &'static str| is_ci(&|key| (key == name).then(|| value.to_owned()));
        assert!(with("CI", "true") && with("CI", "1") && with("TF_BUILD", ""));
        assert!(!with("CI", "false") && !with("CI", "0") && !with("CI", "") && !with("OTHER", "1"));
    }
}
