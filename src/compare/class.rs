//! What is a number, and what is not.

/// Whether an element is a number, or which kind of non-number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// A finite number.
    Finite,
    /// NaN; of a complex number: one component at least.
    Nan,
    /// Positive infinity.
    PosInf,
    /// Negative infinity.
    NegInf,
}

/// How many elements are not finite. A complex number counts as NaN where a component is NaN, else by the sign of its
/// first infinite component.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[expect(missing_docs, reason = "each field is the count of its name")]
pub struct NonFinite {
    pub nan: u64,
    pub pos_inf: u64,
    pub neg_inf: u64,
}

impl Class {
    /// Of a real number.
    #[inline]
    pub(crate) fn of(x: f64) -> Class {
        match x {
            x if x.is_finite() => Class::Finite,
            x if x.is_nan() => Class::Nan,
            x if x > 0.0 => Class::PosInf,
            _ => Class::NegInf,
        }
    }
}

impl NonFinite {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.nan.saturating_add(self.pos_inf).saturating_add(self.neg_inf)
    }

    /// Counts one more element.
    pub(crate) fn add(&mut self, class: Class) {
        match class {
            Class::Finite => {}
            Class::Nan => self.nan += 1,
            Class::PosInf => self.pos_inf += 1,
            Class::NegInf => self.neg_inf += 1,
        }
    }

    /// The counts of two sets of elements together.
    pub(crate) fn join(self, other: NonFinite) -> NonFinite {
        NonFinite {
            nan: self.nan + other.nan,
            pos_inf: self.pos_inf + other.pos_inf,
            neg_inf: self.neg_inf + other.neg_inf,
        }
    }
}
