//! Which keys a position may attend to.

use ndarray::{Array4, ArrayView2, Axis, s};

use super::shape::{expect, refuse};
use crate::error::Result;

/// What a hidden score holds: the lowest `f32`, as transformers has it, so that softmax makes it 0.
pub const HIDDEN: f32 = f32::MIN;

/// Which keys a position may attend to.
///
/// ```
/// use ndarray::{Array4, arr2};
/// use karat::gpt2::{Mask, attention_scores};
/// let (q, k) = (Array4::zeros((1, 1, 2, 8)), Array4::zeros((1, 1, 2, 8)));
/// let scores = attention_scores(q.view(), k.view(), Mask::causal())?;
/// assert_eq!(scores.into_raw_vec_and_offset().0, [0.0, f32::MIN, 0.0, 0.0]);
/// let second_is_padding = arr2(&[[1, 0]]);
/// let scores = attention_scores(q.view(), k.view(), Mask::none().with_padding(second_is_padding.view()))?;
/// assert_eq!(scores.into_raw_vec_and_offset().0, [0.0, f32::MIN, 0.0, f32::MIN]);
/// # Ok::<(), karat::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Mask<'a> {
    causal: bool,
    padding: Option<ArrayView2<'a, i64>>,
}

impl<'a> Mask<'a> {
    /// Every position attends to every key.
    #[must_use]
    pub fn none() -> Mask<'a> {
        Mask { causal: false, padding: None }
    }

    /// No position attends to a later one. The queries are the last of the positions whose keys there are: row i of s
    /// attends to the first t - s + i + 1 of t keys.
    #[must_use]
    pub fn causal() -> Mask<'a> {
        Mask { causal: true, padding: None }
    }

    /// Besides, no position attends to padding: `mask` is `[batch, t]`, 1 for a token and 0 for padding.
    #[must_use]
    pub fn with_padding(self, mask: ArrayView2<'a, i64>) -> Mask<'a> {
        Mask { padding: Some(mask), ..self }
    }

    /// Hides what must not be attended to in `[batch, heads, s, t]`.
    pub(super) fn hide(self, scores: &mut Array4<f32>) -> Result<()> {
        let (batch, _, rows, keys) = scores.dim();
        if self.causal {
            let Some(past) = keys.checked_sub(rows) else {
                return refuse(format!("a causal mask needs a key for every query; there are {rows} and {keys} keys"));
            };
            // Where there is no score, there may still be more rows than can be counted.
            let rows = if scores.is_empty() { 0 } else { rows };
            for (row, mut scores) in scores.axis_iter_mut(Axis(2)).enumerate().take(rows) {
                scores.slice_mut(s![.., .., past + row + 1..]).fill(HIDDEN);
            }
        }
        if let Some(mask) = self.padding {
            expect("mask", mask.shape(), &[batch, keys], format_args!("k of {batch} sequences of {keys} positions"))?;
            check_binary(mask)?;
            for ((sequence, key), _) in mask.indexed_iter().filter(|&(_, &token)| token == 0) {
                scores.slice_mut(s![sequence, .., .., key]).fill(HIDDEN);
            }
        }
        Ok(())
    }
}

/// Checks that a padding mask says token or padding everywhere.
pub(super) fn check_binary(mask: ArrayView2<'_, i64>) -> Result<()> {
    match mask.indexed_iter().find(|&(_, value)| !matches!(value, 0 | 1)) {
        Some(((row, column), value)) => {
            refuse(format!("mask holds {value} at [{row}, {column}]; it may hold 1 for a token and 0 for padding"))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array4, arr2};

    use super::*;

    fn hidden(mask: Mask<'_>, shape: (usize, usize, usize, usize)) -> Result<Vec<bool>> {
        let mut scores = Array4::ones(shape);
        mask.hide(&mut scores)?;
        Ok(scores.iter().map(|&score| score == HIDDEN).collect())
    }

    #[test]
    fn the_last_query_attends_to_every_key() {
        let no = false;
        assert_eq!(hidden(Mask::causal(), (1, 1, 3, 3)).unwrap(), [no, true, true, no, no, true, no, no, no]);
        assert_eq!(hidden(Mask::causal(), (1, 1, 2, 4)).unwrap(), [no, no, no, true, no, no, no, no]);
        assert_eq!(hidden(Mask::causal(), (1, 1, 1, 4)).unwrap(), [no; 4]);
        let error = hidden(Mask::causal(), (1, 1, 4, 2)).unwrap_err();
        assert_eq!(error.to_string(), "a causal mask needs a key for every query; there are 4 and 2 keys");
    }

    #[test]
    fn padding_is_hidden_from_every_row_of_every_head_of_its_sequence() {
        let mask = arr2(&[[1, 1], [1, 0]]);
        let (no, yes) = (false, true);
        let expected = [no, no, no, no, no, no, no, no, no, yes, no, yes, no, yes, no, yes];
        assert_eq!(hidden(Mask::none().with_padding(mask.view()), (2, 2, 2, 2)).unwrap(), expected);
        let both = Mask::causal().with_padding(mask.view());
        assert_eq!(hidden(both, (2, 1, 2, 2)).unwrap(), [no, yes, no, no, no, yes, no, yes]);
    }

    #[test]
    fn a_mask_that_does_not_fit_is_refused() {
        let mask = arr2(&[[1, 1, 2]]);
        let error = |keys| hidden(Mask::none().with_padding(mask.view()), (1, 1, 1, keys)).unwrap_err().to_string();
        assert_eq!(error(2), "mask is [1, 3]; for k of 1 sequences of 2 positions it must be [1, 2]");
        assert_eq!(error(3), "mask holds 2 at [0, 2]; it may hold 1 for a token and 0 for padding");
    }
}
