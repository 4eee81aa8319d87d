//! The output of `show`, `diff`, `list` and `matrix`.

use serde_json::json;

use super::{assert_text, example};
use crate::case::CaseId;
use crate::compare::{Mismatch, NonFinite, Pair, Picture, Rules, Summary, Tolerance, summarize};
use crate::explain::{Explanation, Hypothesis};
use crate::report::terminal::{self, RowKind};
use crate::report::{
    CaseLine, CaseView, DiffView, InputView, OutputView, PairView, Palette, TensorView, UnreadableTensor,
};
use crate::report::{histogram, markdown};
use crate::run::{CaseOutcome, Gate, Gates, Matrix, Problem, RunOutcome, Verdict};
use crate::tensor::{DType, Tensor, Value};

pub(super) fn tensor() -> (Tensor, Summary) {
    let elements: Vec<f32> = (0..16).map(|at| (at * at) as f32 / 8.0 - 4.0).chain([f32::NAN]).collect();
    let summary = Summary {
        shape: vec![17],
        dtype: DType::F32,
        elements: 17,
        left_out: 0,
        non_finite: NonFinite { nan: 1, ..NonFinite::default() },
        min: Some(Value::Float32(-4.0)),
        max: Some(Value::Float32(24.125)),
        mean: Some(5.6875),
        std: Some(9.0135),
        l2: Some(42.63),
    };
    (Tensor::new(&[17], elements).expect("17 elements"), summary)
}

fn view(name: &str, place: &str, summary: Result<Summary, String>) -> TensorView {
    TensorView { name: name.into(), place: place.into(), summary, histogram: None }
}

/// Returns the view of a single tensor.
pub(super) fn single_tensor(place: &str, tensor: &Tensor, summary: Summary) -> TensorView {
    TensorView { histogram: Some(histogram(tensor)), ..view("", place, Ok(summary)) }
}

pub(super) fn case() -> CaseView {
    let object = |value: serde_json::Value| value.as_object().cloned().unwrap_or_default();
    CaseView {
        id: CaseId::new("gpt2-tiny/h.0/ln_1").expect("a path"),
        file: "/home/me/port/goldens/gpt2-tiny/h.0/ln_1/case.json".into(),
        checkpoint: "layer_norm".into(),
        params: object(json!({"eps": 1e-5})),
        inputs: vec![
            InputView {
                tensor: view("bias", "../weights.safetensors#ln_1.bias", Err("no such member; it has a, b".into())),
                from: None,
            },
            InputView {
                tensor: view("x", "../../embeddings/y.npy", Ok(example::summary())),
                from: Some("gpt2-tiny/embeddings:y".into()),
            },
        ],
        outputs: vec![OutputView {
            tensor: view("y", "y.npy", Ok(Summary { left_out: 64, elements: 448, ..example::summary() })),
            tolerance: Some(Tolerance::new(1e-5, 0.0).expect("valid")),
            chained_tolerance: None,
            alternatives: Vec::new(),
            mask: Some("../mask.npy".into()),
        }],
        timeout: Some(std::time::Duration::from_millis(2500)),
        skip: None,
        reference: object(json!({"framework": "transformers 4.40.0", "model": {"source": "gpt2"}, "seed": 0})),
    }
}

fn pair(name: &str) -> PairView {
    PairView {
        name: name.into(),
        tolerance: Tolerance::new(1e-5, 0.0).expect("valid"),
        actual: example::summary(),
        reference: example::summary(),
        comparison: Ok(example::far()),
        explanations: None,
        picture: None,
    }
}

/// Returns a case with explanations and a picture, as `explain` reports it.
pub(super) fn explained_case() -> CaseOutcome {
    let mut case = example::run()
        .cases
        .into_iter()
        .find(|case| case.id.as_str() == "gpt2-tiny/h.0/attn")
        .expect("the case exists");
    let with = Explanation { id: Hypothesis::Shift, evidence: "shifted".into(), ..example::explanation() };
    case.outputs[1].explanations = vec![
        Explanation { with: vec![Hypothesis::Shift], ..example::explanation() },
        Explanation { with: vec![Hypothesis::Scale], ..with },
        Explanation {
            id: Hypothesis::Outliers,
            removes: 0.91,
            evidence: "3 of 512 elements carry it all".into(),
            ..example::explanation()
        },
    ];
    let mut actual = vec![0.5f32; 12];
    (actual[3], actual[7]) = (0.75, 0.5001);
    let actual = Tensor::new(&[1, 3, 4], actual).expect("12 elements");
    let reference = Tensor::new(&[1, 3, 4], vec![0.5f32; 12]).expect("12 elements");
    let tolerance = Tolerance::new(1e-5, 0.0).expect("valid");
    case.outputs[1].picture = Picture::of(Pair::new(&actual, &reference), &Rules::new(tolerance));
    case
}

#[test]
fn an_output_is_explained_best_first_with_a_picture() {
    let actual = terminal::explain(&Palette::plain(), &example::commands(), &Gate::default(), &explained_case());
    assert_text(&actual, include_str!("../../../tests/data/report/explain.txt"));
}

#[test]
fn a_pair_is_explained_on_request() {
    let explained = |explanations| {
        let mut view = one_pair();
        view.pairs[0].explanations = Some(explanations);
        terminal::diff(&Palette::plain(), &view)
    };
    let convinced = explained(vec![example::explanation()]);
    let end = "\nlooks like, and how much of the difference undoing it removes:\n\
               1. scale  removes >99%\n   actual = 0.125 x reference, which is 1/sqrt(64)\n";
    assert!(convinced.ends_with(end), "{convinced}");
    let lost = explained(Vec::new());
    assert!(lost.ends_with("\nnothing fits: no hypothesis for tensors of this kind explains it\n"), "{lost}");
    let mut many = many_pairs();
    many.pairs[0].explanations = Some(vec![example::explanation()]);
    let actual = terminal::diff(&Palette::plain(), &many);
    assert!(actual.contains("          looks like: actual = 0.125 x reference, which is 1/sqrt(64)\n"), "{actual}");
}

pub(super) fn one_pair() -> DiffView {
    DiffView {
        actual: "target/karat/a/y.npy".into(),
        reference: "goldens/a/y.npy".into(),
        pairs: vec![pair("")],
        only_actual: Vec::new(),
        only_reference: Vec::new(),
        unread: Vec::new(),
    }
}

fn many_pairs() -> DiffView {
    let shapes = Mismatch::Shape { actual: vec![1, 8, 64], reference: vec![8, 64] };
    let flat = Summary { shape: vec![8, 64], ..example::summary() };
    DiffView {
        actual: "new.npz".into(),
        reference: "old.npz".into(),
        pairs: vec![
            pair("h.0.q"),
            PairView { reference: flat, comparison: Err(shapes), ..pair("h.10.k") },
            PairView { comparison: Ok(example::comparison()), ..pair("wte") },
        ],
        only_actual: vec!["extra".into()],
        only_reference: vec!["gone".into()],
        unread: vec![UnreadableTensor { name: "ids".into(), error: "new.npz#ids: holds pickled objects".into() }],
    }
}

pub(super) fn cases() -> Vec<CaseLine> {
    let line = |id: &str, checkpoint: Option<&str>, outputs: &[&str]| CaseLine {
        id: CaseId::new(id).expect("a path"),
        file: format!("/home/me/port/goldens/{id}/case.json").into(),
        checkpoint: checkpoint.map(str::to_owned),
        outputs: outputs.iter().map(|name| (*name).to_owned()).collect(),
        skip: None,
        error: None,
    };
    vec![
        CaseLine { error: Some("unknown field `chekpoint`".into()), ..line("bad", None, &[]) },
        line("gpt2-tiny/h.0/qkv", Some("qkv"), &["k", "q", "v"]),
        CaseLine { skip: Some("waits for the cache".into()), ..line("gpt2-tiny/mlp", Some("mlp"), &["y"]) },
        line("synthetic/rope", Some("rope"), &[]),
    ]
}

#[test]
fn a_tensor_is_shown_with_a_histogram() {
    let (tensor, summary) = tensor();
    let actual = terminal::show(
        &Palette::plain(),
        "goldens/a/y.npy",
        &[single_tensor("goldens/a/y.npy", &tensor, summary.clone())],
    );
    assert_text(&actual, include_str!("../../../tests/data/report/show_tensor.txt"));
}

#[test]
fn statistics_of_complex_numbers_are_labelled_as_moduli() {
    use num_complex::Complex;
    let tensor = Tensor::new(&[2], vec![Complex::new(3.0f64, 4.0), Complex::new(0.0, -1.0)]).expect("two elements");
    let summary = summarize(&tensor, None);
    let shown = terminal::show(&Palette::plain(), "y.npy", &[single_tensor("y.npy", &tensor, summary.clone())]);
    for line in [
        "  min |z|     1\n",
        "  max |z|     5\n",
        "  mean |z|    3\n",
        "  std |z|     2\n",
        "\n  |z|, and number of elements\n",
    ] {
        assert!(shown.contains(line), "{line:?} is not in\n{shown}");
    }
    let shown = terminal::show(&Palette::plain(), "all.npz", &[view("y", "all.npz#y", Ok(summary))]);
    assert!(shown.contains("|z| 1 to 5, std 2"), "{shown}");
}

#[test]
fn a_tensor_without_finite_elements_has_no_histogram() {
    let tensor = Tensor::new(&[1], vec![f32::NAN]).expect("one element");
    let summary = Summary { min: None, max: None, mean: None, std: None, l2: None, ..self::tensor().1 };
    let actual = terminal::show(&Palette::plain(), "y.npy", &[single_tensor("y.npy", &tensor, summary.clone())]);
    assert!(
        actual.ends_with(
            "  min         none\n  max         none\n  mean        none\n  std         none\n  l2          none\n"
        ),
        "{actual}"
    );
}

#[test]
fn a_container_is_shown_with_one_line_per_tensor() {
    let members = [
        view("h.0.q", "all.npz#h.0.q", Ok(example::summary())),
        view("ids", "all.npz#ids", Err("holds pickled objects".into())),
        view("y", "all.npz#y", Ok(tensor().1)),
    ];
    let expected = "\
all.npz
  h.0.q  f32  [1, 8, 64]  -3.05 to 2.5, std 0.99
  ids    holds pickled objects
  y      f32  [17]        -4 to 24.1, std 9.01, 1 NaN, 0 inf, 0 -inf
";
    assert_text(&terminal::show(&Palette::plain(), "all.npz", &members), expected);
}

#[test]
fn a_case_is_shown_with_its_tensors() {
    let actual = terminal::show_case(&Palette::plain(), &example::commands(), &case());
    assert_text(&actual, include_str!("../../../tests/data/report/show_case.txt"));
}

#[test]
fn one_pair_is_compared_in_full() {
    let actual = terminal::diff(&Palette::plain(), &one_pair());
    assert_text(&actual, include_str!("../../../tests/data/report/diff_one.txt"));
}

#[test]
fn several_pairs_have_one_line_each_and_unmatched_names_are_listed() {
    let actual = terminal::diff(&Palette::plain(), &many_pairs());
    assert_text(&actual, include_str!("../../../tests/data/report/diff_many.txt"));
}

#[test]
fn files_with_different_names_are_not_close() {
    assert!(!one_pair().is_close());
    assert!(!DiffView { pairs: Vec::new(), ..one_pair() }.is_close());
    let close = DiffView { pairs: vec![PairView { comparison: Ok(example::comparison()), ..pair("") }], ..one_pair() };
    assert!(close.is_close());
    assert!(!DiffView { only_reference: vec!["gone".into()], ..close }.is_close());
}

#[test]
fn every_case_is_listed() {
    let actual = terminal::list(&Palette::plain(), &cases());
    assert_text(&actual, include_str!("../../../tests/data/report/list.txt"));
}

const IDS: [&str; 3] = ["gpt2-tiny/generate", "gpt2-tiny/h.0/ln_1", "gpt2-tiny/lm_head"];

/// Returns a pass, a mismatch and a skip of one executor, and a hole, a mismatch and a skip of another.
pub(super) fn matrix() -> Matrix {
    let run = |executor: &str| {
        let mut run = RunOutcome { executor: executor.into(), gates: Gates::Accuracy, ..example::run() };
        run.cases.retain(|case| IDS.contains(&case.id.as_str()));
        run
    };
    let mut other = run("candle");
    let lacks = Problem::UnknownCheckpoint { name: "layer_norm".into(), known: vec!["mlp".into()] };
    other.cases[1] =
        CaseOutcome { verdict: Verdict::Broken, problems: vec![lacks], outputs: Vec::new(), ..other.cases[1].clone() };
    Matrix::new(vec![run("builtin"), other], &[])
}

#[test]
fn every_case_has_a_row_and_every_executor_a_column() {
    let actual = terminal::matrix(RowKind::Case, &Palette::plain(), &example::commands(), &matrix());
    assert_text(&actual, include_str!("../../../tests/data/report/matrix.txt"));
}

#[test]
fn the_markdown_table_has_the_same_cells() {
    let actual = markdown::matrix(RowKind::Case, &matrix());
    assert_text(&actual, include_str!("../../../tests/data/report/matrix.md"));
}

#[test]
fn a_bar_in_a_name_does_not_end_a_cell() {
    let mut matrix = matrix();
    matrix.rows[0].checkpoint = Some("a|b\n".into());
    let actual = markdown::matrix(RowKind::Case, &matrix);
    assert!(actual.contains("| <code>a\\|b\\\\n</code> |"), "{actual}");
}

#[test]
fn a_group_shows_its_worst_verdict_its_largest_difference_and_its_holes() {
    let mut matrix = matrix();
    matrix.rows.iter_mut().for_each(|row| row.checkpoint = Some("one".into()));
    let actual = markdown::matrix(RowKind::Checkpoint, &matrix);
    let row = actual.lines().last().expect("a row");
    assert_eq!(row, "| gpt2-tiny | `one` | 3 | **mismatch 2.1e-4 21x** | **mismatch 2.1e-4 21x, 1 hole** |");
}
