//! Running cases twice: on golden inputs, and on what the cases before them really produced.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use super::diverge::{Known, conclude};
use super::graph::Graph;
use super::outcome::{ChainOutcome, Difference, Part, Step};
use crate::case::{Case, CaseId, share};
use crate::compare::{Comparison, Mismatch};
use crate::run::checkpoint::Inputs;
use crate::run::examine::{Examiner, Ran};
use crate::run::execute::same_bits;
use crate::run::judge::{Chained, chained};
use crate::run::outcome::{CaseOutcome, Problem, Verdict};
use crate::snapshot::Drift;
use crate::tensor::Tensor;

/// A tensor that a case produced in a chained run, and how far it is from its reference.
struct Produced {
    tensor: Tensor,
    rel_rms: Option<f64>,
}

/// What the chained run of one case came to.
#[derive(Default)]
struct Followed {
    /// One for each output.
    found: Vec<Result<Comparison, Mismatch>>,
    /// The outputs that are outside what the case allows in a chained run.
    outside: Vec<(String, Problem, Tensor)>,
    /// The largest distance of its linked inputs, relative to RMS; `None` where it has none.
    came_in: Option<f64>,
    /// Whether the case has a tolerance for a chained run.
    is_gated: bool,
    /// The sha256 of each reference.
    digests: BTreeSet<String>,
    /// Why nothing was produced, by a reason of its own.
    hole: Option<String>,
    /// What it was to be given, and was not.
    starved: Option<String>,
}

/// Everything known of a case that was run.
struct Station {
    outcome: CaseOutcome,
    /// Whether it is at fault by itself, whatever the chained run says.
    is_at_fault: bool,
    /// How many inputs it has.
    inputs: usize,
    followed: Followed,
}

/// What the cases of earlier levels produced, by case and output.
type Store = BTreeMap<(CaseId, String), Produced>;

/// Runs the cases that are selected isolated and chained: the outcome of each, in their order, and of each chain that one
/// is in. What leads to them is run too, and nothing is told, recorded or kept of it. Of a run that is interrupted there are
/// the outcomes of what ran, and no chains.
///
/// A case whose chained difference is a gate (`chained` in `case.json`) gets a problem where it is outside.
pub(in crate::run) fn follow(
    examiner: &Examiner<'_>,
    cases: &[CaseId],
    is_selected: impl Fn(&CaseId) -> bool + Sync,
    report: &(impl Fn(CaseOutcome) -> CaseOutcome + Sync),
) -> (Vec<CaseOutcome>, Option<Vec<ChainOutcome>>) {
    let examiner = &Examiner { yields: true, ..*examiner };
    let ids = wanted(examiner, cases, &is_selected);
    let graph = links(examiner, &ids);
    let stations: Vec<Mutex<Option<Station>>> = ids.iter().map(|_| Mutex::new(None)).collect();
    let store = Mutex::new(Store::new());
    let run = |case: usize, cycle: Option<Vec<usize>>| {
        let cycle = cycle.map(|cycle| named(&ids, &cycle));
        let station = match is_selected(ids[case]) {
            false => station(&examiner.aside(), ids[case], &store, cycle),
            true => {
                let station = station(examiner, ids[case], &store, cycle);
                Station { outcome: report(station.outcome), ..station }
            }
        };
        *stations[case].lock().expect("a panic is caught") = Some(station);
    };
    let levels = graph.levels();
    for (at, level) in levels.iter().enumerate() {
        examiner.share(level, |&case| run(case, None));
        // What no later case takes is not kept.
        let later: BTreeSet<&CaseId> = levels[at + 1..]
            .iter()
            .flatten()
            .flat_map(|&case| graph.sources(case))
            .map(|&source| ids[source])
            .collect();
        store.lock().expect("a panic is caught").retain(|(id, _), _| later.contains(id));
    }
    let unplaced: Vec<usize> =
        (0..ids.len()).filter(|&case| stations[case].lock().expect("no panic").is_none()).collect();
    examiner.share(&unplaced, |&case| run(case, graph.cycle(case).filter(|cycle| cycle.contains(&case))));
    let stations: Vec<Station> =
        stations.into_iter().filter_map(|station| station.into_inner().expect("no panic")).collect();
    let told = |chain: &&Vec<usize>| chain.iter().any(|&case| is_selected(ids[case]));
    let is_whole = stations.len() == ids.len();
    let chains = || graph.chains().iter().filter(told).map(|chain| outcome(&graph, &stations, chain)).collect();
    let chains = is_whole.then(chains);
    let outcomes = stations.into_iter().map(|station| station.outcome);
    (outcomes.filter(|outcome| is_selected(&outcome.id)).collect(), chains)
}

/// The cases that are selected, and all that lead to them.
fn wanted<'a>(examiner: &Examiner<'_>, cases: &'a [CaseId], is_selected: &impl Fn(&CaseId) -> bool) -> Vec<&'a CaseId> {
    let all: Vec<&CaseId> = cases.iter().collect();
    let graph = links(examiner, &all);
    let mut wanted = BTreeSet::new();
    for case in (0..all.len()).filter(|&case| is_selected(all[case])) {
        if wanted.insert(case) {
            wanted.extend(graph.before(case));
        }
    }
    wanted.into_iter().map(|case| all[case]).collect()
}

/// Which of the cases are sources of which. One that cannot be read has none, and says so itself when it is run.
fn links(examiner: &Examiner<'_>, ids: &[&CaseId]) -> Graph {
    let number: BTreeMap<&CaseId, usize> = ids.iter().enumerate().map(|(at, id)| (*id, at)).collect();
    let sources = |id: &&CaseId| match examiner.survey.suites.case(id) {
        Err(_) => BTreeSet::new(),
        Ok(case) => {
            let links = case.inputs.values().filter_map(|input| input.link.as_ref());
            links.filter_map(|link| number.get(&link.case).copied()).collect()
        }
    };
    Graph::new(share(ids, sources))
}

/// The ids of a cycle, as they feed one another.
fn named(ids: &[&CaseId], cycle: &[usize]) -> String {
    let closed = cycle.iter().chain(cycle.first());
    closed.map(|&case| ids[case].as_str()).collect::<Vec<_>>().join(" from ")
}

/// Runs one case, isolated and then chained, and stores what it produced.
fn station(examiner: &Examiner<'_>, id: &CaseId, store: &Mutex<Store>, cycle: Option<String>) -> Station {
    let (mut outcome, ran) = examiner.examine(id);
    // A changed fact, such as a tolerance, is for review, and no fault of what came out.
    let drifted = || outcome.outputs.iter().flat_map(|output| &output.drift).any(Drift::is_measured);
    let is_at_fault = outcome.verdict == Verdict::Mismatch || (outcome.verdict == Verdict::Drift && drifted());
    let hole = |why: String| Followed { hole: Some(why), ..Followed::default() };
    let Some(Ran { case, inputs, outputs }) = ran else {
        let followed = hole(stopped(&outcome));
        return Station { outcome, is_at_fault, inputs: 0, followed };
    };
    let mut followed = match cycle {
        Some(cycle) => hole(format!("a cycle of `from`: {cycle}")),
        None => produce(examiner, &case, inputs, outputs, store),
    };
    followed.is_gated = case.outputs.values().any(|output| output.chained.is_some());
    gate(examiner, &mut outcome, &case, &followed);
    Station { outcome, is_at_fault, inputs: case.inputs.len(), followed }
}

/// Gives the outcome the problems of the chained run, where the case has a tolerance for it. What could not be followed to is
/// no pass.
fn gate(examiner: &Examiner<'_>, outcome: &mut CaseOutcome, case: &Case, followed: &Followed) {
    if let (true, Some(why)) = (followed.is_gated, followed.hole.as_ref().or(followed.starved.as_ref())) {
        outcome.add(Problem::NotChained { why: why.clone() });
    }
    for (name, problem, actual) in &followed.outside {
        outcome.add_to(name, problem.clone());
        let output = outcome.outputs.iter_mut().find(|output| output.name == *name);
        if let Some(output) = output {
            output.chained_vacuous = None;
            examiner.spoil(&case.id, output, actual);
            outcome.verdict = outcome.verdict.min(output.verdict);
        }
    }
}

/// Why a case produced nothing, in a word or two.
fn stopped(outcome: &CaseOutcome) -> String {
    match outcome.problems.first() {
        Some(Problem::Skipped { reason }) => format!("skipped: {reason}"),
        Some(Problem::Missing { .. }) => "a tensor of it is missing".to_owned(),
        _ => "it is broken".to_owned(),
    }
}

/// Runs the checkpoint on what the cases before it produced.
fn produce(
    examiner: &Examiner<'_>,
    case: &Case,
    mut inputs: Inputs,
    own: BTreeMap<String, Tensor>,
    store: &Mutex<Store>,
) -> Followed {
    let mut followed = Followed::default();
    let mut differs = false;
    for (name, input) in &case.inputs {
        let Some(link) = &input.link else { continue };
        let store = store.lock().expect("a panic is caught");
        let Some(Produced { tensor, rel_rms }) = store.get(&(link.case.clone(), link.output.clone())) else {
            followed.starved = Some(format!("{}:{} was not produced", link.case, link.output));
            return followed;
        };
        followed.came_in = [followed.came_in, *rel_rms].into_iter().flatten().reduce(f64::max);
        differs |= !inputs.tensor(name).is_ok_and(|golden| same_bits(golden, tensor));
        inputs = inputs.with(name, tensor.clone());
    }
    // On the same inputs a checkpoint gives the same outputs.
    let outputs = match differs {
        false => own,
        true => match examiner.again(case, &inputs) {
            Ok(outputs) => outputs,
            Err(problem) => {
                followed.hole = Some(format!("on what came in, {}", told(&problem)));
                return followed;
            }
        },
    };
    if case.outputs.is_empty() {
        followed.hole = Some("it names no reference".to_owned());
    } else if let Some(name) = case.outputs.keys().find(|name| !outputs.contains_key(*name)) {
        followed.hole = Some(format!("it does not return {name}"));
    }
    let mut store = store.lock().expect("a panic is caught");
    for (name, tensor) in outputs {
        let found = match case.outputs.get(&name).map(|output| chained(case, &name, output, &tensor)) {
            None => None,
            // The own outcome says what is wrong with it.
            Some(Err(_)) => {
                followed.hole = Some(format!("there is no reference for {name}"));
                return followed;
            }
            Some(Ok(Chained { found, outside, digest })) => {
                followed.digests.extend(digest);
                followed.outside.extend(outside.map(|problem| (name.clone(), problem, tensor.clone())));
                Some(found)
            }
        };
        let rel_rms = found.as_ref().and_then(|found| Difference::of([found])).and_then(|gap| gap.rel_rms);
        followed.found.extend(found);
        store.insert((case.id.clone(), name), Produced { tensor, rel_rms });
    }
    followed
}

/// A problem of a checkpoint, in a line.
fn told(problem: &Problem) -> String {
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

/// One chain, its cases in the order of the computation.
fn outcome(graph: &Graph, stations: &[Station], chain: &[usize]) -> ChainOutcome {
    let known: Vec<Known> = stations.iter().map(self::known).collect();
    let order = order(graph, stations, chain);
    let (parts, finding) = conclude(graph, &known, &order);
    let step = |(&case, (part, why)): (&usize, (Part, Option<String>))| {
        let Station { outcome, followed, .. } = &stations[case];
        let is_claimed = !matches!(part, Part::Hole | Part::PastHole);
        Step {
            id: outcome.id.clone(),
            checkpoint: outcome.checkpoint.clone(),
            part,
            why,
            own: Difference::own(outcome),
            propagated: Difference::of(&followed.found).filter(|_| is_claimed),
            amplification: known[case].amplification.filter(|_| is_claimed),
        }
    };
    let steps: Vec<Step> = order.iter().zip(parts).map(step).collect();
    ChainOutcome { name: name(&steps), finding, steps }
}

/// What of a station decides its part.
fn known(Station { outcome, is_at_fault, followed, .. }: &Station) -> Known {
    let propagated = Difference::of(&followed.found);
    let amplification = match (propagated.and_then(|gap| gap.rel_rms), followed.came_in) {
        (Some(out), Some(came_in)) if out > 0.0 && came_in > 0.0 => Some(out / came_in),
        _ => None,
    };
    Known {
        id: outcome.id.clone(),
        is_at_fault: *is_at_fault,
        propagated,
        is_gated: followed.is_gated,
        amplification,
        hole: followed.hole.clone(),
        starved: followed.starved.clone(),
    }
}

/// The cases of a chain, sources first. Where one tensor is the reference of several cases, as of a block and of its last
/// operation, the case with fewer inputs comes first: a fault shows in a part before it shows in the whole.
fn order(graph: &Graph, stations: &[Station], chain: &[usize]) -> Vec<usize> {
    let mut by_reference: BTreeMap<&String, Vec<usize>> = BTreeMap::new();
    for &case in chain {
        stations[case].followed.digests.iter().for_each(|digest| by_reference.entry(digest).or_default().push(case));
    }
    let mut ordered = graph.clone();
    for cases in by_reference.values() {
        let part = cases.iter().copied().min_by_key(|&case| stations[case].inputs).expect("a digest is of a case");
        let wholes = cases.iter().filter(|&&case| stations[case].inputs > stations[part].inputs);
        ordered = wholes.fold(ordered, |ordered, &whole| ordered.ordered(part, whole));
    }
    let levels = ordered.levels();
    let placed = levels.iter().flatten().filter(|case| chain.contains(case)).copied();
    let mut order: Vec<usize> = placed.collect();
    // What is on a cycle or behind one.
    order.extend(chain.iter().filter(|case| !levels.iter().flatten().any(|placed| placed == *case)));
    order
}

/// The folder that all cases of a chain are in, or the first of them.
fn name(steps: &[Step]) -> String {
    let mut common: Vec<&str> = steps[0].id.as_str().split('/').collect();
    common.pop();
    for step in steps {
        let shared = step.id.as_str().split('/').zip(&common).take_while(|(part, common)| part == *common).count();
        common.truncate(shared);
    }
    if common.is_empty() { steps[0].id.to_string() } else { common.join("/") }
}
