//! Greedy generation.

use ndarray::{Array2, ArrayView2, Axis, concatenate, s};

use super::logits::{argmax, selected_logits};
use super::model::Model;
use super::shape::refuse;
use crate::error::{Error, Result};

/// Appends the best token, `new_tokens` times.
///
/// Greedy search: `generate(do_sample=False)` of HuggingFace transformers without a token that ends it. Each step
/// computes the new position alone and takes the others from the cache.
///
/// Shapes: `ids` is `[batch, seq]`; the tokens, the prompt and what followed, are `[batch, seq + new_tokens]`.
///
/// # Errors
///
/// [`Error::Checkpoint`] where the prompt is empty, the model has not so many positions, or a shape does
/// not fit.
pub fn generate(model: &Model<'_>, ids: ArrayView2<'_, i64>, new_tokens: usize) -> Result<Array2<i64>> {
    let (seq, positions) = (ids.ncols(), model.wpe.nrows());
    if seq == 0 {
        return refuse(format!("ids is {:?}; there is no prompt to go on from", ids.shape()));
    }
    // The last token is chosen and never read, so it needs no position.
    if seq.checked_add(new_tokens).is_none_or(|end| end - 1 > positions) {
        return refuse(format!("{new_tokens} tokens after ids {:?} go beyond the {positions} positions", ids.shape()));
    }
    let mut tokens = ids.to_owned();
    let mut caches = Vec::new();
    for _ in 0..new_tokens {
        let known = caches.first().map_or(0, |cache: &super::KvCache| cache.k.len_of(Axis(2)));
        let (hidden, grown) = model.hidden(tokens.slice(s![.., known..]), &caches)?;
        let last = hidden.slice(s![.., hidden.len_of(Axis(1)) - 1.., ..]);
        let next = argmax(selected_logits(model.logits(last)?.view())?.view())?;
        tokens = concatenate(Axis(1), &[tokens.view(), next.insert_axis(Axis(1)).view()])
            .map_err(|error| Error::Checkpoint(format!("no token can be appended: {error}")))?;
        caches = grown;
    }
    Ok(tokens)
}
