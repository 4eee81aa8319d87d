//! Rejects records that contradict themselves, such as a pass with problems.
//!
//! A record that karat wrote has a digest, which detects every later change. These checks are for records without one.

use std::collections::BTreeSet;

use super::merge::is_outside_partition;
use super::outcome::{CaseOutcome, Gates, OutputOutcome, Problem, RunOutcome, Verdict};
use super::partition::{Partition, Shard};
use crate::text::check_name;

impl RunOutcome {
    /// Restores what JSON does not store, and rejects a record that contradicts itself.
    pub(crate) fn check(&mut self) -> Result<(), String> {
        for case in &mut self.cases {
            case.restore().and_then(|()| case.check()).map_err(|what| format!("case {}: {what}", case.id))?;
        }
        if let Some(Partition { shard: Shard { kind, index, count }, .. }) = &self.partition
            && index > count
        {
            return Err(format!("partition: there is no {}:{index}/{count}", kind.word()));
        }
        let mut seen = BTreeSet::new();
        for case in &self.cases {
            if !seen.insert((is_outside_partition(self, case), case.verdict == Verdict::Orphaned, &case.id)) {
                return Err(format!("case {} occurs more than once", case.id));
            }
            // A folder of the tree can have any name; if it is not valid, the case is broken.
            if case.verdict > Verdict::Orphaned {
                case.id.check_portable().map_err(|error| format!("case {}: {error}", case.id))?;
            }
            let has_snapshot = |output: &OutputOutcome| {
                output.verdict == Verdict::Unrecorded || !output.drift.is_empty() || !output.improved.is_empty()
            };
            if self.gates == Gates::Accuracy
                && (case.outputs.iter().any(has_snapshot) || (case.snapshot_only && case.verdict == Verdict::Pass))
            {
                return Err(format!(
                    "case {}: it was compared with a snapshot, but the run uses none (`gates` is `accuracy`)",
                    case.id
                ));
            }
        }
        let listed = self.cases.iter().filter(|case| !is_outside_partition(self, case)).count() + self.not_run;
        match &self.partition {
            None if self.cases.is_empty() && self.not_run == 0 && self.interrupted.is_none() => {
                Err("it has no cases, although it is not a shard".to_owned())
            }
            Some(part) if listed > part.total => {
                Err(format!("it has {listed} cases, but all shards together have {}", part.total))
            }
            _ => Ok(()),
        }
    }
}

impl CaseOutcome {
    /// Rejects a case that contradicts itself.
    pub(crate) fn check(&self) -> Result<(), String> {
        let mut names = BTreeSet::new();
        for output in &self.outputs {
            let checked = match names.insert(&output.name) {
                true => output.check(self.snapshot_only),
                false => Err("it occurs more than once".to_owned()),
            };
            checked.map_err(|what| format!("output {}: {what}", output.name))?;
        }
        let parts = self.outputs.iter().map(|output| output.verdict);
        // Without outputs and problems, nothing was checked.
        let worst = self.problems.iter().map(Problem::verdict).chain(parts).min().unwrap_or(Verdict::Broken);
        check_verdict(self.verdict, worst)
    }
}

impl OutputOutcome {
    fn check(&self, snapshot_only: bool) -> Result<(), String> {
        let worst = self.problems.iter().map(Problem::verdict).min();
        let expected = worst.into_iter().chain((!self.drift.is_empty()).then_some(Verdict::Drift)).min();
        if expected.is_some() || self.verdict != Verdict::Unrecorded {
            check_verdict(self.verdict, expected.unwrap_or(Verdict::Pass))?;
        }
        if let Some(comparison) = &self.comparison {
            let Some(tolerance) = &self.tolerance else {
                return Err("it has a comparison but no tolerance".to_owned());
            };
            comparison.check(tolerance)?;
            let mismatches = self.problems.iter().filter_map(|problem| match problem {
                Problem::Mismatch(mismatch) => Some(mismatch),
                _ => None,
            });
            if !mismatches.eq(&comparison.mismatches) {
                return Err("its problems do not match its comparison".to_owned());
            }
        }
        if worst.is_some() {
            return Ok(());
        }
        // An output without problems must have been compared with something.
        check_name(&self.name)?;
        let has_reference = self.reference.is_some() && self.comparison.is_some();
        match self.summary.is_some() && (has_reference || snapshot_only) {
            true => Ok(()),
            false => Err("it has no problems, but was not compared with anything".to_owned()),
        }
    }
}

fn check_verdict(verdict: Verdict, expected: Verdict) -> Result<(), String> {
    if verdict == expected {
        return Ok(());
    }
    let (verdict, expected) = (verdict.word(), expected.word());
    Err(format!("its verdict is {verdict}, but its contents make it {expected}"))
}
