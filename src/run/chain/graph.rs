//! Who takes what from whom. Pure: cases are numbers.

use std::collections::{BTreeMap, BTreeSet};

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

    /// Everything that leads to that case.
    pub(super) fn before(&self, case: usize) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        let mut open: Vec<usize> = self.sources[case].iter().copied().collect();
        while let Some(case) = open.pop() {
            if found.insert(case) {
                open.extend(&self.sources[case]);
            }
        }
        found
    }

    /// The same graph, in which `later` comes after `earlier` too, unless that contradicts what is linked.
    pub(super) fn ordered(mut self, earlier: usize, later: usize) -> Graph {
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
}
