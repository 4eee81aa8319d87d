//! The examples in `docs/json.md` match the output.

use super::{assert_text, example, to_json_text, verbs};
use crate::case::CaseId;
use crate::doctor::{Complaint, ComplaintKind, Health};
use crate::report::json;
use crate::run::{CaseOutcome, Gate, OutputOutcome, RunOutcome, Verdict};

/// Returns the JSON examples in the docs, in order.
fn examples() -> Vec<String> {
    let page = include_str!("../../../docs/json.md");
    page.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default().to_owned()).collect()
}

/// Returns a run with a mismatch and a skipped case.
fn run() -> RunOutcome {
    let mut run = example::run();
    run.cases.retain(|case| ["gpt2-tiny/generate", "gpt2-tiny/lm_head"].contains(&case.id.as_str()));
    run.gate = Gate { ci: true, allowed_skips: vec!["gpt2-tiny/generate".into()], reviewed: false, ..Gate::default() };
    run
}

/// Returns a case with the explanation `scale`.
fn scale_case() -> CaseOutcome {
    let mut case = verbs::explained_case();
    case.outputs.retain(|output| output.name == "q");
    case.outputs[0].explanations = vec![example::explanation()];
    case
}

/// Returns a setup with two complaints.
fn health() -> Health {
    let root = "/home/me/port";
    let orphan = Complaint {
        kind: ComplaintKind::Orphaned,
        text: None,
        files: vec![format!("{root}/snapshots/a/y.snap").into(), format!("{root}/snapshots/b c/y.snap").into()],
        case: None,
    };
    let text = format!("{root}/goldens/b/case.json: unknown field `chekpoint`");
    let broken = Complaint {
        kind: ComplaintKind::Broken,
        text: Some(text),
        files: vec![format!("{root}/goldens/b/case.json").into()],
        case: Some(CaseId::new("b").expect("an id")),
    };
    Health { root: format!("{root}/goldens").into(), cases: 12, snapshots: 17, complaints: vec![broken, orphan] }
}

/// Returns a run with one drifted case.
fn drift_run() -> RunOutcome {
    let mut run = example::run();
    run.cases.retain(|case| case.id.as_str() == "gpt2-tiny/h.1/ln_2");
    run.cases.truncate(1);
    run
}

#[test]
fn the_examples_in_the_docs_match_the_output() {
    let commands = example::commands();
    let (tensor, summary) = verbs::tensor();
    let written = [
        to_json_text(|out| json::run(out, &commands, &run())),
        to_json_text(|out| json::explain(out, &commands, "builtin", &Gate::default(), &scale_case())),
        to_json_text(|out| json::matrix(out, &commands, &verbs::matrix())),
        to_json_text(|out| json::list(out, &commands, &verbs::cases())),
        to_json_text(|out| {
            json::show(out, &commands, &[verbs::single_tensor("goldens/a/y.npy", &tensor, summary.clone())], None)
        }),
        to_json_text(|out| json::show(out, &commands, &[], Some(&verbs::case()))),
        to_json_text(|out| json::diff(out, &verbs::one_pair())),
        to_json_text(|out| json::doctor(out, &commands, &health())),
    ];
    let documented = examples();
    assert_eq!(documented.len(), written.len());
    written.iter().zip(&documented).for_each(|(written, documented)| assert_text(written, documented));
}

#[test]
fn an_absent_line_of_a_snapshot_is_null() {
    let actual = to_json_text(|out| json::run(out, &example::commands(), &drift_run()));
    let document: serde_json::Value = serde_json::from_str(&actual).expect("one JSON document");
    let drift = &document["cases"][0]["outputs"][0]["drift"][1];
    assert_eq!(drift.to_string(), r#"{"band":null,"measured":"0","quantity":"outliers","stored":null}"#);
}

#[test]
fn non_finite_floats_are_strings_in_json() {
    let mut run = drift_run();
    let mut measured = example::comparison();
    (measured.tolerance_used, measured.bias, measured.scale) = (f64::INFINITY, Some(f64::NEG_INFINITY), Some(f64::NAN));
    run.cases[0].outputs = vec![OutputOutcome { comparison: Some(measured), ..example::output("y", Verdict::Pass) }];
    let actual = to_json_text(|out| json::run(out, &example::commands(), &run));
    for line in ["\"tolerance_used\": \"inf\"", "\"bias\": \"-inf\"", "\"scale\": \"nan\""] {
        assert!(actual.contains(line), "{line}\n{actual}");
    }
}
