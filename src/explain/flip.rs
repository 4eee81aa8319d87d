//! The indices of axes in reverse.

use super::parts::Part;
use super::words::axes_words;
use crate::explain::{Details, Hypothesis};

/// A tensor read from the other end along some of its axes.
#[derive(Clone, Debug)]
pub(super) struct Flip {
    shape: Vec<usize>,
    axes: Vec<usize>,
}

/// Axes of which every set is tried; of more only single ones.
const EVERY_SET: usize = 4;

impl Flip {
    /// Every set of axes longer than 2, the smallest first: two indices in reverse are moved by one.
    pub(super) fn all(shape: &[usize]) -> Vec<Flip> {
        let long: Vec<usize> = (0..shape.len()).filter(|&axis| shape[axis] > 2).collect();
        let of = |axes: Vec<usize>| Flip { shape: shape.to_vec(), axes };
        if long.len() > EVERY_SET {
            return long.into_iter().map(|axis| of(vec![axis])).collect();
        }
        let set = |bits: usize| (0..long.len()).filter(|at| bits >> at & 1 == 1).map(|at| long[at]).collect();
        let mut flips: Vec<Flip> = (1..1 << long.len()).map(|bits| of(set(bits))).collect();
        flips.sort_by_key(|flip| flip.axes.len());
        flips
    }

    /// The place in the reference of the actual tensor's element at that position.
    pub(super) fn source(&self, position: usize) -> usize {
        let (mut rest, mut source, mut stride) = (position, 0, 1);
        for (axis, extent) in self.shape.iter().enumerate().rev() {
            let at = rest % extent;
            source += stride * if self.axes.contains(&axis) { extent - 1 - at } else { at };
            (rest, stride) = (rest / extent, stride * extent);
        }
        source
    }

    /// The reference's elements in that order.
    pub(super) fn apply(&self, reference: &[f64]) -> Vec<f64> {
        (0..reference.len()).map(|position| reference[self.source(position)]).collect()
    }

    /// What it is called.
    pub(super) fn part(&self) -> Part {
        let evidence = match self.axes[..] {
            [axis] => format!("axis {axis} is reversed"),
            _ => format!("axes {} are reversed", axes_words(&self.axes)),
        };
        let details = Details { axes: Some(self.axes.clone()), ..Details::default() };
        Part { id: Hypothesis::Flip, evidence, details }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_is_read_from_its_other_end() {
        let reference: Vec<f64> = (0..6).map(f64::from).collect();
        let flipped: Vec<(Vec<usize>, Vec<f64>)> =
            Flip::all(&[2, 3]).iter().map(|flip| (flip.axes.clone(), flip.apply(&reference))).collect();
        assert_eq!(flipped, [(vec![1], vec![2.0, 1.0, 0.0, 5.0, 4.0, 3.0])]);
        let sets: Vec<Vec<usize>> = Flip::all(&[3, 1, 4]).into_iter().map(|flip| flip.axes).collect();
        assert_eq!(sets, [vec![0], vec![2], vec![0, 2]]);
        assert_eq!(Flip::all(&[3, 4]).pop().map(|flip| flip.source(0)), Some(11));
    }
}
