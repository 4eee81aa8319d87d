//! Layer normalisation over the last axis.

use ndarray::{Array, ArrayView, ArrayView1, Axis, Dimension, Zip};

use crate::error::{Error, Result};

/// Normalises each row of the last axis to mean 0 and variance 1, then scales and shifts it.
///
/// `y = (x - mean) / sqrt(variance + eps) * weight + bias`, with the population variance: Ba, Kiros and Hinton 2016,
/// as `torch.nn.LayerNorm` has it. Each row is computed in `f64` and rounded once.
///
/// Shapes: `x` and `y` are `[.., n]`, `weight` and `bias` are `[n]`.
///
/// # Errors
///
/// [`Error::Checkpoint`] where `x` is a scalar, or `weight` or `bias` is not `[n]`.
///
/// ```
/// use ndarray::arr1;
/// let x = arr1(&[1.0f32, 3.0]);
/// let y = karat::gpt2::layer_norm(x.view(), arr1(&[1.0, 2.0]).view(), arr1(&[0.0, 0.5]).view(), 0.0)?;
/// assert_eq!(y, arr1(&[-1.0, 2.5]));
/// # Ok::<(), karat::Error>(())
/// ```
pub fn layer_norm<D: Dimension>(
    x: ArrayView<'_, f32, D>,
    weight: ArrayView1<'_, f32>,
    bias: ArrayView1<'_, f32>,
    eps: f64,
) -> Result<Array<f32, D>> {
    let width = *x.shape().last().ok_or_else(|| Error::Checkpoint("x is a scalar; it needs an axis".to_owned()))?;
    for (name, extent) in [("weight", weight.len()), ("bias", bias.len())] {
        if extent != width {
            return Err(Error::Checkpoint(format!(
                "{name} is [{extent}], and the last axis of x {:?} is {width}",
                x.shape()
            )));
        }
    }
    let mut y = x.to_owned();
    for mut row in y.lanes_mut(Axis(x.ndim() - 1)) {
        let mean = row.iter().map(|&value| f64::from(value)).sum::<f64>() / width as f64;
        let variance = row.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum::<f64>() / width as f64;
        let scale = 1.0 / (variance + eps).sqrt();
        Zip::from(&mut row).and(weight).and(bias).for_each(|value, &weight, &bias| {
            *value = ((f64::from(*value) - mean) * scale * f64::from(weight) + f64::from(bias)) as f32;
        });
    }
    Ok(y)
}
