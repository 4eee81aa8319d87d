//! Shapes: what an operation needs of one, how it says so, and what candle must not be asked for.

use std::fmt;

use candle_core::{DType, Device, Tensor};

use crate::error::{Error, Result};

/// Checks that the tensor of that name has the shape that `given`, what was already read, asks for.
pub(super) fn expect(name: &str, actual: &Tensor, needed: &[usize], given: impl fmt::Display) -> Result<()> {
    if actual.dims() == needed {
        return Ok(());
    }
    refuse(format!("{name} is {:?}; for {given} it must be {needed:?}", actual.dims()))
}

/// The extents of a tensor whose number of axes was checked when it was read, or follows from how it was computed.
pub(super) fn dims<const AXES: usize>(tensor: &Tensor) -> [usize; AXES] {
    tensor.dims().try_into().expect("the number of axes was checked")
}

/// Has candle compute a tensor of that shape.
///
/// Some of candle's operations panic at tensors without elements, and every one at more than memory holds: neither
/// reaches it.
pub(super) fn produce(
    shape: &[usize],
    dtype: DType,
    compute: impl FnOnce() -> candle_core::Result<Tensor>,
) -> Result<Tensor> {
    check_size(shape, "an output would be")?;
    if shape.contains(&0) { Tensor::zeros(shape, dtype, &Device::Cpu) } else { compute() }.map_err(from_candle)
}

/// Checks that memory can hold a tensor of that shape, and candle count it: its strides are products even where
/// another extent is 0.
pub(super) fn check_size(shape: &[usize], what: &str) -> Result<()> {
    let count = shape.iter().try_fold(1usize, |count, &extent| count.checked_mul(extent.max(1)));
    let fits = |count: usize| shape.contains(&0) || Vec::<f32>::new().try_reserve_exact(count).is_ok();
    if count.is_some_and(fits) { Ok(()) } else { refuse(format!("{what} {shape:?}, which no memory holds")) }
}

/// What candle refuses after all.
pub(super) fn from_candle(error: candle_core::Error) -> Error {
    Error::Checkpoint(format!("candle: {error}"))
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

    fn ones(shape: &[usize]) -> Tensor {
        Tensor::ones(shape, DType::F32, &Device::Cpu).unwrap()
    }

    #[test]
    fn an_error_names_the_place_the_shape_and_what_it_must_be() {
        let error = expect("weight", &ones(&[12, 4]), &[4, 12], "x [1, 2, 4]").within("c_attn").within("h.0");
        assert_eq!(
            error.unwrap_err().to_string(),
            "h.0: c_attn: weight is [12, 4]; for x [1, 2, 4] it must be [4, 12]"
        );
    }

    #[test]
    fn an_output_beyond_memory_is_refused_and_an_empty_one_not_computed() {
        for shape in [[1 << 40, 1 << 40], [1 << 31, 1 << 31]] {
            let error = produce(&shape, DType::F32, || unreachable!()).unwrap_err();
            assert!(error.to_string().contains("which no memory holds"), "{error}");
        }
        assert!(produce(&[0, usize::MAX, usize::MAX], DType::F32, || unreachable!()).is_err());
        assert_eq!(produce(&[2, 0], DType::I64, || unreachable!()).unwrap().dims(), [2, 0]);
    }

    #[test]
    fn what_candle_refuses_is_an_error_of_its_name() {
        let error = produce(&[2], DType::F32, || ones(&[2]).matmul(&ones(&[3]))).unwrap_err().to_string();
        assert!(error.starts_with("candle: shape mismatch in matmul"), "{error}");
    }
}
