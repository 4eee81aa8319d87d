//! JUnit's XML, read back by what viewers would read it with.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus};

use super::example;
use crate::report::junit::junit;
use crate::run::{Gate, RunOutcome, Verdict};

fn written(run: &RunOutcome) -> String {
    junit(&example::voice(), run)
}

fn read(run: &RunOutcome) -> Report {
    Report::deserialize_from_str(&written(run)).expect("it is JUnit's XML")
}

fn test_case<'a>(report: &'a Report, id: &str) -> &'a TestCase {
    let mut cases = report.test_suites.iter().flat_map(|suite| &suite.test_cases);
    cases.find(|case| case.name.as_str() == id).expect("it is there")
}

fn skipped(report: &Report) -> usize {
    report.test_suites.iter().map(|suite| suite.skipped).sum()
}

/// What went wrong, the line and the whole.
fn said(case: &TestCase) -> (Option<NonSuccessKind>, &str, &str) {
    let (kind, message, description) = match &case.status {
        TestCaseStatus::NonSuccess { kind, message, description, .. } => (Some(*kind), message, description),
        TestCaseStatus::Skipped { message, description, .. } => (None, message, description),
        TestCaseStatus::Success { .. } => panic!("{} passes", case.name.as_str()),
    };
    (kind, message.as_deref().unwrap_or_default(), description.as_deref().unwrap_or_default())
}

#[test]
fn every_case_is_a_test_of_its_suite_with_its_verdict() {
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
fn the_root_has_no_attribute_that_jenkins_does_not_know() {
    let xml = written(&example::run());
    let root = xml.lines().nth(1).expect("the root");
    assert_eq!(root, r#"<testsuites name="karat" tests="23" failures="11" errors="6" time="1.238">"#);
}

#[test]
fn what_fails_has_its_whole_message_and_a_skip_its_reason() {
    let report = read(&example::run());
    let (kind, line, whole) = said(test_case(&report, "gpt2-tiny/h.0/attn"));
    assert_eq!((kind, line), (Some(NonSuccessKind::Failure), "mismatch: outside tolerance"));
    assert!(whole.contains("largest difference 2.1e-4 at [0, 3, 17]"), "{whole}");
    assert!(whole.contains("karat explain gpt2-tiny/h.0/attn"), "{whole}");
    let (kind, line, whole) = said(test_case(&report, "bad/panic"));
    assert_eq!((kind, line), (Some(NonSuccessKind::Error), "broken: the checkpoint panicked"));
    assert!(whole.contains("index out of bounds"), "{whole}");
    assert_eq!(said(test_case(&report, "gpt2-tiny/generate")), (None, "waits for the cache", ""));
    assert_eq!(said(test_case(&report, "gpt2-tiny/wpe")).1, "unrecorded");
    let in_ci = RunOutcome { gate: Gate { ci: true, ..Gate::default() }, ..example::run() };
    let report = read(&in_ci);
    assert_eq!((skipped(&report), report.failures + report.errors), (0, in_ci.failed()));
    assert_eq!(said(test_case(&report, "gpt2-tiny/generate")).0, Some(NonSuccessKind::Failure));
}

#[test]
fn what_is_reviewed_afterwards_is_shown_and_does_not_fail() {
    let reviewed = RunOutcome { gate: Gate { reviewed: true, ..Gate::default() }, ..example::run() };
    let report = read(&reviewed);
    assert_eq!(report.failures + report.errors, reviewed.failed());
    let drifted = test_case(&report, "gpt2-tiny/h.1/ln_2");
    assert!(matches!(drifted.status, TestCaseStatus::Success { .. }));
    assert!(drifted.system_out.as_deref().is_some_and(|out| out.contains("left the snapshot's band")), "{drifted:?}");
}

#[test]
fn no_character_is_written_that_xml_forbids() {
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
    assert!(said(test_case(&read(&run), "bad/panic")).2.contains("]]> & < > \" '"));
}
