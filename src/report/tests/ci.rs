//! The reports for GitHub Actions and for test viewers (JUnit).

use std::path::Path;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus};

use super::{assert_text, example};
use crate::report::github::{annotations, summary};
use crate::report::junit::junit;
use crate::run::{CaseOutcome, Gate, Problem, RunOutcome, Verdict};

fn annotated(run: &RunOutcome, workspace: Option<&str>) -> Vec<String> {
    let actual = annotations(&example::commands(), run, workspace.map(Path::new));
    actual.lines().map(str::to_owned).collect()
}

fn summarised(run: &RunOutcome, limit: usize) -> String {
    summary(&example::commands(), run, limit)
}

/// Returns a run with `count` broken cases.
fn broken(count: usize) -> RunOutcome {
    let case = |at| CaseOutcome {
        verdict: Verdict::Broken,
        problems: vec![Problem::Failed { text: "no".into() }],
        ..example::case(&format!("many/case {at:04}"), "mlp", Vec::new())
    };
    RunOutcome { cases: (0..count).map(case).collect(), ..example::run() }
}

#[test]
fn each_failing_case_is_annotated_at_its_file_worst_first() {
    let run = RunOutcome {
        cases: example::run().cases.into_iter().filter(|case| case.verdict != Verdict::Broken).collect(),
        ..example::run()
    };
    let lines = annotated(&run, Some("/home/me"));
    let heads: Vec<&str> = lines.iter().map(|line| line.rsplit_once("::").expect("a command").0).collect();
    assert_eq!(
        heads,
        [
            "::error file=port/goldens/gpt2-tiny/h.1/qkv/case.json,title=missing%3A gpt2-tiny/h.1/qkv",
            "::error file=port/goldens/lfs/ln/case.json,title=missing%3A lfs/ln",
            "::error file=port/goldens/gpt2-tiny/h.0/attn/case.json,title=mismatch%3A gpt2-tiny/h.0/attn",
            "::error file=port/goldens/gpt2-tiny/h.0/mlp/case.json,title=mismatch%3A gpt2-tiny/h.0/mlp",
            "::error file=port/goldens/gpt2-tiny/lm_head/case.json,title=mismatch%3A gpt2-tiny/lm_head",
            "::error file=port/goldens/gpt2-tiny/h.0/qkv/case.json,title=mismatch%3A gpt2-tiny/h.0/qkv",
            "::error file=port/snapshots/old case/y.snap,title=orphaned%3A old case",
            "::warning file=port/goldens/gpt2-tiny/wpe/case.json,title=unrecorded%3A gpt2-tiny/wpe",
            "::warning file=port/goldens/synthetic/alibi/case.json,title=unrecorded%3A synthetic/alibi",
            "::warning file=port/goldens/gpt2-tiny/h.1/ln_2/case.json,title=drift%3A gpt2-tiny/h.1/ln_2",
            "::warning file=port/goldens/gpt2-tiny/ln_f/case.json,title=drift%3A gpt2-tiny/ln_f",
        ]
    );
    assert!(
        lines[2].contains("%0A          3 of 512 elements (0.6%25), the first at [0, 2, 5], are outside"),
        "{}",
        lines[2]
    );
    assert!(lines[9].contains("if it is intended:  cargo insta review"), "{}", lines[9]);
    // Outside the workspace, paths are relative to the current folder.
    assert!(annotated(&run, Some("/home/you"))[0].starts_with("::error file=goldens/gpt2-tiny/h.1/qkv/case.json,"));
    assert!(annotated(&run, None)[0].starts_with("::error file=goldens/gpt2-tiny/h.1/qkv/case.json,"));
}

#[test]
fn annotations_beyond_the_limit_of_github_are_counted() {
    assert_eq!(annotated(&broken(10), None).len(), 10);
    let lines = annotated(&broken(42), None);
    assert_eq!(lines.len(), 10);
    assert!(lines[8].starts_with("::error file=goldens/many/case 0008/case.json,"), "{}", lines[8]);
    assert!(lines[9].starts_with("::error title=33 cases more::many/case 0009%0Amany/case 0010%0A"), "{}", lines[9]);
    assert!(annotated(&broken(100_000), None).iter().all(|line| line.len() < 65_536));
}

#[test]
fn cases_that_do_not_fail_are_not_annotated() {
    let reviewed = RunOutcome { gate: Gate { reviewed: true, ..Gate::default() }, ..example::run() };
    assert!(annotated(&reviewed, None).iter().all(|line| line.starts_with("::error ")));
    assert_eq!(annotated(&RunOutcome { cases: Vec::new(), ..example::run() }, None), [""; 0]);
}

#[test]
fn the_step_summary_lists_every_failure() {
    assert_text(&summarised(&example::run(), usize::MAX), include_str!("../../../tests/data/report/summary.md"));
}

#[test]
fn a_summary_stays_within_its_size_limit() {
    let run = broken(20_000);
    let whole = summarised(&run, usize::MAX);
    assert!(whole.len() > 1024 * 1024, "{}", whole.len());
    let page = summarised(&run, 1024 * 1024);
    assert!((1_000_000..=1024 * 1024).contains(&page.len()), "{}", page.len());
    let rows = page.lines().filter(|line| line.starts_with("| broken | `many/")).count();
    assert!(page.ends_with(&format!("\n{} more rows do not fit here; see the log.\n", 20_000 - rows)));
    assert_eq!(summarised(&run, 100), "");
}

#[test]
fn text_in_a_summary_is_never_markdown() {
    let mut run = broken(1);
    run.cases[0].problems = vec![Problem::Error { text: "<b> @me a|b `c` *d* [e](f)".into() }];
    let page = summarised(&run, usize::MAX);
    assert!(page.contains(r"&lt;b&gt; &#64;&#8203;me a\|b \`c\` \*d\* \[e\](f)"), "{page}");
}

fn written(run: &RunOutcome) -> String {
    junit(&example::commands(), run)
}

fn read(run: &RunOutcome) -> Report {
    Report::deserialize_from_str(&written(run)).expect("it is JUnit's XML")
}

fn test_case<'a>(report: &'a Report, id: &str) -> &'a TestCase {
    let mut cases = report.test_suites.iter().flat_map(|suite| &suite.test_cases);
    cases.find(|case| case.name.as_str() == id).expect("the case exists")
}

fn skipped(report: &Report) -> usize {
    report.test_suites.iter().map(|suite| suite.skipped).sum()
}

/// Returns the kind, the message and the description of a failure.
fn failure(case: &TestCase) -> (Option<NonSuccessKind>, &str, &str) {
    let (kind, message, description) = match &case.status {
        TestCaseStatus::NonSuccess { kind, message, description, .. } => (Some(*kind), message, description),
        TestCaseStatus::Skipped { message, description, .. } => (None, message, description),
        TestCaseStatus::Success { .. } => panic!("{} passes", case.name.as_str()),
    };
    (kind, message.as_deref().unwrap_or_default(), description.as_deref().unwrap_or_default())
}

#[test]
fn every_case_is_a_test_case_of_its_suite() {
    let run = example::run();
    let report = read(&run);
    let names: Vec<(&str, &str)> = report
        .test_suites
        .iter()
        .flat_map(|suite| suite.test_cases.iter().map(|case| (suite.name.as_str(), case.name.as_str())))
        .collect();
    let mut expected: Vec<(&str, &str)> = run
        .cases
        .iter()
        .map(|case| case.id.as_str())
        .map(|id| (id.rsplit_once('/').map_or(".", |id| id.0), id))
        .collect();
    expected.sort();
    assert_eq!(names, expected);
    let counts = run.counts();
    assert_eq!((report.tests, report.errors, skipped(&report)), (run.cases.len(), counts.broken, 1));
    assert_eq!(report.failures, run.failed() - counts.broken);
    assert_eq!(report.time, Some(run.elapsed));
}

#[test]
fn the_root_element_has_only_attributes_that_jenkins_accepts() {
    let xml = written(&example::run());
    let root = xml.lines().nth(1).expect("the root");
    assert_eq!(root, r#"<testsuites name="karat" tests="23" failures="11" errors="6" time="1.238">"#);
}

#[test]
fn a_failure_has_its_full_message_and_a_skip_its_reason() {
    let report = read(&example::run());
    let (kind, line, whole) = failure(test_case(&report, "gpt2-tiny/h.0/attn"));
    assert_eq!((kind, line), (Some(NonSuccessKind::Failure), "mismatch: outside tolerance"));
    assert!(whole.contains("largest difference 2.1e-4 at [0, 3, 17]"), "{whole}");
    assert!(whole.contains("karat explain gpt2-tiny/h.0/attn"), "{whole}");
    let (kind, line, whole) = failure(test_case(&report, "bad/panic"));
    assert_eq!((kind, line), (Some(NonSuccessKind::Error), "broken: checkpoint panicked"));
    assert!(whole.contains("index out of bounds"), "{whole}");
    assert_eq!(failure(test_case(&report, "gpt2-tiny/generate")), (None, "waits for the cache", ""));
    assert_eq!(failure(test_case(&report, "gpt2-tiny/wpe")).1, "unrecorded");
    let in_ci = RunOutcome { gate: Gate { ci: true, ..Gate::default() }, ..example::run() };
    let report = read(&in_ci);
    assert_eq!((skipped(&report), report.failures + report.errors), (0, in_ci.failed()));
    assert_eq!(failure(test_case(&report, "gpt2-tiny/generate")).0, Some(NonSuccessKind::Failure));
}

#[test]
fn drift_that_will_be_reviewed_is_shown_but_does_not_fail() {
    let reviewed = RunOutcome { gate: Gate { reviewed: true, ..Gate::default() }, ..example::run() };
    let report = read(&reviewed);
    assert_eq!(report.failures + report.errors, reviewed.failed());
    let drifted = test_case(&report, "gpt2-tiny/h.1/ln_2");
    assert!(matches!(drifted.status, TestCaseStatus::Success { .. }));
    assert!(drifted.system_out.as_deref().is_some_and(|out| out.contains("left the snapshot's band")), "{drifted:?}");
}

#[test]
fn the_xml_contains_no_forbidden_characters() {
    let mut run = example::run();
    let all: String =
        (0..=0x20).chain(0x7f..=0x9f).chain([0xfffe, 0xffff, 0x1f600]).filter_map(char::from_u32).collect();
    let ugly = format!("]]> & < > \" ' {all}");
    for case in run.cases.iter_mut().filter(|case| case.verdict == Verdict::Broken) {
        case.problems = vec![crate::run::Problem::Failed { text: ugly.clone() }];
    }
    let xml = written(&run);
    let forbidden = |c: char| matches!(c, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}');
    assert_eq!(xml.find(forbidden), None);
    assert!(failure(test_case(&read(&run), "bad/panic")).2.contains("]]> & < > \" '"));
}
