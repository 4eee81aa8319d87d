//! The pair to compare, and the rules for what counts as close.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::tensor::value::{Float, MaybeFloat, nullable};
use crate::tensor::{DType, Tensor};

/// The two tensors of a comparison. The golden is always the reference.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    /// The tensor that this run produced.
    pub actual: &'a Tensor,
    /// The tensor that it is compared with.
    pub reference: &'a Tensor,
    /// A boolean tensor of the same shape; elements where it is false are excluded from the comparison and the summary.
    pub mask: Option<&'a Tensor>,
}

/// How far an actual element may be from its reference: `|actual - reference| <= atol + rtol * |reference|`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Tolerance {
    /// The absolute part.
    #[serde(with = "Float")]
    pub atol: f64,
    /// The part relative to the magnitude of the reference.
    #[serde(with = "Float")]
    pub rtol: f64,
    /// The number of elements that may be outside. 0 unless a case sets it.
    pub outliers: u64,
    /// An additional limit on the ULP difference, if the case sets one.
    #[serde(deserialize_with = "nullable")]
    pub max_ulps: Option<u64>,
    /// An additional limit on the RMSE as a fraction of the reference's RMS, if the case sets one.
    #[serde(with = "MaybeFloat")]
    pub max_rel_rms: Option<f64>,
}

/// Whether NaN matches NaN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "harness", derive(serde::Deserialize, serde::Serialize), serde(rename_all = "lowercase"))]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub enum NanRule {
    /// NaN matches nothing.
    #[default]
    Mismatch,
    /// NaN matches NaN, whatever their bits.
    Match,
}

/// The rules for one output.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Rules {
    /// How far elements may be apart.
    pub tolerance: Tolerance,
    /// Whether NaN matches NaN.
    pub nan: NanRule,
    /// The dtype required of the actual tensor, if it is declared to differ from the reference's.
    pub cast: Option<DType>,
    /// Whether an empty comparison passes.
    pub empty: bool,
}

impl<'a> Pair<'a> {
    /// Creates a pair without a mask.
    #[must_use]
    pub fn new(actual: &'a Tensor, reference: &'a Tensor) -> Pair<'a> {
        Pair { actual, reference, mask: None }
    }

    /// Restricts the pair to the elements where the mask is true.
    #[must_use]
    pub fn within(self, mask: &'a Tensor) -> Pair<'a> {
        Pair { mask: Some(mask), ..self }
    }
}

impl Rules {
    /// Creates rules with that tolerance. NaN matches nothing, there is no cast, and an empty comparison is a mismatch.
    #[must_use]
    pub fn new(tolerance: Tolerance) -> Rules {
        Rules { tolerance, nan: NanRule::Mismatch, cast: None, empty: false }
    }

    /// Sets the tolerance.
    #[must_use]
    pub fn with_tolerance(self, tolerance: Tolerance) -> Rules {
        Rules { tolerance, ..self }
    }

    /// Sets the rule for NaN.
    #[must_use]
    pub fn with_nan(self, nan: NanRule) -> Rules {
        Rules { nan, ..self }
    }

    /// Sets the dtype required of the actual tensor.
    #[must_use]
    pub fn with_cast(self, dtype: DType) -> Rules {
        Rules { cast: Some(dtype), ..self }
    }

    /// Lets an empty comparison pass.
    #[must_use]
    pub fn with_empty(self) -> Rules {
        Rules { empty: true, ..self }
    }
}

impl Tolerance {
    /// Allows no difference.
    pub const EXACT: Tolerance = Tolerance { atol: 0.0, rtol: 0.0, outliers: 0, max_ulps: None, max_rel_rms: None };

    /// Creates a tolerance without outliers or additional limits. Neither part has a default: both must be given.
    ///
    /// ```
    /// # use karat::Tolerance;
    /// let tolerance = Tolerance::new(1e-5, 1e-3)?;
    /// assert_eq!((tolerance.atol, tolerance.rtol, tolerance.outliers), (1e-5, 1e-3, 0));
    /// for nonsense in [-1e-5, f64::NAN, f64::INFINITY] {
    ///     assert!(Tolerance::new(nonsense, 0.0).is_err());
    ///     assert!(Tolerance::new(0.0, nonsense).is_err());
    ///     assert!(tolerance.with_max_rel_rms(nonsense).is_err());
    /// }
    /// # Ok::<(), karat::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if a part is negative, NaN or infinite.
    pub fn new(atol: f64, rtol: f64) -> Result<Tolerance> {
        check("atol", atol)?;
        check("rtol", rtol)?;
        Ok(Tolerance { atol, rtol, ..Tolerance::EXACT })
    }

    /// Sets the number of elements that may be outside. Only numbers can be outliers, never a NaN or an infinity that does not
    /// match.
    #[must_use]
    pub fn with_outliers(self, outliers: u64) -> Tolerance {
        Tolerance { outliers, ..self }
    }

    /// Limits the ULP difference of each element.
    #[must_use]
    pub fn with_max_ulps(self, max_ulps: u64) -> Tolerance {
        Tolerance { max_ulps: Some(max_ulps), ..self }
    }

    /// Limits the RMSE to that fraction of the reference's root mean square.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the fraction is negative, NaN or infinite.
    pub fn with_max_rel_rms(self, max_rel_rms: f64) -> Result<Tolerance> {
        check("max_rel_rms", max_rel_rms)?;
        Ok(Tolerance { max_rel_rms: Some(max_rel_rms), ..self })
    }

    /// Returns the default for that dtype, as in [`torch.testing.assert_close`]; `None` for 8-bit floats, which have none.
    ///
    /// ```
    /// # use karat::{DType, Tolerance};
    /// let default = |dtype| Tolerance::default_for(dtype).map(|it| (it.rtol, it.atol));
    ///
    /// assert_eq!(default(DType::F64), Some((1e-7, 1e-7)));
    /// assert_eq!(default(DType::F32), Some((1.3e-6, 1e-5)));
    /// assert_eq!(default(DType::F16), Some((1e-3, 1e-5)));
    /// assert_eq!(default(DType::BF16), Some((1.6e-2, 1e-5)));
    /// assert_eq!(default(DType::C128), default(DType::F64));
    /// assert_eq!(default(DType::C64), default(DType::F32));
    /// assert_eq!(default(DType::Bool), Some((0.0, 0.0)));
    /// assert_eq!(default(DType::I64), Some((0.0, 0.0)));
    /// assert_eq!(default(DType::F8E4M3), None);
    /// assert_eq!(default(DType::F8E5M2), None);
    /// ```
    ///
    /// [`torch.testing.assert_close`]: https://docs.pytorch.org/docs/stable/testing.html#torch.testing.assert_close
    #[must_use]
    pub fn default_for(dtype: DType) -> Option<Tolerance> {
        let (rtol, atol) = match dtype {
            DType::F64 | DType::C128 => (1e-7, 1e-7),
            DType::F32 | DType::C64 => (1.3e-6, 1e-5),
            DType::F16 => (1e-3, 1e-5),
            DType::BF16 => (1.6e-2, 1e-5),
            DType::F8E4M3 | DType::F8E5M2 => return None,
            _ => (0.0, 0.0),
        };
        Some(Tolerance { atol, rtol, ..Tolerance::EXACT })
    }
}

fn check(name: &str, value: f64) -> Result<()> {
    if value.is_finite() && value >= 0.0 {
        return Ok(());
    }
    Err(Error::Invalid(format!("{name} is {value}; it must be finite and not negative")))
}
