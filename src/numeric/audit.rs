//! Whether figures go together that are said to be measured of one pair: for those that were read from a file.

use super::compare::{Comparison, Extreme, Mismatch, Rated, object};
use super::summary::Summary;
use super::tensor::Value;
use super::tolerance::Tolerance;

/// By what share figures may differ that were rounded on different ways from the same elements.
const ROUNDING: f64 = 1e-3;

impl Comparison {
    /// Refuses a comparison that its own figures contradict, or of which these would be judged otherwise, in words.
    pub(crate) fn audit(&self, tolerance: &Tolerance) -> Result<(), String> {
        Tolerance::new(tolerance.atol, tolerance.rtol).map_err(|error| error.to_string())?;
        self.check_counts()?;
        self.check_figures(tolerance)?;
        let judged = object(&self.rated(), tolerance);
        if judged == self.mismatches {
            return Ok(());
        }
        Err(match (judged.as_slice(), self.mismatches.as_slice()) {
            ([], _) => "its comparison is said not to be close, and is".to_owned(),
            (_, []) => "its comparison is said to be close, and is not".to_owned(),
            _ => "its comparison is judged for other reasons than it gives".to_owned(),
        })
    }

    /// What decides about it.
    fn rated(&self) -> Rated {
        let is_no_ulps = |mismatch: &&Mismatch| matches!(mismatch, Mismatch::NoUlps { .. });
        // The figure is a float, and the mismatch has the count exactly.
        let exact = self.mismatches.iter().find_map(|mismatch| match mismatch {
            Mismatch::Ulps { ulps, .. } => Some(*ulps),
            _ => None,
        });
        let ulps = self
            .max_ulp_diff
            .as_ref()
            .map(|peak| exact.filter(|ulps| *ulps as f64 == peak.value).unwrap_or(peak.value as u64));
        Rated {
            non_finite: self.non_finite_mismatches,
            outside: self.outside - self.non_finite_mismatches,
            no_ulps: self.mismatches.iter().find(is_no_ulps).cloned().filter(|_| self.max_ulp_diff.is_none()),
            ulps,
            rel_rms: self.rel_rms,
            differs: value(&self.max_abs_diff) > Some(0.0),
        }
    }

    fn check_counts(&self) -> Result<(), String> {
        let wrong = |what: &str| Err(format!("its comparison has {what}"));
        let finite = |of: super::NonFinite| of.nan.saturating_add(of.pos_inf).saturating_add(of.neg_inf);
        match () {
            () if self.non_finite_mismatches > self.outside => wrong("more elements that are not finite than outside"),
            () if self.outside > self.differing => wrong("more elements outside than differing"),
            () if self.differing > self.elements => wrong("more elements differing than elements"),
            () if self.zero_references > self.elements => wrong("more references of 0 than elements"),
            () if finite(self.actual_non_finite).max(finite(self.reference_non_finite)) > self.elements => {
                wrong("more elements that are not finite than elements")
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
            () if self
                .rmse
                .zip(self.rel_rms)
                .is_some_and(|(rmse, rel)| rel.is_finite() && (rmse == 0.0) != (rel == 0.0)) =>
            {
                wrong("an RMSE of 0 and a share of it that is not, or the reverse")
            }
            () if self.tolerance_used != used => wrong("another share of the tolerance than its worst element uses"),
            () if numbers_outside > 0 && share.is_none_or(|share| share < 1.0 - ROUNDING) => {
                wrong("elements outside, and uses less than its tolerance")
            }
            () if numbers_outside == 0 && share > Some(1.0 + ROUNDING) => {
                wrong("no element outside, and uses more than its tolerance")
            }
            () if largest.is_some() != share.is_some() => wrong("a largest difference, or a worst element, alone"),
            () if self.differing > self.non_finite_mismatches && largest == Some(0.0) => {
                wrong("elements that differ, and no difference")
            }
            () if self.differing == 0 && largest > Some(0.0) => wrong("a difference, and no element that differs"),
            () if above(self.rmse, largest) => wrong("an RMSE above its largest difference"),
            () if above(self.mean_abs_diff, largest) => wrong("a mean difference above its largest"),
            () if above(self.bias.map(f64::abs), self.mean_abs_diff) => wrong("a bias above its mean difference"),
            () => self.check_elements(tolerance, numbers_outside),
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
        for (name, extreme) in [("largest difference", &self.max_abs_diff), ("worst element", &self.worst)] {
            let Some(Extreme { value, index: _, actual, reference }) = extreme else { continue };
            let (Some(distance), Some(size)) = (distance(*actual, *reference), size(*reference)) else { continue };
            let allowed = tolerance.atol + tolerance.rtol * size;
            let is_off = |one: f64, other: f64| (one - other).abs() > ROUNDING * one.abs().max(other.abs());
            if name == "largest difference" && is_off(*value, distance) {
                return Err(format!("its largest difference is {value}, and its elements are {distance} apart"));
            }
            if numbers_outside == 0 && distance > allowed * (1.0 + ROUNDING) {
                return Err(format!("its {name} is outside the tolerance, and no element is said to be"));
            }
            if name == "worst element" && numbers_outside > 0 && distance < allowed * (1.0 - ROUNDING) {
                return Err("its worst element is inside the tolerance, and others are said not to be".to_owned());
            }
        }
        Ok(())
    }
}

impl Summary {
    /// Refuses a summary that its own figures contradict, or those of a comparison of the same tensor, in words.
    pub(crate) fn audit(&self, comparison: Option<&Comparison>) -> Result<(), String> {
        let all = self.shape.iter().try_fold(1u64, |all, extent| all.checked_mul(*extent as u64));
        if all != self.elements.checked_add(self.left_out) {
            return Err("its summary has another number of elements than its shape".to_owned());
        }
        let non_finite = self.non_finite.nan.saturating_add(self.non_finite.pos_inf);
        if non_finite.saturating_add(self.non_finite.neg_inf) > self.elements {
            return Err("its summary has more elements that are not finite than elements".to_owned());
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
            _ => Ok(()),
        }
    }
}

/// How far two numbers are apart; `None` where one is no number.
fn distance(actual: Value, reference: Value) -> Option<f64> {
    let apart = match (actual, reference) {
        (Value::Integer(actual), Value::Integer(reference)) => Value::Integer(actual - reference),
        (Value::Complex(actual), Value::Complex(reference)) => Value::Complex(actual - reference),
        (actual, reference) => Value::Float64(actual.to_f64() - reference.to_f64()),
    };
    size(actual).and(size(reference)).map(|_| apart.to_f64().abs())
}

/// The magnitude of a number.
fn size(value: Value) -> Option<f64> {
    Some(value.to_f64().abs()).filter(|size| size.is_finite())
}

fn value(extreme: &Option<Extreme>) -> Option<f64> {
    extreme.as_ref().map(|extreme| extreme.value)
}
