//! Elements that share their indices on some axes.

use std::ops::Range;

use super::sample::Dice;

/// A partition of a tensor: two elements are in one group where their indices agree on the axes that were named.
#[derive(Clone, Debug)]
pub(super) struct Groups {
    shape: Vec<usize>,
    /// What a step along each axis adds to the number of the group; 0 along those that are not named.
    strides: Vec<usize>,
    axes: Vec<usize>,
    count: usize,
}

impl Groups {
    /// The groups of a tensor of that shape by those axes. Without axes there is one group.
    pub(super) fn new(shape: &[usize], axes: &[usize]) -> Groups {
        let mut strides = vec![0; shape.len()];
        let mut count = 1;
        for &axis in axes.iter().rev() {
            strides[axis] = count;
            count *= shape[axis];
        }
        Groups { shape: shape.to_vec(), strides, axes: axes.to_vec(), count }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The axes on which the elements of a group agree.
    pub(super) fn axes(&self) -> &[usize] {
        &self.axes
    }

    /// The other axes, those longer than 1.
    pub(super) fn others(&self) -> Vec<usize> {
        (0..self.shape.len()).filter(|axis| !self.axes.contains(axis) && self.shape[*axis] > 1).collect()
    }

    /// The group of that position.
    pub(super) fn of(&self, position: usize) -> usize {
        let mut rest = position;
        let mut group = 0;
        for (extent, stride) in self.shape.iter().zip(&self.strides).rev() {
            group += rest % extent * stride;
            rest /= extent;
        }
        group
    }

    /// Visits those positions in order, each with its group.
    #[inline]
    pub(super) fn walk(&self, range: Range<usize>, mut visit: impl FnMut(usize, usize)) {
        let width = self.shape.last().copied().unwrap_or(1);
        let step = self.strides.last().copied().unwrap_or(0);
        let mut position = range.start;
        while position < range.end {
            let end = range.end.min((position / width + 1) * width);
            let first = self.of(position);
            for (group, place) in (position..end).enumerate() {
                visit(place, first + group * step);
            }
            position = end;
        }
    }

    /// At most `count` positions of each group, in the order of the groups: the same places in each.
    pub(super) fn members(&self, count: usize) -> Vec<Vec<usize>> {
        let strides: Vec<usize> = (0..self.shape.len()).map(|axis| self.shape[axis + 1..].iter().product()).collect();
        let size = self.shape.iter().product::<usize>() / self.count.max(1);
        let mut dice = Dice::new(3);
        let places: Vec<usize> =
            if size <= count { (0..size).collect() } else { (0..count).map(|_| dice.below(size)).collect() };
        // The position that an index over some axes alone stands for.
        let position = |mut index: usize, axes: &[usize]| {
            let mut position = 0;
            for &axis in axes.iter().rev() {
                position += index % self.shape[axis] * strides[axis];
                index /= self.shape[axis];
            }
            position
        };
        let others: Vec<usize> = (0..self.shape.len()).filter(|axis| !self.axes.contains(axis)).collect();
        let offsets: Vec<usize> = places.into_iter().map(|place| position(place, &others)).collect();
        (0..self.count)
            .map(|group| position(group, &self.axes))
            .map(|first| offsets.iter().map(|offset| first + offset).collect())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_visits_each_position_with_its_group() {
        for axes in [vec![], vec![0], vec![2], vec![0, 1], vec![0, 2], vec![0, 1, 2]] {
            let groups = Groups::new(&[2, 3, 4], &axes);
            let mut visited = Vec::new();
            for range in [0..7, 7..24] {
                groups.walk(range, |position, group| visited.push((position, group)));
            }
            let expected: Vec<_> = (0..24).map(|position| (position, groups.of(position))).collect();
            assert_eq!(visited, expected);
        }
        assert_eq!((Groups::new(&[2, 3, 4], &[0, 2]).of(23), Groups::new(&[2, 3, 4], &[1]).of(23)), (7, 2));
        assert_eq!(Groups::new(&[], &[]).count(), 1);
    }

    #[test]
    fn the_members_of_a_group_are_in_it() {
        for axes in [vec![], vec![1], vec![0, 2]] {
            let groups = Groups::new(&[5, 6, 7], &axes);
            for (group, members) in groups.members(9).iter().enumerate() {
                assert!(members.iter().all(|&position| groups.of(position) == group), "{axes:?}");
                assert_eq!(members.len(), 9.min(210 / groups.count()));
            }
        }
    }
}
