//! Attention in its steps.

use candle_core::{D, DType, Device, Tensor};

use super::layers::{Layer, dims, flat, from_candle, produce};
use crate::error::Result;
use crate::executors::shape::{Within, check_binary, check_cache, check_causal, check_heads, expect, refuse};

/// What a hidden score holds: the lowest `f32`.
const HIDDEN: f32 = f32::MIN;

/// Query, key and value, or those of them that are kept for the positions to come, each `[batch, heads, t, head_dim]`.
pub(super) type Qkv = [Tensor; 3];

/// The keys and values of one layer's positions so far.
#[derive(Clone)]
pub(super) struct Cache {
    pub(super) k: Tensor,
    pub(super) v: Tensor,
}

/// One product for all three, whose columns are q, k and v: `[batch, seq, n]` with `[n, 3 n]`.
pub(super) fn qkv(x: &Tensor, layer: &Layer, n_head: usize) -> Result<Qkv> {
    let [_, _, width] = dims(x);
    expect("weight", layer.weight.dims(), &[width, width.saturating_mul(3)], format_args!("x {:?}", x.dims()))?;
    check_heads(n_head, width)?;
    let projected = layer.conv1d(x)?;
    let third = |place: usize| {
        let columns = projected.narrow(D::Minus1, place * width, width).and_then(|third| third.contiguous());
        split(&columns.map_err(from_candle)?, n_head)
    };
    Ok([third(0)?, third(1)?, third(2)?])
}

/// A product for each: `[batch, seq, n]` with `[n, n]`.
pub(super) fn bert_qkv(x: &Tensor, layers: [(&str, Layer); 3], n_head: usize) -> Result<Qkv> {
    let [_, _, width] = dims(x);
    check_heads(n_head, width)?;
    let project = |(name, layer): &(&str, Layer)| {
        expect("weight", layer.weight.dims(), &[width, width], format_args!("x {:?}", x.dims()))
            .and_then(|()| layer.dense(x))
            .within(name)
            .and_then(|projected| split(&projected, n_head))
    };
    let [query, key, value] = &layers;
    Ok([project(query)?, project(key)?, project(value)?])
}

/// `[batch, seq, heads x head_dim]` to `[batch, heads, seq, head_dim]`; the count has been checked.
fn split(x: &Tensor, n_head: usize) -> Result<Tensor> {
    let [batch, seq, width] = dims(x);
    let head_dim = width / n_head;
    produce(&[batch, n_head, seq, head_dim], DType::F32, || {
        x.reshape((batch, seq, n_head, head_dim))?.transpose(1, 2)?.contiguous()
    })
}

/// `cat` of what was computed before with what is new, along the positions.
pub(super) fn kv_cache(past: &Cache, new: &Cache) -> Result<Cache> {
    check_cache(past.k.dims(), past.v.dims(), new.k.dims(), new.v.dims())?;
    let ([batch, heads, known, head_dim], [_, _, seq, _]) = (dims(&past.k), dims(&new.k));
    let Some(whole) = known.checked_add(seq) else {
        return refuse(format!("new_k {:?} cannot be appended to past_k: there are too many positions", new.k.dims()));
    };
    let append = |past, new| {
        produce(&[batch, heads, whole, head_dim], DType::F32, || Tensor::cat(&[past, new], 2)?.contiguous())
    };
    Ok(Cache { k: append(&past.k, &new.k)?, v: append(&past.v, &new.v)? })
}

/// `q k^T / sqrt(head_dim)`, and the lowest `f32` where a causal mask or padding hides a key.
pub(super) fn scores(q: &Tensor, k: &Tensor, causal: bool, padding: Option<&Tensor>) -> Result<Tensor> {
    let ([batch, heads, seq, head_dim], [_, _, keys, _]) = (dims(q), dims(k));
    expect("k", k.dims(), &[batch, heads, keys, head_dim], format_args!("q {:?}", q.dims()))?;
    if head_dim == 0 {
        return refuse(format!("the last axis of q {:?} is empty", q.dims()));
    }
    if causal {
        check_causal(seq, keys)?;
    }
    if let Some(mask) = padding {
        expect("mask", mask.dims(), &[batch, keys], format_args!("k of {batch} sequences of {keys} positions"))?;
        check_binary(&flat(mask)?, keys)?;
    }
    produce(&[batch, heads, seq, keys], DType::F32, || {
        let mut scores = (q.matmul(&k.t()?)? / (head_dim as f64).sqrt())?;
        if causal {
            let later: Vec<u8> =
                (0..seq).flat_map(|row| (0..keys).map(move |key| u8::from(key > keys - seq + row))).collect();
            scores = hide(&scores, &Tensor::from_vec(later, (1, 1, seq, keys), &Device::Cpu)?)?;
        }
        if let Some(mask) = padding {
            scores = hide(&scores, &mask.eq(0i64)?.reshape((batch, 1, 1, keys))?)?;
        }
        Ok(scores)
    })
}

/// The scores where `hidden` is 0, and the lowest `f32` where it is not.
fn hide(scores: &Tensor, hidden: &Tensor) -> candle_core::Result<Tensor> {
    let lowest = Tensor::new(HIDDEN, &Device::Cpu)?.broadcast_as(scores.shape())?;
    hidden.broadcast_as(scores.shape())?.where_cond(&lowest, scores)
}

/// `probabilities v`, the heads side by side: `[batch, seq, heads x head_dim]`.
pub(super) fn context(probabilities: &Tensor, v: &Tensor) -> Result<Tensor> {
    let ([batch, heads, seq, keys], [.., head_dim]) = (dims(probabilities), dims::<4>(v));
    expect("v", v.dims(), &[batch, heads, keys, head_dim], format_args!("probabilities {:?}", probabilities.dims()))?;
    if keys == 0 {
        return refuse(format!("the last axis of probabilities {:?} is empty", probabilities.dims()));
    }
    let Some(width) = heads.checked_mul(head_dim) else {
        return refuse(format!("the heads of v {:?} are too many to stand side by side", v.dims()));
    };
    produce(&[batch, seq, width], DType::F32, || probabilities.matmul(v)?.transpose(1, 2)?.reshape((batch, seq, width)))
}

/// [`context`] through the layer `c_proj`.
pub(super) fn output(probabilities: &Tensor, v: &Tensor, c_proj: &Layer) -> Result<Tensor> {
    let context = context(probabilities, v)?;
    let [_, _, width] = dims(&context);
    expect("weight", c_proj.weight.dims(), &[width, width], format_args!("v {:?}", v.dims()))?;
    c_proj.conv1d(&context)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ones(shape: &[usize]) -> Tensor {
        Tensor::ones(shape, DType::F32, &Device::Cpu).unwrap()
    }

    fn hidden(scores: &Tensor) -> Vec<bool> {
        scores.flatten_all().unwrap().to_vec1::<f32>().unwrap().iter().map(|&score| score == HIDDEN).collect()
    }

    #[test]
    fn the_last_query_attends_to_every_key() {
        let (yes, no) = (true, false);
        let masked = |seq, keys| hidden(&scores(&ones(&[1, 1, seq, 4]), &ones(&[1, 1, keys, 4]), true, None).unwrap());
        assert_eq!(masked(3, 3), [no, yes, yes, no, no, yes, no, no, no]);
        assert_eq!(masked(2, 4), [no, no, no, yes, no, no, no, no]);
        let error = scores(&ones(&[1, 1, 4, 4]), &ones(&[1, 1, 2, 4]), true, None).unwrap_err();
        assert_eq!(error.to_string(), "a causal mask needs a key for every query; there are 4 and 2 keys");
    }

    #[test]
    fn padding_is_hidden_from_every_row_of_every_head_of_its_sequence() {
        let (yes, no) = (true, false);
        let mask = Tensor::new(&[[1i64, 1], [1, 0]], &Device::Cpu).unwrap();
        let masked = hidden(&scores(&ones(&[2, 2, 2, 4]), &ones(&[2, 2, 2, 4]), false, Some(&mask)).unwrap());
        let expected = [no, no, no, no, no, no, no, no, no, yes, no, yes, no, yes, no, yes];
        assert_eq!(masked, expected);
        let mask = Tensor::new(&[[1i64, 2]], &Device::Cpu).unwrap();
        let error = scores(&ones(&[1, 1, 1, 4]), &ones(&[1, 1, 2, 4]), false, Some(&mask)).unwrap_err();
        assert_eq!(error.to_string(), "mask holds 2 at [0, 1]; it may hold 1 for a token and 0 for padding");
    }

    #[test]
    fn the_heads_stand_side_by_side() {
        let v = Tensor::new(&[1f32, 2.0, 3.0, 4.0], &Device::Cpu).unwrap().reshape((1, 2, 1, 2)).unwrap();
        let y = context(&ones(&[1, 2, 1, 1]), &v).unwrap();
        assert_eq!(y.to_vec3::<f32>().unwrap(), [[[1.0, 2.0, 3.0, 4.0]]]);
    }

    #[test]
    fn a_head_is_consecutive_columns_and_new_positions_come_last_in_every_head() {
        let x = Tensor::new(&[[[1f32, 2.0], [3.0, 4.0]]], &Device::Cpu).unwrap();
        let heads = split(&x, 2).unwrap();
        assert_eq!(heads.flatten_all().unwrap().to_vec1::<f32>().unwrap(), [1.0, 3.0, 2.0, 4.0]);
        let cache = Cache { k: heads.clone(), v: heads };
        let grown = kv_cache(&cache, &cache).unwrap().k;
        assert_eq!(grown.flatten_all().unwrap().to_vec1::<f32>().unwrap(), [1.0, 3.0, 1.0, 3.0, 2.0, 4.0, 2.0, 4.0]);
    }
}
