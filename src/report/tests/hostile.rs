//! Replaces each field of a record with hostile text: no report may contain raw control characters or commands to a CI
//! runner. The fields come from the document itself, so new fields are included automatically.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{example, record, to_text, verbs};
use crate::report::html::{self, Detail};
use crate::report::terminal::{self, Detail as TerminalDetail, RowKind};
use crate::report::{Palette, github, json, junit, markdown};
use crate::run::{Matrix, RunOutcome};
use crate::text::is_hidden;
use crate::text::safe::{Rule, escape_lines};

/// Returns text that every report must escape: control and bidi characters, zero-width spaces, line breaks, commands to CI
/// runners, Markdown and HTML.
fn hostile() -> String {
    "x\u{1b}[2J\u{1b}[32m\r\n::error::PWN\n \u{a0}::add-mask::a ##[error]b ##vso[c]d ##teamcity[e]\u{7f}\u{9b}31m\u{85}\u{202e}\
     \u{2066}\u{200b}\u{feff}\u{2028}\u{e0041}|\\| `f` <img src=x> @g [h](i) https://j www.k"
        .to_owned()
        + &" ::stop-commands::l".repeat(20)
}

/// A step of a path in a document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Field(String),
    Item(usize),
}

/// Returns the path of one value of each kind in a document. All items of a list are of one kind.
pub(super) fn places(value: &Value) -> Vec<Vec<Step>> {
    fn walk(value: &Value, at: &mut Vec<Step>, path: &str, known: &mut BTreeSet<String>, found: &mut Vec<Vec<Step>>) {
        // Problems of different kinds are different places, even if their fields have the same names.
        let path = format!("{path}.{}", value.get("kind").map(Value::to_string).unwrap_or_default());
        if known.insert(path.clone()) {
            found.push(at.clone());
        }
        let inner: Vec<(Step, &Value)> = match value {
            Value::Object(fields) => fields.iter().map(|(name, value)| (Step::Field(name.clone()), value)).collect(),
            Value::Array(items) => items.iter().enumerate().map(|(at, value)| (Step::Item(at), value)).collect(),
            _ => Vec::new(),
        };
        for (step, value) in inner {
            let below = match &step {
                Step::Field(name) => format!("{path}{name}"),
                Step::Item(_) => format!("{path}[]"),
            };
            at.push(step);
            walk(value, at, &below, known, found);
            at.pop();
        }
    }
    let mut found = Vec::new();
    walk(value, &mut Vec::new(), "", &mut BTreeSet::new(), &mut found);
    found
}

pub(super) fn at<'a>(value: &'a mut Value, place: &[Step]) -> &'a mut Value {
    place.iter().fold(value, |value, step| match step {
        Step::Field(name) => &mut value[name.as_str()],
        Step::Item(at) => &mut value[*at],
    })
}

#[track_caller]
fn assert_no_hidden(text: &str, what: &str) {
    let hidden = text.chars().find(|c| is_hidden(*c) && *c != '\n');
    assert_eq!(hidden, None, "{what}\n{text}");
}

#[track_caller]
fn assert_no_command(text: &str, what: &str) {
    for line in text.lines() {
        assert!(!line.trim_start().starts_with("::"), "{what}: {line}");
        assert!(["##[", "##vso[", "##teamcity["].iter().all(|mark| !line.contains(mark)), "{what}: {line}");
    }
}

#[track_caller]
fn assert_safe(text: &str, what: &str) {
    assert_no_hidden(text, what);
    assert_no_command(text, what);
}

/// Checks that no text in a Markdown table creates a cell, a link or an element.
#[track_caller]
fn assert_table(page: &str, what: &str) {
    assert_safe(page, what);
    let cells = |line: &str| {
        let mut bars = 0;
        let mut is_escaped = false;
        for c in line.chars() {
            bars += usize::from(c == '|' && !is_escaped);
            is_escaped = c == '\\' && !is_escaped;
        }
        bars
    };
    for (above, below) in
        page.lines().zip(page.lines().skip(1)).filter(|(a, b)| a.starts_with('|') && b.starts_with('|'))
    {
        assert_eq!(cells(above), cells(below), "{what}\n{above}\n{below}");
    }
    for mark in ["<img", " @g", "](i)", "https://j", "www.k"] {
        // Text between backticks is not markup.
        let shown = ["\\\\", "\\`", "\\]"].iter().fold(page.to_owned(), |page, escaped| page.replace(escaped, ""));
        let outside: String = shown.split('`').step_by(2).collect();
        assert!(!outside.contains(mark), "{what}: {mark}\n{page}");
    }
}

fn check(run: &RunOutcome, what: &str) {
    let commands = example::commands();
    for (palette, rule) in [(Palette::plain(), Rule::Text), (Palette::colored(), Rule::Colored)] {
        for detail in [TerminalDetail::Failures, TerminalDetail::Cases, TerminalDetail::Measurements] {
            let text = rule.guard(&terminal::run(detail, &palette, &commands, run));
            // Colours in the text itself must be escaped.
            assert!(!text.contains("[2J\u{1b}"), "{what}\n{text}");
            let text = ["0", "1", "2", "31", "32", "33", "36"]
                .iter()
                .fold(text, |text, colour| text.replace(&format!("\u{1b}[{colour}m"), ""));
            assert_safe(&text, what);
        }
    }
    let document = to_text(|out| json::run(out, &commands, run));
    assert_safe(&document, what);
    assert_safe(&junit::junit(&commands, run), what);
    let page = html::run(&commands, run, Detail::All);
    let body = &page[page.find("<body>").expect("a body")..page.rfind("<script>").expect("a script")];
    assert_safe(body, what);
    assert!(!body.contains("<img"), "{what}");
    let notes = Rule::Commands.guard(&github::annotations(&commands, run, None));
    assert_no_hidden(&notes, what);
    for line in notes.lines() {
        assert!(line.starts_with("::error ") || line.starts_with("::warning "), "{what}: {line}");
        let (_, message) = line[2..].split_once("::").expect("a command has a message");
        assert_safe(&message.replace("%0A", "\n"), what);
    }
    assert_table(&github::summary(&commands, run, usize::MAX), what);
    let matrix = Matrix::new(vec![run.clone()], &[]);
    for by in [RowKind::Case, RowKind::Checkpoint] {
        assert_table(&markdown::matrix(by, &matrix), what);
        let plain = Palette::plain();
        assert_safe(&Rule::Text.guard(&terminal::matrix(by, &plain, &commands, &matrix)), what);
    }
    assert_safe(&to_text(|out| json::matrix(out, &commands, &matrix)), what);
}

#[test]
fn no_report_contains_unescaped_text_from_a_record() {
    let hostile = hostile();
    let (mut read, mut refused) = (0, 0);
    let run = record::full_run();
    let document: Value =
        serde_json::from_str(&to_text(|out| json::run(out, &example::commands(), &run))).expect("one JSON document");
    for place in places(&document) {
        let mut as_value = document.clone();
        *at(&mut as_value, &place) = hostile.clone().into();
        let mut as_name = document.clone();
        if let Value::Object(fields) = at(&mut as_name, &place) {
            let values = std::mem::take(fields).into_iter().map(|(_, value)| (hostile.clone(), value));
            *fields = values.collect::<Map<_, _>>();
        }
        for changed in [as_value, as_name] {
            let what = format!("{place:?}");
            match json::read_run(&changed.to_string()) {
                Ok(_) if changed == document => {}
                Ok(run) => {
                    read += 1;
                    check(&run, &what);
                }
                Err(error) => {
                    refused += 1;
                    assert_safe(&escape_lines(&format!("karat: {error}")), &what);
                }
            }
        }
    }
    assert!(read > 20 && refused > 20, "{read} were read, {refused} refused");
}

#[test]
fn lines_with_very_long_names_are_bounded() {
    let mut matrix = verbs::matrix();
    let long = "n".repeat(70_000);
    matrix.rows.iter_mut().for_each(|row| row.checkpoint = Some(long.clone()));
    matrix.columns.iter_mut().for_each(|column| column.executor.clone_from(&long));
    let mut run = record::full_run();
    for case in &mut run.cases {
        case.checkpoint = Some(long.clone());
        case.outputs.iter_mut().for_each(|output| output.name.clone_from(&long));
    }
    let (commands, plain) = (example::commands(), Palette::plain());
    for text in [
        terminal::matrix(RowKind::Case, &plain, &commands, &matrix),
        terminal::matrix(RowKind::Checkpoint, &plain, &commands, &matrix),
        terminal::run(TerminalDetail::Measurements, &plain, &commands, &run),
    ] {
        assert!(text.contains("…69,860 more…"), "{}", &text[..2000]);
        // Commands that name the executor may be long.
        let longest = text.lines().filter(|line| !line.contains(":  karat ")).map(str::len).max();
        assert!(longest.is_some_and(|longest| longest < 5000), "{longest:?}");
    }
}
