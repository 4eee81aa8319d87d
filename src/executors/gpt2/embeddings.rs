//! The sum of token and position embedding.

use ndarray::{Array3, ArrayView2, Axis};

use super::shape::{expect, refuse, zeros};
use crate::error::Result;

/// Adds the embedding of each token to that of its position.
///
/// `y[b, i] = wte[ids[b, i]] + wpe[offset + i]`: Radford et al. 2018, equation 2; `GPT2Model.forward` of HuggingFace
/// transformers up to the first block. `offset` is how many positions came before: those in the cache.
///
/// Shapes: `ids` is `[batch, seq]`, `wte` is `[vocab, n]`, `wpe` is `[positions, n]`, `y` is `[batch, seq, n]`.
///
/// # Errors
///
/// [`Error::Checkpoint`](crate::Error::Checkpoint) where a shape is another, a token is not in the vocabulary, or a
/// position not in `wpe`.
///
/// ```
/// use ndarray::{arr2, arr3};
/// let (wte, wpe) = (arr2(&[[1.0, 2.0], [3.0, 4.0]]), arr2(&[[10.0, 10.0], [20.0, 20.0], [30.0, 30.0]]));
/// let y = karat::executors::gpt2::embeddings(arr2(&[[1, 0]]).view(), wte.view(), wpe.view(), 1)?;
/// assert_eq!(y, arr3(&[[[23.0, 24.0], [31.0, 32.0]]]));
/// # Ok::<(), karat::Error>(())
/// ```
pub fn embeddings(
    ids: ArrayView2<'_, i64>,
    wte: ArrayView2<'_, f32>,
    wpe: ArrayView2<'_, f32>,
    offset: usize,
) -> Result<Array3<f32>> {
    let ((batch, seq), (vocab, width), positions) = (ids.dim(), wte.dim(), wpe.nrows());
    expect("wpe.weight", wpe.shape(), &[positions, width], format_args!("wte.weight {:?}", wte.shape()))?;
    if offset.checked_add(seq).is_none_or(|end| end > positions) {
        return refuse(format!(
            "ids {:?} from position {offset} on go beyond wpe.weight {:?}",
            ids.shape(),
            wpe.shape()
        ));
    }
    let mut y = zeros((batch, seq, width))?;
    for ((sequence, place), &id) in ids.indexed_iter() {
        let Some(token) = usize::try_from(id).ok().filter(|&token| token < vocab) else {
            return refuse(format!("ids holds {id} at [{sequence}, {place}]; wte.weight has {vocab} tokens"));
        };
        let sum = &wte.row(token) + &wpe.row(offset + place);
        y.index_axis_mut(Axis(0), sequence).row_mut(place).assign(&sum);
    }
    Ok(y)
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, arr2};

    use super::*;

    fn error(ids: [[i64; 2]; 1], wpe: (usize, usize), offset: usize) -> String {
        let wte = Array2::zeros((3, 4));
        embeddings(arr2(&ids).view(), wte.view(), Array2::zeros(wpe).view(), offset).unwrap_err().to_string()
    }

    #[test]
    fn tokens_and_positions_that_are_not_there_are_refused() {
        assert_eq!(error([[0, 3]], (8, 4), 0), "ids holds 3 at [0, 1]; wte.weight has 3 tokens");
        assert_eq!(error([[-1, 0]], (8, 4), 0), "ids holds -1 at [0, 0]; wte.weight has 3 tokens");
        assert_eq!(error([[0, 0]], (8, 4), 7), "ids [1, 2] from position 7 on go beyond wpe.weight [8, 4]");
        assert!(error([[0, 0]], (8, 4), usize::MAX).contains("go beyond"));
        assert_eq!(error([[0, 0]], (8, 5), 0), "wpe.weight is [8, 5]; for wte.weight [3, 4] it must be [8, 4]");
    }
}
