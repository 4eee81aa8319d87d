//! What a reader sees, compared to the letter: plain, on 80 columns. The texts are edited by hand.

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

/// What was written, as text.
fn told(tell: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> String {
    let mut bytes = Vec::new();
    tell(&mut bytes).expect("a vector takes everything");
    String::from_utf8(bytes).expect("reports are UTF-8")
}

/// The same, with the version that the expected texts have: a release changes none of them.
fn told_as_json(tell: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> String {
    let version = |version: &str| format!("\"version\": \"{version}\"");
    told(tell).replacen(&version(env!("CARGO_PKG_VERSION")), &version("0.1.0"), 1)
}

/// Panics at the first line that is not as it should be, and shows the whole.
#[track_caller]
fn assert_told(told: &str, should_be: &str) {
    let differing = told.lines().zip(should_be.lines()).position(|(told, should_be)| told != should_be);
    if let Some(at) = differing {
        let line = |text: &str| text.lines().nth(at).unwrap_or_default().to_owned();
        panic!("line {}\n is        {:?}\n should be {:?}\n\n{told}", at + 1, line(told), line(should_be));
    }
    assert_eq!(told.lines().count(), should_be.lines().count(), "lines of\n{told}");
    assert_eq!(told.ends_with('\n'), should_be.ends_with('\n'), "the last line feed");
}
