//! Whether figures go together that are said to be measured of one pair: for those that were read from a file.

use super::comparison::{Comparison, Extreme, Mismatch, object};
use super::rules::Tolerance;
use super::summary::Summary;
use super::ulp::ulp_distance;
use super::vacuous::Vacuous;
use super::wide::Gap;
use crate::tensor::Value;

/// By what share figures may differ that were rounded on different ways from the same elements.
const ROUNDING: f64 = 1e-3;

impl Comparison {
    /// Refuses a comparison that its own figures contradict, or of which these would be judged otherwise, in words.
    pub(crate) fn audit(&self, tolerance: &Tolerance) -> Result<(), String> {
        Tolerance::new(tolerance.atol, tolerance.rtol).map_err(|error| error.to_string())?;
        self.check_counts()?;
        self.check_figures(tolerance)?;
        let judged = object(self, self.ulps(), tolerance);
        if judged == self.mismatches {
            return Ok(());
        }
        Err(match (judged.as_slice(), self.mismatches.as_slice()) {
            ([], _) => "its comparison is said not to be close, and is".to_owned(),
            (_, []) => "its comparison is said to be close, and is not".to_owned(),
            _ => "its comparison is judged for other reasons than it gives".to_owned(),
        })
    }

    /// The largest ULP difference, or that there is none.
    fn ulps(&self) -> Result<Option<u64>, Mismatch> {
        let Some(Extreme { value, .. }) = &self.max_ulp_diff else {
            let no_ulps = self.mismatches.iter().find(|mismatch| matches!(mismatch, Mismatch::NoUlps { .. }));
            return no_ulps.map_or(Ok(None), |no_ulps| Err(no_ulps.clone()));
        };
        // The figure is a float, and the mismatch has the count exactly.
        let exact = self.mismatches.iter().find_map(|mismatch| match mismatch {
            Mismatch::Ulps { ulps, .. } if *ulps as f64 == *value => Some(*ulps),
            _ => None,
        });
        Ok(Some(exact.unwrap_or(*value as u64)))
    }

    fn check_counts(&self) -> Result<(), String> {
        let wrong = |what: &str| Err(format!("its comparison has {what}"));
        let (actual, reference) = (&self.actual_non_finite, &self.reference_non_finite);
        let kinds =
            [(actual.nan, reference.nan), (actual.pos_inf, reference.pos_inf), (actual.neg_inf, reference.neg_inf)];
        let apart = kinds.map(|(actual, reference)| actual.abs_diff(reference)).into_iter().max().unwrap_or(0);
        let either = actual.total().saturating_add(reference.total());
        match () {
            () if self.non_finite_mismatches > self.outside => wrong("more elements that are not finite than outside"),
            () if self.outside > self.differing => wrong("more elements outside than differing"),
            () if self.differing > self.elements => wrong("more elements differing than elements"),
            () if self.zero_references > self.elements => wrong("more references of 0 than elements"),
            () if self.actual_non_finite.total().max(self.reference_non_finite.total()) > self.elements => {
                wrong("more elements that are not finite than elements")
            }
            () if apart > self.non_finite_mismatches || self.non_finite_mismatches > either => {
                wrong("another number of elements that are not finite on either side than fit its mismatches")
            }
            () if self.max_abs_diff.is_some() && actual.total().max(reference.total()) == self.elements
                || self.max_abs_diff.is_none() && either < self.elements =>
            {
                wrong("a largest difference without numbers, or numbers without one")
            }
            () if (self.non_finite_mismatches > 0) != self.first_non_finite_mismatch.is_some() => {
                wrong("a count of elements that are not finite, and another of their places")
            }
            () if self.first_outside.is_some() && self.outside == self.non_finite_mismatches => {
                wrong("the place of a number outside, and none that is")
            }
            () => Ok(()),
        }
    }

    fn check_figures(&self, tolerance: &Tolerance) -> Result<(), String> {
        let numbers_outside = self.outside - self.non_finite_mismatches;
        let (largest, share) = (value(&self.max_abs_diff), value(&self.worst));
        let used = if self.non_finite_mismatches > 0 { f64::INFINITY } else { share.unwrap_or(0.0) };
        let above = |one: Option<f64>, other: Option<f64>| {
            self.differing > 0
                && one.zip(other).is_some_and(|(one, other)| one > other * (1.0 + ROUNDING) + f64::MIN_POSITIVE)
        };
        let wrong = |what: &str| Err(format!("its comparison has {what}"));
        match () {
            () if self.magnitudes().any(|magnitude| magnitude < 0.0) => wrong("a magnitude below 0"),
            () if self.cosine.is_some_and(|cosine| cosine.abs() > 1.0 + ROUNDING) => wrong("a cosine beyond 1"),
            // A share of less than the smallest double is 0: of an RMSE above that it takes an RMS of more than the largest.
            () if self.rel_rms == Some(0.0) && self.rmse > Some(1e-15) => wrong("an RMSE, and a share of it that is 0"),
            () if self.tolerance_used != used => wrong("another share of the tolerance than its worst element uses"),
            () if numbers_outside > 0 && share.is_none_or(|share| share < 1.0 - ROUNDING) => {
                wrong("elements outside, and uses less than its tolerance")
            }
            () if numbers_outside == 0 && share > Some(1.0 + ROUNDING) => {
                wrong("no element outside, and uses more than its tolerance")
            }
            () if largest.is_some() != share.is_some() => wrong("a largest difference, or a worst element, alone"),
            () if [self.mean_abs_diff, self.rmse, self.bias].iter().any(|mean| mean.is_some() != largest.is_some()) => {
                wrong("a largest difference, or a mean of differences, alone")
            }
            () if tolerance.max_ulps.is_some()
                && largest.is_some()
                && self.max_ulp_diff.is_none()
                && !self.mismatches.iter().any(|mismatch| matches!(mismatch, Mismatch::NoUlps { .. })) =>
            {
                wrong("a limit of the ULP difference, and no ULP difference")
            }
            () if self.differing > self.non_finite_mismatches && largest == Some(0.0) => {
                wrong("elements that differ, and no difference")
            }
            () if self.differing == 0 && largest > Some(0.0) => wrong("a difference, and no element that differs"),
            () if above(self.rmse, largest) => wrong("an RMSE above its largest difference"),
            () if above(self.mean_abs_diff, largest) => wrong("a mean difference above its largest"),
            () if above(self.bias.map(f64::abs), self.mean_abs_diff) => wrong("a bias above its mean difference"),
            () => self.check_shares().and_then(|()| self.check_elements(tolerance, numbers_outside)),
        }
    }

    /// Holds what is measured in shares of the reference against each other.
    fn check_shares(&self) -> Result<(), String> {
        let wrong = |what: &str| Err(format!("its comparison has {what}"));
        let has_value = self.numbers_named().any(|element| element.reference.to_f64() != 0.0);
        // Where all that is not finite matches, as many are numbers on both sides.
        let numbers = self.elements - self.reference_non_finite.total();
        let rel_rms = self.rel_rms.unwrap_or(0.0);
        let nearest = (1.0 - rel_rms * rel_rms).max(0.0).sqrt();
        match () {
            () if self.rel_rms.is_some() != self.scale.is_some() => wrong("an RMSE as a share, or a scale, alone"),
            () if self.rel_rms.is_none() && has_value => {
                wrong("a reference that is not 0, and no RMSE as a share of it")
            }
            () if self.non_finite_mismatches == 0
                && (self.zero_references > numbers || (self.zero_references < numbers) != self.rel_rms.is_some()) =>
            {
                wrong("another number of references of 0 than its other figures")
            }
            () if self.scale.is_some_and(|scale| (scale - 1.0).abs() > rel_rms * (1.0 + ROUNDING) + ROUNDING) => {
                wrong("a scale further from 1 than its RMSE lets it be")
            }
            () if rel_rms < 1.0 && self.cosine.is_some_and(|cosine| cosine < nearest - ROUNDING) => {
                wrong("a cosine further from 1 than its RMSE lets it be")
            }
            () => Ok(()),
        }
    }

    /// All that cannot be negative.
    fn magnitudes(&self) -> impl Iterator<Item = f64> {
        let extremes = [&self.max_abs_diff, &self.max_rel_diff, &self.max_ulp_diff, &self.worst];
        let figures = [self.mean_abs_diff, self.rmse, self.rel_rms, self.smallest_atol];
        extremes.into_iter().map(value).chain(figures).flatten()
    }

    /// Holds the differences that are said to be the largest against the elements that are said to have them.
    fn check_elements(&self, tolerance: &Tolerance, numbers_outside: u64) -> Result<(), String> {
        type Measure = fn(&Gap) -> f64;
        let places: [(&str, _, Measure, &str); 2] = [
            ("largest difference", &self.max_abs_diff, |gap| gap.distance, "are {} apart"),
            ("worst element", &self.worst, |gap| gap.share, "use {} of their tolerance"),
        ];
        for (name, extreme, measure, words) in places {
            let Some(Extreme { value, index: _, actual, reference }) = extreme else { continue };
            let Some(gap) = Gap::of(*actual, *reference, tolerance) else {
                return Err(format!("its {name} is of elements that are no numbers"));
            };
            let Gap { distance, allowed, .. } = gap;
            if numbers_outside == 0 && distance > allowed * (1.0 + ROUNDING) {
                return Err(format!("its {name} is outside the tolerance, and no element is said to be"));
            }
            if name == "worst element" && numbers_outside > 0 && distance < allowed * (1.0 - ROUNDING) {
                return Err("its worst element is inside the tolerance, and others are said not to be".to_owned());
            }
            let measured = measure(&gap);
            if is_off(*value, measured) {
                let words = words.replace("{}", &measured.to_string());
                return Err(format!("its {name} is {value}, and its elements {words}"));
            }
        }
        self.check_steps(tolerance)?;
        // One element alone makes the RMSE so large.
        let least = value(&self.max_abs_diff).map(|largest| largest / (self.elements as f64).sqrt());
        let is_below = |one: f64, other: f64| other.is_finite() && one < other * (1.0 - ROUNDING) - f64::MIN_POSITIVE;
        match self.rmse.zip(least).is_some_and(|(rmse, least)| is_below(rmse, least)) {
            true => Err("its comparison has an RMSE below what its largest difference alone makes it".to_owned()),
            false => Ok(()),
        }
    }

    /// Holds the largest relative and ULP difference against their elements.
    fn check_steps(&self, tolerance: &Tolerance) -> Result<(), String> {
        if let Some(Extreme { value, actual, reference, .. }) = &self.max_rel_diff {
            let gap = Gap::of(*actual, *reference, tolerance);
            if gap.is_none_or(|gap| gap.magnitude == 0.0 || is_off(*value, gap.distance / gap.magnitude)) {
                return Err(format!("its largest relative difference is {value}, and its elements have another"));
            }
        }
        if let Some(Extreme { value, actual, reference, .. }) = &self.max_ulp_diff {
            // Of narrower floats no more than of those that hold them here.
            let steps = match (*actual, *reference) {
                (Value::Float32(actual), Value::Float32(reference)) => ulp_distance(actual, reference),
                (Value::Float64(actual), Value::Float64(reference)) => ulp_distance(actual, reference),
                _ => None,
            };
            if steps.is_none_or(|steps| *value > steps as f64 * (1.0 + ROUNDING) || (*value == 0.0) != (steps == 0)) {
                return Err(format!("its largest ULP difference is {value}, and its elements have another"));
            }
        }
        Ok(())
    }

    /// Refuses what the summary of the same actual tensor contradicts, in words.
    pub(crate) fn audit_beside(&self, summary: &Summary, tolerance: &Tolerance) -> Result<(), String> {
        if self.actual_non_finite != summary.non_finite {
            return Err("its comparison has another number of elements that are not finite than its summary".to_owned());
        }
        self.check_norm(summary)?;
        self.check_vacuous(summary, tolerance)
    }

    /// Holds the RMSE, and its share of the reference's root mean square, against the norm of the actual tensor: that of the
    /// reference is no further from it than the norm of the difference.
    fn check_norm(&self, summary: &Summary) -> Result<(), String> {
        let (Some(rmse), Some(rel_rms), Some(norm), 0) =
            (self.rmse, self.rel_rms, summary.l2, self.non_finite_mismatches)
        else {
            return Ok(());
        };
        let numbers = self.elements - self.reference_non_finite.total();
        let apart = rmse * (numbers as f64).sqrt();
        // What is nearly nothing, or more than a double holds, is rounded by more.
        let is_exact = |x: f64| (1e-300..1e300).contains(&x);
        if !(is_exact(apart) && is_exact(rel_rms) && (norm == 0.0 || is_exact(norm))) {
            return Ok(());
        }
        // Three figures come together, each of which somebody may have rounded.
        let loose = 0.05;
        let is_above = rel_rms * (norm * (1.0 - loose) - apart) > apart * (1.0 + loose);
        match is_above || rel_rms * (norm + apart) < apart * (1.0 - loose) {
            true => Err("its comparison has another RMSE as a share than its RMSE and norm make it".to_owned()),
            false => Ok(()),
        }
    }

    /// Holds what is said to pass besides against what its figures say of that.
    fn check_vacuous(&self, summary: &Summary, tolerance: &Tolerance) -> Result<(), String> {
        use Vacuous::{Anything, Masked, NanReference, ZeroReference, Zeros};
        let numbers = self.elements - self.reference_non_finite.total();
        let possible: &[Option<Vacuous>] = match () {
            () if !self.is_close() => &[None],
            () if self.elements == 0 && self.left_out > 0 => &[Some(Masked)],
            () if self.elements > 0 && self.reference_non_finite.nan == self.elements => &[Some(NanReference)],
            () if numbers == 0 => &[None],
            () if self.passes_anything(numbers, tolerance) => &[Some(Anything)],
            () if self.zero_references == numbers => match (&self.max_abs_diff, numbers) {
                (Some(Extreme { reference: Value::Bool(_) | Value::Integer(_), .. }), _) | (_, 1) => {
                    &[Some(Anything), None]
                }
                _ => &[Some(Anything), Some(ZeroReference)],
            },
            () => match self.passes_zeros(summary, numbers, tolerance) {
                Some(true) => &[Some(Anything), Some(Zeros)],
                Some(false) => &[None],
                None => &[Some(Anything), Some(Zeros), None],
            },
        };
        if possible.contains(&self.vacuous) {
            return Ok(());
        }
        let word = |vacuous: Option<Vacuous>| vacuous.map_or("nothing", Vacuous::word);
        let possible: Vec<&str> = possible.iter().map(|vacuous| word(*vacuous)).collect();
        Err(format!(
            "its comparison is vacuous by its figures: {}, and said to be: {}",
            possible.join(" or "),
            word(self.vacuous)
        ))
    }

    /// Whether it is certain that every finite tensor passes.
    fn passes_anything(&self, numbers: u64, tolerance: &Tolerance) -> bool {
        let farthest = match self.max_abs_diff.as_ref().map(|extreme| (extreme.actual, extreme.reference)) {
            Some((Value::Bool(_), Value::Bool(_))) => 1.0,
            Some((Value::Integer(_), Value::Integer(_))) => 2f64.powi(65),
            Some((Value::Float32(_), Value::Float32(_))) => 2.0 * f64::from(f32::MAX),
            _ => f64::INFINITY,
        };
        let is_limited = tolerance.max_ulps.is_some() || tolerance.max_rel_rms.is_some();
        !is_limited && (tolerance.outliers >= numbers || tolerance.atol >= farthest)
    }

    /// Whether zeros pass, where that is certain. The reference is not 0 throughout.
    fn passes_zeros(&self, summary: &Summary, numbers: u64, tolerance: &Tolerance) -> Option<bool> {
        let Tolerance { atol, rtol, outliers, max_ulps, max_rel_rms } = *tolerance;
        let largest = [summary.min, summary.max].into_iter().flatten().map(|x| x.to_f64().abs()).fold(0.0, f64::max);
        let apart = value(&self.max_abs_diff)?;
        // The largest magnitude of the reference is no further from that of the actual tensor than the largest difference.
        let (least, most) = (largest * (1.0 - ROUNDING) - apart, (largest + apart) * (1.0 + ROUNDING));
        match () {
            () if max_rel_rms.is_some_and(|allowed| allowed < 1.0) => Some(false),
            () if outliers == 0 && rtol < 1.0 && least * (1.0 - rtol) > atol * (1.0 + ROUNDING) => Some(false),
            () if max_ulps.is_some() => None,
            () if outliers >= numbers || rtol >= 1.0 + ROUNDING || atol >= most => Some(true),
            () => None,
        }
    }

    /// The elements that it names of which both sides are numbers.
    fn numbers_named(&self) -> impl Iterator<Item = &Extreme> {
        [&self.max_abs_diff, &self.max_rel_diff, &self.max_ulp_diff, &self.worst].into_iter().flatten()
    }

    /// The index of every element that it names.
    fn indices(&self) -> impl Iterator<Item = &Vec<usize>> {
        let named = self.numbers_named().chain(&self.first_non_finite_mismatch);
        named.map(|element| &element.index).chain(&self.first_outside)
    }
}

impl Summary {
    /// Refuses a summary that its own figures contradict, or those of a comparison of the same tensor, in words.
    pub(crate) fn audit(&self, comparison: Option<&Comparison>) -> Result<(), String> {
        let all = self.shape.iter().try_fold(1u64, |all, extent| all.checked_mul(*extent as u64));
        if all != self.elements.checked_add(self.left_out) {
            return Err("its summary has another number of elements than its shape".to_owned());
        }
        if self.non_finite.total() > self.elements {
            return Err("its summary has more elements that are not finite than elements".to_owned());
        }
        let has_numbers = self.non_finite.total() < self.elements;
        let statistics = [self.mean, self.std, self.l2].map(|statistic| statistic.is_some());
        if [self.min.is_some(), self.max.is_some()]
            .into_iter()
            .chain(statistics)
            .any(|is_there| is_there != has_numbers)
        {
            return Err("its summary has statistics without numbers, or numbers without one".to_owned());
        }
        let (min, max) = (self.min.map(Value::to_f64), self.max.map(Value::to_f64));
        if min.zip(max).is_some_and(|(min, max)| min > max)
            || [self.std, self.l2].into_iter().flatten().any(|x| x < 0.0)
        {
            return Err("its summary has a least element above its largest, or a magnitude below 0".to_owned());
        }
        match comparison {
            Some(of) if (of.elements, of.left_out) != (self.elements, self.left_out) => {
                Err("its comparison has another number of elements than its summary".to_owned())
            }
            Some(of) => match of.indices().find(|index| !is_within(index, &self.shape)) {
                Some(index) => Err(format!("there is no index {index:?} in the shape {:?}", self.shape)),
                None => Ok(()),
            },
            None => Ok(()),
        }
    }
}

/// Whether two figures differ by more than rounding.
fn is_off(one: f64, other: f64) -> bool {
    let is_near = one == other || (one - other).abs() <= ROUNDING * one.abs().max(other.abs()).min(f64::MAX);
    !is_near
}

/// Whether there is such an index in a tensor of that shape.
fn is_within(index: &[usize], shape: &[usize]) -> bool {
    index.len() == shape.len() && index.iter().zip(shape).all(|(at, extent)| at < extent)
}

fn value(extreme: &Option<Extreme>) -> Option<f64> {
    extreme.as_ref().map(|extreme| extreme.value)
}
