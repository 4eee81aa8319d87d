//! Which blocks have to be looked at more closely.

/// What an element has to be above to matter: the lowest of three lines over the magnitude of the reference.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    /// The smallest atol so far, plus rtol for each unit of the reference.
    excess: [f64; 2],
    /// The largest share of the tolerance so far, of atol and of rtol.
    share: [f64; 2],
    /// The largest relative difference so far.
    relative: f64,
    /// Whether what equals that does not matter.
    past_equal: bool,
    /// The magnitude of the reference and the distance of a pair that does not matter.
    pair: Option<[f64; 2]>,
}

/// The lines, of which the lowest counts: constant and slope of each. Where two say it all there is no third.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lines<T> {
    pub(super) first: [[T; 2]; 2],
    pub(super) third: Option<[T; 2]>,
}

/// Some factors of a product each round by half a unit in the last place, of which doubles have 2^53: this is far more.
const LOWER: f64 = 1.0 - 1.0 / (1u64 << 48) as f64;

/// The same of singles, which have 2^24.
pub(super) const LOWER_SINGLE: f64 = 1.0 - 1.0 / (1u64 << 20) as f64;
pub(super) const HIGHER_SINGLE: f64 = 1.0 + 1.0 / (1u64 << 20) as f64;

/// What is taken off a line of singles, so that no product below their normal numbers, which loses digits, hides an element.
pub(super) const SLACK: f32 = 2.0 * f32::MIN_POSITIVE;

impl Line {
    /// The line that nothing is above which needs no larger atol than `floor`, uses no larger `share` of the tolerance, and
    /// has no larger `relative` difference. A negative share or relative difference is below everything.
    pub(crate) fn new(atol: f64, rtol: f64, floor: f64, share: f64, relative: f64) -> Line {
        // An infinity would make NaN of a tolerance of 0.
        let share = share.min(f64::MAX);
        Line { excess: [floor, rtol], share: [share * atol, share * rtol], relative, past_equal: false, pair: None }
    }

    /// Lets what equals the largest relative difference be below the line, where that is no larger than `distinct`.
    ///
    /// Of floats of few bits, equal relative differences are in every block: a difference of one step where the reference is a
    /// power of two. To tell them from larger ones, those have to be further away than roundings reach. A reference `r` of `p` bits
    /// is `R` units of its last place, `R < 2^p`; where `|a - r| <= |r| / 4`, `a - r` is `D` halves of that unit. Two quotients
    /// `D / 2R` and `E / 2S` that are not equal differ by `1 / 2RS` at least, which is `1 / RE` of the second, and
    /// `E <= 2^(p+1) q` where that is `q`: so by `2^-(2p+1) / q` of it. `distinct` is a `q` for which this is 2^-17.
    pub(crate) fn past_equal(self, distinct: f64) -> Line {
        Line { past_equal: (0.0..=distinct).contains(&self.relative), ..self }
    }

    /// Lets every share of the tolerance be below the line: there is none above an infinite one.
    pub(crate) fn past_shares(self) -> Line {
        Line { share: [f64::MAX, 0.0], ..self }
    }

    /// Lets pairs with this magnitude of the reference and this distance be below the line, where singles can tell them from all
    /// others: a distance of at most a fourth has no more digits than they.
    pub(crate) fn past_pair(self, [magnitude, distance]: [f64; 2]) -> Line {
        Line { pair: Some([magnitude, distance]).filter(|_| distance <= magnitude / 4.0), ..self }
    }

    /// Each a little lower than what it stands for, so that no rounding hides an element.
    pub(super) fn doubles(&self) -> Lines<f64> {
        // An infinity would make NaN of a reference of 0.
        self.lines(|x| (x * LOWER).min(f64::MAX))
    }

    /// The same of singles.
    pub(super) fn singles(&self) -> Lines<f32> {
        self.lines(|x| below(x * LOWER_SINGLE))
    }

    /// The magnitude and the distance of a pair that does not matter.
    pub(super) fn pair(&self) -> Option<[f32; 2]> {
        self.pair.map(|pair| pair.map(|x| x as f32))
    }

    fn lines<T>(&self, lower: impl Fn(f64) -> T) -> Lines<T> {
        // Between all that equals it and the next, which is 2^-17 higher, whatever is rounded.
        let slope = if self.past_equal { self.relative * (1.0 + 1.0 / (1u64 << 18) as f64) } else { self.relative };
        let [floor, rtol] = self.excess;
        let [excess, share, relative] = [self.excess, self.share, [0.0, slope]].map(|line| line.map(&lower));
        // A line that is nowhere below another says nothing.
        match (slope <= rtol, floor == 0.0) {
            (true, _) => Lines { first: [share, relative], third: None },
            (false, true) => Lines { first: [share, excess], third: None },
            (false, false) => Lines { first: [share, excess], third: Some(relative) },
        }
    }
}

/// The largest finite single that is not above `x`.
pub(super) fn below(x: f64) -> f32 {
    let nearest = x as f32;
    if f64::from(nearest) > x { nearest.next_down() } else { nearest }.min(f32::MAX)
}

/// The smallest single that is not below `x`.
pub(super) fn above(x: f64) -> f32 {
    -below(-x)
}
