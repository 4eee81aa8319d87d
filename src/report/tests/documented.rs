//! The examples in `docs/json.md` are what karat writes.

use super::{assert_told, example, told_as_json, verbs};
use crate::case::CaseId;
use crate::doctor::{Complaint, ComplaintKind, Health};
use crate::report::json;
use crate::run::{CaseOutcome, Gate, OutputOutcome, RunOutcome, Verdict};

/// The JSON examples of the page, in order.
fn documented() -> Vec<String> {
    let page = include_str!("../../../docs/json.md");
    page.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default().to_owned()).collect()
}

/// A mismatch and a skipped case.
fn run() -> RunOutcome {
    let mut run = example::run();
    run.cases.retain(|case| ["gpt2-tiny/generate", "gpt2-tiny/lm_head"].contains(&case.id.as_str()));
    run.gate = Gate { ci: true, allowed_skips: vec!["gpt2-tiny/generate".into()], reviewed: false, ..Gate::default() };
    run
}

/// A scale, as `explain` finds it.
fn explained() -> CaseOutcome {
    let mut case = verbs::explained();
    case.outputs.retain(|output| output.name == "q");
    case.outputs[0].explanations = vec![example::explanation()];
    case
}

/// A setup with two complaints.
fn ailing() -> Health {
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

/// A drift.
fn drifted() -> RunOutcome {
    let mut run = example::run();
    run.cases.retain(|case| case.id.as_str() == "gpt2-tiny/h.1/ln_2");
    run.cases.truncate(1);
    run
}

#[test]
fn the_examples_of_the_page_are_what_is_written() {
    let commands = example::commands();
    let (tensor, summary) = verbs::tensor();
    let written = [
        told_as_json(|out| json::run(out, &commands, &run())),
        told_as_json(|out| json::explain(out, &commands, "builtin", &Gate::default(), &explained())),
        told_as_json(|out| json::matrix(out, &commands, &verbs::matrix())),
        told_as_json(|out| json::list(out, &commands, &verbs::cases())),
        told_as_json(|out| {
            json::show(out, &commands, &[verbs::alone("goldens/a/y.npy", &tensor, summary.clone())], None)
        }),
        told_as_json(|out| json::show(out, &commands, &[], Some(&verbs::case()))),
        told_as_json(|out| json::diff(out, &verbs::one_pair())),
        told_as_json(|out| json::doctor(out, &commands, &ailing())),
    ];
    let documented = documented();
    assert_eq!(documented.len(), written.len());
    written.iter().zip(&documented).for_each(|(written, documented)| assert_told(written, documented));
}

#[test]
fn an_absent_line_of_a_snapshot_is_null() {
    let told = told_as_json(|out| json::run(out, &example::commands(), &drifted()));
    let document: serde_json::Value = serde_json::from_str(&told).expect("one JSON document");
    let drift = &document["cases"][0]["outputs"][0]["drift"][1];
    assert_eq!(drift.to_string(), r#"{"band":null,"measured":"0","quantity":"outliers","stored":null}"#);
}

#[test]
fn what_json_cannot_hold_is_a_word() {
    let mut run = drifted();
    let mut measured = example::comparison();
    (measured.tolerance_used, measured.bias, measured.scale) = (f64::INFINITY, Some(f64::NEG_INFINITY), Some(f64::NAN));
    run.cases[0].outputs = vec![OutputOutcome { comparison: Some(measured), ..example::output("y", Verdict::Pass) }];
    let told = told_as_json(|out| json::run(out, &example::commands(), &run));
    for line in ["\"tolerance_used\": \"inf\"", "\"bias\": \"-inf\"", "\"scale\": \"nan\""] {
        assert!(told.contains(line), "{line}\n{told}");
    }
}
