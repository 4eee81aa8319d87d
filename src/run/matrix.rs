//! What several executors made of the same cases: a row for each case, a cell for each executor.

use std::path::PathBuf;
use std::time::Duration;

use super::outcome::{CaseOutcome, Counts, Gate, Problem, RunOutcome, Verdict, larger};
use crate::case::CaseId;

/// The same cases, run by several executors, each held to accuracy alone.
#[derive(Clone, Debug)]
#[must_use]
pub struct Matrix {
    /// The goldens root, as it was found.
    pub root: PathBuf,
    /// One for each executor, in the order in which they were named.
    pub columns: Vec<Column>,
    /// One for each case that was selected, sorted by id.
    pub rows: Vec<Row>,
    /// How many cases a filter left out.
    pub filtered_out: usize,
    /// What lets a skipped case through.
    pub gate: Gate,
    /// The wall time of all runs together.
    pub elapsed: Duration,
}

/// An executor.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name.
    pub executor: String,
    /// Whether a checkpoint that it lacks is a failure.
    pub required: bool,
}

/// A case, and what every executor made of it.
#[derive(Clone, Debug)]
pub struct Row {
    /// Which case.
    pub id: CaseId,
    /// The checkpoint it names; `None` where `case.json` could not be read.
    pub checkpoint: Option<String>,
    /// One for each column. Where its executor lacks the checkpoint it is a hole: nothing ran, nothing passed, and the outcome says
    /// what the executor has instead.
    pub cells: Vec<CaseOutcome>,
}

/// Cells taken together: the worst verdict, the largest difference and the largest share of a tolerance of any of them
/// (which may be of two), how many are holes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sum {
    /// How many cells with each verdict.
    pub counts: Counts,
    /// How many cells are holes.
    pub holes: usize,
    /// The worst verdict of what is no hole; `None` where all are holes.
    pub verdict: Option<Verdict>,
    /// The largest absolute difference; `None` where nothing was measured.
    pub max_abs_diff: Option<f64>,
    /// The largest share of its tolerance that an element uses; `None` where nothing was measured.
    pub tolerance_used: Option<f64>,
}

/// The rows of one checkpoint in one suite.
#[derive(Clone, Debug)]
pub struct Group {
    /// The first part of the cases' ids.
    pub suite: String,
    /// The checkpoint; `None` for cases whose `case.json` could not be read.
    pub checkpoint: Option<String>,
    /// How many cases.
    pub cases: usize,
    /// One for each column.
    pub sums: Vec<Sum>,
    /// Whether a cell of it fails, one for each column.
    pub failed: Vec<bool>,
}

impl Matrix {
    /// The runs of several executors over the cases of one tree by one filter, side by side.
    ///
    /// # Panics
    ///
    /// Where there is no run.
    pub fn of(runs: Vec<RunOutcome>, required: &[String]) -> Matrix {
        let first = runs.first().expect("a matrix has an executor");
        let (root, gate, filtered_out) = (first.root.clone(), first.gate.clone(), first.filtered_out);
        let elapsed = runs.iter().map(|run| run.elapsed).sum();
        let column =
            |run: &RunOutcome| Column { executor: run.executor.clone(), required: required.contains(&run.executor) };
        let columns: Vec<Column> = runs.iter().map(column).collect();
        let mut rows: Vec<Row> = Vec::new();
        for run in runs {
            // Each run has every case of one tree, in the same order.
            for (at, case) in run.cases.into_iter().enumerate() {
                if rows.len() == at {
                    rows.push(Row { id: case.id.clone(), checkpoint: case.checkpoint.clone(), cells: Vec::new() });
                }
                rows[at].cells.push(case);
            }
        }
        Matrix { root, columns, rows, filtered_out, gate, elapsed }
    }

    /// Whether that cell of that row fails the gate: a hole where its executor is required, or where nobody else ran
    /// the case either.
    #[must_use]
    pub fn fails(&self, row: &Row, column: usize) -> bool {
        match row.cells[column].is_hole() {
            true => self.columns[column].required || row.cells.iter().all(CaseOutcome::is_hole),
            false => self.gate.fails(&row.cells[column]),
        }
    }

    /// How many cells fail the gate.
    #[must_use]
    pub fn failed(&self) -> usize {
        let of = |row: &Row| (0..self.columns.len()).filter(|&column| self.fails(row, column)).count();
        self.rows.iter().map(of).sum()
    }

    /// A column as a whole.
    #[must_use]
    pub fn sum(&self, column: usize) -> Sum {
        Sum::of(self.rows.iter().map(|row| &row.cells[column]))
    }

    /// The rows of each checkpoint in each suite taken together, suites in the order of their names, checkpoints in that
    /// of their first case.
    #[must_use]
    pub fn groups(&self) -> Vec<Group> {
        let suite = |row: &Row| row.id.as_str().split('/').next().unwrap_or_default().to_owned();
        let mut keys: Vec<(String, Option<String>)> = Vec::new();
        for key in self.rows.iter().map(|row| (suite(row), row.checkpoint.clone())) {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        let group = |(of, checkpoint): (String, Option<String>)| {
            let rows: Vec<&Row> =
                self.rows.iter().filter(|row| suite(row) == of && row.checkpoint == checkpoint).collect();
            let sum = |column| Sum::of(rows.iter().map(|row| &row.cells[column]));
            let columns = 0..self.columns.len();
            Group {
                cases: rows.len(),
                sums: columns.clone().map(sum).collect(),
                failed: columns.map(|column| rows.iter().any(|row| self.fails(row, column))).collect(),
                suite: of,
                checkpoint,
            }
        };
        keys.into_iter().map(group).collect()
    }

    /// The checkpoints that an executor lacks, sorted.
    #[must_use]
    pub fn lacking(&self, column: usize) -> Vec<&str> {
        let holes = self.rows.iter().filter(|row| row.cells[column].is_hole());
        let mut names: Vec<&str> = holes.filter_map(|row| row.checkpoint.as_deref()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

impl CaseOutcome {
    /// Whether the executor lacks the checkpoint.
    #[must_use]
    pub fn is_hole(&self) -> bool {
        self.problems.iter().any(|problem| matches!(problem, Problem::UnknownCheckpoint { .. }))
    }
}

impl Sum {
    /// The cells taken together.
    #[must_use]
    pub fn of<'a>(cells: impl IntoIterator<Item = &'a CaseOutcome>) -> Sum {
        let mut sum = Sum::default();
        for case in cells {
            if case.is_hole() {
                sum.holes += 1;
                continue;
            }
            sum.counts.add(case.verdict);
            sum.verdict = Some(sum.verdict.map_or(case.verdict, |worst| worst.min(case.verdict)));
            for measured in case.outputs.iter().filter_map(|output| output.comparison.as_ref()) {
                let largest = measured.max_abs_diff.as_ref().map(|extreme| extreme.value);
                sum.max_abs_diff = larger(sum.max_abs_diff, largest);
                sum.tolerance_used = larger(sum.tolerance_used, Some(measured.tolerance_used));
            }
        }
        sum
    }
}
