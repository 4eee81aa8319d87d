//! Work on the rows of the last axis, shared among threads.
//!
//! Every row is computed by itself, so the number of threads changes no bit.

use ndarray::{Array, Dimension};
use rayon::prelude::*;

use super::shape::refuse;
use crate::error::Result;

/// Elements that one thread takes at least: handing over fewer costs more than it saves.
const ALONE: usize = 4096;

/// Rewrites every row of the last axis. An array without elements stays as it is.
///
/// # Errors
///
/// [`Error::Checkpoint`](crate::Error::Checkpoint) where the array is a scalar: it has no rows.
pub(super) fn rewrite<D: Dimension>(
    array: Array<f32, D>,
    function: impl Fn(&mut [f32]) + Sync + Send,
) -> Result<Array<f32, D>> {
    let Some(&width) = array.shape().last() else { return refuse("x is a scalar; it needs an axis".to_owned()) };
    let mut array = if array.is_standard_layout() { array } else { array.as_standard_layout().into_owned() };
    let elements = array.as_slice_mut().expect("the layout is standard");
    if !elements.is_empty() {
        elements.par_chunks_mut(width).with_min_len(ALONE.div_ceil(width)).for_each(function);
    }
    Ok(array)
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, Array3, arr0, arr2};

    use super::*;

    #[test]
    fn rows_are_those_of_the_last_axis_whatever_the_layout() {
        let negate_first = |row: &mut [f32]| row[0] = -row[0];
        let x = arr2(&[[1.0, 2.0], [3.0, 4.0]]);
        let expected = arr2(&[[-1.0, 2.0], [-3.0, 4.0]]);
        assert_eq!(rewrite(x.clone(), negate_first).unwrap(), expected);
        assert_eq!(rewrite(x.t().as_standard_layout().into_owned().reversed_axes(), negate_first).unwrap(), expected);
    }

    #[test]
    fn nothing_is_done_where_there_is_nothing() {
        assert_eq!(rewrite(Array3::zeros((2, 3, 0)), |_| unreachable!()).unwrap().shape(), [2, 3, 0]);
        assert_eq!(rewrite(Array2::zeros((0, 3)), |_| unreachable!()).unwrap().shape(), [0, 3]);
        assert!(rewrite(arr0(1.0), |_| ()).unwrap_err().to_string().contains("scalar"));
    }
}
