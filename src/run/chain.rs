//! Chains of cases linked by `from`: their outcome, who takes what from whom, and where a chain leaves its reference. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::case::CaseId;
use crate::compare::Comparison;
use crate::tensor::value::{Float, MaybeFloat, nullable};

/// Cases that `from` links, in the order of the computation.
///
/// Where a tensor is the reference of several cases, the one with the fewest inputs comes first: the parts before the whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct ChainOutcome {
    /// What the ids of its cases begin with, or the first of them.
    pub name: String,
    /// Where it leaves its reference.
    pub finding: Finding,
    /// One for each case.
    pub steps: Vec<Step>,
}

/// What one case does in its chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Step {
    /// Which case.
    pub id: CaseId,
    /// The checkpoint it names; `None` where `case.json` could not be read.
    #[serde(deserialize_with = "nullable")]
    pub checkpoint: Option<String>,
    /// What it has to do with a divergence.
    pub part: Part,
    /// Why it is a hole, or the id of the hole that it is past; `None` where it is neither.
    #[serde(deserialize_with = "nullable")]
    pub why: Option<String>,
    /// How far its outputs are from the references on golden inputs; `None` where nothing was measured.
    #[serde(deserialize_with = "nullable")]
    pub own: Option<Difference>,
    /// How far they are on what the cases before it produced; `None` where nothing was measured.
    #[serde(deserialize_with = "nullable")]
    pub propagated: Option<Difference>,
    /// The propagated difference of its outputs over the largest of its inputs, each relative to the RMS of its reference;
    /// `None` where one of them is 0 or unknown.
    #[serde(with = "MaybeFloat")]
    pub amplification: Option<f64>,
}

/// How far the outputs of a case are from their references: the largest of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub struct Difference {
    /// The largest absolute difference.
    #[serde(with = "MaybeFloat")]
    pub max_abs_diff: Option<f64>,
    /// The largest share of the tolerance that an element uses.
    #[serde(with = "Float")]
    pub tolerance_used: f64,
    /// The largest RMSE over the RMS of the reference.
    #[serde(with = "MaybeFloat")]
    pub rel_rms: Option<f64>,
    /// Whether every output is within its tolerance.
    pub is_close: bool,
}

/// What a case has to do with a divergence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Part {
    /// Within tolerance, chained or not.
    Sound,
    /// The first whose own difference is outside tolerance, or whose own summary drifted.
    Diverges,
    /// Outside tolerance or drifted by itself too, after the first.
    AtFaultToo,
    /// Within tolerance by itself, and outside on what an earlier fault made of its inputs.
    PassesOn,
    /// Within tolerance by itself as all before it are, and outside on what came of them together.
    Accumulates,
    /// It did not run: nothing is claimed past it.
    Hole,
    /// A case before it is a hole.
    PastHole,
}

/// Where a chain leaves its reference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Finding {
    /// Nowhere.
    Sound,
    /// At that case, and not before.
    Divergence {
        /// The case.
        id: CaseId,
    },
    /// Every own difference is inside tolerance, and an end of the chain outside.
    Accumulation {
        /// The end.
        end: CaseId,
        /// The case on the way there that amplified most.
        #[serde(deserialize_with = "nullable")]
        amplifier: Option<Amplifier>,
    },
    /// Nowhere before a hole; past it nothing is claimed.
    Unknown {
        /// The hole.
        hole: CaseId,
    },
}

/// A case that amplifies the difference of its inputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub struct Amplifier {
    /// Which case.
    pub id: CaseId,
    /// By how much.
    #[serde(with = "Float")]
    pub amplification: f64,
}

impl Difference {
    /// The difference of one output; `None` stands for tensors whose structure forbids a comparison.
    pub(super) fn of(comparison: Option<&Comparison>) -> Difference {
        match comparison {
            None => Difference { tolerance_used: f64::INFINITY, ..Difference::default() },
            Some(measured) => Difference {
                max_abs_diff: measured.max_abs_diff.as_ref().map(|extreme| extreme.value),
                tolerance_used: measured.tolerance_used,
                // Both sides 0 throughout are no distance apart, whatever it is relative to.
                rel_rms: measured.rel_rms.or((measured.rmse == Some(0.0)).then_some(0.0)),
                is_close: measured.is_close(),
            },
        }
    }

    /// The difference of two outputs together: the larger one.
    pub(super) fn join(self, other: Difference) -> Difference {
        let larger = |one: Option<f64>, other| [one, other].into_iter().flatten().reduce(f64::max);
        Difference {
            max_abs_diff: larger(self.max_abs_diff, other.max_abs_diff),
            tolerance_used: self.tolerance_used.max(other.tolerance_used),
            rel_rms: larger(self.rel_rms, other.rel_rms),
            is_close: self.is_close && other.is_close,
        }
    }
}

impl Step {
    /// Whether the case did not run, or nothing is claimed because one before it did not.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        matches!(self.part, Part::Hole | Part::PastHole)
    }
}

/// What is known of one case of a chain before anything is concluded.
#[derive(Clone, Debug)]
pub(super) struct Station {
    pub(super) id: CaseId,
    pub(super) checkpoint: Option<String>,
    pub(super) own: Option<Difference>,
    /// Whether its own difference is outside tolerance, or its own summary drifted.
    pub(super) is_at_fault: bool,
    /// How many inputs it has.
    pub(super) inputs: usize,
    pub(super) followed: Followed,
}

/// What came of a case on what the cases before it produced.
#[derive(Clone, Debug, Default)]
pub(super) struct Followed {
    pub(super) propagated: Option<Difference>,
    /// The largest distance of its linked inputs, relative to RMS; `None` where it has none.
    pub(super) came_in: Option<f64>,
    /// Whether it has a tolerance for a chained run: then it need not be an end.
    pub(super) is_gated: bool,
    /// The sha256 of each reference.
    pub(super) digests: BTreeSet<String>,
    /// Why nothing is known of what it would produce.
    pub(super) hole: Option<String>,
    /// Whether that is because of what it was to be given, and was not.
    pub(super) is_starved: bool,
}

impl Station {
    /// Whether nothing is known of what it would produce, for a reason of its own.
    fn is_hole(&self) -> bool {
        self.followed.hole.is_some() && !self.followed.is_starved
    }

    /// The propagated difference over what came in.
    fn amplification(&self) -> Option<f64> {
        let (out, came_in) = (self.followed.propagated?.rel_rms?, self.followed.came_in?);
        (out > 0.0 && came_in > 0.0).then(|| out / came_in)
    }
}

impl ChainOutcome {
    /// The outcome of the chain of those cases.
    pub(super) fn of(graph: &Graph, stations: &BTreeMap<usize, Station>, chain: &[usize]) -> ChainOutcome {
        let order = order(graph, stations, chain);
        let (parts, finding) = conclude(graph, stations, &order);
        let step = |(case, (part, why)): (&usize, (Part, Option<String>))| {
            let station = &stations[case];
            let is_claimed = !matches!(part, Part::Hole | Part::PastHole);
            Step {
                id: station.id.clone(),
                checkpoint: station.checkpoint.clone(),
                part,
                why,
                own: station.own,
                propagated: station.followed.propagated.filter(|_| is_claimed),
                amplification: station.amplification().filter(|_| is_claimed),
            }
        };
        let steps: Vec<Step> = order.iter().zip(parts).map(step).collect();
        ChainOutcome { name: name(&steps), finding, steps }
    }
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

/// The cases of a chain, sources first. Where one tensor is the reference of several cases, as of a block and of its last
/// operation, the case with fewer inputs comes first: a fault shows in a part before it shows in the whole.
fn order(graph: &Graph, stations: &BTreeMap<usize, Station>, chain: &[usize]) -> Vec<usize> {
    let mut by_reference: BTreeMap<&String, Vec<usize>> = BTreeMap::new();
    for &case in chain {
        let digests = &stations[&case].followed.digests;
        digests.iter().for_each(|digest| by_reference.entry(digest).or_default().push(case));
    }
    let inputs = |case: &usize| stations[case].inputs;
    let mut ordered = graph.clone();
    for cases in by_reference.values() {
        let part = cases.iter().copied().min_by_key(inputs).expect("a digest is of a case");
        let wholes = cases.iter().filter(|whole| inputs(whole) > inputs(&part));
        ordered = wholes.fold(ordered, |ordered, &whole| ordered.ordered(part, whole));
    }
    let mut order = ordered.levels().concat();
    order.retain(|case| chain.contains(case));
    // What is on a cycle or behind one.
    let unplaced: Vec<usize> = chain.iter().copied().filter(|case| !order.contains(case)).collect();
    order.extend(unplaced);
    order
}

/// The part of each case of a chain and why it is a hole or past one, and the finding of the whole. `order` has every case of
/// the chain, sources first.
fn conclude(
    graph: &Graph,
    known: &BTreeMap<usize, Station>,
    order: &[usize],
) -> (Vec<(Part, Option<String>)>, Finding) {
    let mut parts = Vec::with_capacity(order.len());
    let mut first: Option<usize> = None;
    for &case in order {
        let before = graph.before(case);
        let of = &known[&case];
        let hole_before = order.iter().find(|other| before.contains(other) && known[other].is_hole());
        let is_outside = of.followed.propagated.is_some_and(|gap| !gap.is_close);
        parts.push(match (&of.followed.hole, hole_before) {
            (_, Some(hole)) if !of.is_hole() => (Part::PastHole, Some(known[hole].id.to_string())),
            // Its own difference needs no chain.
            _ if of.is_at_fault && first.is_none() => {
                first = Some(case);
                (Part::Diverges, None)
            }
            _ if of.is_at_fault => (Part::AtFaultToo, None),
            (Some(why), _) => (Part::Hole, Some(why.clone())),
            _ if is_outside && before.iter().any(|other| known[other].is_at_fault) => (Part::PassesOn, None),
            _ if is_outside => (Part::Accumulates, None),
            _ => (Part::Sound, None),
        });
    }
    let finding = match first {
        Some(case) => Finding::Divergence { id: known[&case].id.clone() },
        None => accumulation(graph, known, order, &parts),
    };
    (parts, finding)
}

/// The finding where no case is at fault by itself.
fn accumulation(
    graph: &Graph,
    known: &BTreeMap<usize, Station>,
    order: &[usize],
    parts: &[(Part, Option<String>)],
) -> Finding {
    let sources: BTreeSet<usize> = order.iter().flat_map(|&case| graph.sources(case)).copied().collect();
    let is_end = |case: &usize| !sources.contains(case) || known[case].followed.is_gated;
    let mut with_parts = order.iter().zip(parts).map(|(case, (part, _))| (case, *part));
    if let Some((&end, _)) = with_parts.clone().find(|(case, part)| is_end(case) && *part == Part::Accumulates) {
        let on_the_way = graph.up_to([end]);
        let amplifiers = order.iter().filter(|case| on_the_way.contains(case));
        let amplifiers = amplifiers.filter_map(|case| Some((case, known[case].amplification()?)));
        let most = amplifiers.max_by(|(_, one), (_, other)| one.total_cmp(other));
        let amplifier = most.map(|(case, amplification)| Amplifier { id: known[case].id.clone(), amplification });
        return Finding::Accumulation { end: known[&end].id.clone(), amplifier };
    }
    let hole = with_parts.find(|(_, part)| *part == Part::Hole);
    hole.map_or(Finding::Sound, |(case, _)| Finding::Unknown { hole: known[case].id.clone() })
}

/// The sources of every case: the cases whose outputs are its inputs.
#[derive(Clone, Debug, Default)]
pub(super) struct Graph {
    sources: Vec<BTreeSet<usize>>,
}

impl Graph {
    /// The graph in which each case has those sources. All of them are numbers of cases.
    pub(super) fn new(sources: Vec<BTreeSet<usize>>) -> Graph {
        Graph { sources }
    }

    /// The sources of a case.
    pub(super) fn sources(&self, case: usize) -> &BTreeSet<usize> {
        &self.sources[case]
    }

    /// The cases by how many links lead to them at most: each has its sources in earlier levels. What is on a cycle, or
    /// behind one, is in none.
    pub(super) fn levels(&self) -> Vec<Vec<usize>> {
        let mut level: BTreeMap<usize, usize> = BTreeMap::new();
        let mut levels: Vec<Vec<usize>> = Vec::new();
        loop {
            let is_next = |case: &usize| {
                !level.contains_key(case) && self.sources[*case].iter().all(|source| level.contains_key(source))
            };
            let next: Vec<usize> = (0..self.sources.len()).filter(is_next).collect();
            if next.is_empty() {
                return levels;
            }
            level.extend(next.iter().map(|&case| (case, levels.len())));
            levels.push(next);
        }
    }

    /// A cycle among the sources of that case, or of their sources, and so on: each is a source of the one before it. `None`
    /// where there is none.
    pub(super) fn cycle(&self, case: usize) -> Option<Vec<usize>> {
        let placed: BTreeSet<usize> = self.levels().into_iter().flatten().collect();
        let mut path = vec![case];
        loop {
            // Whatever has no level has a source that has none.
            let source = self.sources[path[path.len() - 1]].iter().find(|source| !placed.contains(source))?;
            if let Some(at) = path.iter().position(|earlier| earlier == source) {
                return Some(path.split_off(at));
            }
            path.push(*source);
        }
    }

    /// The cases that are linked with one another, however indirectly; those that are linked with none are left out.
    pub(super) fn chains(&self) -> Vec<Vec<usize>> {
        let mut group: Vec<usize> = (0..self.sources.len()).collect();
        for (case, sources) in self.sources.iter().enumerate() {
            for &source in sources {
                let (from, to) = (group[source].max(group[case]), group[source].min(group[case]));
                group.iter_mut().filter(|group| **group == from).for_each(|group| *group = to);
            }
        }
        let mut chains: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        (0..group.len()).for_each(|case| chains.entry(group[case]).or_default().push(case));
        chains.into_values().filter(|chain| chain.len() > 1).collect()
    }

    /// Those cases and everything that leads to them.
    pub(super) fn up_to(&self, cases: impl IntoIterator<Item = usize>) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        let mut open: Vec<usize> = cases.into_iter().collect();
        while let Some(case) = open.pop() {
            if found.insert(case) {
                open.extend(&self.sources[case]);
            }
        }
        found
    }

    /// Everything that leads to that case.
    fn before(&self, case: usize) -> BTreeSet<usize> {
        self.up_to(self.sources[case].iter().copied())
    }

    /// The same graph without the links of all other cases than those.
    pub(super) fn only(mut self, cases: &BTreeSet<usize>) -> Graph {
        let others = self.sources.iter_mut().enumerate().filter(|(case, _)| !cases.contains(case));
        others.for_each(|(_, sources)| sources.clear());
        self
    }

    /// The same graph, in which `later` comes after `earlier` too, unless that contradicts what is linked.
    fn ordered(mut self, earlier: usize, later: usize) -> Graph {
        if earlier != later && !self.before(earlier).contains(&later) {
            self.sources[later].insert(earlier);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(sources: &[&[usize]]) -> Graph {
        Graph::new(sources.iter().map(|sources| sources.iter().copied().collect()).collect())
    }

    #[test]
    fn a_case_is_a_level_behind_its_farthest_source() {
        let graph = graph(&[&[], &[0], &[0, 1], &[], &[2, 3]]);
        assert_eq!(graph.levels(), [vec![0, 3], vec![1], vec![2], vec![4]]);
        assert_eq!(graph.before(4), [0, 1, 2, 3].into());
    }

    #[test]
    fn what_is_on_a_cycle_or_behind_one_has_no_level_and_the_cycle_is_found() {
        let graph = graph(&[&[], &[0, 3], &[1], &[2], &[3]]);
        assert_eq!(graph.levels(), [vec![0]]);
        assert_eq!(graph.cycle(4), Some(vec![3, 2, 1]));
        assert_eq!(graph.cycle(2), Some(vec![2, 1, 3]));
        assert_eq!(graph.cycle(0), None);
    }

    #[test]
    fn a_case_that_takes_its_own_output_is_a_cycle() {
        assert_eq!(graph(&[&[0]]).cycle(0), Some(vec![0]));
    }

    #[test]
    fn chains_are_what_is_linked_whichever_way() {
        let graph = graph(&[&[], &[4], &[], &[0], &[3], &[2], &[]]);
        assert_eq!(graph.chains(), [vec![0, 1, 3, 4], vec![2, 5]]);
    }

    #[test]
    fn an_order_never_contradicts_a_link() {
        let graph = graph(&[&[], &[0]]).ordered(1, 0).ordered(0, 0);
        assert_eq!(graph.levels(), [vec![0], vec![1]]);
    }

    /// A line of cases `0`, `1`, ..: each is sound (`.`), at fault (`x`), outside on its inputs alone (`o`) or a hole (`-`).
    fn line(cases: &str) -> (Vec<Part>, Finding) {
        let (parts, finding) = whole(cases);
        (parts.into_iter().map(|(part, _)| part).collect(), finding)
    }

    fn whole(cases: &str) -> (Vec<(Part, Option<String>)>, Finding) {
        let sources = (0..cases.len()).map(|case| case.checked_sub(1).into_iter().collect()).collect();
        let known = cases.char_indices().map(|(at, kind)| (at, known(at, kind))).collect();
        conclude(&Graph::new(sources), &known, &(0..cases.len()).collect::<Vec<_>>())
    }

    fn known(at: usize, kind: char) -> Station {
        let rel_rms = Some(10.0 - at as f64).filter(|_| kind == 'o');
        let gap = Difference { is_close: kind == '.', rel_rms, ..Difference::default() };
        let followed = Followed {
            propagated: (kind != '-').then_some(gap),
            came_in: Some(1.0),
            hole: (kind == '-').then(|| "skipped".to_owned()),
            ..Followed::default()
        };
        Station { id: id(at), checkpoint: None, own: None, is_at_fault: kind == 'x', inputs: 0, followed }
    }

    fn amplifier(at: usize, amplification: f64) -> Option<Amplifier> {
        Some(Amplifier { id: id(at), amplification })
    }

    fn id(at: usize) -> CaseId {
        CaseId::new(&at.to_string()).expect("a number is an id")
    }

    #[test]
    fn the_first_fault_diverges_and_later_ones_are_at_fault_too_or_pass_it_on() {
        let (parts, finding) = line(".xo.x");
        assert_eq!(parts, [Part::Sound, Part::Diverges, Part::PassesOn, Part::Sound, Part::AtFaultToo]);
        assert_eq!(finding, Finding::Divergence { id: id(1) });
    }

    #[test]
    fn without_a_fault_an_end_outside_is_accumulation_by_who_amplified_most() {
        let (parts, finding) = line("..oo");
        assert_eq!(parts[2..], [Part::Accumulates, Part::Accumulates]);
        assert_eq!(finding, Finding::Accumulation { end: id(3), amplifier: amplifier(2, 8.0) });
        // What was outside on the way and is inside again has done no harm, unless the case says so.
        assert_eq!(line("..o.").1, Finding::Sound);
        let mut gated = [known(0, '.'), known(1, 'o'), known(2, '.')];
        gated[1].followed.is_gated = true;
        let sources = vec![[].into(), [0].into(), [1].into()];
        let (_, finding) = conclude(&Graph::new(sources), &gated.into_iter().enumerate().collect(), &[0, 1, 2]);
        assert_eq!(finding, Finding::Accumulation { end: id(1), amplifier: amplifier(1, 9.0) });
    }

    #[test]
    fn past_a_hole_nothing_is_claimed() {
        let (parts, finding) = whole(".-xo");
        let past = || (Part::PastHole, Some("1".to_owned()));
        assert_eq!(parts, [(Part::Sound, None), (Part::Hole, Some("skipped".into())), past(), past()]);
        assert_eq!(finding, Finding::Unknown { hole: id(1) });
        assert_eq!(line("x-").1, Finding::Divergence { id: id(0) });
    }

    #[test]
    fn what_is_at_fault_by_itself_is_so_without_its_inputs() {
        let mut starved = known(0, 'x');
        (starved.followed.hole, starved.followed.is_starved) = (Some("it was not given x".into()), true);
        let (parts, finding) = conclude(&Graph::new(vec![[].into()]), &[(0, starved)].into(), &[0]);
        assert_eq!((parts, finding), (vec![(Part::Diverges, None)], Finding::Divergence { id: id(0) }));
    }

    #[test]
    fn a_hole_on_one_branch_says_nothing_of_another() {
        // 1 and 2 take from 0, 3 from 2; 1 is a hole.
        let graph = Graph::new([vec![], vec![0], vec![0], vec![2]].map(|sources| sources.into_iter().collect()).into());
        let known = ['.', '-', 'x', 'o'].into_iter().enumerate().map(|(at, kind)| (at, known(at, kind))).collect();
        let (parts, finding) = conclude(&graph, &known, &[0, 1, 2, 3]);
        assert_eq!(parts[2..], [(Part::Diverges, None), (Part::PassesOn, None)]);
        assert_eq!(finding, Finding::Divergence { id: id(2) });
    }
}
