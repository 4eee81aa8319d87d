//! From the last hidden state to a token.

use candle_core::{D, DType, Tensor};
use candle_nn::Linear;

use super::layer::linear;
use super::shape::{dims, expect, produce, refuse};
use crate::error::Result;

/// [`Linear`] without a bias: `[batch, seq, n]` with `[vocab, n]`.
pub(super) fn logits(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let ([.., width], [vocab, _]) = (dims::<3>(x), dims(weight));
    expect("weight", weight, &[vocab, width], format_args!("x {:?}", x.dims()))?;
    linear(x, vocab, || Ok(Linear::new(weight.clone(), None)))
}

/// The last row of `[batch, seq, vocab]`.
pub(super) fn selected_logits(x: &Tensor) -> Result<Tensor> {
    let [batch, seq, vocab] = dims(x);
    match seq.checked_sub(1) {
        Some(last) => produce(&[batch, vocab], DType::F32, || x.narrow(1, last, 1)?.squeeze(1)?.contiguous()),
        None => refuse(format!("x is {:?}; it has no last row", x.dims())),
    }
}

/// `argmax` of each row: the first of the largest. Where there is NaN candle may choose another than torch, for which
/// NaN is the largest.
pub(super) fn argmax(x: &Tensor) -> Result<Tensor> {
    let [batch, vocab] = dims(x);
    if vocab == 0 {
        return refuse(format!("x is {:?}; there is no token to choose", x.dims()));
    }
    produce(&[batch], DType::I64, || x.argmax(D::Minus1)?.to_dtype(DType::I64))
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn the_first_of_the_largest_is_the_best() {
        let x = Tensor::new(&[[1f32, 3.0, 3.0], [-2.0, -1.0, -2.0]], &Device::Cpu).unwrap();
        assert_eq!(argmax(&x).unwrap().to_vec1::<i64>().unwrap(), [1, 1]);
    }

    #[test]
    fn where_there_is_no_row_or_no_token_it_says_so() {
        let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
        assert!(selected_logits(&zeros(&[2, 0, 3])).unwrap_err().to_string().contains("no last row"));
        assert!(argmax(&zeros(&[2, 0])).unwrap_err().to_string().contains("no token"));
    }
}
