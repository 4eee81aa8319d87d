//! Two executors over the same cases, through every report of a matrix.

use super::{assert_told, example};
use crate::report::terminal::By;
use crate::report::{Palette, markdown, terminal};
use crate::run::{CaseOutcome, Gates, Matrix, Problem, RunOutcome, Verdict};

const IDS: [&str; 3] = ["gpt2-tiny/generate", "gpt2-tiny/h.0/ln_1", "gpt2-tiny/lm_head"];

/// A pass, a mismatch and a skip by one executor; by the other a hole, a mismatch and a skip.
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
    Matrix::of(vec![run("builtin"), other], &[])
}

#[test]
fn every_case_has_a_row_and_every_executor_a_column() {
    let told = terminal::matrix(By::Case, &Palette::plain(), &example::voice(), &matrix());
    assert_told(&told, include_str!("../../../tests/data/report/matrix.txt"));
}

#[test]
fn a_page_has_the_same_table() {
    let told = markdown::matrix(By::Case, &matrix());
    assert_told(&told, include_str!("../../../tests/data/report/matrix.md"));
}

#[test]
fn a_bar_in_a_name_ends_no_cell() {
    let mut matrix = matrix();
    matrix.rows[0].checkpoint = Some("a|b\n".into());
    let told = markdown::matrix(By::Case, &matrix);
    assert!(told.contains("| <code>a\\|b\\\\n</code> |"), "{told}");
}

#[test]
fn a_group_has_the_worst_verdict_the_largest_difference_and_counts_its_holes() {
    let mut matrix = matrix();
    matrix.rows.iter_mut().for_each(|row| row.checkpoint = Some("one".into()));
    let told = markdown::matrix(By::Checkpoint, &matrix);
    let row = told.lines().last().expect("a row");
    assert_eq!(row, "| gpt2-tiny | `one` | 3 | **mismatch 2.1e-4 21x** | **mismatch 2.1e-4 21x, 1 hole** |");
}
