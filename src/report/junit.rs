//! For test viewers: JUnit's XML, a test suite for each suite and a test case for each case.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{Voice, message, terminal};
use crate::run::{CaseOutcome, Problem, RunOutcome, Verdict};
use crate::text::safe::lines;

/// Writes a run: what fails the gate is a failure with its whole message, what is broken an error, and a skip that the gate
/// allows a skip with its reason. The name of a test case is the id of the case, its class the suite.
///
/// # Errors
///
/// What `out` returns.
pub fn junit(out: &mut dyn Write, voice: &Voice, run: &RunOutcome) -> io::Result<()> {
    let mut suites: BTreeMap<&str, Vec<&CaseOutcome>> = BTreeMap::new();
    for case in &run.cases {
        suites.entry(suite(case)).or_default().push(case);
    }
    let mut report = Report::new("karat");
    report.set_time(run.elapsed);
    for (name, cases) in suites {
        let mut suite = TestSuite::new(lines(name));
        suite.set_time(cases.iter().map(|case| case.elapsed).sum::<Duration>());
        for case in cases {
            suite.add_test_case(test_case(voice, run, case));
        }
        report.add_test_suite(suite);
    }
    if let Some(early) = message::ended_early(run) {
        // Viewers count test cases: a run that ended early is an error of its own.
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_message(lines(&early));
        let mut suite = TestSuite::new("karat");
        suite.add_test_case(TestCase::new("karat::run", status));
        report.add_test_suite(suite);
    }
    let xml = report.to_string().map_err(io::Error::other)?;
    // The schema by which Jenkins' xUnit plugin refuses files knows this count of suites alone.
    let xml = xml.replacen(&format!(" skipped=\"{}\"", report.skipped), "", 1);
    out.write_all(xml.as_bytes())
}

/// The folder that the case is in; that of a case right below the root is the root itself.
fn suite(case: &CaseOutcome) -> &str {
    case.id.as_str().rsplit_once('/').map_or(".", |(suite, _)| suite)
}

fn test_case(voice: &Voice, run: &RunOutcome, case: &CaseOutcome) -> TestCase {
    let told = told(voice, run, case);
    let fails = run.gate.fails(case);
    let mut status = match case.verdict {
        Verdict::Skipped if !fails => TestCaseStatus::skipped(),
        Verdict::Broken => TestCaseStatus::non_success(NonSuccessKind::Error),
        _ if fails => TestCaseStatus::non_success(NonSuccessKind::Failure),
        _ => TestCaseStatus::success(),
    };
    let is_success = matches!(status, TestCaseStatus::Success { .. });
    if !is_success {
        status.set_message(lines(&brief(case)));
        status.set_type(if case.verdict == Verdict::Pass { "vacuous" } else { case.verdict.word() });
        if !told.is_empty() {
            status.set_description(lines(&told));
        }
    }
    let mut test = TestCase::new(lines(case.id.as_str()), status);
    test.set_classname(lines(suite(case)));
    test.set_time(case.elapsed);
    if is_success && !told.is_empty() {
        // It goes on to a review, and is shown there too; or it cannot fail.
        test.set_system_out(lines(&told));
    }
    test
}

/// The message of a case that did not pass, as the terminal shows it.
fn told(voice: &Voice, run: &RunOutcome, case: &CaseOutcome) -> String {
    let is_told = match case.verdict {
        Verdict::Pass => case.is_vacuous(),
        Verdict::Skipped => run.gate.fails(case),
        _ => true,
    };
    match is_told {
        true => terminal::message(voice, &run.gate, case),
        false => String::new(),
    }
}

/// What is wrong, in a line: a skip has its reason.
fn brief(case: &CaseOutcome) -> String {
    match case.problems.first() {
        Some(Problem::Skipped { reason }) => reason.clone(),
        _ => message::line(case),
    }
}
