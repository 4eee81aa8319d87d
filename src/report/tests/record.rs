//! The JSON record of a run is complete: reading it back restores the run.

use std::time::Duration;

use proptest::prelude::*;

use super::{assert_text, example, to_text, verbs};
use crate::case::CaseId;
use crate::compare::{NanRule, Pair, Picture, Rules, Tolerance, compare, summarize};
use crate::explain::{Details, Explanation, Hypothesis};
use crate::report::{Commands, Palette, json, terminal};
use crate::run::{
    Amplifier, CaseOutcome, ChainOutcome, Difference, Finding, Gate, Gates, OutputOutcome, Partition, Problem, Role,
    RunOutcome, Step, Verdict,
};
use crate::tensor::Tensor;

fn id(text: &str) -> CaseId {
    CaseId::new(text).expect("an id")
}

/// Returns the example run with chains of every finding and role, a gate, explanations and pictures.
pub(super) fn full_run() -> RunOutcome {
    let mut run = example::run();
    let problems = vec![
        Problem::ChainedOutside { comparison: Some(Box::new(example::far())), tolerance: Tolerance::EXACT },
        Problem::ChainedOutside { comparison: None, tolerance: Tolerance::EXACT.with_max_ulps(3) },
        Problem::NotChained { why: "a hole".into() },
    ];
    run.cases.push(CaseOutcome { id: id("chained"), verdict: Verdict::Broken, problems, ..verbs::explained_case() });
    let details = Details {
        factor: Some(f64::NEG_INFINITY),
        axes: Some(vec![1, 0]),
        by: Some(-3),
        position: Some(7),
        eps: Some(1e-5),
        name: Some("mask".into()),
        elements: Some(u64::MAX),
    };
    let explain = |id| Explanation {
        id,
        removes: 0.1,
        evidence: "a \"quoted\" line\n".into(),
        with: vec![Hypothesis::Bias],
        details: details.clone(),
    };
    run.cases[0].outputs.push(OutputOutcome {
        explanations: Hypothesis::ALL.into_iter().map(explain).collect(),
        ..example::output("ä €", Verdict::Pass)
    });
    run.chains = Some(chains());
    run.gate = Gate { ci: true, allowed_skips: vec!["gpt2-tiny/generate".into()], reviewed: true, ..Gate::default() };
    let shard = "hash:2/3".parse().expect("a shard");
    run.partition = Some(Partition { shard, total: 70, digest: "ab".into(), contents: "cd".into() });
    run.not_run = 4;
    run.elapsed = Duration::new(86_400 * 30, 123_456_789);
    run
}

fn chains() -> Vec<ChainOutcome> {
    let apart = |x: f64| Difference { max_abs_diff: Some(x), tolerance_used: x, rel_rms: Some(x), is_close: x < 1.0 };
    let parts =
        [Role::Sound, Role::Diverges, Role::AtFaultToo, Role::PassesOn, Role::Accumulates, Role::Hole, Role::PastHole];
    let step = |(at, part): (usize, Role)| Step {
        id: id(&format!("a/{at}")),
        checkpoint: (at > 0).then(|| "mlp".into()),
        role: part,
        why: matches!(part, Role::Hole | Role::PastHole).then(|| "a/b".into()),
        own: (at > 1).then(|| apart(0.1 * at as f64)),
        propagated: (at > 2).then(|| apart(f64::INFINITY)),
        amplification: (at > 3).then_some(1e300),
    };
    let steps: Vec<Step> = parts.into_iter().enumerate().map(step).collect();
    let findings = [
        Finding::Sound,
        Finding::Divergence { id: id("a/1") },
        Finding::Accumulation { end: id("a/6"), amplifier: Some(Amplifier { id: id("a/4"), amplification: 2.5 }) },
        Finding::Accumulation { end: id("a/6"), amplifier: None },
        Finding::Unknown { hole: id("a/5") },
    ];
    findings.map(|finding| ChainOutcome { name: "a".into(), steps: steps.clone(), finding }).into()
}

fn written(commands: &Commands, run: &RunOutcome) -> String {
    to_text(|out| json::run(out, commands, run))
}

/// Serializes a case as an isolated process does, and reads and checks it.
pub(super) fn round_trip(case: &CaseOutcome) -> Result<CaseOutcome, String> {
    let text = serde_json::to_string(case).expect("it can be written");
    let mut read: CaseOutcome = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    read.restore()?;
    read.check().map(|()| read)
}

fn on_screen(commands: &Commands, run: &RunOutcome) -> String {
    terminal::run(terminal::Detail::Cases, &Palette::colored(), commands, run)
}

#[test]
fn a_run_with_accuracy_only_survives_a_round_trip() {
    let mut run = measured_run();
    run.cases.truncate(2);
    run.gates = Gates::Accuracy;
    let read = json::read_run(&written(&example::commands(), &run)).expect("it was just written");
    assert_eq!(read.gates, Gates::Accuracy);
}

#[test]
fn reports_of_a_run_are_equal_after_a_round_trip() {
    let commands = example::commands();
    for run in [example::run(), full_run()] {
        let text = written(&commands, &run);
        let read = json::read_run(&text).expect("it was just written");
        assert_text(&written(&commands, &read), &text);
        assert_text(&on_screen(&commands, &read), &on_screen(&commands, &run));
    }
}

#[test]
fn a_case_survives_a_round_trip_with_its_paths() {
    for case in full_run().cases {
        let read = round_trip(&case).expect("it was just written");
        // Compare the debug output, because NaN is not equal to itself.
        assert_eq!(format!("{read:?}"), format!("{case:?}"));
    }
}

#[test]
fn a_run_with_absolute_paths_survives_a_round_trip() {
    let commands = Commands { base: "/elsewhere".into(), ..example::commands() };
    let read = json::read_run(&written(&commands, &full_run())).expect("it was just written");
    assert_eq!(format!("{read:?}"), format!("{:?}", full_run()));
}

/// Returns the outcome of comparing two tensors.
fn measured(actual: Tensor, reference: &Tensor) -> CaseOutcome {
    measured_with(actual, reference, None, Rules::new(Tolerance::new(1e-3, 1e-3).expect("valid")))
}

/// Returns the outcome of comparing two tensors with a mask and rules.
fn measured_with(actual: Tensor, reference: &Tensor, mask: Option<&Tensor>, rules: Rules) -> CaseOutcome {
    let rules = rules.with_cast(actual.dtype());
    let pair = Pair { actual: &actual, reference, mask };
    let found = compare(pair, &rules).expect("one shape");
    let verdict = if found.is_close() { Verdict::Pass } else { Verdict::Mismatch };
    let output = OutputOutcome {
        summary: Some(summarize(&actual, mask)),
        problems: found.mismatches.iter().cloned().map(Problem::Mismatch).collect(),
        picture: Picture::of(pair, &rules),
        tolerance: Some(rules.tolerance),
        comparison: Some(found),
        ..example::output("y", verdict)
    };
    example::case("a", "mlp", vec![output])
}

proptest! {
    #[test]
    fn measurements_survive_a_round_trip_bit_for_bit(bits: Vec<(u64, u64)>, integers: Vec<(i64, u64)>) {
        prop_assume!(!bits.is_empty() && !integers.is_empty());
        let of = |side: fn(&(u64, u64)) -> u64| bits.iter().map(side);
        let doubles = |side| Tensor::new(&[bits.len()], of(side).map(f64::from_bits).collect()).expect("as many");
        let singles = |side| {
            Tensor::new(&[bits.len()], of(side).map(|x| f32::from_bits(x as u32)).collect()).expect("as many")
        };
        let signed = Tensor::new(&[integers.len()], integers.iter().map(|x| x.0).collect()).expect("as many");
        let unsigned = Tensor::new(&[integers.len()], integers.iter().map(|x| x.1).collect()).expect("as many");
        for case in [
            measured(doubles(|x| x.0), &doubles(|x| x.1)),
            measured(singles(|x| x.0), &singles(|x| x.1)),
            measured(singles(|x| x.0), &doubles(|x| x.1)),
            measured(signed, &unsigned),
        ] {
            let read = round_trip(&case).expect("it was just written");
            prop_assert_eq!(format!("{read:?}"), format!("{case:?}"));
        }
    }
}

/// Doubles of every magnitude, including ones whose squares overflow.
fn double() -> impl Strategy<Value = f64> {
    let edges = [0.0, -0.0, 5e-324, -1e-323, 1e-300, 1e-20, 1.0, -1.0, 3e38, 1e300, -1.7e308, f64::MAX, f64::NAN];
    prop_oneof![2 => proptest::sample::select(edges.to_vec()), 1 => -4.0..4.0, 1 => any::<u64>().prop_map(f64::from_bits)]
}

/// Integers, including ones that doubles cannot represent.
fn integer() -> impl Strategy<Value = i64> {
    let edges = [0, 1, -1, i64::MAX, i64::MIN, (1 << 53) + 1, 1 << 53];
    prop_oneof![1 => proptest::sample::select(edges.to_vec()), 1 => any::<i64>()]
}

/// Tolerances that allow nothing, something, or everything.
fn tolerance() -> impl Strategy<Value = Tolerance> {
    let atol = proptest::sample::select(vec![0.0, 5e-324, 1e-3, 1.0, 1e300]);
    let rtol = proptest::sample::select(vec![0.0, 1e-3, 1.0, 1e300]);
    let rel_rms = proptest::option::of(proptest::sample::select(vec![0.0, 0.5]));
    (atol, rtol, 0..3u64, proptest::option::of(0..9u64), rel_rms).prop_map(|(atol, rtol, outliers, ulps, rel_rms)| {
        let tolerance = Tolerance::new(atol, rtol).expect("valid").with_outliers(outliers);
        Tolerance { max_ulps: ulps, max_rel_rms: rel_rms, ..tolerance }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn every_real_measurement_is_accepted(
        doubles in proptest::collection::vec((double(), double()), 1..9),
        integers in proptest::collection::vec((integer(), integer()), 1..9),
        tolerance in tolerance(),
        mask in proptest::option::of(proptest::collection::vec(proptest::bool::weighted(0.7), 8)),
        matches_nan: bool,
    ) {
        use num_complex::Complex;
        fn of<T: crate::tensor::Element, P>(pairs: &[P], side: impl Fn(&P) -> T) -> Tensor {
            Tensor::new(&[1, pairs.len()], pairs.iter().map(side).collect()).expect("as many")
        }
        let of_integers: Vec<(f64, i64)> = doubles.iter().map(|x| x.0).zip(integers.iter().map(|x| x.1)).collect();
        for (actual, reference) in [
            (of(&doubles, |x| x.0), of(&doubles, |x| x.1)),
            (of(&doubles, |x| x.0 as f32), of(&doubles, |x| x.1 as f32)),
            (of(&doubles, |x| x.0 as f32), of(&doubles, |x| x.1)),
            (of(&doubles, |x| Complex::new(x.0, x.1)), of(&doubles, |x| Complex::new(x.1, x.0))),
            (of(&doubles, |x| Complex::new(x.0, x.1)), of(&doubles, |x| x.1)),
            (of(&integers, |x| x.0), of(&integers, |x| x.1)),
            (of(&integers, |x| x.0 as u64), of(&integers, |x| x.1 as u64)),
            (of(&integers, |x| x.0 > 0), of(&integers, |x| x.1 > 0)),
            (of(&of_integers, |x| x.0), of(&of_integers, |x| x.1)),
            (of(&of_integers, |x| x.1), of(&of_integers, |x| x.0)),
            (of(&doubles, |x| x.0), of(&doubles, |x| x.0)),
            (of(&doubles, |x| x.0), of(&doubles, |x| x.0 * 1.0001)),
            (of(&doubles, |x| x.0 as f32), of(&doubles, |x| x.0 as f32 * 1.0001)),
            (of(&doubles, |x| half::f16::from_f64(x.0)), of(&doubles, |x| half::f16::from_f64(x.1))),
            (of(&doubles, |x| half::f16::from_f64(x.0)), of(&doubles, |x| half::f16::from_f64(x.0 * 1.01))),
            (of(&doubles, |x| Complex::new(x.0, 1.0)), of(&doubles, |x| Complex::new(x.0 * 0.9999, 1.0))),
            (of(&doubles, |x| 1e-9 * x.0), of(&doubles, |_| 0.0f64)),
            (of(&integers, |x| x.0), of(&integers, |x| x.0.saturating_add(1))),
        ] {
            let shape = reference.shape();
            let mask = mask.as_ref().map(|mask| Tensor::new(shape, mask[..shape[1]].to_vec()).expect("as many"));
            let nan = if matches_nan { NanRule::Match } else { NanRule::Mismatch };
            let rules = Rules::new(tolerance).with_nan(nan).with_empty();
            let case = measured_with(actual, &reference, mask.as_ref(), rules);
            let read = round_trip(&case);
            prop_assert!(read.is_ok(), "{read:?}\n{case:?}");
        }
    }
}

#[test]
fn complex_and_boolean_elements_survive_a_round_trip() {
    use num_complex::Complex;
    let complex = |x: f64| Tensor::new(&[2], vec![Complex::new(x, f64::NAN), Complex::new(1.0, x)]).expect("two");
    let boolean = |x: bool| Tensor::new(&[2], vec![x, true]).expect("two");
    for case in [measured(complex(0.1), &complex(0.2)), measured(boolean(true), &boolean(false))] {
        let read = round_trip(&case).expect("it was just written");
        assert_eq!(format!("{read:?}"), format!("{case:?}"));
    }
}

/// Returns the error from reading the example after a change to its text.
#[track_caller]
fn read_error(change: impl FnOnce(String) -> String) -> String {
    let text = written(&example::commands(), &example::run());
    // Remove the digest, as in older versions; otherwise every error would be about the digest.
    let (content, _) = text.rsplit_once(",\n  \"sha256\"").expect("a digest");
    json::read_run(&change(format!("{content}\n}}\n"))).expect_err("it is broken").to_string()
}

/// Returns the error from reading the example after a replacement in its text.
#[track_caller]
fn read_error_with(from: &str, to: &str) -> String {
    read_error(|text| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    })
}

#[test]
fn the_error_about_an_invalid_document_tells_what_where_and_what_to_do() {
    let again = "write it again with `run --json FILE`";
    for (message, expected) in [
        (read_error(|text| text[..text.len() / 2].to_owned()), vec!["the file is incomplete", "at line", again]),
        (read_error(|_| String::new()), vec!["the file is empty", again]),
        (read_error(|text| text + "{}"), vec!["is not JSON", "trailing", again]),
        (read_error(|_| "name,verdict\n".to_owned()), vec!["is not JSON", again]),
        (read_error(|_| "{}".to_owned()), vec!["missing field `karat`", again]),
        (
            read_error_with("\"format\": 1", "\"format\": 2"),
            vec!["karat.format is 2", "reads format 1", "write it again"],
        ),
        (read_error_with("\"kind\": \"run\"", "\"kind\": \"list\""), vec!["kind is `list`", "`run --json FILE`"]),
        (
            read_error_with("\"verdict\": \"broken\",\n      \"failed\"", "\"verdict\": \"fine\",\n      \"failed\""),
            vec!["cases[0].verdict", "unknown verdict `fine`; expected one of: broken, missing,", again],
        ),
        (read_error_with("\"snapshot_only\": false,", ""), vec!["cases[0]", "missing field `snapshot_only`", again]),
        (read_error_with("\"kept\": null,", ""), vec!["cases[", "outputs[0]", "missing field `kept`", again]),
        (read_error_with("\"chains\": null", "\"x\": null"), vec!["missing field `chains`", again]),
        (
            read_error_with("\"kind\": \"missing\"", "\"kind\": \"lost\""),
            vec!["cases[0].problems: ", "not a known kind of problem", again],
        ),
        (read_error_with("\"id\": \"bad/inputs\"", "\"id\": \"../x\""), vec!["../x", "not a path below", again]),
        (
            read_error_with("\"elapsed_seconds\": 1.238", "\"elapsed_seconds\": -1"),
            vec!["elapsed_seconds: -1", "negative", again],
        ),
        (read_error_with("\"min\": -3.0517578", "\"min\": true"), vec!["case gpt2-tiny/", "output ", "Float", again]),
    ] {
        for part in expected {
            assert!(message.contains(part), "`{part}` is not in: {message}");
        }
    }
    let text = written(&example::commands(), &example::run());
    assert_eq!(json::version(&text).expect("a document"), env!("CARGO_PKG_VERSION"));
}

/// Returns a run with real measurements: `a` mismatches, `b` passes with an outlier, `c` drifts, `d` is snapshot-only, and `e`
/// is skipped.
fn measured_run() -> RunOutcome {
    let tensor = |elements: [f32; 4]| Tensor::new(&[4], elements.to_vec()).expect("four");
    let reference = tensor([1.0, 2.0, 3.0, -4.0]);
    let named = |name: &str, case: CaseOutcome| CaseOutcome { id: id(name), ..case };
    let a = named("a", measured(tensor([1.0, 2.5, 3.0, -4.25]), &reference));
    let mut b = named("b", measured(tensor([1.0, 2.5, 3.0, -4.0]), &reference));
    let tolerance = Tolerance::new(1e-3, 1e-3).expect("valid").with_outliers(1);
    let rules = Rules::new(tolerance);
    let found = compare(Pair::new(&tensor([1.0, 2.5, 3.0, -4.0]), &reference), &rules).expect("one shape");
    b.outputs[0] = OutputOutcome {
        verdict: Verdict::Pass,
        problems: Vec::new(),
        tolerance: Some(tolerance),
        comparison: Some(found),
        ..b.outputs[0].clone()
    };
    b.verdict = Verdict::Pass;
    let mut c = named("c", measured(tensor([1.0, 2.0, 3.0, -4.0]), &reference));
    c.outputs[0].drift = vec![crate::snapshot::Drift {
        quantity: "mean".into(),
        stored: "0".into(),
        measured: "1".into(),
        band: String::new(),
    }];
    (c.outputs[0].verdict, c.verdict) = (Verdict::Drift, Verdict::Drift);
    let mut d = named("d", measured(tensor([1.0, 2.0, 3.0, -4.0]), &reference));
    d.snapshot_only = true;
    d.outputs[0] = OutputOutcome { reference: None, tolerance: None, comparison: None, ..d.outputs[0].clone() };
    let skipped = vec![Problem::Skipped { reason: "slow".into() }];
    let e = CaseOutcome::new(&id("e"), "goldens/e/case.json".into(), None, skipped);
    RunOutcome { cases: vec![a, b, c, d, e], ..RunOutcome::empty() }
}

/// Returns the record of a run without a digest, as in older versions.
fn without_digest() -> serde_json::Value {
    let mut run: serde_json::Value =
        serde_json::from_str(&written(&example::commands(), &measured_run())).expect("JSON");
    run.as_object_mut().expect("an object").remove("sha256").expect("there is a digest");
    run
}

#[test]
fn a_changed_record_is_rejected() {
    let text = written(&example::commands(), &measured_run());
    assert_eq!(json::read_run(&text).expect("as it was written").cases.len(), 5);
    let (content, _) = text.rsplit_once(",\n  \"sha256\"").expect("a digest");
    let digits: Vec<usize> = content.match_indices(|c: char| c.is_ascii_digit()).map(|(at, _)| at).collect();
    assert!(digits.len() > 500, "{}", digits.len());
    for at in digits.into_iter().step_by(11) {
        let digit = if text.as_bytes()[at] == b'7' { "8" } else { "7" };
        let changed = format!("{}{digit}{}", &text[..at], &text[at + 1..]);
        let error = json::read_run(&changed).expect_err("it was changed").to_string();
        assert!(error.contains("changed after karat wrote it") || error.contains("karat.format"), "{error}");
    }
}

#[test]
fn a_record_without_a_digest_is_accepted_unless_it_contradicts_itself() {
    use serde_json::{Value, json};
    type Edit = fn(&mut Value);
    let edits: &[(&str, Edit)] = &[
        // The run.
        ("counts", |run| run["counts"]["pass"] = json!(3)),
        ("counts", |run| run["counts"]["mismatch"] = json!(0)),
        ("total", |run| run["total"] = json!(4)),
        ("failed", |run| run["failed"] = json!(0)),
        ("verdict", |run| run["verdict"] = json!("pass")),
        ("total", |run| run["cases"].as_array_mut().expect("a list").truncate(4)),
        ("it has no cases", |run| run["cases"] = json!([])),
        ("case a occurs more than once", |run| run["cases"][1] = run["cases"][0].clone()),
        ("the run uses none", |run| run["gates"] = json!("accuracy")),
        // A case.
        ("not a path below", |run| run["cases"][1]["id"] = json!("../b")),
        ("is not a valid name", |run| run["cases"][1]["id"] = json!("aux")),
        ("is not a valid name", |run| run["cases"][1]["id"] = json!("b\u{202e}")),
        ("case a: its verdict is pass", |run| run["cases"][0]["verdict"] = json!("pass")),
        ("case b: its verdict is broken", |run| run["cases"][1]["verdict"] = json!("broken")),
        ("case a: failed is false", |run| run["cases"][0]["failed"] = json!(false)),
        ("case b: failed is true", |run| run["cases"][1]["failed"] = json!(true)),
        ("case c: failed is true", |run| run["gate"]["reviewed"] = json!(true)),
        ("make it broken", |run| run["cases"][0]["outputs"] = json!([])),
        ("it occurs more than once", |run| {
            let output = run["cases"][1]["outputs"][0].clone();
            run["cases"][1]["outputs"].as_array_mut().expect("a list").push(output);
        }),
        ("make it skipped", |run| run["cases"][4]["verdict"] = json!("pass")),
        ("make it broken", |run| run["cases"][4]["problems"] = json!([])),
        ("not compared with anything", |run| run["cases"][3]["snapshot_only"] = json!(false)),
        // An output.
        ("its verdict is pass", |run| run["cases"][0]["outputs"][0]["verdict"] = json!("pass")),
        ("its verdict is pass", |run| run["cases"][2]["outputs"][0]["verdict"] = json!("pass")),
        ("its verdict is missing", |run| run["cases"][1]["outputs"][0]["verdict"] = json!("missing")),
        ("its problems do not match", |run| {
            run["cases"][0]["outputs"][0]["problems"] = json!([{ "kind": "outside", "count": 1, "message": "" }]);
        }),
        ("make it drift", |run| run["cases"][2]["outputs"][0]["verdict"] = json!("mismatch")),
        ("make it pass", |run| run["cases"][2]["outputs"][0]["drift"] = json!([])),
        ("no tolerance", |run| run["cases"][1]["outputs"][0]["tolerance"] = json!(null)),
        ("not compared with anything", |run| run["cases"][1]["outputs"][0]["comparison"] = json!(null)),
        ("not compared with anything", |run| run["cases"][1]["outputs"][0]["reference"] = json!(null)),
        ("not compared with anything", |run| run["cases"][1]["outputs"][0]["summary"] = json!(null)),
        ("is not a valid name", |run| run["cases"][1]["outputs"][0]["name"] = json!("a/b")),
        // The tolerance, and the comparison.
        ("claims to be close but is not", |run| run["cases"][1]["outputs"][0]["tolerance"]["outliers"] = json!(0)),
        ("claims to be close but is not", |run| run["cases"][1]["outputs"][0]["tolerance"]["max_ulps"] = json!(1)),
        ("claims to be close but is not", |run| {
            run["cases"][1]["outputs"][0]["tolerance"]["max_rel_rms"] = json!(0.01)
        }),
        ("claims to be close but is not", |run| comparison(run, 0)["mismatches"] = json!([])),
        ("contradictory counts", |run| comparison(run, 1)["outside"] = json!(3)),
        ("contradictory counts", |run| comparison(run, 1)["differing"] = json!(5)),
        ("contradictory counts", |run| comparison(run, 1)["non_finite_mismatches"] = json!(2)),
        ("contradictory counts", |run| comparison(run, 1)["zero_references"] = json!(5)),
        ("contradictory counts", |run| comparison(run, 1)["reference_non_finite"]["nan"] = json!(5)),
    ];
    /// Returns the comparison of the first output of a case.
    fn comparison(run: &mut Value, case: usize) -> &mut Value {
        &mut run["cases"][case]["outputs"][0]["comparison"]
    }
    assert_eq!(json::read_run(&without_digest().to_string()).expect("an older record").cases.len(), 5);
    let mut wrong = Vec::new();
    for (at, (expected, edit)) in edits.iter().enumerate() {
        let mut run = without_digest();
        edit(&mut run);
        match json::read_run(&run.to_string()) {
            Ok(_) => wrong.push(format!("{at}: {expected}: it was read")),
            Err(error) if error.to_string().contains(expected) => {}
            Err(error) => wrong.push(format!("{at}: {expected}: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
