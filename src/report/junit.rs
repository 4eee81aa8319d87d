//! For test viewers: JUnit's XML, a test suite for each suite and a test case for each case.

use std::collections::BTreeMap;
use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{Commands, overview, terminal};
use crate::run::{CaseOutcome, Problem, RunOutcome, Verdict};
use crate::text::safe::escape_lines;

/// A run: what fails the gate is a failure with its whole message, what is broken an error, and a skip that the gate allows a
/// skip with its reason. The name of a test case is the id of the case, its class the suite.
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
        // Viewers count test cases: a run that ended early is an error of its own.
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_message(escape_lines(&early));
        let mut suite = TestSuite::new("karat");
        suite.add_test_case(TestCase::new("karat::run", status));
        report.add_test_suite(suite);
    }
    let xml = report.to_string().expect("a string takes everything");
    // The schema by which Jenkins' xUnit plugin refuses files knows this count of suites alone.
    xml.replacen(&format!(" skipped=\"{}\"", report.skipped), "", 1)
}

/// The folder that the case is in; that of a case right below the root is the root itself.
fn suite(case: &CaseOutcome) -> &str {
    case.id.as_str().rsplit_once('/').map_or(".", |(suite, _)| suite)
}

fn test_case(commands: &Commands, run: &RunOutcome, case: &CaseOutcome) -> TestCase {
    let fails = run.gate.fails(case);
    let is_told = match case.verdict {
        Verdict::Pass => case.is_vacuous(),
        Verdict::Skipped => fails,
        _ => true,
    };
    // As the terminal shows it.
    let told = is_told.then(|| terminal::message(commands, &run.gate, case));
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
            _ => overview::verdict(commands, case),
        };
        status.set_message(escape_lines(&brief));
        status.set_type(if case.verdict == Verdict::Pass { "vacuous" } else { case.verdict.word() });
        if let Some(told) = &told {
            status.set_description(told.as_str());
        }
    }
    let mut test = TestCase::new(escape_lines(case.id.as_str()), status);
    test.set_classname(escape_lines(suite(case)));
    test.set_time(case.elapsed);
    if let Some(told) = told.filter(|_| is_success) {
        // It goes on to a review, and is shown there too; or it cannot fail.
        test.set_system_out(told);
    }
    test
}
