//! Moved along an axis.

use super::parts::Part;
use crate::explain::{Details, Hypothesis};

/// A move of the elements by some places.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shift {
    /// Along that axis, or across all of them in C order.
    axis: Option<usize>,
    /// How far: the actual element at `i` is the reference's at `i - by`.
    by: i64,
    /// Elements a step along the axis is, and how many steps there are.
    stride: usize,
    extent: usize,
}

/// How far is tried along a long axis. A shorter one is tried in full.
const FAR: usize = 64;

impl Shift {
    /// Every move that leaves at least half of the elements with a counterpart, the shortest first.
    pub(super) fn all(shape: &[usize]) -> Vec<Shift> {
        let mut shifts: Vec<Shift> = Vec::new();
        let mut add = |axis: Option<usize>, stride: usize, extent: usize, far: usize| {
            // Of an odd extent the middle one has its counterpart either way.
            for by in 1..=far.min(extent / 2) as i64 {
                shifts.extend([by, -by].map(|by| Shift { axis, by, stride, extent }));
            }
        };
        for (axis, &extent) in shape.iter().enumerate() {
            add(Some(axis), shape[axis + 1..].iter().product(), extent, FAR);
        }
        if shape.iter().filter(|extent| **extent > 1).count() > 1 {
            add(None, 1, shape.iter().product(), 8);
        }
        shifts.sort_by_key(|shift| (shift.axis.is_none(), shift.by.abs()));
        shifts
    }

    /// The place in the reference of the actual tensor's element at that position: `None` where it would be outside, unless
    /// it is to come in again at the other end.
    #[inline]
    pub(super) fn source(&self, position: usize, wraps: bool) -> Option<usize> {
        let at = (position / self.stride % self.extent) as i64;
        let from = at - self.by;
        let from = match wraps {
            true => from.rem_euclid(self.extent as i64),
            false if (0..self.extent as i64).contains(&from) => from,
            false => return None,
        };
        Some((position as i64 + (from - at) * self.stride as i64) as usize)
    }

    /// Whether the axis is so long that the edge, where anything may stand, is a small part of it.
    pub(super) fn is_along_many(&self) -> bool {
        self.extent >= 8
    }

    /// The reference moved; NaN where nothing came.
    pub(super) fn apply(&self, reference: &[f64], wraps: bool) -> Vec<f64> {
        let at = |position| self.source(position, wraps).map_or(f64::NAN, |source| reference[source]);
        (0..reference.len()).map(at).collect()
    }

    /// What it is called. `edge` says what stands where nothing came.
    pub(super) fn part(&self, edge: &str) -> Part {
        let along = self.axis.map_or("across all axes, in C order".to_owned(), |axis| format!("along axis {axis}"));
        let counted = if self.by.abs() == 1 { "1 place".to_owned() } else { format!("{} places", self.by.abs()) };
        let towards = if self.by > 0 { "later" } else { "earlier" };
        let details = Details { axes: self.axis.map(|axis| vec![axis]), by: Some(self.by), ..Details::default() };
        let evidence = format!("shifted by {counted} {along}: each element stands {counted} {towards}{edge}");
        Part { id: Hypothesis::Shift, evidence, details }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_move_along_their_axis() {
        let reference: Vec<f64> = (0..6).map(f64::from).collect();
        let shift = |axis, by| Shift::all(&[2, 3]).into_iter().find(|s| s.axis == axis && s.by == by).expect("tried");
        assert_eq!(shift(Some(1), 1).apply(&reference, true), [2.0, 0.0, 1.0, 5.0, 3.0, 4.0]);
        assert_eq!(shift(Some(0), -1).apply(&reference, true), [3.0, 4.0, 5.0, 0.0, 1.0, 2.0]);
        assert_eq!(shift(None, 1).apply(&reference, true), [5.0, 0.0, 1.0, 2.0, 3.0, 4.0]);
        let moved = shift(Some(1), -1).apply(&reference, false);
        assert_eq!((moved[0], moved[1], moved[3]), (1.0, 2.0, 4.0));
        assert!(moved[2].is_nan() && moved[5].is_nan());
    }
}
