//! Compares the text of reports with expected texts, which are edited by hand.

mod ci;
mod documented;
mod ended;
mod example;
mod hostile;
mod html;
mod record;
mod run;
#[cfg(feature = "cli")]
mod schema;
mod vacuous;
mod verbs;

use std::io;

/// Returns what `write` writes.
fn to_text(write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> String {
    let mut bytes = Vec::new();
    write(&mut bytes).expect("writing to a vector cannot fail");
    String::from_utf8(bytes).expect("reports are UTF-8")
}

/// Returns what `write` writes with a fixed karat version, so that a release changes no expected text.
fn to_json_text(write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> String {
    let version = |version: &str| format!("\"version\": \"{version}\"");
    to_text(write).replacen(&version(env!("CARGO_PKG_VERSION")), &version("0.1.0"), 1)
}

/// Panics if two texts differ, with the first differing line and the full text.
#[track_caller]
fn assert_text(actual: &str, expected: &str) {
    let differing = actual.lines().zip(expected.lines()).position(|(actual, expected)| actual != expected);
    if let Some(at) = differing {
        let line = |text: &str| text.lines().nth(at).unwrap_or_default().to_owned();
        panic!("line {}\n actual   {:?}\n expected {:?}\n\n{actual}", at + 1, line(actual), line(expected));
    }
    assert_eq!(actual.lines().count(), expected.lines().count(), "lines of\n{actual}");
    assert_eq!(actual.ends_with('\n'), expected.ends_with('\n'), "the final newline");
}
