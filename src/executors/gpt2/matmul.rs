//! Matrix products on all threads, and the linear layers made of them.
//!
//! The product is ndarray's, which runs on one thread (the crate matrixmultiply). Threads take blocks of columns
//! whose width is fixed; every element is summed along the inner axis by one thread in one order, so their number
//! changes no bit.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array3, Array4, ArrayView1, ArrayView2, ArrayView3, ArrayView4, ArrayViewMut2, Axis, s};
use rayon::prelude::*;

use super::shape::{expect, refuse, zeros};
use crate::error::Result;

/// Columns that one thread takes at a time. Wider blocks pack the left side less often, narrower ones share the 768
/// columns of GPT-2's projections more evenly.
const COLUMNS: usize = 128;

/// A linear layer as GPT-2 stores it, transformers' `Conv1D`: `y = x weight + bias`.
///
/// Shapes: `weight` is `[in, out]`, `bias` is `[out]`.
#[derive(Clone, Copy, Debug)]
pub struct Conv1d<'a> {
    /// The weight, `[in, out]`.
    pub weight: ArrayView2<'a, f32>,
    /// The bias, `[out]`.
    pub bias: ArrayView1<'a, f32>,
}

/// A linear layer as BERT stores it, `torch.nn.Linear`: `y = x weight^T + bias`.
///
/// Shapes: `weight` is `[out, in]`, `bias` is `[out]`.
#[derive(Clone, Copy, Debug)]
pub struct Dense<'a> {
    /// The weight, `[out, in]`.
    pub weight: ArrayView2<'a, f32>,
    /// The bias, `[out]`.
    pub bias: ArrayView1<'a, f32>,
}

impl Conv1d<'_> {
    /// Applies the layer: `[batch, seq, in]` to `[batch, seq, out]`.
    pub(super) fn apply(self, x: ArrayView3<'_, f32>) -> Result<Array3<f32>> {
        let needed = [x.dim().2, self.weight.ncols()];
        expect("weight", self.weight.shape(), &needed, format_args!("x {:?}", x.shape()))?;
        expect("bias", self.bias.shape(), &needed[1..], format_args!("weight {:?}", self.weight.shape()))?;
        affine(x, self.weight, Some(self.bias))
    }
}

impl Dense<'_> {
    /// Applies the layer: `[batch, seq, in]` to `[batch, seq, out]`.
    pub(super) fn apply(self, x: ArrayView3<'_, f32>) -> Result<Array3<f32>> {
        let needed = [self.weight.nrows(), x.dim().2];
        expect("weight", self.weight.shape(), &needed, format_args!("x {:?}", x.shape()))?;
        expect("bias", self.bias.shape(), &needed[..1], format_args!("weight {:?}", self.weight.shape()))?;
        affine(x, self.weight.t(), Some(self.bias))
    }
}

/// `x weight + bias` along the last axis of `x`: `[batch, seq, in]` with `[in, out]`, whose inner extents agree.
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

/// `out = left right + beta out`, a block of columns at a time.
fn product(left: ArrayView2<'_, f32>, right: ArrayView2<'_, f32>, beta: f32, mut out: ArrayViewMut2<'_, f32>) {
    let blocks = out.axis_chunks_iter_mut(Axis(1), COLUMNS).zip(right.axis_chunks_iter(Axis(1), COLUMNS));
    let blocks: Vec<_> = blocks.collect();
    blocks.into_par_iter().for_each(|(mut out, right)| general_mat_mul(1.0, &left, &right, beta, &mut out));
}

/// `scale left right` for each of the `[batch, heads]` matrices: `[.., n, inner]` with `[.., inner, m]`, whose other
/// extents agree, is `[.., n, m]`.
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

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array2, arr1, arr2, arr3};
    use rayon::ThreadPoolBuilder;

    use super::*;

    #[test]
    fn both_layouts_of_a_weight_are_the_same_layer() {
        let x = arr3(&[[[1.0, 2.0], [3.0, 4.0]]]);
        let (weight, bias) = (arr2(&[[1.0, 0.0, 2.0], [0.0, 1.0, -1.0]]), arr1(&[10.0, 20.0, 30.0]));
        let expected = arr3(&[[[11.0, 22.0, 30.0], [13.0, 24.0, 32.0]]]);
        assert_eq!(Conv1d { weight: weight.view(), bias: bias.view() }.apply(x.view()).unwrap(), expected);
        assert_eq!(Dense { weight: weight.t(), bias: bias.view() }.apply(x.view()).unwrap(), expected);
    }

    #[test]
    fn wrong_shapes_are_refused_by_name() {
        let x = Array3::zeros((1, 2, 4));
        let (weight, bias) = (Array2::zeros((4, 3)), Array1::zeros(3));
        let conv = |weight, bias| Conv1d { weight, bias }.apply(x.view()).unwrap_err().to_string();
        let dense = |weight, bias| Dense { weight, bias }.apply(x.view()).unwrap_err().to_string();
        assert_eq!(conv(weight.t(), bias.view()), "weight is [3, 4]; for x [1, 2, 4] it must be [4, 4]");
        assert_eq!(dense(weight.view(), bias.view()), "weight is [4, 3]; for x [1, 2, 4] it must be [4, 4]");
        assert_eq!(conv(weight.view(), x.slice(s![0, 0, ..])), "bias is [4]; for weight [4, 3] it must be [3]");
        assert_eq!(dense(weight.t(), x.slice(s![0, 0, ..])), "bias is [4]; for weight [3, 4] it must be [3]");
        let empty = Array3::zeros((1, 2, 0));
        let nothing = Array2::zeros((0, 3));
        let error = Conv1d { weight: nothing.view(), bias: bias.view() }.apply(empty.view()).unwrap_err();
        assert_eq!(error.to_string(), "the last axis of x [1, 2, 0] is empty");
    }

    #[test]
    fn the_number_of_threads_changes_no_bit() {
        let x = Array3::from_shape_fn((1, 19, 300), |(_, i, j)| ((i * 300 + j) as f32).sin());
        let weight = Array2::from_shape_fn((300, 5 * COLUMNS + 7), |(i, j)| ((i * 7 + j * 3) as f32).cos());
        let bias = Array1::from_shape_fn(weight.ncols(), |j| j as f32 / 100.0);
        let layer = Conv1d { weight: weight.view(), bias: bias.view() };
        let on = |threads| {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started");
            pool.install(|| layer.apply(x.view())).unwrap()
        };
        let once = on(1);
        assert!(on(2) == once && on(3) == once);
    }

    #[test]
    fn every_head_is_a_product_of_its_own() {
        let left =
            Array4::from_shape_fn((2, 3, 1, 2), |(b, h, _, j)| (b * 3 + h) as f32 * if j == 0 { 1.0 } else { 10.0 });
        let right = Array4::from_shape_fn((2, 3, 2, 1), |(_, h, i, _)| if i == 0 { 1.0 } else { h as f32 });
        let out = by_head(left.view(), right.view(), 0.5).unwrap();
        assert_eq!(out.into_raw_vec_and_offset().0, [0.0, 5.5, 21.0, 1.5, 22.0, 52.5]);
        let nothing = Array4::zeros((2, 3, 0, 2));
        assert_eq!(by_head(nothing.view(), right.view(), 1.0).unwrap().shape(), [2, 3, 0, 1]);
    }
}
