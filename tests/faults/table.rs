//! The table of `docs/faults.md`: generated from the findings, and compared with the page.

use std::collections::BTreeMap;
use std::fs;

use crate::effect::Effect;
use crate::fault::Fault;
use crate::finding::Finding;
use crate::suite::{Suite, repository};

/// How far a figure may be from the one in the table, as a share: processors round differently.
const STEADINESS: f64 = 0.05;

/// One line of the table: its cells.
type Row = [String; 4];

const HEAD: [&str; 4] = ["fault", "planted in", "verdict", "caught by, or why not"];

/// What a suite has found, line by line.
pub(crate) fn rows(suite: &Suite, findings: &[Finding]) -> Vec<Row> {
    let mut rows = Vec::new();
    for fault in Fault::ALL {
        let mut grouped: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
        for finding in findings.iter().filter(|finding| finding.plant.fault == fault) {
            let kinds = kinds(finding);
            for (kind, (smallest, cases)) in &kinds {
                let place = place(finding, if kinds.len() > 1 { cases } else { &[] });
                match kind.figure(*smallest) {
                    Some(figure) => rows.push(row(fault, &place, kind.verdict(), &figure)),
                    None => {
                        grouped.entry((kind.verdict().to_owned(), kind.words().to_owned())).or_default().push(place)
                    }
                }
            }
            if let Some(why) = fault.unseen(&finding.plant.checkpoint) {
                rows.push(row(fault, &place(finding, &[]), "not detected", why));
            }
        }
        let caught = grouped.iter().map(|((verdict, words), places)| row(fault, &places.join(", "), verdict, words));
        rows.extend(caught);
        let mut elsewhere: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for checkpoint in suite.checkpoints() {
            let golden = suite.of(checkpoint).next().expect("a checkpoint has a case");
            if let Err(why) = fault.places(golden) {
                elsewhere.entry(why).or_default().push(format!("`{checkpoint}`"));
            }
        }
        rows.extend(elsewhere.iter().map(|(why, places)| row(fault, &places.join(", "), "not applicable", why)));
    }
    rows
}

fn row(fault: Fault, place: &str, verdict: &str, by: &str) -> Row {
    [fault.words(), place, verdict, by].map(str::to_owned)
}

/// An effect without its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Moved,
    Inexact,
    Reshaped,
    Nan,
    Failed,
}

impl Kind {
    fn verdict(self) -> &'static str {
        if self == Kind::Failed { "broken" } else { "mismatch" }
    }

    fn words(self) -> &'static str {
        match self {
            Kind::Moved => "moved",
            Kind::Inexact => "other values, where only equal ones pass",
            Kind::Reshaped => "another shape",
            Kind::Nan => "NaN instead of numbers",
            Kind::Failed => "an error",
        }
    }

    fn figure(self, times: f64) -> Option<String> {
        (self == Kind::Moved).then(|| format!("{}x", figure(times)))
    }
}

/// The kinds of effect that a fault had; of each the smallest that was measured, and the cases that had it.
fn kinds(finding: &Finding) -> BTreeMap<Kind, (f64, Vec<&str>)> {
    let mut kinds: BTreeMap<Kind, (f64, Vec<&str>)> = BTreeMap::new();
    for (id, effects) in &finding.effects {
        for effect in effects.values() {
            let (kind, times) = match effect {
                Effect::Unmoved => continue,
                Effect::Moved(times) if times.is_finite() => (Kind::Moved, *times),
                Effect::Moved(times) => (Kind::Inexact, *times),
                Effect::Reshaped => (Kind::Reshaped, 0.0),
                Effect::Nan => (Kind::Nan, 0.0),
                Effect::Failed => (Kind::Failed, 0.0),
                Effect::Other(what) => panic!("{:?} was let through with {what}", finding.plant),
            };
            let (smallest, cases) = kinds.entry(kind).or_insert((times, Vec::new()));
            *smallest = smallest.min(times);
            if !cases.contains(&id.as_str()) {
                cases.push(id);
            }
        }
    }
    kinds
}

fn place(finding: &Finding, cases: &[&str]) -> String {
    let mut text = format!("`{}`", finding.plant.checkpoint);
    if !finding.plant.place.is_empty() {
        text += &format!(" {}", finding.plant.place);
    }
    if !cases.is_empty() {
        text += &format!(" (case {})", cases.join(", "));
    }
    text
}

/// Three significant digits.
fn figure(times: f64) -> String {
    if times >= 1e7 {
        return format!("{times:.2e}");
    }
    if times < 100.0 {
        return format!("{times:.1}");
    }
    let unit = 10f64.powi(times.log10().floor() as i32 - 2);
    let digits = ((times / unit).round() * unit).round().to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(|group| String::from_utf8_lossy(group));
    groups.collect::<Vec<_>>().join(",")
}

/// Holds the rows against the suite's section of the document, or writes them there where `KARAT_FAULTS` is `write`.
///
/// Writing fails too, so that the test cannot pass while the setting is left on.
pub(crate) fn hold(suite: &str, rows: &[Row]) {
    let path = repository("docs/faults.md");
    let text = fs::read_to_string(&path).expect("docs/faults.md is there");
    let heading = format!("## {suite}\n");
    let start = text.find(&heading).unwrap_or_else(|| panic!("docs/faults.md has no {heading}")) + heading.len();
    let end = text[start..].find("\n## ").map_or(text.len(), |next| start + next);
    let made = markdown(rows);
    match std::env::var("KARAT_FAULTS").as_deref() {
        Err(_) => {}
        Ok("write") => {
            fs::write(&path, format!("{}\n{made}{}", &text[..start], &text[end..])).expect("docs/faults.md is written");
            panic!("the table of {suite} is written to docs/faults.md; review it, and run again without KARAT_FAULTS");
        }
        Ok(other) => panic!("KARAT_FAULTS is `{other}`; it may be `write`"),
    }
    let stale = differences(&made, text[start..end].trim_start());
    assert!(
        stale.is_empty(),
        "docs/faults.md is stale:\n{}\nto write it: KARAT_FAULTS=write cargo test --test faults every_fault_in -- --test-threads=1",
        stale.join("\n")
    );
}

fn markdown(rows: &[Row]) -> String {
    let line = |cells: &[&str]| format!("| {} |\n", cells.join(" | "));
    let head = line(&HEAD) + &line(&["---"; 4]);
    rows.iter().fold(head, |text, row| text + &line(&row.each_ref().map(String::as_str)))
}

/// The lines in which the two differ by more than figures that are close.
fn differences(made: &str, written: &str) -> Vec<String> {
    let (made, written): (Vec<&str>, Vec<&str>) = (made.lines().collect(), written.lines().collect());
    let longer = made.len().max(written.len());
    let pairs = (0..longer).map(|place| (made.get(place).unwrap_or(&""), written.get(place).unwrap_or(&"")));
    let differing = pairs.filter(|(made, written)| !is_close(made, written));
    differing.map(|(made, written)| format!("found    {made}\nwritten  {written}")).collect()
}

fn is_close(made: &str, written: &str) -> bool {
    let (made, written): (Vec<&str>, Vec<&str>) = (made.split(' ').collect(), written.split(' ').collect());
    let times = |word: &str| word.strip_suffix('x')?.replace(',', "").parse::<f64>().ok();
    let same = |(made, written): (&&str, &&str)| match (times(made), times(written)) {
        (Some(made), Some(written)) => (made - written).abs() <= STEADINESS * written,
        _ => made == written,
    };
    made.len() == written.len() && made.iter().zip(&written).all(same)
}

#[test]
fn figures_may_be_a_twentieth_apart_and_words_may_not() {
    assert_eq!(differences("| a | 1,040x |\n", "| a | 1,000x |\n"), Vec::<String>::new());
    for (made, written) in [
        ("| a | 1,060x |", "| a | 1,000x |"),
        ("| a | 940x |", "| a | 1,000x |"),
        ("| b | 1,000x |", "| a | 1,000x |"),
        ("| a | not exact |", "| a | 1,000x |"),
        ("| a | 1,000x |\n| b | 10x |", "| a | 1,000x |"),
        ("| a | 1,000x |", "| a | 1,000x |\n| b | 10x |"),
    ] {
        assert_eq!(differences(made, written).len(), 1, "{made} is taken for {written}");
    }
}

#[test]
fn a_figure_has_three_significant_digits() {
    let figures = [12.34, 100.4, 1234.5, 99_960.0, 1_234_567.0, 1.7e43].map(figure);
    assert_eq!(figures, ["12.3", "100", "1,230", "100,000", "1,230,000", "1.70e43"]);
}
