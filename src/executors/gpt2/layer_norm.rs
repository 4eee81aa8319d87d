//! Layer normalisation over the last axis.

use ndarray::{Array, ArrayView, ArrayView1, Dimension};

use super::rows;
use super::shape::expect;
use crate::error::Result;

/// The weight and bias of a layer normalisation, each `[n]`.
#[derive(Clone, Copy, Debug)]
pub struct Norm<'a> {
    /// What each element of a normalised row is scaled by.
    pub weight: ArrayView1<'a, f32>,
    /// What is then added to it.
    pub bias: ArrayView1<'a, f32>,
}

/// Normalises each row of the last axis to mean 0 and variance 1, then scales and shifts it.
///
/// `y = (x - mean) / sqrt(variance + eps) * weight + bias`, with the population variance: Ba, Kiros and Hinton 2016,
/// as `torch.nn.LayerNorm` has it. Each row is computed in `f64` and rounded once.
///
/// Shapes: `x` and `y` are `[.., n]`, `weight` and `bias` are `[n]`.
///
/// # Errors
///
/// [`Error::Checkpoint`](crate::Error::Checkpoint) where `x` is a scalar, or `weight` or `bias` is not `[n]`.
///
/// ```
/// use ndarray::arr1;
/// let x = arr1(&[1.0f32, 3.0]);
/// let y = karat::executors::gpt2::layer_norm(x.view(), arr1(&[1.0, 2.0]).view(), arr1(&[0.0, 0.5]).view(), 0.0)?;
/// assert_eq!(y, arr1(&[-1.0, 2.5]));
/// # Ok::<(), karat::Error>(())
/// ```
pub fn layer_norm<D: Dimension>(
    x: ArrayView<'_, f32, D>,
    weight: ArrayView1<'_, f32>,
    bias: ArrayView1<'_, f32>,
    eps: f64,
) -> Result<Array<f32, D>> {
    if let Some(width) = x.shape().last() {
        for (name, vector) in [("weight", weight), ("bias", bias)] {
            expect(name, vector.shape(), &[*width], format_args!("x {:?}", x.shape()))?;
        }
    }
    rows::rewrite(x.to_owned(), |row| normalise(row, weight, bias, eps))
}

fn normalise(row: &mut [f32], weight: ArrayView1<'_, f32>, bias: ArrayView1<'_, f32>, eps: f64) {
    let count = row.len() as f64;
    let mean = row.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
    let variance = row.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / count;
    let scale = 1.0 / (variance + eps).sqrt();
    for ((x, &weight), &bias) in row.iter_mut().zip(weight).zip(bias) {
        *x = ((f64::from(*x) - mean) * scale * f64::from(weight) + f64::from(bias)) as f32;
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{arr0, arr1, arr2};

    use super::*;

    #[test]
    fn each_row_has_its_own_mean_and_variance() {
        let x = arr2(&[[1.0, 3.0], [-10.0, 30.0]]);
        let (weight, bias) = (arr1(&[1.0, 2.0]), arr1(&[0.0, 0.5]));
        let y = layer_norm(x.view(), weight.view(), bias.view(), 0.0).unwrap();
        assert_eq!(y, arr2(&[[-1.0, 2.5], [-1.0, 2.5]]));
        let y = layer_norm(x.view(), weight.view(), bias.view(), 3.0).unwrap();
        assert_eq!(y.row(0), arr1(&[-0.5, 1.5]));
    }

    #[test]
    fn wrong_shapes_are_refused_by_name() {
        let (x, two, three) = (arr2(&[[1.0, 2.0]]), arr1(&[1.0, 1.0]), arr1(&[1.0, 1.0, 1.0]));
        let error = layer_norm(x.view(), three.view(), two.view(), 0.0).unwrap_err();
        assert_eq!(error.to_string(), "weight is [3]; for x [1, 2] it must be [2]");
        let error = layer_norm(x.view(), two.view(), three.view(), 0.0).unwrap_err();
        assert_eq!(error.to_string(), "bias is [3]; for x [1, 2] it must be [2]");
        let error = layer_norm(arr0(1.0).view(), two.view(), two.view(), 0.0).unwrap_err();
        assert_eq!(error.to_string(), "x is a scalar; it needs an axis");
    }
}
