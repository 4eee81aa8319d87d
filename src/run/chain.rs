//! Chains of cases linked by `from`: the graph, the outcome, and where a chain diverges from its references. No I/O.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::case::CaseId;
use crate::compare::Comparison;
use crate::tensor::value::{Float, MaybeFloat, nullable};

/// Cases linked by `from`, in the order of the computation.
///
/// If a tensor is the reference of several cases, the case with the fewest inputs comes first: the parts before the whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct ChainOutcome {
    /// The folder that contains all of its cases, or else the id of the first case.
    pub name: String,
    /// Where the chain diverges from its references.
    pub finding: Finding,
    /// One entry per case.
    pub steps: Vec<Step>,
}

/// One case of a chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Step {
    /// The id of the case.
    pub id: CaseId,
    /// The name of its checkpoint; `None` if `case.json` could not be read.
    #[serde(deserialize_with = "nullable")]
    pub checkpoint: Option<String>,
    /// Its role in a divergence.
    #[serde(rename = "part")]
    pub role: Role,
    /// Why it is a hole, or the id of the hole before it; `None` for every other role.
    #[serde(deserialize_with = "nullable")]
    pub why: Option<String>,
    /// The difference from the references on golden inputs; `None` if nothing was measured.
    #[serde(deserialize_with = "nullable")]
    pub own: Option<Difference>,
    /// The difference on the outputs of the cases before it; `None` if nothing was measured.
    #[serde(deserialize_with = "nullable")]
    pub propagated: Option<Difference>,
    /// The propagated difference of its outputs divided by the largest one of its inputs, both relative to the RMS of the
    /// reference; `None` if either is 0 or unknown.
    #[serde(with = "MaybeFloat")]
    pub amplification: Option<f64>,
}

/// The largest difference of a case's outputs from their references.
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

/// The role of a case in a divergence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Role {
    /// Within tolerance, isolated and chained.
    Sound,
    /// The first case whose own difference is outside tolerance, or whose own summary drifted.
    Diverges,
    /// A later case whose own difference is outside tolerance, or whose own summary drifted.
    AtFaultToo,
    /// Within tolerance on golden inputs, but outside on inputs that an earlier fault changed.
    PassesOn,
    /// Outside tolerance only through the sum of earlier differences, each of them within tolerance.
    Accumulates,
    /// Did not run; nothing is known about the cases after it.
    Hole,
    /// Comes after a hole.
    PastHole,
}

/// Where a chain diverges from its references.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Finding {
    /// Nowhere.
    Sound,
    /// At a case.
    Divergence {
        /// The case.
        id: CaseId,
    },
    /// Every own difference is within tolerance, but an end of the chain is outside.
    Accumulation {
        /// The last case of the chain.
        end: CaseId,
        /// The case with the largest amplification on the way to that end.
        #[serde(deserialize_with = "nullable")]
        amplifier: Option<Amplifier>,
    },
    /// Nowhere before a hole; unknown after it.
    Unknown {
        /// The hole.
        hole: CaseId,
    },
}

/// A case that amplifies the difference of its inputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub struct Amplifier {
    /// The id of the case.
    pub id: CaseId,
    /// The factor.
    #[serde(with = "Float")]
    pub amplification: f64,
}

impl From<&Comparison> for Difference {
    fn from(comparison: &Comparison) -> Difference {
        Difference {
            max_abs_diff: comparison.max_abs_diff.as_ref().map(|extreme| extreme.value),
            tolerance_used: comparison.tolerance_used,
            // If both sides are all zeros, the difference is 0 although the reference has no RMS.
            rel_rms: comparison.rel_rms.or((comparison.rmse == Some(0.0)).then_some(0.0)),
            is_close: comparison.is_close(),
        }
    }
}

/// Returns the larger of two optional numbers, ignoring `None`.
pub(super) fn larger(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    [a, b].into_iter().flatten().reduce(f64::max)
}

impl Difference {
    /// The difference of tensors that cannot be compared because dtype or shape do not match.
    pub(super) const INCOMPARABLE: Difference =
        Difference { max_abs_diff: None, tolerance_used: f64::INFINITY, rel_rms: None, is_close: false };

    /// Returns the maximum of two differences, field by field.
    pub(super) fn max(self, other: Difference) -> Difference {
        Difference {
            max_abs_diff: larger(self.max_abs_diff, other.max_abs_diff),
            tolerance_used: self.tolerance_used.max(other.tolerance_used),
            rel_rms: larger(self.rel_rms, other.rel_rms),
            is_close: self.is_close && other.is_close,
        }
    }
}

/// The measurements of one case, from which the outcome of its chain is derived.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) id: CaseId,
    pub(super) checkpoint: Option<String>,
    pub(super) own: Option<Difference>,
    /// Whether its own difference is outside tolerance, or its own summary drifted.
    pub(super) is_at_fault: bool,
    pub(super) input_count: usize,
    pub(super) chained: ChainedRun,
}

/// The chained run of a case: on the outputs of the cases before it.
#[derive(Clone, Debug, Default)]
pub(super) struct ChainedRun {
    pub(super) propagated: Option<Difference>,
    /// The largest `rel_rms` of its linked inputs; `None` without linked inputs.
    pub(super) input_rel_rms: Option<f64>,
    /// Whether the case has a tolerance for chained runs: then it counts as an end of the chain.
    pub(super) is_gated: bool,
    /// The sha256 of each of its references.
    pub(super) digests: BTreeSet<String>,
    /// Why the chained run produced no outputs.
    pub(super) hole: Option<String>,
    /// Whether the reason is an input that no earlier case produced.
    pub(super) lacks_input: bool,
}

impl Node {
    /// Returns whether the case itself is the reason that its chained run produced no outputs.
    fn is_hole(&self) -> bool {
        self.chained.hole.is_some() && !self.chained.lacks_input
    }

    /// Returns the propagated difference of the outputs divided by that of the inputs.
    fn amplification(&self) -> Option<f64> {
        let (output, input) = (self.chained.propagated?.rel_rms?, self.chained.input_rel_rms?);
        (output > 0.0 && input > 0.0).then(|| output / input)
    }
}

impl ChainOutcome {
    /// Derives the outcome of a chain from the measurements of its cases.
    pub(super) fn new(graph: &Graph, nodes: &BTreeMap<usize, Node>, chain: &[usize]) -> ChainOutcome {
        let order = sort_cases(graph, nodes, chain);
        let (roles, finding) = conclude(graph, nodes, &order);
        let step = |(case, (role, why)): (&usize, (Role, Option<String>))| {
            let node = &nodes[case];
            let is_known = !matches!(role, Role::Hole | Role::PastHole);
            Step {
                id: node.id.clone(),
                checkpoint: node.checkpoint.clone(),
                role,
                why,
                own: node.own,
                propagated: node.chained.propagated.filter(|_| is_known),
                amplification: node.amplification().filter(|_| is_known),
            }
        };
        let steps: Vec<Step> = order.iter().zip(roles).map(step).collect();
        ChainOutcome { name: chain_name(&steps), finding, steps }
    }
}

/// Returns the folder that contains all cases of a chain, or else the id of the first case.
fn chain_name(steps: &[Step]) -> String {
    let mut common: Vec<&str> = steps[0].id.as_str().split('/').collect();
    common.pop();
    for step in steps {
        let shared = step.id.as_str().split('/').zip(&common).take_while(|(part, common)| part == *common).count();
        common.truncate(shared);
    }
    if common.is_empty() { steps[0].id.to_string() } else { common.join("/") }
}

/// Sorts the cases of a chain, sources first. If several cases have the same reference, such as a block and its last
/// operation, the case with fewer inputs comes first, so that a fault is attributed to the part rather than to the whole.
fn sort_cases(graph: &Graph, nodes: &BTreeMap<usize, Node>, chain: &[usize]) -> Vec<usize> {
    let mut by_reference: BTreeMap<&String, Vec<usize>> = BTreeMap::new();
    for &case in chain {
        for digest in &nodes[&case].chained.digests {
            by_reference.entry(digest).or_default().push(case);
        }
    }
    let input_count = |case: &usize| nodes[case].input_count;
    let mut graph = graph.clone();
    for cases in by_reference.values() {
        let part = cases.iter().copied().min_by_key(input_count).expect("every digest belongs to a case");
        for &whole in cases.iter().filter(|whole| input_count(whole) > input_count(&part)) {
            graph.add_order(part, whole);
        }
    }
    let mut order = graph.levels().concat();
    order.retain(|case| chain.contains(case));
    // Cases on a cycle, or after one, come last.
    let unordered: Vec<usize> = chain.iter().copied().filter(|case| !order.contains(case)).collect();
    order.extend(unordered);
    order
}

/// Returns the role of each case of a chain, with the reason or the hole if there is one, and the finding for the chain.
/// `order` contains every case of the chain, sources first.
fn conclude(graph: &Graph, nodes: &BTreeMap<usize, Node>, order: &[usize]) -> (Vec<(Role, Option<String>)>, Finding) {
    let mut roles = Vec::with_capacity(order.len());
    let mut first: Option<&CaseId> = None;
    for &case in order {
        let before = graph.before(case);
        let node = &nodes[&case];
        let hole_before = order.iter().find(|other| before.contains(other) && nodes[other].is_hole());
        let is_outside = node.chained.propagated.is_some_and(|difference| !difference.is_close);
        roles.push(match (&node.chained.hole, hole_before) {
            (_, Some(hole)) if !node.is_hole() => (Role::PastHole, Some(nodes[hole].id.to_string())),
            // The isolated run shows this, so a missing chained run does not matter.
            _ if node.is_at_fault && first.is_none() => {
                first = Some(&node.id);
                (Role::Diverges, None)
            }
            _ if node.is_at_fault => (Role::AtFaultToo, None),
            (Some(why), _) => (Role::Hole, Some(why.clone())),
            _ if is_outside && before.iter().any(|other| nodes[other].is_at_fault) => (Role::PassesOn, None),
            _ if is_outside => (Role::Accumulates, None),
            _ => (Role::Sound, None),
        });
    }
    let finding = match first {
        Some(id) => Finding::Divergence { id: id.clone() },
        None => find_accumulation(graph, nodes, order, &roles),
    };
    (roles, finding)
}

/// Returns the finding for a chain in which no case is at fault by itself.
fn find_accumulation(
    graph: &Graph,
    nodes: &BTreeMap<usize, Node>,
    order: &[usize],
    roles: &[(Role, Option<String>)],
) -> Finding {
    let id = |case: &usize| nodes[case].id.clone();
    let is_end =
        |case: &usize| nodes[case].chained.is_gated || !order.iter().any(|&other| graph.sources[other].contains(case));
    let mut steps = order.iter().zip(roles).map(|(case, (role, _))| (case, *role));
    if let Some((end, _)) = steps.clone().find(|(case, role)| *role == Role::Accumulates && is_end(case)) {
        let before_end = graph.up_to([*end]);
        let amplifier = order
            .iter()
            .filter(|case| before_end.contains(case))
            .filter_map(|case| Some(Amplifier { id: id(case), amplification: nodes[case].amplification()? }))
            .max_by(|a, b| a.amplification.total_cmp(&b.amplification));
        return Finding::Accumulation { end: id(end), amplifier };
    }
    let hole = steps.find(|(_, role)| *role == Role::Hole);
    hole.map_or(Finding::Sound, |(case, _)| Finding::Unknown { hole: id(case) })
}

/// The links between cases, which are numbered from 0.
#[derive(Clone, Debug)]
pub(super) struct Graph {
    /// For each case, the cases whose outputs are its inputs.
    pub(super) sources: Vec<BTreeSet<usize>>,
}

impl Graph {
    /// Returns the cases by the length of the longest path to them, so that the sources of a case are in earlier levels.
    /// Cases on a cycle, or after one, are in no level.
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

    /// Returns a cycle among a case and its direct and indirect sources: each case is a source of the one before it.
    pub(super) fn cycle(&self, case: usize) -> Option<Vec<usize>> {
        let placed: BTreeSet<usize> = self.levels().into_iter().flatten().collect();
        let mut path = vec![case];
        loop {
            // A case without a level has a source without a level.
            let source = self.sources[path[path.len() - 1]].iter().find(|source| !placed.contains(source))?;
            if let Some(at) = path.iter().position(|earlier| earlier == source) {
                return Some(path.split_off(at));
            }
            path.push(*source);
        }
    }

    /// Returns the connected groups of two or more cases.
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

    /// Returns these cases and their direct and indirect sources.
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

    /// Returns the direct and indirect sources of a case.
    fn before(&self, case: usize) -> BTreeSet<usize> {
        self.up_to(self.sources[case].iter().copied())
    }

    /// Removes the links of all other cases.
    pub(super) fn retain(&mut self, cases: &BTreeSet<usize>) {
        let others = self.sources.iter_mut().enumerate().filter(|(case, _)| !cases.contains(case));
        others.for_each(|(_, sources)| sources.clear());
    }

    /// Places a case after an earlier one, unless that would create a cycle.
    fn add_order(&mut self, earlier: usize, later: usize) {
        if earlier != later && !self.before(earlier).contains(&later) {
            self.sources[later].insert(earlier);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(sources: &[&[usize]]) -> Graph {
        Graph { sources: sources.iter().map(|sources| sources.iter().copied().collect()).collect() }
    }

    #[test]
    fn a_case_is_one_level_after_its_farthest_source() {
        let graph = graph(&[&[], &[0], &[0, 1], &[], &[2, 3]]);
        assert_eq!(graph.levels(), [vec![0, 3], vec![1], vec![2], vec![4]]);
        assert_eq!(graph.before(4), [0, 1, 2, 3].into());
    }

    #[test]
    fn cases_on_or_after_a_cycle_have_no_level_and_the_cycle_is_found() {
        let graph = graph(&[&[], &[0, 3], &[1], &[2], &[3]]);
        assert_eq!(graph.levels(), [vec![0]]);
        assert_eq!(graph.cycle(4), Some(vec![3, 2, 1]));
        assert_eq!(graph.cycle(2), Some(vec![2, 1, 3]));
        assert_eq!(graph.cycle(0), None);
    }

    #[test]
    fn a_case_that_uses_its_own_output_is_a_cycle() {
        assert_eq!(graph(&[&[0]]).cycle(0), Some(vec![0]));
    }

    #[test]
    fn chains_are_connected_groups_whatever_the_direction_of_the_links() {
        let graph = graph(&[&[], &[4], &[], &[0], &[3], &[2], &[]]);
        assert_eq!(graph.chains(), [vec![0, 1, 3, 4], vec![2, 5]]);
    }

    #[test]
    fn an_added_order_never_contradicts_a_link() {
        let mut graph = graph(&[&[], &[0]]);
        graph.add_order(1, 0);
        graph.add_order(0, 0);
        assert_eq!(graph.levels(), [vec![0], vec![1]]);
    }

    /// Concludes on a line of cases `0`, `1`, ..: each is sound (`.`), at fault (`x`), outside only because of its inputs (`o`)
    /// or a hole (`-`).
    fn line(cases: &str) -> (Vec<Role>, Finding) {
        let (roles, finding) = line_with_reasons(cases);
        (roles.into_iter().map(|(role, _)| role).collect(), finding)
    }

    fn line_with_reasons(cases: &str) -> (Vec<(Role, Option<String>)>, Finding) {
        let sources = (0..cases.len()).map(|case| case.checked_sub(1).into_iter().collect()).collect();
        let nodes = cases.char_indices().map(|(at, kind)| (at, node(at, kind))).collect();
        conclude(&Graph { sources }, &nodes, &(0..cases.len()).collect::<Vec<_>>())
    }

    fn node(at: usize, kind: char) -> Node {
        let rel_rms = Some(10.0 - at as f64).filter(|_| kind == 'o');
        let difference = Difference { is_close: kind == '.', rel_rms, ..Difference::default() };
        let chained = ChainedRun {
            propagated: (kind != '-').then_some(difference),
            input_rel_rms: Some(1.0),
            hole: (kind == '-').then(|| "skipped".to_owned()),
            ..ChainedRun::default()
        };
        Node { id: id(at), checkpoint: None, own: None, is_at_fault: kind == 'x', input_count: 0, chained }
    }

    fn amplifier(at: usize, amplification: f64) -> Option<Amplifier> {
        Some(Amplifier { id: id(at), amplification })
    }

    fn id(at: usize) -> CaseId {
        CaseId::new(&at.to_string()).expect("a number is an id")
    }

    #[test]
    fn the_first_fault_diverges_and_later_ones_are_at_fault_too_or_pass_it_on() {
        let (roles, finding) = line(".xo.x");
        assert_eq!(roles, [Role::Sound, Role::Diverges, Role::PassesOn, Role::Sound, Role::AtFaultToo]);
        assert_eq!(finding, Finding::Divergence { id: id(1) });
    }

    #[test]
    fn without_a_fault_an_end_outside_tolerance_is_accumulation_and_names_the_largest_amplifier() {
        let (roles, finding) = line("..oo");
        assert_eq!(roles[2..], [Role::Accumulates, Role::Accumulates]);
        assert_eq!(finding, Finding::Accumulation { end: id(3), amplifier: amplifier(2, 8.0) });
        // A case in the middle may be outside if the end is inside again, unless it has a tolerance for chained runs.
        assert_eq!(line("..o.").1, Finding::Sound);
        let mut gated = [node(0, '.'), node(1, 'o'), node(2, '.')];
        gated[1].chained.is_gated = true;
        let sources = vec![[].into(), [0].into(), [1].into()];
        let (_, finding) = conclude(&Graph { sources }, &gated.into_iter().enumerate().collect(), &[0, 1, 2]);
        assert_eq!(finding, Finding::Accumulation { end: id(1), amplifier: amplifier(1, 9.0) });
    }

    #[test]
    fn nothing_is_known_after_a_hole() {
        let (roles, finding) = line_with_reasons(".-xo");
        let past = || (Role::PastHole, Some("1".to_owned()));
        assert_eq!(roles, [(Role::Sound, None), (Role::Hole, Some("skipped".into())), past(), past()]);
        assert_eq!(finding, Finding::Unknown { hole: id(1) });
        assert_eq!(line("x-").1, Finding::Divergence { id: id(0) });
    }

    #[test]
    fn a_case_with_an_own_fault_diverges_even_if_an_input_is_missing() {
        let mut node = node(0, 'x');
        (node.chained.hole, node.chained.lacks_input) = (Some("x was not produced".into()), true);
        let (roles, finding) = conclude(&graph(&[&[]]), &[(0, node)].into(), &[0]);
        assert_eq!((roles, finding), (vec![(Role::Diverges, None)], Finding::Divergence { id: id(0) }));
    }

    #[test]
    fn a_hole_on_one_branch_does_not_affect_another() {
        // 1 and 2 use outputs of 0, and 3 uses outputs of 2; 1 is a hole.
        let graph = graph(&[&[], &[0], &[0], &[2]]);
        let nodes = ['.', '-', 'x', 'o'].into_iter().enumerate().map(|(at, kind)| (at, node(at, kind))).collect();
        let (roles, finding) = conclude(&graph, &nodes, &[0, 1, 2, 3]);
        assert_eq!(roles[2..], [(Role::Diverges, None), (Role::PassesOn, None)]);
        assert_eq!(finding, Finding::Divergence { id: id(2) });
    }
}
