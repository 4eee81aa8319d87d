//! What no run says of itself: a record that says it was changed afterwards, or put together by hand.
//!
//! The outcome is judged again, by the rules of a run, from what it holds. Where the answer is another than the one that it
//! gives, it is refused: nobody has measured that.

use std::collections::BTreeSet;

use super::chain::Step;
use super::merge::is_off_the_list;
use super::outcome::{CaseOutcome, Gates, OutputOutcome, Problem, RunOutcome, Verdict};
use super::partition::{Partition, Shard};
use crate::compare::Mismatch;
use crate::tensor::Value;
use crate::text::check_name;

impl RunOutcome {
    /// Makes of a run that was read the one that was written, and refuses one that contradicts itself, in words.
    pub(crate) fn check(&mut self) -> Result<(), String> {
        for case in &mut self.cases {
            let checked = case.restore().and_then(|()| case.check());
            checked.map_err(|what| format!("case {}: {what}", case.id))?;
        }
        if let Some(Partition { shard: Shard { kind, index, count }, .. }) = &self.partition
            && index > count
        {
            return Err(format!("partition: there is no {}:{index}/{count}", kind.word()));
        }
        let mut seen = BTreeSet::new();
        for case in &self.cases {
            if !seen.insert((is_off_the_list(self, case), case.verdict == Verdict::Orphaned, &case.id)) {
                return Err(format!("the case {} is there more than once", case.id));
            }
            let of = |what: String| Err(format!("case {}: {what}", case.id));
            // What was found in the tree may have any name, and is broken for it.
            if let (true, Err(error)) = (case.verdict > Verdict::Orphaned, case.id.check_portable()) {
                return of(error.to_string());
            }
            if self.gates == Gates::Accuracy {
                let is_held = |output: &OutputOutcome| {
                    output.verdict == Verdict::Unrecorded || !output.drift.is_empty() || !output.improved.is_empty()
                };
                if case.outputs.iter().any(is_held) || (case.snapshot_only && case.verdict == Verdict::Pass) {
                    return of(
                        "it is held against a snapshot, and the run looks at none (gates is `accuracy`)".to_owned()
                    );
                }
            }
        }
        self.chains.iter().flatten().flat_map(|chain| &chain.steps).try_for_each(|step| self.check_step(step))?;
        match &self.partition {
            None if self.cases.is_empty() && self.not_run == 0 && self.interrupted.is_none() => {
                Err("there is no case in it, and it is of no shard".to_owned())
            }
            Some(part) => {
                let listed = self.cases.iter().filter(|case| !is_off_the_list(self, case)).count() + self.not_run;
                match listed <= part.total {
                    true => Ok(()),
                    false => Err(format!("it is of a shard of {} cases, and holds {listed}", part.total)),
                }
            }
            None => Ok(()),
        }
    }

    /// Refuses a step of a chain whose own difference is another than its case has. A case that was not selected has none here.
    fn check_step(&self, step: &Step) -> Result<(), String> {
        let mut cases = self.cases.iter().filter(|case| case.id == step.id);
        match (cases.next(), cases.next()) {
            (Some(case), None) if case.own_difference() != step.own => {
                Err(format!("case {}: its own difference in its chain is another than its outputs have", case.id))
            }
            _ => Ok(()),
        }
    }
}

impl CaseOutcome {
    /// Refuses a case that contradicts itself, in words.
    pub(crate) fn check(&self) -> Result<(), String> {
        let mut names = BTreeSet::new();
        for output in &self.outputs {
            let of = |what: String| format!("output {}: {what}", output.name);
            if !names.insert(&output.name) {
                return Err(of("it is there more than once".to_owned()));
            }
            output.check(self.snapshot_only).map_err(of)?;
        }
        let own =
            self.problems.iter().map(Problem::verdict).chain(self.outputs.iter().map(|output| output.verdict)).min();
        // A case without an output is held by nothing.
        let floor = own.unwrap_or(Verdict::Broken);
        if self.verdict == floor { Ok(()) } else { Err(refusal(self.verdict, floor)) }
    }
}

impl OutputOutcome {
    fn check(&self, snapshot_only: bool) -> Result<(), String> {
        let worst = self.problems.iter().map(Problem::verdict).min();
        let floor = worst.into_iter().chain((!self.drift.is_empty()).then_some(Verdict::Drift)).min();
        match (floor, self.verdict) {
            (None, Verdict::Pass | Verdict::Unrecorded) => {}
            (Some(floor), verdict) if floor == verdict => {}
            (floor, verdict) => return Err(refusal(verdict, floor.unwrap_or(Verdict::Pass))),
        }
        let mismatches = || {
            self.problems.iter().filter_map(|problem| match problem {
                Problem::Mismatch(mismatch) => Some(mismatch),
                _ => None,
            })
        };
        if let Some(comparison) = &self.comparison {
            let tolerance = self.tolerance.as_ref().ok_or("there is a comparison, and no tolerance")?;
            comparison.audit(tolerance)?;
            if !mismatches().eq(&comparison.mismatches) {
                return Err("its problems are not those of its comparison".to_owned());
            }
        } else if mismatches().any(|mismatch| !is_structural(mismatch)) {
            return Err("elements differ, and there is no comparison".to_owned());
        }
        if let Some(summary) = &self.summary {
            summary.audit(self.comparison.as_ref())?;
            if let (Some(comparison), Some(tolerance)) = (&self.comparison, &self.tolerance) {
                comparison.audit_beside(summary, tolerance)?;
            }
        }
        let named = self.comparison.as_ref().and_then(|comparison| comparison.max_abs_diff.as_ref());
        let is_exact = named.is_none_or(|of| matches!(of.reference, Value::Bool(_) | Value::Integer(_)));
        if !self.alternatives.is_empty() && (self.reference.is_none() || !is_exact) {
            return Err("there are other references (`or`), which are for integers".to_owned());
        }
        self.problems.iter().try_for_each(|problem| self.check_chained(problem))?;
        match worst {
            Some(_) => Ok(()),
            None => self.check_held(snapshot_only),
        }
    }

    /// Refuses a comparison in a chain that contradicts itself, or the output's own.
    fn check_chained(&self, problem: &Problem) -> Result<(), String> {
        let Problem::ChainedOutside { comparison: Some(comparison), tolerance } = problem else { return Ok(()) };
        comparison.audit(tolerance).map_err(|what| format!("in its chain, {what}"))?;
        if comparison.is_close() {
            return Err("in its chain, it is said to be outside, and its comparison is close".to_owned());
        }
        // Both were held against one reference.
        match (&self.summary, &self.comparison) {
            (Some(summary), Some(_)) => summary.audit(Some(comparison)).map_err(|what| format!("in its chain, {what}")),
            _ => Ok(()),
        }
    }

    /// Refuses an output that nothing was said against, where it was held against nothing.
    fn check_held(&self, snapshot_only: bool) -> Result<(), String> {
        check_name(&self.name)?;
        match (&self.reference, &self.comparison) {
            _ if self.summary.is_none() => Err("nothing is wrong with it, and it has no summary".to_owned()),
            (Some(_), None) => Err("there is a reference, and no comparison with it".to_owned()),
            (None, Some(_)) => Err("there is a comparison, and no reference".to_owned()),
            (None, None) if self.tolerance.is_some() => Err("there is a tolerance, and no reference".to_owned()),
            (None, None) if !snapshot_only => Err("there is no reference, in a case that has references".to_owned()),
            (Some(_), Some(_)) if snapshot_only => Err("there is a reference, in a case that has none".to_owned()),
            _ => Ok(()),
        }
    }
}

/// Whether two tensors that differ so have no elements to compare.
fn is_structural(mismatch: &Mismatch) -> bool {
    matches!(
        mismatch,
        Mismatch::Dtype { .. }
            | Mismatch::Shape { .. }
            | Mismatch::Mask { .. }
            | Mismatch::Empty
            | Mismatch::NoUlps { .. }
    )
}

fn refusal(verdict: Verdict, floor: Verdict) -> String {
    let (verdict, floor) = (verdict.word(), floor.word());
    format!("it is said to be {verdict}, and what is said of it makes it {floor}; run it again")
}
