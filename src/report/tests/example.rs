//! A hand-made run with every verdict and every problem. Its expected reports are in `tests/data/report`.

use std::path::PathBuf;
use std::time::Duration;

use crate::case::CaseId;
use crate::compare::{Comparison, Extreme, Mismatch, NonFinite, Summary, Tolerance};
use crate::explain::{Details, Explanation, Hypothesis};
use crate::report::{Commands, Review};
use crate::run::{CaseOutcome, Gate, Gates, OutputOutcome, Problem, RunOutcome, Verdict};
use crate::snapshot::Drift;
use crate::tensor::value::{ElementType, Types};
use crate::tensor::{DType, Value};

pub(super) fn commands() -> Commands {
    Commands { review: Review::Insta, ..Commands::new("karat", "/home/me/port".into()) }
}

pub(super) fn run() -> RunOutcome {
    let mut cases = vec![
        passes(),
        passes_with_outliers(),
        passes_improved(),
        passes_exactly(),
        snapshot_only(),
        values_differ(),
        nan_differs(),
        structure_differs(),
        asks_for_more(),
        drifts(),
        drifts_in_text(),
        new(),
        new_snapshot_only(),
        orphan(),
        missing(),
        left_out(),
        skipped(),
    ];
    cases.extend(broken());
    cases.sort_by(|a, b| a.id.cmp(&b.id));
    RunOutcome {
        root: "/home/me/port/goldens".into(),
        snapshots: "/home/me/port/snapshots".into(),
        executor: "builtin".into(),
        gates: Gates::Both,
        cases,
        chains: None,
        filtered_out: 3,
        partition: None,
        not_run: 0,
        gate: Gate::default(),
        interrupted: None,
        elapsed: Duration::from_millis(1238),
    }
}

pub(super) fn case(id: &str, checkpoint: &str, outputs: Vec<OutputOutcome>) -> CaseOutcome {
    CaseOutcome {
        id: CaseId::new(id).expect("a path"),
        file: PathBuf::from(format!("/home/me/port/goldens/{id}/case.json")),
        inherited: std::collections::BTreeMap::new(),
        checkpoint: Some(checkpoint.into()),
        verdict: outputs.iter().map(|output| output.verdict).min().unwrap_or(Verdict::Pass),
        problems: Vec::new(),
        outputs,
        snapshot_only: false,
        elapsed: Duration::from_micros(412),
    }
}

fn case_with_problem(id: &str, verdict: Verdict, problem: Problem) -> CaseOutcome {
    CaseOutcome { verdict, problems: vec![problem], ..case(id, "attention", Vec::new()) }
}

pub(super) fn output(name: &str, verdict: Verdict) -> OutputOutcome {
    OutputOutcome {
        name: name.into(),
        verdict,
        problems: Vec::new(),
        summary: Some(summary()),
        tolerance: Some(Tolerance::new(1e-5, 0.0).expect("valid")),
        comparison: Some(comparison()),
        chained_vacuous: None,
        drift: Vec::new(),
        improved: Vec::new(),
        actual_file: None,
        reference: Some(format!("{name}.npy")),
        alternatives: Vec::new(),
        explanations: Vec::new(),
        picture: None,
    }
}

/// Returns a convincing explanation.
pub(super) fn explanation() -> Explanation {
    Explanation {
        id: Hypothesis::Scale,
        removes: 0.9975,
        evidence: "actual = 0.125 x reference, which is 1/sqrt(64)".into(),
        with: Vec::new(),
        details: Details { factor: Some(0.125), ..Details::default() },
    }
}

fn mismatch(id: &str, name: &str, mismatches: Vec<Mismatch>) -> OutputOutcome {
    OutputOutcome {
        problems: mismatches.into_iter().map(Problem::Mismatch).collect(),
        actual_file: Some(format!("/home/me/port/target/karat/{id}/{name}.npy").into()),
        ..output(name, Verdict::Mismatch)
    }
}

pub(super) fn summary() -> Summary {
    Summary {
        shape: vec![1, 8, 64],
        dtype: DType::F32,
        elements: 512,
        left_out: 0,
        non_finite: NonFinite::default(),
        min: Some(Value::Float32(-3.0517578)),
        max: Some(Value::Float32(2.5)),
        mean: Some(0.012345678901234567),
        std: Some(0.99),
        l2: Some(22.4),
    }
}

fn extreme(value: f64, actual: f32, reference: f32) -> Extreme {
    Extreme { value, index: vec![0, 3, 17], actual: Value::Float32(actual), reference: Value::Float32(reference) }
}

/// Returns a comparison within atol 1e-5.
pub(super) fn comparison() -> Comparison {
    Comparison {
        types: Some(Types { actual: ElementType::Float32, reference: ElementType::Float32 }),
        elements: 512,
        left_out: 0,
        differing: 201,
        outside: 0,
        first_outside: None,
        non_finite_mismatches: 0,
        first_non_finite_mismatch: None,
        max_abs_diff: Some(extreme(2.384185791015625e-7, 1.5000002, 1.5)),
        max_rel_diff: Some(extreme(1.602e-5, 0.0125002, 0.0125)),
        max_ulp_diff: Some(extreme(24.0, 0.0125002, 0.0125)),
        worst: Some(extreme(0.02384185791015625, 1.5000002, 1.5)),
        zero_references: 2,
        mean_abs_diff: Some(4.1e-8),
        rmse: Some(6.2e-8),
        rel_rms: Some(6.3e-8),
        bias: Some(-1.2e-9),
        scale: Some(1.0 + 3e-8),
        cosine: Some(1.0 - 2f64.powi(-50)),
        tolerance_used: 0.02384185791015625,
        smallest_atol: Some(2.384185791015625e-7),
        actual_non_finite: NonFinite::default(),
        reference_non_finite: NonFinite::default(),
        vacuous: None,
        mismatches: Vec::new(),
    }
}

/// Returns a comparison with three elements outside atol 1e-5.
pub(super) fn far() -> Comparison {
    Comparison {
        differing: 512,
        outside: 3,
        first_outside: Some(vec![0, 2, 5]),
        max_abs_diff: Some(extreme(2.1041e-4, 0.031276703, 0.03106629)),
        max_rel_diff: Some(extreme(6.77e-3, 0.031276703, 0.03106629)),
        max_ulp_diff: Some(extreme(105797.0, 0.031276703, 0.03106629)),
        worst: Some(extreme(21.041, 0.031276703, 0.03106629)),
        mean_abs_diff: Some(3.1e-6),
        rmse: Some(1.2e-5),
        rel_rms: Some(1.2e-5),
        tolerance_used: 21.041,
        smallest_atol: Some(2.1041e-4),
        mismatches: vec![Mismatch::Outside { count: 3 }],
        ..comparison()
    }
}

/// Returns the comparison with that share of the tolerance used.
fn with_used_share(share: f64, measured: Comparison) -> Comparison {
    // Any difference exceeds an exact tolerance.
    let (actual, reference) =
        if share.is_finite() { (0.0125 + 1e-5 * share as f32, 0.0125) } else { (0.031276703, 0.03106629) };
    let worst = Some(extreme(share, actual, reference));
    Comparison { worst, tolerance_used: share, ..measured }
}

fn passes() -> CaseOutcome {
    case("gpt2-tiny/h.0/ln_1", "layer_norm", vec![output("y", Verdict::Pass)])
}

fn passes_with_outliers() -> CaseOutcome {
    let mut tolerance = Tolerance::new(1e-5, 0.0).expect("valid");
    tolerance.outliers = 2;
    let measured = Comparison { outside: 2, mismatches: Vec::new(), ..with_used_share(1.4, far()) };
    let output = OutputOutcome { tolerance: Some(tolerance), comparison: Some(measured), ..output("y", Verdict::Pass) };
    case("vision/resize", "bicubic", vec![output])
}

fn passes_improved() -> CaseOutcome {
    let improved = vec![moved("largest difference", "9.1e-6", "2.384185791015625e-7", "up to 3.64e-5")];
    case("gpt2-tiny/h.1/ln_1", "layer_norm", vec![OutputOutcome { improved, ..output("y", Verdict::Pass) }])
}

fn passes_exactly() -> CaseOutcome {
    let mut measured = comparison();
    measured.differing = 0;
    for largest in [&mut measured.max_abs_diff, &mut measured.worst] {
        *largest = Some(extreme(0.0, 1.5, 1.5));
    }
    measured.tolerance_used = 0.0;
    let output = OutputOutcome {
        tolerance: Some(Tolerance::EXACT),
        comparison: Some(measured),
        ..output("token", Verdict::Pass)
    };
    case("gpt2-tiny/argmax", "argmax", vec![output])
}

fn snapshot_only() -> CaseOutcome {
    let output = OutputOutcome { tolerance: None, comparison: None, reference: None, ..output("y", Verdict::Pass) };
    CaseOutcome { snapshot_only: true, ..case("synthetic/rope", "rope", vec![output]) }
}

/// Returns a case with a passing output, one whose reference is in a container, and one without a saved tensor.
fn values_differ() -> CaseOutcome {
    let id = "gpt2-tiny/h.0/attn";
    let q = OutputOutcome {
        comparison: Some(far()),
        reference: Some("../all qkv.npz#h.0.q".into()),
        // Not convincing, so only `explain` shows it.
        explanations: vec![Explanation { removes: 0.5, ..explanation() }],
        ..mismatch(id, "q", vec![Mismatch::Outside { count: 3 }])
    };
    let v = OutputOutcome {
        tolerance: Some(Tolerance::EXACT),
        comparison: Some(Comparison {
            outside: 1,
            first_outside: None,
            mismatches: vec![Mismatch::Outside { count: 1 }],
            ..with_used_share(f64::INFINITY, far())
        }),
        actual_file: None,
        ..mismatch(id, "v", vec![Mismatch::Outside { count: 1 }])
    };
    case(id, "attention", vec![output("k", Verdict::Pass), q, v])
}

fn nan_differs() -> CaseOutcome {
    let id = "gpt2-tiny/h.0/mlp";
    let non_finite = NonFinite { nan: 3, pos_inf: 1, neg_inf: 0 };
    let measured = Comparison {
        outside: 4,
        non_finite_mismatches: 4,
        first_non_finite_mismatch: Some(extreme(f64::INFINITY, f32::NAN, -0.25)),
        actual_non_finite: non_finite,
        tolerance_used: f64::INFINITY,
        smallest_atol: None,
        mismatches: vec![Mismatch::NonFinite { count: 4 }],
        ..comparison()
    };
    let output = OutputOutcome {
        comparison: Some(measured),
        summary: Some(Summary { non_finite, ..summary() }),
        ..mismatch(id, "y", vec![Mismatch::NonFinite { count: 4 }])
    };
    case(id, "mlp", vec![output])
}

fn structure_differs() -> CaseOutcome {
    let id = "gpt2-tiny/h.0/qkv";
    let plain = |name: &str, problem| OutputOutcome { comparison: None, ..mismatch(id, name, vec![problem]) };
    let outputs = vec![
        OutputOutcome {
            summary: Some(Summary {
                dtype: DType::F64,
                min: Some(Value::Float64(-3.0517578)),
                max: Some(Value::Float64(2.5)),
                ..summary()
            }),
            ..plain("dtype", Mismatch::Dtype { actual: DType::F64, required: DType::F32 })
        },
        plain("empty", Mismatch::Empty),
        OutputOutcome {
            problems: vec![Problem::ExtraOutput { known: vec!["k".into(), "q".into()] }],
            tolerance: None,
            comparison: None,
            reference: None,
            ..output("extra", Verdict::Mismatch)
        },
        plain("mask", Mismatch::Mask { dtype: DType::F32, shape: vec![8], reference: vec![1, 8] }),
        OutputOutcome { problems: vec![Problem::NotRepeatable { repeat: 3 }], ..output("random", Verdict::Mismatch) },
        plain("shape", Mismatch::Shape { actual: vec![1, 8, 64], reference: vec![1, 4, 8, 16] }),
        plain("ulps", Mismatch::NoUlps { actual: DType::F32, reference: DType::I64 }),
    ];
    case(id, "qkv", outputs)
}

/// Returns a case with three limits. Because of the relative tolerance, the worst element is not the one with the largest
/// difference.
fn asks_for_more() -> CaseOutcome {
    let id = "gpt2-tiny/lm_head";
    let mut tolerance = Tolerance::new(1e-5, 1.3e-6).expect("valid");
    (tolerance.max_ulps, tolerance.max_rel_rms) = (Some(4), Some(1e-6));
    let mismatches = vec![
        Mismatch::Outside { count: 3 },
        Mismatch::Ulps { ulps: 105_797, allowed: 4 },
        Mismatch::RelRms { rel_rms: 1.2e-5, allowed: 1e-6 },
    ];
    let worst = Extreme { index: vec![0, 0, 2], ..extreme(21.041, 0.001_210_44, 0.001) };
    let measured = Comparison { worst: Some(worst), mismatches: mismatches.clone(), ..far() };
    let output = OutputOutcome {
        tolerance: Some(tolerance),
        comparison: Some(measured),
        explanations: vec![explanation()],
        ..mismatch(id, "logits", mismatches)
    };
    case(id, "lm_head", vec![output])
}

fn moved(quantity: &str, stored: &str, measured: &str, band: &str) -> Drift {
    Drift { quantity: quantity.into(), stored: stored.into(), measured: measured.into(), band: band.into() }
}

fn drifts() -> CaseOutcome {
    let drift = vec![moved("largest difference", "6e-8", "9.1e-6", "up to 3.8e-6"), moved("outliers", "", "0", "")];
    let output =
        OutputOutcome { drift, comparison: Some(with_used_share(0.91, comparison())), ..output("y", Verdict::Drift) };
    case("gpt2-tiny/h.1/ln_2", "layer_norm", vec![output])
}

fn drifts_in_text() -> CaseOutcome {
    let drift = vec![
        moved("sha256 of input x", &"0123456789abcdef".repeat(4), &"fedcba9876543210".repeat(4), ""),
        moved("mean", "0.012345678901234567", "0.012345978901234567", "0.012345 to 0.0123459"),
    ];
    case("gpt2-tiny/ln_f", "layer_norm", vec![OutputOutcome { drift, ..output("y", Verdict::Drift) }])
}

fn new() -> CaseOutcome {
    case("gpt2-tiny/wpe", "embedding", vec![output("y", Verdict::Unrecorded)])
}

fn new_snapshot_only() -> CaseOutcome {
    let output =
        OutputOutcome { tolerance: None, comparison: None, reference: None, ..output("y", Verdict::Unrecorded) };
    CaseOutcome { snapshot_only: true, ..case("synthetic/alibi", "alibi", vec![output]) }
}

fn orphan() -> CaseOutcome {
    let snapshot = PathBuf::from("/home/me/port/snapshots/old case/y.snap");
    let output = OutputOutcome {
        problems: vec![Problem::Orphaned { snapshot }],
        summary: None,
        tolerance: None,
        comparison: None,
        reference: None,
        ..output("y", Verdict::Orphaned)
    };
    CaseOutcome { checkpoint: None, ..case("old case", "", vec![output]) }
}

fn missing() -> CaseOutcome {
    let text = "goldens/lfs/ln/y.npy: is a Git LFS pointer, not a tensor; get it with `git lfs pull`";
    let output = OutputOutcome {
        problems: vec![Problem::Missing { text: text.into() }],
        comparison: None,
        ..output("y", Verdict::Missing)
    };
    case("lfs/ln", "layer_norm", vec![output])
}

fn left_out() -> CaseOutcome {
    let left_out = OutputOutcome {
        problems: vec![Problem::MissingOutput { returned: vec!["k".into()] }],
        summary: None,
        comparison: None,
        ..output("q", Verdict::Missing)
    };
    case("gpt2-tiny/h.1/qkv", "qkv", vec![output("k", Verdict::Pass), left_out])
}

fn skipped() -> CaseOutcome {
    case_with_problem("gpt2-tiny/generate", Verdict::Skipped, Problem::Skipped { reason: "waits for the cache".into() })
}

fn broken() -> Vec<CaseOutcome> {
    let error = "goldens/bad/json/case.json: expected `,` or `}` at line 4 column 3";
    let unknown = Problem::UnknownCheckpoint {
        name: "layernorm".into(),
        known: vec!["qkv".into(), "embedding".into(), "layer_norm".into()],
    };
    let panic = "index out of bounds: the len is 8\nbut the index is \u{1b}[31m9";
    let inputs = vec![
        Problem::Missing { text: "input x: goldens/bad/x.npy: there is no such file".into() },
        Problem::Error { text: "input y: goldens/bad/y.npy: holds 3 bytes after its elements".into() },
    ];
    vec![
        CaseOutcome {
            problems: inputs,
            ..case_with_problem("bad/inputs", Verdict::Broken, Problem::Error { text: error.into() })
        },
        CaseOutcome {
            checkpoint: None,
            ..case_with_problem("bad/json", Verdict::Broken, Problem::Error { text: error.into() })
        },
        case_with_problem("bad/panic", Verdict::Broken, Problem::Panicked { text: panic.into() }),
        case_with_problem(
            "bad/returns",
            Verdict::Broken,
            Problem::Failed { text: "there is no input \"mask\"; it has x".into() },
        ),
        CaseOutcome { checkpoint: Some("layernorm".into()), ..case_with_problem("bad/name", Verdict::Broken, unknown) },
        case_with_problem(
            "bad/nobody",
            Verdict::Broken,
            Problem::UnknownCheckpoint { name: "mlp".into(), known: Vec::new() },
        ),
    ]
}
