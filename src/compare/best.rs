//! What is known while a branch is measured, and what an element has to be above to matter.

use super::excess::Floor;
use super::found::{Found, Known, Peak};
use super::kernel::{Line, Mark, Marks};
use super::tolerance::Tolerance;
use crate::tensor::tensor::Value;

/// The largest values so far, of this branch or another, below which nothing matters; less than 0 where there is none.
pub(crate) struct Best {
    pub(crate) share: f64,
    pub(crate) relative: f64,
    /// The smallest atol.
    pub(crate) floor: f64,
    /// Whether the largest share, and the largest relative difference, are in this branch: what equals them comes later.
    owns_share: bool,
    owns_relative: bool,
    /// The magnitude of the reference and the distance where this branch has its largest share: such pairs come later, and need an
    /// atol that is known, unless several of them count.
    pair: Option<[f64; 2]>,
}

impl Best {
    pub(crate) fn new(found: &Found, known: &Known, tolerance: Tolerance) -> Best {
        // Where the others know of no more than 0, they may know of nothing.
        let best = |peak, known: &Floor| value(peak).max(Some(known.get()).filter(|x| *x > 0.0).unwrap_or(NOTHING));
        Best {
            share: best(found.share, &known.share),
            relative: best(found.relative, &known.relative),
            floor: found.excess.floor(),
            owns_share: value(found.share) >= known.share.get(),
            owns_relative: value(found.relative) >= known.relative.get(),
            pair: found.share.filter(|_| tolerance.outliers == 0).map(|peak| {
                let [actual, reference] = [peak.spot.actual, peak.spot.reference].map(Value::to_f64);
                [reference.abs(), (actual - reference).abs()]
            }),
        }
    }

    /// Whether too little is known for a line over elements some of which have a relative difference, or none.
    pub(crate) fn knows_nothing(&self, are_relative: bool) -> bool {
        self.share < 0.0 || self.relative < 0.0 && are_relative
    }

    /// What an element of these has to be above to matter.
    ///
    /// Of those whose relative differences are apart as [`Line::past_equal`] says, up to `distinct`.
    pub(crate) fn line(&self, tolerance: Tolerance, distinct: f64) -> Line {
        let line = Line::new(tolerance.atol, tolerance.rtol, self.floor, self.share, self.relative);
        let line = if self.owns_share && self.share == f64::INFINITY { line.past_shares() } else { line };
        let line = if self.owns_relative { line.past_equal(distinct) } else { line };
        match self.pair {
            // Others seldom come again.
            Some(pair) if distinct > 0.0 => line.past_pair(pair),
            _ => line,
        }
    }

    /// The same, exactly.
    pub(crate) fn marks(&self, Tolerance { atol, rtol, .. }: Tolerance) -> Marks {
        let share = Mark { value: self.share, is_passed: self.owns_share };
        let relative = Mark { value: self.relative, is_passed: self.owns_relative };
        Marks { atol, rtol, floor: self.floor, share, relative }
    }
}

/// Below every share and every difference.
pub(crate) const NOTHING: f64 = -1.0;

/// The value of a peak.
pub(crate) fn value(peak: Option<Peak<f64>>) -> f64 {
    peak.map_or(NOTHING, |peak| peak.value)
}
