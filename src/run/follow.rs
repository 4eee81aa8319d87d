//! Running cases twice: on golden inputs, and on what the cases before them really produced.

use std::collections::{BTreeMap, BTreeSet};

use super::chain::{ChainOutcome, Difference, Followed, Graph, Station};
use super::checkpoint::Inputs;
use super::examine::{Ran, same_bits};
use super::judge::chained;
use super::outcome::{CaseOutcome, Problem, Verdict};
use super::session::{Ask, Session};
use crate::case::{Case, CaseId, cores, parallel_map};
use crate::snapshot::Drift;
use crate::tensor::Tensor;

/// Tensors that cases produced, by case and output, each with its distance from its reference, relative to RMS.
type Produced = BTreeMap<(CaseId, String), (Tensor, Option<f64>)>;

impl Session {
    /// Runs the selected ones of those cases isolated and chained, reports the outcome of each, and returns that of each
    /// chain that one is in. The cases that lead to them run too, and nothing is reported, recorded or kept of these. `None`
    /// where the run was interrupted before all of them ran.
    ///
    /// A case whose chained difference is a gate (`chained` in `case.json`) gets a problem where it is outside.
    pub(super) fn follow(
        &self,
        ids: &[CaseId],
        is_aside: bool,
        is_selected: impl Fn(&CaseId) -> bool + Sync,
        report: impl Fn(CaseOutcome) + Sync,
    ) -> Option<Vec<ChainOutcome>> {
        let graph = self.graph(ids);
        let is_selected = |case: &usize| is_selected(&ids[*case]);
        let wanted = graph.up_to((0..ids.len()).filter(is_selected));
        let graph = graph.only(&wanted);
        let run = |case: usize, cycle: Option<Vec<usize>>, produced: &Produced| {
            let cycle = cycle.map(|cycle| named(ids, &cycle));
            let ask = Ask { aside: is_aside || !is_selected(&case), outputs: true };
            let (outcome, station, own) = self.station(&ids[case], ask, produced, cycle);
            if is_selected(&case) {
                report(outcome);
            }
            (case, station, own)
        };
        let mut levels = graph.levels();
        levels.iter_mut().for_each(|level| level.retain(|case| wanted.contains(case)));
        let mut stations = BTreeMap::new();
        let mut produced = Produced::new();
        for (at, level) in levels.iter().enumerate() {
            for (case, station, own) in self.share(level, |&case| run(case, None, &produced)) {
                stations.insert(case, station);
                produced.extend(own);
            }
            // What no later case takes is not kept.
            let later = levels[at + 1..].iter().flatten().flat_map(|&case| graph.sources(case));
            let later: BTreeSet<&CaseId> = later.map(|&source| &ids[source]).collect();
            produced.retain(|(id, _), _| later.contains(id));
        }
        let unplaced: Vec<usize> = wanted.iter().copied().filter(|case| !stations.contains_key(case)).collect();
        let own_cycle = |case| graph.cycle(case).filter(|cycle| cycle.contains(&case));
        let rest = self.share(&unplaced, |&case| run(case, own_cycle(case), &produced));
        stations.extend(rest.into_iter().map(|(case, station, _)| (case, station)));
        let chains = graph.chains().into_iter().filter(|chain| chain.iter().any(is_selected));
        (stations.len() == wanted.len())
            .then(|| chains.map(|chain| ChainOutcome::of(&graph, &stations, &chain)).collect())
    }

    /// Which of the cases are sources of which. One that cannot be read has none, and says so itself when it is run.
    fn graph(&self, ids: &[CaseId]) -> Graph {
        let number: BTreeMap<&CaseId, usize> = ids.iter().enumerate().map(|(at, id)| (id, at)).collect();
        let sources = |id: &CaseId| {
            let case = self.suites.case(id).ok();
            let links = case.iter().flat_map(|case| case.inputs.values()).filter_map(|input| input.link.as_ref());
            links.filter_map(|link| number.get(&link.case).copied()).collect()
        };
        Graph::new(parallel_map(ids, cores(), sources))
    }

    /// Runs one case, isolated and then chained, and returns what it produced besides.
    fn station(
        &self,
        id: &CaseId,
        ask: Ask,
        produced: &Produced,
        cycle: Option<String>,
    ) -> (CaseOutcome, Station, Produced) {
        let (mut outcome, ran) = self.examine(id, ask);
        // A changed fact, such as a tolerance, is for review, and no fault of what came out.
        let drifted = || outcome.outputs.iter().flat_map(|output| &output.drift).any(Drift::is_measured);
        let is_at_fault = outcome.verdict == Verdict::Mismatch || (outcome.verdict == Verdict::Drift && drifted());
        let (mut followed, mut own, mut inputs) = (Followed::default(), Produced::new(), 0);
        match (ran, cycle) {
            (None, _) => followed.hole = Some(stopped(&outcome)),
            (Some(Ran { case, inputs: given, outputs }), cycle) => {
                inputs = case.inputs.len();
                followed.is_gated = case.outputs.values().any(|output| output.chained.is_some());
                let mut outside = Vec::new();
                match cycle {
                    Some(cycle) => followed.hole = Some(format!("a cycle of `from`: {cycle}")),
                    None => {
                        let came = self.rerun(&case, given, outputs, produced, &mut followed);
                        let held = came.map(|outputs| hold(&case, outputs, &mut followed));
                        (own, outside) = held.unwrap_or_default();
                    }
                }
                if let (true, Some(why)) = (followed.is_gated, &followed.hole) {
                    // What could not be followed to is no pass.
                    outcome.add(Problem::NotChained { why: why.clone() });
                }
                for (name, problem) in outside {
                    let (actual, _) = &own[&(id.clone(), name.clone())];
                    self.spoil(&mut outcome, ask, &name, problem, actual);
                }
            }
        }
        let (id, checkpoint, own_difference) = (id.clone(), outcome.checkpoint.clone(), outcome.own_difference());
        let station = Station { id, checkpoint, own: own_difference, is_at_fault, inputs, followed };
        (outcome, station, own)
    }

    /// Runs the checkpoint on what the cases before it produced; `None` where it produces nothing then, as `followed` says.
    fn rerun(
        &self,
        case: &Case,
        mut inputs: Inputs,
        own: BTreeMap<String, Tensor>,
        produced: &Produced,
        followed: &mut Followed,
    ) -> Option<BTreeMap<String, Tensor>> {
        let mut differs = false;
        for (name, link) in case.inputs.iter().filter_map(|(name, input)| Some((name, input.link.as_ref()?))) {
            let Some((tensor, rel_rms)) = produced.get(&(link.case.clone(), link.output.clone())) else {
                followed.hole = Some(format!("{}:{} was not produced", link.case, link.output));
                followed.is_starved = true;
                return None;
            };
            followed.came_in = [followed.came_in, *rel_rms].into_iter().flatten().reduce(f64::max);
            differs |= !inputs.tensor(name).is_ok_and(|golden| same_bits(golden, tensor));
            inputs = inputs.with(name, tensor.clone());
        }
        // On the same inputs a checkpoint gives the same outputs.
        let outputs = if differs { self.again(case, &inputs) } else { Ok(own) };
        outputs.map_err(|problem| followed.hole = Some(format!("on what came in, {}", said(&problem)))).ok()
    }
}

/// The ids of a cycle, as they feed one another.
fn named(ids: &[CaseId], cycle: &[usize]) -> String {
    let closed = cycle.iter().chain(cycle.first());
    closed.map(|&case| ids[case].as_str()).collect::<Vec<_>>().join(" from ")
}

/// Holds what a case produced against its references: what later cases take, and what is outside of what it allows in a
/// chained run.
fn hold(case: &Case, outputs: BTreeMap<String, Tensor>, followed: &mut Followed) -> (Produced, Vec<(String, Problem)>) {
    if case.outputs.is_empty() {
        followed.hole = Some("it names no reference".to_owned());
    } else if let Some(name) = case.outputs.keys().find(|name| !outputs.contains_key(*name)) {
        followed.hole = Some(format!("it does not return {name}"));
    }
    let (mut produced, mut outside) = (Produced::new(), Vec::new());
    for (name, tensor) in outputs {
        let mut rel_rms = None;
        if let Some(output) = case.outputs.get(&name) {
            // The outcome of the isolated run says what is wrong with the reference.
            let Ok((difference, problem, digest)) = chained(case, &name, output, &tensor) else {
                followed.hole = Some(format!("there is no reference for {name}"));
                break;
            };
            rel_rms = difference.rel_rms;
            followed.propagated =
                [followed.propagated, Some(difference)].into_iter().flatten().reduce(Difference::join);
            followed.digests.extend(digest);
            outside.extend(problem.map(|problem| (name.clone(), problem)));
        }
        produced.insert((case.id.clone(), name), (tensor, rel_rms));
    }
    (produced, outside)
}

/// Why a case produced nothing, in a word or two.
fn stopped(outcome: &CaseOutcome) -> String {
    match outcome.problems.first() {
        Some(Problem::Skipped { reason }) => format!("skipped: {reason}"),
        Some(Problem::Missing { .. }) => "a tensor of it is missing".to_owned(),
        _ => "it is broken".to_owned(),
    }
}

/// A problem of a checkpoint, in a line.
fn said(problem: &Problem) -> String {
    match problem {
        Problem::Skipped { reason: why } => format!("the checkpoint skips: {why}"),
        Problem::Panicked { text: why } => format!("the checkpoint panics: {why}"),
        Problem::Failed { text: why } => format!("the checkpoint fails: {why}"),
        Problem::Crashed { signal, .. } => format!("the checkpoint ends by {signal}"),
        Problem::Exited { .. } => "the checkpoint ends its process".to_owned(),
        Problem::TimedOut { .. } => "the checkpoint takes too long".to_owned(),
        Problem::OutOfMemory { .. } => "the checkpoint runs out of memory".to_owned(),
        Problem::Interrupted { .. } => "the run was interrupted".to_owned(),
        _ => "the checkpoint fails".to_owned(),
    }
}
