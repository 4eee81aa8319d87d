//! Where a chain leaves its reference, and what every case has to do with it. Pure.

use std::collections::BTreeSet;

use super::graph::Graph;
use super::outcome::{Amplifier, Difference, Finding, Part};
use crate::case::CaseId;

/// What is known of one case before anything is concluded.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) id: CaseId,
    /// Whether its own difference is outside tolerance, or its own summary drifted.
    pub(super) is_at_fault: bool,
    pub(super) propagated: Option<Difference>,
    /// Whether it has a tolerance for a chained run: then it need not be an end.
    pub(super) is_gated: bool,
    pub(super) amplification: Option<f64>,
    /// Why nothing is known of what it would produce, by a reason of its own.
    pub(super) hole: Option<String>,
    /// What it was to be given, and was not.
    pub(super) starved: Option<String>,
}

/// The part of each case of a chain and why it is a hole or past one, and the finding of the whole. `order` has every case of the chain, sources first.
pub(super) fn conclude(graph: &Graph, known: &[Known], order: &[usize]) -> (Vec<(Part, Option<String>)>, Finding) {
    let mut parts = Vec::with_capacity(order.len());
    let mut first: Option<usize> = None;
    for &case in order {
        let before = graph.before(case);
        let of = &known[case];
        let hole_before = order.iter().find(|&&other| before.contains(&other) && known[other].hole.is_some());
        let is_outside = of.propagated.is_some_and(|gap| !gap.is_close);
        parts.push(match (&of.hole, hole_before) {
            (None, Some(&hole)) => (Part::PastHole, Some(known[hole].id.to_string())),
            // Its own difference needs no chain.
            _ if of.is_at_fault && first.is_none() => {
                first = Some(case);
                (Part::Diverges, None)
            }
            _ if of.is_at_fault => (Part::AtFaultToo, None),
            (Some(why), _) => (Part::Hole, Some(why.clone())),
            _ if of.starved.is_some() => (Part::Hole, of.starved.clone()),
            _ if is_outside && before.iter().any(|&other| known[other].is_at_fault) => (Part::PassesOn, None),
            _ if is_outside => (Part::Accumulates, None),
            _ => (Part::Sound, None),
        });
    }
    let finding = match first {
        Some(case) => Finding::Divergence { id: known[case].id.clone() },
        None => accumulation(graph, known, order, &parts),
    };
    (parts, finding)
}

/// The finding where no case is at fault by itself.
fn accumulation(graph: &Graph, known: &[Known], order: &[usize], parts: &[(Part, Option<String>)]) -> Finding {
    let sources: BTreeSet<usize> = order.iter().flat_map(|&case| graph.sources(case)).copied().collect();
    let is_end = |case: &usize| !sources.contains(case) || known[*case].is_gated;
    let ends = order.iter().zip(parts).filter(|(case, (part, _))| is_end(case) && *part == Part::Accumulates);
    if let Some((&end, _)) = ends.into_iter().next() {
        let mut on_the_way = graph.before(end);
        on_the_way.insert(end);
        let amplifiers = order.iter().filter(|case| on_the_way.contains(case));
        let amplifiers = amplifiers.filter_map(|&case| Some((case, known[case].amplification?)));
        let most = amplifiers.max_by(|(_, one), (_, other)| one.total_cmp(other));
        let amplifier = most.map(|(case, amplification)| Amplifier { id: known[case].id.clone(), amplification });
        return Finding::Accumulation { end: known[end].id.clone(), amplifier };
    }
    let hole = order.iter().zip(parts).find(|(_, (part, _))| *part == Part::Hole);
    hole.map_or(Finding::Sound, |(&case, _)| Finding::Unknown { hole: known[case].id.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line of cases `0`, `1`, ..: each is sound (`.`), at fault (`x`), outside on its inputs alone (`o`) or a hole (`-`).
    fn line(cases: &str) -> (Vec<Part>, Finding) {
        let (parts, finding) = whole(cases);
        (parts.into_iter().map(|(part, _)| part).collect(), finding)
    }

    fn whole(cases: &str) -> (Vec<(Part, Option<String>)>, Finding) {
        let sources = (0..cases.len()).map(|case| case.checked_sub(1).into_iter().collect()).collect();
        let known: Vec<Known> = cases.char_indices().map(|(at, kind)| known(at, kind)).collect();
        conclude(&Graph::new(sources), &known, &(0..cases.len()).collect::<Vec<_>>())
    }

    fn known(at: usize, kind: char) -> Known {
        let gap = |is_close| Difference { is_close, ..Difference::default() };
        Known {
            id: id(at),
            is_at_fault: kind == 'x',
            propagated: (kind != '-').then(|| gap(kind == '.')),
            is_gated: false,
            amplification: (kind == 'o').then_some(10.0 - at as f64),
            hole: (kind == '-').then(|| "skipped".to_owned()),
            starved: None,
        }
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
        let gated = [known(0, '.'), Known { is_gated: true, ..known(1, 'o') }, known(2, '.')];
        let sources = vec![[].into(), [0].into(), [1].into()];
        let (_, finding) = conclude(&Graph::new(sources), &gated, &[0, 1, 2]);
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
        let starved = Known { starved: Some("it was not given x".into()), ..known(0, 'x') };
        let (parts, finding) = conclude(&Graph::new(vec![[].into()]), &[starved], &[0]);
        assert_eq!((parts, finding), (vec![(Part::Diverges, None)], Finding::Divergence { id: id(0) }));
    }

    #[test]
    fn a_hole_on_one_branch_says_nothing_of_another() {
        // 1 and 2 take from 0, 3 from 2; 1 is a hole.
        let graph = Graph::new([vec![], vec![0], vec![0], vec![2]].map(|sources| sources.into_iter().collect()).into());
        let known = [known(0, '.'), known(1, '-'), known(2, 'x'), known(3, 'o')];
        let (parts, finding) = conclude(&graph, &known, &[0, 1, 2, 3]);
        assert_eq!(parts[2..], [(Part::Diverges, None), (Part::PassesOn, None)]);
        assert_eq!(finding, Finding::Divergence { id: id(2) });
    }
}
