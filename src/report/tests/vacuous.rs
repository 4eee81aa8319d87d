//! Comparisons that cannot fail, or cannot fail on zeros or NaN, in every report.

use super::{assert_text, example, to_text};
use crate::compare::{Comparison, Pair, Rules, Summary, Vacuous, compare, summarize};
use crate::report::{Palette, github, html, json, junit, terminal};
use crate::run::{CaseOutcome, Deny, Gate, RunOutcome, Verdict};
use crate::tensor::{Tensor, Value};

fn case(id: &str, vacuous: Option<Vacuous>) -> CaseOutcome {
    let mut output = example::output("y", Verdict::Pass);
    output.comparison = Some(Comparison { vacuous, ..example::comparison() });
    match vacuous {
        Some(Vacuous::Masked) => {
            let ones = Tensor::new(&[1, 8, 64], vec![1.0f32; 512]).expect("as many");
            let mask = Tensor::new(&[1, 8, 64], vec![false; 512]).expect("as many");
            let rules = Rules::new(output.tolerance.expect("there is one")).with_empty();
            output.comparison = compare(Pair::new(&ones, &ones).within(&mask), &rules).ok();
            output.summary = Some(summarize(&ones, Some(&mask)));
        }
        // Zeros are within tolerance.
        Some(_) => {
            let (min, max) = (Some(Value::Float32(-1e-6)), Some(Value::Float32(1e-6)));
            output.summary = Some(Summary { min, max, ..example::summary() });
        }
        None => {}
    }
    example::case(id, "mlp", vec![output])
}

fn run(deny_vacuous: bool) -> RunOutcome {
    let cases =
        vec![case("a/full", None), case("a/zeros", Some(Vacuous::Zeros)), case("b/mask", Some(Vacuous::Masked))];
    RunOutcome {
        cases,
        filtered_out: 0,
        gate: Gate { deny: deny_vacuous.then_some(Deny::Vacuous).into_iter().collect(), ..Gate::default() },
        ..example::run()
    }
}

fn terminal(run: &RunOutcome) -> String {
    terminal::run(terminal::Detail::Cases, &Palette::plain(), &example::commands(), run)
}

fn failures_text(run: &RunOutcome) -> String {
    terminal::failures(&Palette::plain(), &example::commands(), run)
}

#[test]
fn vacuous_passes_are_marked_and_counted() {
    let actual = terminal(&run(false));
    let lines: Vec<&str> = actual.lines().collect();
    assert!(lines[1].ends_with(", cannot fail on zeros") && lines[2].ends_with(", cannot fail"), "{actual}");
    assert!(!lines[0].contains("cannot fail"), "{actual}");
    let end = "\
3 passed (1.24 s)
2 outputs cannot fail, or cannot fail on zeros or NaN (--deny vacuous makes the
run fail): a/zeros:y, b/mask:y
executor builtin
";
    assert!(actual.ends_with(end), "{actual}");
    assert!(run(false).passed() && !run(true).passed());
}

#[test]
fn a_vacuous_chained_tolerance_is_reported_as_chained() {
    for (own, line, end) in [
        (
            None,
            "cannot fail on zeros when chained",
            "1 output cannot fail, or cannot fail on zeros or NaN: c:y (chained)",
        ),
        (Some(Vacuous::Anything), "cannot fail", "1 output cannot fail, or cannot fail on zeros or NaN: c:y"),
    ] {
        let mut chained = case("c", own);
        chained.outputs[0].chained_vacuous = Some(Vacuous::Zeros);
        let run = RunOutcome { cases: vec![case("b", None), chained], ..run(true) };
        let actual = terminal(&run);
        assert!(actual.lines().nth(1).is_some_and(|message| message.ends_with(line)), "{actual}");
        assert!(actual.contains(end) && actual.contains("1 of 2 cases failed"), "{actual}");
        let actual = failures_text(&run);
        let what = if own.is_some() { "the tolerance" } else { "\"chained\"" };
        for message in
            ["in a chained run, accuracy cannot fail on zeros:", &format!("tighten {what} in goldens/c/case.json")]
        {
            assert!(actual.contains(message), "{message}: {actual}");
        }
        let text = to_text(|out| json::run(out, &example::commands(), &run));
        assert_eq!(text.matches("\"chained_vacuous\": \"zeros\"").count(), 1, "{text}");
        let read = json::read_run(&text).expect("what was written is read");
        assert_eq!(read.cases[1].outputs[0].chained_vacuous, Some(Vacuous::Zeros));
    }
}

#[test]
fn a_denied_vacuous_pass_fails_with_a_message() {
    let run = run(true);
    let actual = failures_text(&run);
    let expected = "\
pass      b/mask  ›  y                                            f32 [1, 8, 64]
          no element is finite on both sides
          accuracy cannot fail: `where` excludes every element
          correct the mask in goldens/b/mask/case.json
          then:  karat run -k b/mask

pass      a/zeros  ›  y                                           f32 [1, 8, 64]
          largest difference 2.38e-7 at [0, 3, 17], 2% of the tolerance
          accuracy cannot fail on zeros: all zeros would pass too, although the
          reference is not all zeros
          tighten the tolerance in goldens/a/zeros/case.json
          then:  karat run -k a/zeros

";
    assert_text(&actual, expected);
    let actual = terminal(&run);
    assert!(
        actual.contains("2 of 3 cases failed") && actual.contains("2 cases to fix, as described above"),
        "{actual}"
    );
}

#[test]
fn every_report_mentions_vacuous_passes() {
    for deny in [false, true] {
        let run = run(deny);
        let xml = junit::junit(&example::commands(), &run);
        assert_eq!(xml.contains("<failure message=\"pass: cannot fail on zeros\" type=\"vacuous\">"), deny, "{xml}");
        assert!(xml.contains("accuracy cannot fail on zeros"), "{xml}");
        let notes = github::annotations(&example::commands(), &run, None);
        let level = if deny { "error" } else { "notice" };
        assert_eq!(notes.matches(&format!("::{level} file=goldens/")).count(), 2, "{notes}");
        assert!(notes.contains("title=cannot fail%3A a/zeros"), "{notes}");
        let summary = github::summary(&example::commands(), &run, 1 << 20);
        assert!(summary.contains("2 outputs cannot fail, or cannot fail on zeros or NaN"), "{summary}");
        let page = html::run(&example::commands(), &run, html::Detail::NotPassed);
        assert!(page.contains("accuracy cannot fail: `where` excludes every element"), "{page}");
        assert!(page.contains("2 outputs cannot fail, or cannot fail on zeros or NaN"), "{page}");
    }
}

#[test]
fn a_record_has_fields_for_vacuous_passes_only_if_there_are_any() {
    for deny in [false, true] {
        let run = run(deny);
        let text = to_text(|out| json::run(out, &example::commands(), &run));
        assert_eq!(text.matches("\"vacuous\":").count(), 2, "{text}");
        assert_eq!(text.contains("\"deny\": ["), deny, "{text}");
        let read = json::read_run(&text).expect("what was written is read");
        let found: Vec<_> = read.cases.iter().flat_map(|case| &case.outputs).map(|output| output.vacuous()).collect();
        assert_eq!(found, [None, Some(Vacuous::Zeros), Some(Vacuous::Masked)]);
        assert_eq!(read.gate, run.gate);
    }
}
