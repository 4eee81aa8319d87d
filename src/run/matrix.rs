//! Compares several executors on the same cases: a row for each case, a column for each executor.

use std::path::PathBuf;
use std::time::Duration;

use super::chain::larger;
use super::outcome::{CaseOutcome, Counts, Gate, Problem, RunOutcome, Verdict};
use crate::case::CaseId;

/// The outcomes of the same cases with several executors, checked for accuracy only.
#[derive(Clone, Debug)]
#[must_use]
pub struct Matrix {
    /// The goldens root.
    pub root: PathBuf,
    /// One entry per executor, in the order in which they were given.
    pub columns: Vec<Column>,
    /// One entry per selected case, sorted by id.
    pub rows: Vec<Row>,
    /// The number of cases that the filter excluded.
    pub filtered_out: usize,
    /// Decides whether a skipped case fails.
    pub gate: Gate,
    /// The total wall time of all runs.
    pub elapsed: Duration,
}

/// An executor.
#[derive(Clone, Debug)]
pub struct Column {
    /// The name of the executor.
    pub executor: String,
    /// Whether a missing checkpoint is a failure.
    pub required: bool,
}

/// A case with its outcome for every executor.
#[derive(Clone, Debug)]
pub struct Row {
    /// The id of the case.
    pub id: CaseId,
    /// The name of its checkpoint; `None` if `case.json` could not be read.
    pub checkpoint: Option<String>,
    /// One outcome per column. If the executor lacks the checkpoint, the cell is a hole: the case did not run.
    pub cells: Vec<CaseOutcome>,
}

/// Totals over several cells. The largest difference and the largest share of a tolerance can come from different cells.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sum {
    /// The number of cells with each verdict.
    pub counts: Counts,
    /// The number of holes.
    pub holes: usize,
    /// The worst verdict of all cells that are not holes; `None` if all are holes.
    pub verdict: Option<Verdict>,
    /// The largest absolute difference; `None` if nothing was measured.
    pub max_abs_diff: Option<f64>,
    /// The largest share of the tolerance that an element uses; `None` if nothing was measured.
    pub tolerance_used: Option<f64>,
}

/// The rows of one checkpoint in one suite.
#[derive(Clone, Debug)]
pub struct Group {
    /// The first part of the ids.
    pub suite: String,
    /// The checkpoint; `None` if `case.json` could not be read.
    pub checkpoint: Option<String>,
    /// The number of cases.
    pub cases: usize,
    /// One entry per column.
    pub sums: Vec<Sum>,
    /// Whether any cell fails, one entry per column.
    pub failed: Vec<bool>,
}

impl Matrix {
    /// Combines the runs of several executors over the same cases.
    ///
    /// # Panics
    ///
    /// If there is no run.
    pub fn new(runs: Vec<RunOutcome>, required: &[String]) -> Matrix {
        let first = runs.first().expect("a matrix has an executor");
        let column =
            |run: &RunOutcome| Column { executor: run.executor.clone(), required: required.contains(&run.executor) };
        let mut matrix = Matrix {
            root: first.root.clone(),
            columns: runs.iter().map(column).collect(),
            rows: Vec::new(),
            filtered_out: first.filtered_out,
            gate: first.gate.clone(),
            elapsed: runs.iter().map(|run| run.elapsed).sum(),
        };
        let rows = &mut matrix.rows;
        for run in runs {
            // Every run has the same cases in the same order.
            for (at, case) in run.cases.into_iter().enumerate() {
                if rows.len() == at {
                    rows.push(Row { id: case.id.clone(), checkpoint: case.checkpoint.clone(), cells: Vec::new() });
                }
                rows[at].cells.push(case);
            }
        }
        matrix
    }

    /// Returns whether a cell fails. A hole fails if its executor is required, or if no executor ran the case.
    #[must_use]
    pub fn fails(&self, row: &Row, column: usize) -> bool {
        match row.cells[column].is_hole() {
            true => self.columns[column].required || row.cells.iter().all(CaseOutcome::is_hole),
            false => self.gate.fails(&row.cells[column]),
        }
    }

    /// Returns the number of cells that fail.
    #[must_use]
    pub fn failed(&self) -> usize {
        let count = |row: &Row| (0..self.columns.len()).filter(|&column| self.fails(row, column)).count();
        self.rows.iter().map(count).sum()
    }

    /// Returns the totals of a column.
    #[must_use]
    pub fn sum(&self, column: usize) -> Sum {
        Sum::new(self.rows.iter().map(|row| &row.cells[column]))
    }

    /// Groups the rows by suite and checkpoint: suites sorted by name, checkpoints in the order of their first cases.
    #[must_use]
    pub fn groups(&self) -> Vec<Group> {
        type Key<'a> = (&'a str, Option<&'a str>);
        let mut groups: Vec<(Key<'_>, Vec<&Row>)> = Vec::new();
        for row in &self.rows {
            let key = (row.id.as_str().split('/').next().unwrap_or_default(), row.checkpoint.as_deref());
            match groups.iter_mut().find(|(other, _)| *other == key) {
                Some((_, rows)) => rows.push(row),
                None => groups.push((key, vec![row])),
            }
        }
        let columns = 0..self.columns.len();
        let group = |((suite, checkpoint), rows): (Key<'_>, Vec<&Row>)| Group {
            suite: suite.to_owned(),
            checkpoint: checkpoint.map(str::to_owned),
            cases: rows.len(),
            sums: columns.clone().map(|column| Sum::new(rows.iter().map(|row| &row.cells[column]))).collect(),
            failed: columns.clone().map(|column| rows.iter().any(|row| self.fails(row, column))).collect(),
        };
        groups.into_iter().map(group).collect()
    }

    /// Returns the checkpoints that an executor lacks, sorted.
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
    /// Returns whether the executor lacks the checkpoint.
    #[must_use]
    pub fn is_hole(&self) -> bool {
        self.problems.iter().any(|problem| matches!(problem, Problem::UnknownCheckpoint { .. }))
    }
}

impl Sum {
    /// Adds up cells.
    #[must_use]
    pub fn new<'a>(cells: impl IntoIterator<Item = &'a CaseOutcome>) -> Sum {
        let mut sum = Sum::default();
        for case in cells {
            if case.is_hole() {
                sum.holes += 1;
                continue;
            }
            sum.counts.add(case.verdict);
            sum.verdict = Some(sum.verdict.map_or(case.verdict, |worst| worst.min(case.verdict)));
            if let Some(own) = case.own_difference() {
                sum.max_abs_diff = larger(sum.max_abs_diff, own.max_abs_diff);
                sum.tolerance_used = larger(sum.tolerance_used, Some(own.tolerance_used));
            }
        }
        sum
    }
}
