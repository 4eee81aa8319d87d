//! The sum of token and position embedding.

use candle_core::{DType, Tensor};
use candle_nn::{Embedding, Module};

use super::shape::{dims, expect, from_candle, produce, refuse};
use crate::error::Result;

/// [`Embedding`] of the tokens plus rows `offset..` of `wpe`.
pub(super) fn embeddings(ids: &Tensor, wte: &Tensor, wpe: &Tensor, offset: usize) -> Result<Tensor> {
    let ([batch, seq], [vocab, width], [positions, _]) = (dims(ids), dims(wte), dims(wpe));
    expect("wpe.weight", wpe, &[positions, width], format_args!("wte.weight {:?}", wte.dims()))?;
    if offset.checked_add(seq).is_none_or(|end| end > positions) {
        return refuse(format!("ids {:?} from position {offset} on go beyond wpe.weight {:?}", ids.dims(), wpe.dims()));
    }
    check_tokens(ids, vocab)?;
    produce(&[batch, seq, width], DType::F32, || {
        let tokens = Embedding::new(wte.clone(), width).forward(ids)?;
        tokens.broadcast_add(&wpe.narrow(0, offset, seq)?)
    })
}

/// Checks that every token is in the vocabulary: candle takes the largest `i64` for a row of zeros.
fn check_tokens(ids: &Tensor, vocab: usize) -> Result<()> {
    let [_, columns] = dims(ids);
    let tokens = ids.flatten_all().and_then(|flat| flat.to_vec1::<i64>()).map_err(from_candle)?;
    match tokens.iter().enumerate().find(|&(_, &id)| usize::try_from(id).is_ok_and(|id| id < vocab).eq(&false)) {
        Some((place, id)) => refuse(format!(
            "ids holds {id} at [{}, {}]; wte.weight has {vocab} tokens",
            place / columns,
            place % columns
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    fn error(ids: [[i64; 2]; 1], offset: usize) -> String {
        let zeros = |rows: usize| Tensor::zeros((rows, 4), DType::F32, &Device::Cpu).unwrap();
        let ids = Tensor::new(&ids, &Device::Cpu).unwrap();
        embeddings(&ids, &zeros(3), &zeros(8), offset).unwrap_err().to_string()
    }

    #[test]
    fn tokens_and_positions_that_are_not_there_are_refused() {
        assert_eq!(error([[0, 3]], 0), "ids holds 3 at [0, 1]; wte.weight has 3 tokens");
        assert_eq!(error([[-1, 0]], 0), "ids holds -1 at [0, 0]; wte.weight has 3 tokens");
        assert!(error([[i64::MAX, 0]], 0).contains("at [0, 0]"));
        assert_eq!(error([[0, 0]], 7), "ids [1, 2] from position 7 on go beyond wpe.weight [8, 4]");
        assert!(error([[0, 0]], usize::MAX).contains("go beyond"));
    }
}
