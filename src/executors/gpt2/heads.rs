//! Heads: slices of the width that attend by themselves.

use ndarray::{Array3, Array4, ArrayView3, ArrayView4};

use super::shape::refuse;
use crate::error::Result;

/// Checks that so many heads share the width evenly.
pub(super) fn check_count(n_head: usize, width: usize, of: &str) -> Result<()> {
    if n_head == 0 || !width.is_multiple_of(n_head) {
        return refuse(format!("n_head {n_head} does not divide the width {width} of {of}"));
    }
    Ok(())
}

/// `[batch, seq, heads x head_dim]` to `[batch, heads, seq, head_dim]`, in C order; the count has been checked.
///
/// A head is consecutive columns.
pub(super) fn split(x: ArrayView3<'_, f32>, n_head: usize) -> Array4<f32> {
    let (batch, seq, width) = x.dim();
    let by_head = x.to_shape((batch, seq, n_head, width / n_head)).expect("the element count is the same");
    by_head.view().permuted_axes([0, 2, 1, 3]).as_standard_layout().into_owned()
}

/// `[batch, heads, seq, head_dim]` to `[batch, seq, heads x head_dim]`: the heads side by side.
pub(super) fn merge(x: ArrayView4<'_, f32>) -> Array3<f32> {
    let (batch, heads, seq, head_dim) = x.dim();
    let rows = x.permuted_axes([0, 2, 1, 3]).as_standard_layout().into_owned();
    rows.into_shape_with_order((batch, seq, heads * head_dim)).expect("the element count is the same")
}

#[cfg(test)]
mod tests {
    use ndarray::arr3;

    use super::*;

    #[test]
    fn a_head_is_consecutive_columns_and_merging_undoes_splitting() {
        let x = arr3(&[[[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]]);
        let heads = split(x.view(), 2);
        assert_eq!(heads.shape(), [1, 2, 2, 2]);
        assert_eq!(heads.iter().copied().collect::<Vec<f32>>(), [1.0, 2.0, 5.0, 6.0, 3.0, 4.0, 7.0, 8.0]);
        assert_eq!(merge(heads.view()), x);
    }

    #[test]
    fn heads_that_do_not_fit_are_refused() {
        assert!(check_count(4, 64, "x").is_ok());
        for n_head in [0, 3, 128] {
            assert!(
                check_count(n_head, 64, "x").unwrap_err().to_string().starts_with(&format!("n_head {n_head} does"))
            );
        }
    }
}
