//! From the states of a sentence's tokens to one vector.

use candle_core::{D, DType, Device, Tensor};

use super::attention::check_binary;
use super::shape::{dims, expect, produce};
use crate::error::Result;

/// What a sentence without tokens is divided by, as sentence-transformers clamps it.
const NO_TOKENS: f64 = 1e-9;

/// The sum of the rows that are no padding, over their number. A product with the mask would let the NaN of a padded
/// row through.
pub(super) fn mean_pooling(x: &Tensor, mask: &Tensor) -> Result<Tensor> {
    let [batch, seq, width] = dims(x);
    expect("mask", mask, &[batch, seq], format_args!("x {:?}", x.dims()))?;
    check_binary(mask)?;
    produce(&[batch, width], DType::F32, || {
        if seq == 0 {
            return Tensor::zeros((batch, width), DType::F32, &Device::Cpu);
        }
        let tokens = mask.unsqueeze(2)?;
        let kept = tokens.broadcast_as(x.shape())?.where_cond(x, &x.zeros_like()?)?;
        let count = tokens.to_dtype(DType::F32)?.sum(1)?.maximum(NO_TOKENS)?;
        kept.sum(1)?.broadcast_div(&count)
    })
}

/// `x / max(|x|, eps)` of each row.
pub(super) fn normalize(x: &Tensor, eps: f64) -> Result<Tensor> {
    produce(x.dims(), DType::F32, || {
        let norm = x.sqr()?.sum_keepdim(D::Minus1)?.sqrt()?;
        x.broadcast_div(&norm.maximum(eps)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_does_not_count() {
        let x = [[[1f32, 10.0], [3.0, 30.0]], [[5.0, 50.0], [f32::NAN, 7.0]], [[1.0, 1.0], [1.0, 1.0]]];
        let mask = Tensor::new(&[[1i64, 1], [1, 0], [0, 0]], &Device::Cpu).unwrap();
        let y = mean_pooling(&Tensor::new(&x, &Device::Cpu).unwrap(), &mask).unwrap();
        assert_eq!(y.to_vec2::<f32>().unwrap(), [[2.0, 20.0], [5.0, 50.0], [0.0, 0.0]]);
    }

    #[test]
    fn nan_spoils_its_row_and_a_short_row_is_not_blown_up() {
        let y = normalize(&Tensor::new(&[[f32::NAN, 1.0], [0.5, 0.0]], &Device::Cpu).unwrap(), 1.0).unwrap();
        let y = y.to_vec2::<f32>().unwrap();
        assert!(y[0].iter().all(|y| y.is_nan()));
        assert_eq!(y[1], [0.5, 0.0]);
    }
}
