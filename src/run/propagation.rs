//! Chained runs: every case runs on golden inputs, and again on the actual outputs of the cases before it.

use std::collections::{BTreeMap, BTreeSet};

use super::chain::{ChainOutcome, ChainedRun, Difference, Graph, Node, larger};
use super::checkpoint::Inputs;
use super::execution::{CaseRun, same_bits};
use super::judge::compare_chained;
use super::outcome::{CaseOutcome, Problem, Verdict};
use super::session::{RunMode, Session};
use crate::case::{Case, CaseId, cores, parallel_map};
use crate::snapshot::Drift;
use crate::tensor::Tensor;

/// The actual outputs of cases, by case and output name, each with its `rel_rms` difference from the reference.
type ActualOutputs = BTreeMap<(CaseId, String), (Tensor, Option<f64>)>;

impl Session {
    /// Runs the selected cases isolated and chained, reports the outcome of each, and returns the outcome of each chain with a
    /// selected case, or `None` if the run was interrupted.
    ///
    /// The direct and indirect sources of a selected case run too, but are not reported, and nothing is saved for them. A
    /// case with a tolerance for chained runs (`chained` in `case.json`) gets a problem if it is outside.
    pub(super) fn run_chained(
        &self,
        ids: &[CaseId],
        is_unreported: bool,
        is_selected: impl Fn(&CaseId) -> bool + Sync,
        report: impl Fn(CaseOutcome) + Sync,
    ) -> Option<Vec<ChainOutcome>> {
        let mut graph = self.graph(ids);
        let is_selected = |case: &usize| is_selected(&ids[*case]);
        let needed = graph.up_to((0..ids.len()).filter(is_selected));
        graph.retain(&needed);
        let run = |case: usize, cycle: Option<Vec<usize>>, actuals: &ActualOutputs| {
            let mode = RunMode { is_unreported: is_unreported || !is_selected(&case), keeps_outputs: true };
            let cycle = cycle.map(|cycle| describe_cycle(ids, &cycle));
            let (outcome, node, outputs) = self.run_node(&ids[case], mode, actuals, cycle);
            if is_selected(&case) {
                report(outcome);
            }
            (case, node, outputs)
        };
        let mut levels = graph.levels();
        levels.iter_mut().for_each(|level| level.retain(|case| needed.contains(case)));
        let (mut nodes, mut actuals) = (BTreeMap::new(), ActualOutputs::new());
        for (at, level) in levels.iter().enumerate() {
            for (case, node, outputs) in self.map_parallel(level, |&case| run(case, None, &actuals)) {
                nodes.insert(case, node);
                actuals.extend(outputs);
            }
            // Frees the outputs that no later case uses.
            let later = levels[at + 1..].iter().flatten().flat_map(|&case| &graph.sources[case]);
            let later: BTreeSet<&CaseId> = later.map(|&source| &ids[source]).collect();
            actuals.retain(|(id, _), _| later.contains(id));
        }
        let unordered: Vec<usize> = needed.iter().copied().filter(|case| !nodes.contains_key(case)).collect();
        let own_cycle = |case| graph.cycle(case).filter(|cycle| cycle.contains(&case));
        let rest = self.map_parallel(&unordered, |&case| run(case, own_cycle(case), &actuals));
        nodes.extend(rest.into_iter().map(|(case, node, _)| (case, node)));
        let chains = graph.chains().into_iter().filter(|chain| chain.iter().any(is_selected));
        (nodes.len() == needed.len()).then(|| chains.map(|chain| ChainOutcome::new(&graph, &nodes, &chain)).collect())
    }

    /// Builds the graph of the links between cases. A case that cannot be read has no links here, and reports its error when
    /// it runs.
    fn graph(&self, ids: &[CaseId]) -> Graph {
        let index: BTreeMap<&CaseId, usize> = ids.iter().enumerate().map(|(at, id)| (id, at)).collect();
        let sources = |id: &CaseId| {
            let case = self.suites.case(id).ok();
            let links = case.iter().flat_map(|case| case.inputs.values()).filter_map(|input| input.link.as_ref());
            links.filter_map(|link| index.get(&link.case).copied()).collect()
        };
        Graph { sources: parallel_map(ids, cores(), sources) }
    }

    /// Runs one case isolated and then chained. Returns its outcome, its measurements and the outputs of its chained run.
    fn run_node(
        &self,
        id: &CaseId,
        mode: RunMode,
        actuals: &ActualOutputs,
        cycle: Option<String>,
    ) -> (CaseOutcome, Node, ActualOutputs) {
        let (mut outcome, run) = self.run_in_mode(id, mode);
        // A changed setting, such as a tolerance, needs a review but is not a fault of the computation.
        let has_drifted = || outcome.outputs.iter().flat_map(|output| &output.drift).any(Drift::is_measured);
        let mut node = Node {
            id: id.clone(),
            checkpoint: outcome.checkpoint.clone(),
            own: outcome.own_difference(),
            is_at_fault: outcome.verdict == Verdict::Mismatch || (outcome.verdict == Verdict::Drift && has_drifted()),
            input_count: 0,
            chained: ChainedRun::default(),
        };
        let Some(CaseRun { case, inputs, outputs }) = run else {
            node.chained.hole = Some(describe_incomplete(&outcome));
            return (outcome, node, ActualOutputs::new());
        };
        node.input_count = case.inputs.len();
        node.chained.is_gated = case.outputs.values().any(|output| output.chained.is_some());
        let (mut own_actuals, mut problems) = (ActualOutputs::new(), Vec::new());
        if let Some(cycle) = cycle {
            node.chained.hole = Some(format!("`from` forms a cycle: {cycle}"));
        } else if let Some(outputs) = self.rerun(&case, inputs, outputs, actuals, &mut node.chained) {
            (own_actuals, problems) = compare_outputs(&case, outputs, &mut node.chained);
        }
        if let (true, Some(why)) = (node.chained.is_gated, &node.chained.hole) {
            outcome.add_problem(Problem::NotChained { why: why.clone() });
        }
        for (name, problem) in problems {
            let (actual, _) = &own_actuals[&(id.clone(), name.clone())];
            self.add_chained_problem(&mut outcome, mode, &name, problem, actual);
        }
        (outcome, node, own_actuals)
    }

    /// Runs the checkpoint on the actual outputs of the cases before it. Returns `None` if that produces no outputs, with the
    /// reason in `chained.hole`.
    fn rerun(
        &self,
        case: &Case,
        mut inputs: Inputs,
        isolated_outputs: BTreeMap<String, Tensor>,
        actuals: &ActualOutputs,
        chained: &mut ChainedRun,
    ) -> Option<BTreeMap<String, Tensor>> {
        let mut differs = false;
        for (name, link) in case.inputs.iter().filter_map(|(name, input)| Some((name, input.link.as_ref()?))) {
            let Some((tensor, rel_rms)) = actuals.get(&(link.case.clone(), link.output.clone())) else {
                chained.hole = Some(format!("{}:{} was not produced", link.case, link.output));
                chained.lacks_input = true;
                return None;
            };
            chained.input_rel_rms = larger(chained.input_rel_rms, *rel_rms);
            differs |= !inputs.tensor(name).is_ok_and(|golden| same_bits(golden, tensor));
            inputs = inputs.with(name, tensor.clone());
        }
        // The same inputs give the same outputs.
        let outputs = if differs { self.rerun_checkpoint(case, &inputs) } else { Ok(isolated_outputs) };
        outputs.map_err(|problem| chained.hole = Some(format!("in the chained run {}", describe(&problem)))).ok()
    }
}

/// Lists the ids of a cycle: `a from b from a`.
fn describe_cycle(ids: &[CaseId], cycle: &[usize]) -> String {
    let closed = cycle.iter().chain(cycle.first());
    closed.map(|&case| ids[case].as_str()).collect::<Vec<_>>().join(" from ")
}

/// Compares the outputs of a chained run with their references. Returns the outputs for later cases, and the problems of those
/// outside the tolerance for chained runs.
fn compare_outputs(
    case: &Case,
    outputs: BTreeMap<String, Tensor>,
    chained: &mut ChainedRun,
) -> (ActualOutputs, Vec<(String, Problem)>) {
    if case.outputs.is_empty() {
        chained.hole = Some("the case names no reference".to_owned());
    } else if let Some(name) = case.outputs.keys().find(|name| !outputs.contains_key(*name)) {
        chained.hole = Some(format!("the checkpoint does not return {name}"));
    }
    let (mut actuals, mut problems) = (ActualOutputs::new(), Vec::new());
    for (name, tensor) in outputs {
        let mut rel_rms = None;
        if let Some(output) = case.outputs.get(&name) {
            // The isolated run reports what is wrong with the reference.
            let Ok((difference, problem, digest)) = compare_chained(case, &name, output, &tensor) else {
                chained.hole = Some(format!("there is no usable reference for {name}"));
                break;
            };
            rel_rms = difference.rel_rms;
            chained.propagated =
                Some(chained.propagated.map_or(difference, |other| Difference::max(other, difference)));
            chained.digests.extend(digest);
            problems.extend(problem.map(|problem| (name.clone(), problem)));
        }
        actuals.insert((case.id.clone(), name), (tensor, rel_rms));
    }
    (actuals, problems)
}

/// Describes briefly why a case produced no outputs.
fn describe_incomplete(outcome: &CaseOutcome) -> String {
    match outcome.problems.first() {
        Some(Problem::Skipped { reason }) => format!("skipped: {reason}"),
        Some(Problem::Missing { .. }) => "a tensor of the case is missing".to_owned(),
        _ => "the case is broken".to_owned(),
    }
}

/// Describes a problem of a checkpoint in one line.
fn describe(problem: &Problem) -> String {
    match problem {
        Problem::Skipped { reason } => format!("the checkpoint skipped: {reason}"),
        Problem::Panicked { text } => format!("the checkpoint panicked: {text}"),
        Problem::Failed { text } => format!("the checkpoint failed: {text}"),
        Problem::Crashed { signal, .. } => format!("the checkpoint was terminated by {signal}"),
        Problem::Exited { .. } => "the checkpoint exited".to_owned(),
        Problem::TimedOut { .. } => "the checkpoint timed out".to_owned(),
        Problem::OutOfMemory { .. } => "the checkpoint ran out of memory".to_owned(),
        Problem::Interrupted { .. } => "the checkpoint was interrupted".to_owned(),
        _ => "the checkpoint failed".to_owned(),
    }
}
