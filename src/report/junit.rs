//! The JUnit report for test viewers: a test suite for each suite and a test case for each case.

use std::collections::BTreeMap;
use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{Commands, overview, terminal};
use crate::run::{CaseOutcome, Problem, RunOutcome, Verdict};
use crate::text::safe::escape_lines;

/// Formats a run as JUnit XML. A case that fails the run is a failure with its full message, a broken case an error, and
/// an allowed skip a skip with its reason. The name of a test case is the id of the case, and its class is the suite.
#[must_use]
pub fn junit(commands: &Commands, run: &RunOutcome) -> String {
    let mut suites: BTreeMap<&str, Vec<&CaseOutcome>> = BTreeMap::new();
    for case in &run.cases {
        suites.entry(suite(case)).or_default().push(case);
    }
    let mut report = Report::new("karat");
    report.set_time(run.elapsed);
    for (name, cases) in suites {
        let mut suite = TestSuite::new(escape_lines(name));
        suite.set_time(cases.iter().map(|case| case.elapsed).sum::<Duration>());
        suite.add_test_cases(cases.into_iter().map(|case| test_case(commands, run, case)));
        report.add_test_suite(suite);
    }
    if let Some(early) = overview::ended_early(run) {
        // Viewers only count test cases, so a run that ended early is a test case with an error.
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_message(escape_lines(&early));
        let mut suite = TestSuite::new("karat");
        suite.add_test_case(TestCase::new("karat::run", status));
        report.add_test_suite(suite);
    }
    let xml = report.to_string().expect("writing to a string cannot fail");
    // The schema that Jenkins' xUnit plugin validates against allows this attribute on suites only.
    xml.replacen(&format!(" skipped=\"{}\"", report.skipped), "", 1)
}

/// Returns the folder of a case, or `.` for a case directly below the root.
fn suite(case: &CaseOutcome) -> &str {
    case.id.as_str().rsplit_once('/').map_or(".", |(suite, _)| suite)
}

fn test_case(commands: &Commands, run: &RunOutcome, case: &CaseOutcome) -> TestCase {
    let fails = run.gate.fails(case);
    let has_message = match case.verdict {
        Verdict::Pass => case.is_vacuous(),
        Verdict::Skipped => fails,
        _ => true,
    };
    let message = has_message.then(|| terminal::message(commands, &run.gate, case));
    let mut status = match case.verdict {
        Verdict::Skipped if !fails => TestCaseStatus::skipped(),
        Verdict::Broken => TestCaseStatus::non_success(NonSuccessKind::Error),
        _ if fails => TestCaseStatus::non_success(NonSuccessKind::Failure),
        _ => TestCaseStatus::success(),
    };
    let is_success = matches!(status, TestCaseStatus::Success { .. });
    if !is_success {
        let brief = match case.problems.first() {
            Some(Problem::Skipped { reason }) => reason.clone(),
            _ => overview::verdict_line(commands, run, case),
        };
        status.set_message(escape_lines(&brief));
        status.set_type(if case.verdict == Verdict::Pass { "vacuous" } else { case.verdict.word() });
        if let Some(message) = &message {
            status.set_description(message.as_str());
        }
    }
    let mut test = TestCase::new(escape_lines(case.id.as_str()), status);
    test.set_classname(escape_lines(suite(case)));
    test.set_time(case.elapsed);
    if let Some(message) = message.filter(|_| is_success) {
        // The case is vacuous, or its drift will be reviewed.
        test.set_system_out(message);
    }
    test
}
