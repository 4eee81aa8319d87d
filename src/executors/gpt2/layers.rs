//! Layers: norm, linear layers in two layouts, softmax, GELU, residual, and combinations of these.
//!
//! Matrix products are those of ndarray (the crate matrixmultiply), which use one thread. Each thread computes blocks of columns of a
//! fixed width, sums each element along the inner axis in a fixed order, and computes rows of the last axis one by one. The results
//! therefore do not depend on the number of threads.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

use ndarray::linalg::general_mat_mul;
use ndarray::{
    Array, Array3, Array4, ArrayView, ArrayView1, ArrayView2, ArrayView3, ArrayView4, ArrayViewMut2, Axis, Dimension,
    IntoDimension, Ix1, Ix2, s,
};
use rayon::prelude::*;

use crate::error::Result;
use crate::executors::shape::{Gelu, Within, check_linear, check_norm, check_size, expect, refuse};

/// The weight and bias of a layer.
#[derive(Clone, Copy, Debug)]
pub struct Layer<'a, D: Dimension> {
    /// The weight.
    pub weight: ArrayView<'a, f32, D>,
    /// The bias, with one element for each output.
    pub bias: ArrayView1<'a, f32>,
}

/// A layer normalisation: each element of a normalised row is multiplied by its weight, `[n]`, then its bias is added.
pub type Norm<'a> = Layer<'a, Ix1>;

/// A linear layer in the layout of GPT-2, `Conv1D` in transformers: `y = x weight + bias`, with a weight of `[in, out]`.
pub type Conv1d<'a> = Layer<'a, Ix2>;

/// A linear layer in the layout of BERT, `torch.nn.Linear`: `y = x weight^T + bias`, with a weight of `[out, in]`.
pub type Dense<'a> = Layer<'a, Ix2>;

/// Normalises each row of the last axis to mean 0 and variance 1, then scales and shifts it.
///
/// `y = (x - mean) / sqrt(variance + eps) * weight + bias`, with the population variance: Ba, Kiros and Hinton 2016,
/// `torch.nn.LayerNorm`. Each row is computed in `f64` and rounded once.
///
/// Shapes: `x` and `y` are `[.., n]`, `weight` and `bias` are `[n]`.
///
/// # Errors
///
/// [`Error::Checkpoint`](crate::Error::Checkpoint) if `x` is a scalar, or `weight` or `bias` is not `[n]`.
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
    check_norm(x.shape(), weight.shape(), bias.shape())?;
    rewrite(x.to_owned(), |row| normalise(row, weight, bias, eps))
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

/// The number of columns in a block. Wider blocks pack the left side less often; narrower ones divide the 768 columns of GPT-2's
/// projections more evenly among threads.
const COLUMNS: usize = 128;

impl Layer<'_, Ix2> {
    /// Applies a [`Conv1d`]: `[batch, seq, in]` to `[batch, seq, out]`.
    pub(super) fn conv1d(self, x: ArrayView3<'_, f32>) -> Result<Array3<f32>> {
        check_linear(x.shape(), self.weight.shape(), self.bias.shape(), 1)?;
        affine(x, self.weight, Some(self.bias))
    }

    /// Applies a [`Dense`]: `[batch, seq, in]` to `[batch, seq, out]`.
    pub(super) fn dense(self, x: ArrayView3<'_, f32>) -> Result<Array3<f32>> {
        check_linear(x.shape(), self.weight.shape(), self.bias.shape(), 0)?;
        affine(x, self.weight.t(), Some(self.bias))
    }
}

/// Computes `x weight + bias` along the last axis of `x`: `[batch, seq, in]` by `[in, out]`, whose inner extents agree.
pub(super) fn affine(
    x: ArrayView3<'_, f32>,
    weight: ArrayView2<'_, f32>,
    bias: Option<ArrayView1<'_, f32>>,
) -> Result<Array3<f32>> {
    let (batch, seq, inner) = x.dim();
    if inner == 0 {
        return refuse(format!("the last axis of x {:?} is empty", x.shape()));
    }
    let mut y = zeros((batch, seq, weight.ncols()))?;
    let rows = x.to_shape((batch * seq, inner)).expect("the element count is the same");
    let mut out = y.view_mut().into_shape_with_order((batch * seq, weight.ncols())).expect("the layout is standard");
    let beta = bias.map_or(0.0, |bias| {
        out.assign(&bias);
        1.0
    });
    product(rows.view(), weight, beta, out);
    Ok(y)
}

/// Computes `out = left right + beta out` in parallel blocks of columns.
fn product(left: ArrayView2<'_, f32>, right: ArrayView2<'_, f32>, beta: f32, mut out: ArrayViewMut2<'_, f32>) {
    let blocks = out.axis_chunks_iter_mut(Axis(1), COLUMNS).zip(right.axis_chunks_iter(Axis(1), COLUMNS));
    let blocks: Vec<_> = blocks.collect();
    blocks.into_par_iter().for_each(|(mut out, right)| general_mat_mul(1.0, &left, &right, beta, &mut out));
}

/// Computes `scale left right` for each of the `[batch, heads]` matrices: `[.., n, inner]` by `[.., inner, m]` is `[.., n, m]`. The other
/// extents must agree.
pub(super) fn by_head(left: ArrayView4<'_, f32>, right: ArrayView4<'_, f32>, scale: f32) -> Result<Array4<f32>> {
    let ((batch, heads, n, inner), m) = (left.dim(), right.dim().3);
    if inner == 0 {
        return refuse(format!("the last axis of {:?} is empty", left.shape()));
    }
    let mut out = zeros((batch, heads, n, m))?;
    if !out.is_empty() {
        let matrices = out.as_slice_mut().expect("the layout is standard").par_chunks_mut(n * m);
        matrices.enumerate().for_each(|(place, matrix)| {
            let at = s![place / heads, place % heads, .., ..];
            let mut matrix = ArrayViewMut2::from_shape((n, m), matrix).expect("a chunk is a matrix");
            general_mat_mul(scale, &left.slice(at), &right.slice(at), 0.0, &mut matrix);
        });
    }
    Ok(out)
}

/// Turns each row of the last axis into probabilities.
///
/// `y = exp(x - max) / sum(exp(x - max))`, `torch.softmax(x, -1)`: the largest element is subtracted first, so that nothing
/// overflows. Each row is computed in `f64` and rounded once. Elements that are masked by the lowest `f32` become 0; a fully masked
/// row becomes uniform, as in transformers. NaN or +infinity makes its whole row NaN.
///
/// Shapes: `x` and `y` are `[.., n]`.
///
/// # Errors
///
/// [`Error::Checkpoint`](crate::Error::Checkpoint) if `x` is a scalar.
///
/// ```
/// use ndarray::arr1;
/// let y = karat::executors::gpt2::softmax(arr1(&[1000.0f32, 1000.0, f32::MIN]).view())?;
/// assert_eq!(y, arr1(&[0.5, 0.5, 0.0]));
/// # Ok::<(), karat::Error>(())
/// ```
pub fn softmax<D: Dimension>(x: ArrayView<'_, f32, D>) -> Result<Array<f32, D>> {
    rewrite(x.to_owned(), |row| {
        let max = f64::from(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        let exp = |x: f32| (f64::from(x) - max).exp();
        let sum: f64 = row.iter().map(|&x| exp(x)).sum();
        row.iter_mut().for_each(|x| *x = (exp(*x) / sum) as f32);
    })
}

impl Gelu {
    /// Returns the value at `x`.
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
            // 0.5 (1 + tanh(u)) is 1 / (1 + exp(-2 u)), which has no cancellation and needs one exponential.
            Gelu::Tanh => {
                let u = FRAC_2_SQRT_PI * FRAC_1_SQRT_2 * (x + 0.044_715 * x * x * x);
                x / (1.0 + (-2.0 * u).exp())
            }
            // 1 + erf(u) is erfc(-u), which has no cancellation if x is far below 0.
            Gelu::Exact => 0.5 * x * libm::erfc(-x * FRAC_1_SQRT_2),
        };
        y as f32
    }
}

/// Applies the GELU to every element.
///
/// Shapes: `x` and `y` have the same shape.
///
/// # Errors
///
/// [`Error::Checkpoint`](crate::Error::Checkpoint) if `x` is a scalar.
pub fn gelu<D: Dimension>(x: ArrayView<'_, f32, D>, gelu: Gelu) -> Result<Array<f32, D>> {
    activate(x.to_owned(), gelu)
}

/// Applies the GELU in place.
pub(super) fn activate<D: Dimension>(x: Array<f32, D>, gelu: Gelu) -> Result<Array<f32, D>> {
    rewrite(x, |row| row.iter_mut().for_each(|x| *x = gelu.at(*x)))
}

/// Widens each position, applies the GELU and narrows the result.
///
/// `y = gelu(x c_fc) c_proj`, each layer with its bias: Radford et al. 2019, `GPT2MLP.forward` of HuggingFace
/// transformers.
///
/// Shapes: `x` and `y` are `[batch, seq, n]`, `c_fc` is `[n, m]` with bias `[m]`, `c_proj` is `[m, n]` with bias
/// `[n]`; in GPT-2 m is 4 n.
///
/// # Errors
///
/// [`Error::Checkpoint`](crate::Error::Checkpoint) if a shape does not fit.
pub fn mlp(x: ArrayView3<'_, f32>, c_fc: Conv1d<'_>, c_proj: Conv1d<'_>, gelu: Gelu) -> Result<Array3<f32>> {
    let hidden = activate(c_fc.conv1d(x).within("c_fc")?, gelu)?;
    let y = c_proj.conv1d(hidden.view()).within("c_proj")?;
    expect("c_proj.weight", c_proj.weight.shape(), &[hidden.dim().2, x.dim().2], format_args!("x {:?}", x.shape()))?;
    Ok(y)
}

/// Adds the output of a sublayer to its input.
///
/// `y = x + update`: He et al. 2015, equation 1; twice in `GPT2Block.forward` of HuggingFace transformers.
///
/// Shapes: `x`, `update` and `y` have the same shape. There is no broadcasting.
///
/// # Errors
///
/// [`Error::Checkpoint`](crate::Error::Checkpoint) if the shapes differ.
pub fn residual<D: Dimension>(x: ArrayView<'_, f32, D>, update: ArrayView<'_, f32, D>) -> Result<Array<f32, D>> {
    expect("update", update.shape(), x.shape(), format_args!("x {:?}", x.shape()))?;
    Ok(&x + &update)
}

/// Applies a linear layer, adds the residual and normalises.
///
/// `y = layer_norm(x dense + residual)`: Devlin et al. 2018, `BertSelfOutput.forward` and `BertOutput.forward` of
/// HuggingFace transformers.
///
/// Shapes: `x` is `[batch, seq, m]`, `residual` and `y` are `[batch, seq, n]`; `dense` has the weight `[n, m]` and
/// the bias `[n]`, `norm` has `[n]` each.
///
/// # Errors
///
/// [`Error::Checkpoint`](crate::Error::Checkpoint) if a shape does not fit.
pub fn dense_residual_norm(
    x: ArrayView3<'_, f32>,
    residual: ArrayView3<'_, f32>,
    dense: Dense<'_>,
    norm: Norm<'_>,
    eps: f64,
) -> Result<Array3<f32>> {
    let update = dense.dense(x).within("dense")?;
    expect("residual", residual.shape(), update.shape(), format_args!("x {:?} through dense", x.shape()))?;
    let sum = self::residual(update.view(), residual)?;
    layer_norm(sum.view(), norm.weight, norm.bias, eps).within("LayerNorm")
}

/// Applies a linear layer and the GELU.
///
/// `y = gelu(x dense)`: Devlin et al. 2018, `BertIntermediate.forward` of HuggingFace transformers.
///
/// Shapes: `x` is `[batch, seq, n]`, `dense` has the weight `[m, n]` and the bias `[m]`, `y` is `[batch, seq, m]`.
///
/// # Errors
///
/// [`Error::Checkpoint`](crate::Error::Checkpoint) if a shape does not fit.
pub fn dense_gelu(x: ArrayView3<'_, f32>, dense: Dense<'_>, gelu: Gelu) -> Result<Array3<f32>> {
    activate(dense.dense(x).within("dense")?, gelu)
}

/// The smallest number of elements for a thread. Distributing fewer costs more than it saves.
const MIN_ELEMENTS: usize = 4096;

/// Returns an array of zeros. Unlike [`Array::zeros`], it does not panic if the array does not fit into memory.
pub(super) fn zeros<D: Dimension>(shape: impl IntoDimension<Dim = D>) -> Result<Array<f32, D>> {
    let shape = shape.into_dimension();
    check_size(shape.slice(), "an output would be")?;
    Ok(Array::zeros(shape))
}

/// Rewrites every row of the last axis. An array without elements stays unchanged.
///
/// # Errors
///
/// [`Error::Checkpoint`](crate::Error::Checkpoint) if the array is a scalar, which has no rows.
pub(super) fn rewrite<D: Dimension>(
    array: Array<f32, D>,
    function: impl Fn(&mut [f32]) + Sync + Send,
) -> Result<Array<f32, D>> {
    let Some(&width) = array.shape().last() else { return refuse("x is a scalar; it needs an axis".to_owned()) };
    let mut array = if array.is_standard_layout() { array } else { array.as_standard_layout().into_owned() };
    let elements = array.as_slice_mut().expect("the layout is standard");
    if !elements.is_empty() {
        elements.par_chunks_mut(width).with_min_len(MIN_ELEMENTS.div_ceil(width)).for_each(function);
    }
    Ok(array)
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array2, arr0, arr1, arr2, arr3};
    use rayon::ThreadPoolBuilder;

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

    #[test]
    fn both_layouts_of_a_weight_are_the_same_layer() {
        let x = arr3(&[[[1.0, 2.0], [3.0, 4.0]]]);
        let (weight, bias) = (arr2(&[[1.0, 0.0, 2.0], [0.0, 1.0, -1.0]]), arr1(&[10.0, 20.0, 30.0]));
        let expected = arr3(&[[[11.0, 22.0, 30.0], [13.0, 24.0, 32.0]]]);
        assert_eq!(Conv1d { weight: weight.view(), bias: bias.view() }.conv1d(x.view()).unwrap(), expected);
        assert_eq!(Dense { weight: weight.t(), bias: bias.view() }.dense(x.view()).unwrap(), expected);
    }

    #[test]
    fn wrong_shapes_of_a_linear_layer_are_refused_by_name() {
        let x = Array3::zeros((1, 2, 4));
        let (weight, bias) = (Array2::zeros((4, 3)), Array1::zeros(3));
        let conv = |weight, bias| Conv1d { weight, bias }.conv1d(x.view()).unwrap_err().to_string();
        let dense = |weight, bias| Dense { weight, bias }.dense(x.view()).unwrap_err().to_string();
        assert_eq!(conv(weight.t(), bias.view()), "weight is [3, 4]; for x [1, 2, 4] it must be [4, 4]");
        assert_eq!(dense(weight.view(), bias.view()), "weight is [4, 3]; for x [1, 2, 4] it must be [4, 4]");
        assert_eq!(conv(weight.view(), x.slice(s![0, 0, ..])), "bias is [4]; for weight [4, 3] it must be [3]");
        assert_eq!(dense(weight.t(), x.slice(s![0, 0, ..])), "bias is [4]; for weight [3, 4] it must be [3]");
        let empty = Array3::zeros((1, 2, 0));
        let nothing = Array2::zeros((0, 3));
        let error = Conv1d { weight: nothing.view(), bias: bias.view() }.conv1d(empty.view()).unwrap_err();
        assert_eq!(error.to_string(), "the last axis of x [1, 2, 0] is empty");
    }

    #[test]
    fn the_result_does_not_depend_on_the_number_of_threads() {
        let x = Array3::from_shape_fn((1, 19, 300), |(_, i, j)| ((i * 300 + j) as f32).sin());
        let weight = Array2::from_shape_fn((300, 5 * COLUMNS + 7), |(i, j)| ((i * 7 + j * 3) as f32).cos());
        let bias = Array1::from_shape_fn(weight.ncols(), |j| j as f32 / 100.0);
        let layer = Conv1d { weight: weight.view(), bias: bias.view() };
        let on = |threads| {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started");
            pool.install(|| layer.conv1d(x.view())).unwrap()
        };
        let once = on(1);
        assert!(on(2) == once && on(3) == once);
    }

    #[test]
    fn every_head_is_a_separate_product() {
        let left =
            Array4::from_shape_fn((2, 3, 1, 2), |(b, h, _, j)| (b * 3 + h) as f32 * if j == 0 { 1.0 } else { 10.0 });
        let right = Array4::from_shape_fn((2, 3, 2, 1), |(_, h, i, _)| if i == 0 { 1.0 } else { h as f32 });
        let out = by_head(left.view(), right.view(), 0.5).unwrap();
        assert_eq!(out.into_raw_vec_and_offset().0, [0.0, 5.5, 21.0, 1.5, 22.0, 52.5]);
        let nothing = Array4::zeros((2, 3, 0, 2));
        assert_eq!(by_head(nothing.view(), right.view(), 1.0).unwrap().shape(), [2, 3, 0, 1]);
    }

    #[test]
    fn probabilities_are_proportional_to_exponentials() {
        let ln = |x: f32| x.ln();
        let y = softmax(arr2(&[[ln(1.0), ln(2.0), ln(5.0)], [3.0, 3.0, f32::NEG_INFINITY]]).view()).unwrap();
        for (y, expected) in y.iter().zip([0.125, 0.25, 0.625, 0.5, 0.5, 0.0]) {
            assert!((y - expected).abs() < 1e-7, "{y} is not {expected}");
        }
    }

    #[test]
    fn a_fully_masked_row_is_uniform() {
        assert_eq!(softmax(arr1(&[f32::MIN; 4]).view()).unwrap(), arr1(&[0.25; 4]));
    }

    #[test]
    fn nan_and_infinity_affect_only_their_row() {
        for special in [f32::NAN, f32::INFINITY] {
            let y = softmax(arr2(&[[0.0, special], [0.0, 0.0]]).view()).unwrap();
            assert!(y.row(0).iter().all(|y| y.is_nan()));
            assert_eq!(y.row(1), arr1(&[0.5, 0.5]));
        }
    }

    /// x, the exact GELU and the tanh GELU, computed with mpmath 1.3 to 40 digits.
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
    fn both_gelus_are_correctly_rounded() {
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
    fn the_gelus_differ_by_less_than_5e_4() {
        let apart = |x: f32| (Gelu::Exact.at(x) - Gelu::Tanh.at(x)).abs();
        let largest = (-500..500).map(|x| apart(x as f32 / 100.0)).fold(0.0, f32::max);
        assert!((4e-4..5e-4).contains(&largest), "{largest}");
    }

    #[test]
    fn the_gelu_is_applied_between_the_layers() {
        let (fc, fc_bias) = (arr2(&[[1.0, -1.0]]), arr1(&[0.0, 1.0]));
        let (proj, proj_bias) = (arr2(&[[10.0], [100.0]]), arr1(&[0.5]));
        let c_fc = Conv1d { weight: fc.view(), bias: fc_bias.view() };
        let c_proj = Conv1d { weight: proj.view(), bias: proj_bias.view() };
        let y = mlp(arr3(&[[[2.0]]]).view(), c_fc, c_proj, Gelu::Exact).unwrap();
        let expected = 10.0 * Gelu::Exact.at(2.0) + 100.0 * Gelu::Exact.at(-1.0) + 0.5;
        assert!((y[[0, 0, 0]] - expected).abs() < 2e-6, "{y} is not {expected}");
    }

    #[test]
    fn an_error_about_an_mlp_names_the_layer() {
        let (x, square, wide) = (Array3::zeros((1, 2, 3)), Array2::zeros((3, 3)), Array2::zeros((3, 4)));
        let (three, four) = (Array1::zeros(3), Array1::zeros(4));
        let good = Conv1d { weight: square.view(), bias: three.view() };
        let error = |c_fc, c_proj| mlp(x.view(), c_fc, c_proj, Gelu::Tanh).unwrap_err().to_string();
        let upright = Conv1d { weight: wide.t(), bias: three.view() };
        assert_eq!(error(upright, good), "c_fc: weight is [4, 3]; for x [1, 2, 3] it must be [3, 3]");
        assert_eq!(error(good, upright), "c_proj: weight is [4, 3]; for x [1, 2, 3] it must be [3, 3]");
        let wide = Conv1d { weight: wide.view(), bias: four.view() };
        assert_eq!(error(good, wide), "c_proj.weight is [3, 4]; for x [1, 2, 3] it must be [3, 3]");
    }

    #[test]
    fn nothing_is_broadcast() {
        let x = arr2(&[[1.0, 2.0], [3.0, 4.0]]);
        assert_eq!(residual(x.view(), x.view()).unwrap(), arr2(&[[2.0, 4.0], [6.0, 8.0]]));
        let error = residual(x.view(), arr2(&[[1.0, 2.0]]).view()).unwrap_err();
        assert_eq!(error.to_string(), "update is [1, 2]; for x [2, 2] it must be [2, 2]");
    }

    #[test]
    fn rows_belong_to_the_last_axis_in_any_layout() {
        let negate_first = |row: &mut [f32]| row[0] = -row[0];
        let x = arr2(&[[1.0, 2.0], [3.0, 4.0]]);
        let expected = arr2(&[[-1.0, 2.0], [-3.0, 4.0]]);
        assert_eq!(rewrite(x.clone(), negate_first).unwrap(), expected);
        assert_eq!(rewrite(x.t().as_standard_layout().into_owned().reversed_axes(), negate_first).unwrap(), expected);
    }

    #[test]
    fn an_empty_array_has_no_rows_to_rewrite() {
        assert_eq!(rewrite(Array3::zeros((2, 3, 0)), |_| unreachable!()).unwrap().shape(), [2, 3, 0]);
        assert_eq!(rewrite(Array2::zeros((0, 3)), |_| unreachable!()).unwrap().shape(), [0, 3]);
        assert!(rewrite(arr0(1.0), |_| ()).unwrap_err().to_string().contains("scalar"));
    }

    #[test]
    fn an_output_that_does_not_fit_into_memory_is_refused() {
        for shape in [[1 << 40, 1 << 40], [1 << 31, 1 << 31]] {
            assert!(zeros(shape).unwrap_err().to_string().contains("which does not fit into memory"));
        }
        assert!(zeros([0, usize::MAX, usize::MAX]).is_err());
        assert_eq!(zeros([2, 0]).unwrap().shape(), [2, 0]);
    }

    #[test]
    fn the_residual_is_added_before_the_norm() {
        let (x, skip) = (arr3(&[[[1.0, 2.0, 3.0]]]), arr3(&[[[0.0, -2.0]]]));
        let (weight, bias) = (arr2(&[[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]]), arr1(&[0.0, 0.0]));
        let dense = Dense { weight: weight.view(), bias: bias.view() };
        let (scale, shift) = (arr1(&[2.0, 3.0]), arr1(&[0.0, 1.0]));
        let norm = Norm { weight: scale.view(), bias: shift.view() };
        let y = dense_residual_norm(x.view(), skip.view(), dense, norm, 0.0).unwrap();
        assert_eq!(y, arr3(&[[[-2.0, 4.0]]]));
        let error = dense_residual_norm(x.view(), x.view(), dense, norm, 0.0).unwrap_err();
        assert_eq!(error.to_string(), "residual is [1, 1, 3]; for x [1, 1, 3] through dense it must be [1, 1, 2]");
    }

    #[test]
    fn the_activation_is_applied_last() {
        let (weight, bias) = (arr2(&[[1.0], [-1.0]]), arr1(&[0.0, 1.0]));
        let dense = Dense { weight: weight.view(), bias: bias.view() };
        let y = dense_gelu(arr3(&[[[2.0]]]).view(), dense, Gelu::Tanh).unwrap();
        assert_eq!(y, arr3(&[[[Gelu::Tanh.at(2.0), Gelu::Tanh.at(-1.0)]]]));
    }

    #[test]
    fn an_error_about_a_dense_layer_names_it() {
        let (x, wide, bias) = (Array3::zeros((1, 2, 4)), Array2::zeros((4, 8)), Array1::zeros(4));
        let bad = Dense { weight: wide.view(), bias: bias.view() };
        let error = dense_gelu(x.view(), bad, Gelu::Exact).unwrap_err().to_string();
        assert_eq!(error, "dense: weight is [4, 8]; for x [1, 2, 4] it must be [4, 4]");
    }
}
