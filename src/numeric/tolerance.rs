//! How much may differ.

use super::dtype::DType;
use crate::error::{Error, Result};

/// How far an actual element may be from its reference: `|actual - reference| <= atol + rtol * |reference|`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Tolerance {
    /// The absolute part.
    pub atol: f64,
    /// The part relative to the magnitude of the reference.
    pub rtol: f64,
    /// How many elements may be outside. 0 unless a case opts in.
    pub outliers: u64,
    /// The largest ULP difference allowed besides, if the case asks.
    pub max_ulps: Option<u64>,
    /// The largest RMSE allowed besides, as a share of the reference's RMS, if the case asks.
    pub max_rel_rms: Option<f64>,
}

impl Tolerance {
    /// Nothing may differ.
    pub const EXACT: Tolerance = Tolerance { atol: 0.0, rtol: 0.0, outliers: 0, max_ulps: None, max_rel_rms: None };

    /// A tolerance of both parts, no outliers, nothing more asked.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where a part is negative, NaN or infinite.
    pub fn new(atol: f64, rtol: f64) -> Result<Tolerance> {
        for (name, value) in [("atol", atol), ("rtol", rtol)] {
            if !(value.is_finite() && value >= 0.0) {
                return Err(Error::Invalid(format!("{name} is {value}; it must be finite and not negative")));
            }
        }
        Ok(Tolerance { atol, rtol, ..Tolerance::EXACT })
    }

    /// The default of that dtype, as `torch.testing.assert_close` has it; `None` for 8-bit floats, which have none.
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
