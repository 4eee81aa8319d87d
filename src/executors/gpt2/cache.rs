//! The keys and values of the positions that were computed before.

use ndarray::{Array4, ArrayView4, Axis, concatenate};

use super::shape::{expect, refuse};
use crate::error::Result;

/// The keys and values of one layer's positions so far, each `[batch, heads, t, head_dim]`.
#[derive(Clone, Debug, PartialEq)]
pub struct KvCache {
    /// The keys.
    pub k: Array4<f32>,
    /// The values.
    pub v: Array4<f32>,
}

/// Appends the keys and values of new positions to those of earlier ones; every element is copied as it is.
///
/// `DynamicCache.update` of HuggingFace transformers.
///
/// Shapes: `past_k` and `past_v` are `[batch, heads, p, head_dim]`, where p may be 0, `new_k` and `new_v` are
/// `[batch, heads, s, head_dim]`, and the cache is `[batch, heads, p + s, head_dim]`.
///
/// # Errors
///
/// [`Error::Checkpoint`](crate::Error::Checkpoint) where a shape is another.
pub fn kv_cache(
    past_k: ArrayView4<'_, f32>,
    past_v: ArrayView4<'_, f32>,
    new_k: ArrayView4<'_, f32>,
    new_v: ArrayView4<'_, f32>,
) -> Result<KvCache> {
    expect("past_v", past_v.shape(), past_k.shape(), format_args!("past_k {:?}", past_k.shape()))?;
    expect("new_v", new_v.shape(), new_k.shape(), format_args!("new_k {:?}", new_k.shape()))?;
    let (batch, heads, _, head_dim) = past_k.dim();
    let needed = [batch, heads, new_k.len_of(Axis(2)), head_dim];
    expect("new_k", new_k.shape(), &needed, format_args!("past_k {:?}", past_k.shape()))?;
    let append = |past, new| match concatenate(Axis(2), &[past, new]) {
        Ok(whole) => Ok(whole),
        Err(error) => refuse(format!("new_k {needed:?} cannot be appended to past_k: {error}")),
    };
    Ok(KvCache { k: append(past_k, new_k)?, v: append(past_v, new_v)? })
}

#[cfg(test)]
mod tests {
    use ndarray::Array;

    use super::*;

    fn elements(array: &Array4<f32>) -> Vec<f32> {
        array.iter().copied().collect()
    }

    #[test]
    fn new_positions_come_last_in_every_head() {
        let past = Array::from_shape_vec((1, 2, 1, 2), vec![1.0, 2.0, 3.0, 4.0]).unwrap();
        let new = Array::from_shape_vec((1, 2, 1, 2), vec![5.0, 6.0, 7.0, 8.0]).unwrap();
        let KvCache { k, v } = kv_cache(past.view(), new.view(), new.view(), past.view()).unwrap();
        assert_eq!(k.shape(), [1, 2, 2, 2]);
        assert_eq!(elements(&k), [1.0, 2.0, 5.0, 6.0, 3.0, 4.0, 7.0, 8.0]);
        assert_eq!(elements(&v), [5.0, 6.0, 1.0, 2.0, 7.0, 8.0, 3.0, 4.0]);
    }

    #[test]
    fn an_empty_past_may_be_appended_to() {
        let (past, new) = (Array4::zeros((1, 2, 0, 3)), Array4::ones((1, 2, 4, 3)));
        let KvCache { k, v } = kv_cache(past.view(), past.view(), new.view(), new.view()).unwrap();
        assert!(k == new && v == new);
    }

    #[test]
    fn wrong_shapes_are_refused_by_name() {
        let (past, other) = (Array4::zeros((1, 2, 3, 4)), Array4::zeros((1, 2, 3, 5)));
        let error = |past_v, new_k, new_v| kv_cache(past.view(), past_v, new_k, new_v).unwrap_err().to_string();
        let (past, other) = (past.view(), other.view());
        assert_eq!(error(other, past, past), "past_v is [1, 2, 3, 5]; for past_k [1, 2, 3, 4] it must be [1, 2, 3, 4]");
        assert_eq!(error(past, past, other), "new_v is [1, 2, 3, 5]; for new_k [1, 2, 3, 4] it must be [1, 2, 3, 4]");
        assert_eq!(error(past, other, other), "new_k is [1, 2, 3, 5]; for past_k [1, 2, 3, 4] it must be [1, 2, 3, 4]");
    }
}
