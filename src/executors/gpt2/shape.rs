//! Shapes: what a function needs of one, and how it says so.

use std::fmt;

use ndarray::{Array, Dimension, IntoDimension};

use crate::error::{Error, Result};

/// Checks that the tensor of that name has the shape that `given`, what was already read, asks for.
pub(super) fn expect(name: &str, actual: &[usize], needed: &[usize], given: impl fmt::Display) -> Result<()> {
    if actual == needed {
        return Ok(());
    }
    refuse(format!("{name} is {actual:?}; for {given} it must be {needed:?}"))
}

/// An array of zeros; unlike [`Array::zeros`] it does not panic where the extents multiply beyond what memory can hold.
pub(super) fn zeros<D: Dimension>(shape: impl IntoDimension<Dim = D>) -> Result<Array<f32, D>> {
    let shape = shape.into_dimension();
    let count = shape.slice().iter().try_fold(1usize, |count, &extent| count.checked_mul(extent));
    let too_large = || Error::Checkpoint(format!("an output would be {:?}, which no memory holds", shape.slice()));
    let mut elements = Vec::new();
    let count = count.ok_or_else(too_large)?;
    elements.try_reserve_exact(count).map_err(|_| too_large())?;
    elements.resize(count, 0.0);
    Array::from_shape_vec(shape.clone(), elements).map_err(|_| too_large())
}

/// An [`Error::Checkpoint`] that says that.
pub(super) fn refuse<T>(what: String) -> Result<T> {
    Err(Error::Checkpoint(what))
}

/// Names the place below which an error arose: `h.3: mlp.c_fc: weight is ..`.
pub(super) trait Within {
    fn within(self, place: &str) -> Self;
}

impl<T> Within for Result<T> {
    fn within(self, place: &str) -> Self {
        self.map_err(|error| match error {
            Error::Checkpoint(what) => Error::Checkpoint(format!("{place}: {what}")),
            other => other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_place_the_shape_and_what_it_must_be() {
        let error = expect("weight", &[12, 4], &[4, 12], "x [1, 2, 4]").within("c_attn").within("h.0").unwrap_err();
        assert_eq!(error.to_string(), "h.0: c_attn: weight is [12, 4]; for x [1, 2, 4] it must be [4, 12]");
    }

    #[test]
    fn an_output_beyond_memory_is_refused() {
        for shape in [[1 << 40, 1 << 40], [1 << 31, 1 << 31]] {
            assert!(zeros(shape).unwrap_err().to_string().contains("which no memory holds"));
        }
        assert!(zeros([0, usize::MAX, usize::MAX]).is_err());
        assert_eq!(zeros([2, 0]).unwrap().shape(), [2, 0]);
    }
}
