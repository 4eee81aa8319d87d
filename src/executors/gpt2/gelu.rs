//! The Gaussian error linear unit, exact and as GPT-2 approximates it.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

use ndarray::{Array, ArrayView, Dimension};
use serde::Deserialize;

use super::rows;
use crate::error::Result;

/// Which GELU (Hendrycks and Gimpel 2016). The two differ by up to 5e-4.
///
/// Each element is computed in `f64` and rounded once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gelu {
    /// `0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))`: `NewGELUActivation` (`gelu_new`) of HuggingFace
    /// transformers, which GPT-2 has.
    Tanh,
    /// `0.5 x (1 + erf(x / sqrt(2)))`: `GELUActivation` (`gelu`) of HuggingFace transformers, which BERT has.
    Exact,
}

impl Gelu {
    /// The value at `x`.
    ///
    /// ```
    /// use karat::executors::gpt2::Gelu;
    /// assert_eq!(Gelu::Exact.at(1.0), 0.841_344_75);
    /// assert_eq!(Gelu::Tanh.at(1.0), 0.841_192);
    /// ```
    #[must_use]
    pub fn at(self, x: f32) -> f32 {
        let x = f64::from(x);
        let y = match self {
            // 0.5 (1 + tanh(u)) is 1 / (1 + exp(-2 u)), which cancels nowhere and costs one exponential.
            Gelu::Tanh => {
                let u = FRAC_2_SQRT_PI * FRAC_1_SQRT_2 * (x + 0.044_715 * x * x * x);
                x / (1.0 + (-2.0 * u).exp())
            }
            // 1 + erf(u) is erfc(-u), which does not cancel where x is far below 0.
            Gelu::Exact => 0.5 * x * libm::erfc(-x * FRAC_1_SQRT_2),
        };
        y as f32
    }
}

/// Applies the GELU to every element.
///
/// Shapes: `x` and `y` are any one shape.
///
/// # Errors
///
/// [`Error::Checkpoint`](crate::Error::Checkpoint) where `x` is a scalar.
pub fn gelu<D: Dimension>(x: ArrayView<'_, f32, D>, gelu: Gelu) -> Result<Array<f32, D>> {
    activate(x.to_owned(), gelu)
}

/// [`gelu`] in place.
pub(super) fn activate<D: Dimension>(x: Array<f32, D>, gelu: Gelu) -> Result<Array<f32, D>> {
    rows::rewrite(x, |row| row.iter_mut().for_each(|x| *x = gelu.at(*x)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// x, exact and tanh GELU, from mpmath 1.3 with 40 digits.
    const TABLE: &[(f32, f64, f64)] = &[
        (-12.0, -2.1317785344932147e-32, 0.0),
        (-8.0, -4.976768459417427e-15, -3.1077829375011112e-21),
        (-5.5, -1.0444259356238245e-07, -5.9276402638802624e-09),
        (-4.0, -0.000_126_684_967_332_479_7, -7.024594819237268e-05),
        (-3.0, -0.004_049_694_094_890_283_5, -0.003_637_392_081_773_019),
        (-2.25, -0.027_505_063_473_850_584, -0.027_201_329_897_288_61),
        (-1.5, -0.100_210_801_903_287_1, -0.100_428_423_019_767_08),
        (-1.0, -0.158_655_253_931_457_05, -0.158_808_009_391_723_3),
        (-0.75, -0.169_970_514_282_651_14, -0.170_039_444_834_379_7),
        (-0.187_5, -0.079_806_433_470_769_28, -0.079_806_830_400_210_47),
        (-0.000_976_562_5, -0.000_487_900_789_053_925_27, -0.000_487_900_789_054_224_56),
        (0.0, 0.0, 0.0),
        (0.000_976_562_5, 0.000_488_661_710_946_074_7, 0.000_488_661_710_945_775_4),
        (0.5, 0.345_731_230_637_006_56, 0.345_714_009_825_143_94),
        (0.75, 0.580_029_485_717_348_8, 0.579_960_555_165_620_3),
        (1.0, 0.841_344_746_068_542_9, 0.841_191_990_608_276_7),
        (1.5, 1.399_789_198_096_713, 1.399_571_576_980_232_8),
        (2.0, 1.954_499_736_103_641_6, 1.954_597_694_087_775),
        (3.25, 3.248_124_668_612_23, 3.248_431_372_855_252_5),
        (5.0, 4.999_998_566_742_141, 4.999_999_770_820_381),
        (10.0, 10.0, 10.0),
    ];

    #[test]
    fn both_are_within_half_a_unit_in_the_last_place_of_the_true_value() {
        for &(x, exact, tanh) in TABLE {
            for (gelu, truth) in [(Gelu::Exact, exact), (Gelu::Tanh, tanh)] {
                let y = gelu.at(x);
                assert_eq!(y, truth as f32, "{gelu:?} at {x}");
            }
        }
    }

    #[test]
    fn far_from_0_nothing_overflows() {
        for gelu in [Gelu::Exact, Gelu::Tanh] {
            assert_eq!(gelu.at(f32::MAX), f32::MAX);
            assert_eq!(gelu.at(f32::MIN), 0.0);
            assert_eq!(gelu.at(f32::INFINITY), f32::INFINITY);
            assert!(gelu.at(f32::NAN).is_nan());
        }
    }

    #[test]
    fn the_two_differ_by_less_than_5e_4() {
        let apart = |x: f32| (Gelu::Exact.at(x) - Gelu::Tanh.at(x)).abs();
        let largest = (-500..500).map(|x| apart(x as f32 / 100.0)).fold(0.0, f32::max);
        assert!((4e-4..5e-4).contains(&largest), "{largest}");
    }
}
