//! What no run says of itself: verdicts in a record that its problems and figures contradict.
//!
//! A record that karat wrote has a digest, which shows every later change. This is for records without one.

use std::collections::BTreeSet;

use super::merge::is_off_the_list;
use super::outcome::{CaseOutcome, Gates, OutputOutcome, Problem, RunOutcome, Verdict};
use super::partition::{Partition, Shard};
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
        let mismatches = self.problems.iter().filter_map(|problem| match problem {
            Problem::Mismatch(mismatch) => Some(mismatch),
            _ => None,
        });
        match (&self.comparison, &self.tolerance) {
            (Some(_), None) => return Err("there is a comparison, and no tolerance".to_owned()),
            (Some(comparison), Some(tolerance)) => {
                comparison.check(tolerance)?;
                if !mismatches.eq(&comparison.mismatches) {
                    return Err("its problems are not those of its comparison".to_owned());
                }
            }
            (None, _) => {}
        }
        if worst.is_some() {
            return Ok(());
        }
        // Nothing was said against it: it must have been compared with something.
        check_name(&self.name)?;
        let is_compared = self.reference.is_some() && self.comparison.is_some();
        match self.summary.is_some() && (is_compared || snapshot_only) {
            true => Ok(()),
            false => Err("nothing is wrong with it, and it was compared with nothing".to_owned()),
        }
    }
}

fn refusal(verdict: Verdict, floor: Verdict) -> String {
    let (verdict, floor) = (verdict.word(), floor.word());
    format!("it is said to be {verdict}, and what is said of it makes it {floor}; run it again")
}
