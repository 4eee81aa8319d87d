//! Attention: heads, scores, probabilities, context.

use super::array::{Array, Fit, dot};
use super::compute::Plain;
use crate::fault::Fault;

impl Plain<'_> {
    /// `[b, s, e]` to `[b, h, s, d]`.
    pub(super) fn split(&self, x: &Array) -> Fit<Array> {
        let heads = self.number("n_head") as usize * if self.is(Fault::Heads) { 2 } else { 1 };
        let (seq, width) = (x.shape[1], x.width());
        if width % heads != 0 {
            return Err(format!("{heads} heads of {width}"));
        }
        let size = width / heads;
        Ok(Array::from_fn([x.shape[0], heads, seq, size], |[b, h, i, d]| x.data[(b * seq + i) * width + h * size + d]))
    }

    /// Query, key and value from the three side by side.
    pub(super) fn thirds(&self, x: &Array) -> Fit<[Array; 3]> {
        let width = x.width() / 3;
        let third = |place: usize| {
            let data = x.rows().flat_map(|row| row[place * width..(place + 1) * width].to_vec()).collect();
            self.split(&Array::new(&[x.shape[0], x.shape[1], width], data))
        };
        let (q, k) = if self.is(Fault::QueryKey) { (1, 0) } else { (0, 1) };
        Ok([third(q)?, third(k)?, third(2)?])
    }

    pub(super) fn scores(&self, q: &Array, k: &Array, is_causal: bool) -> Fit<Array> {
        let ([b, h, s, d], t) = (axes(q), k.shape[2]);
        let Some(past) = t.checked_sub(s) else { return Err(format!("{s} queries and {t} keys")) };
        let scale = if self.is(Fault::Unscaled) { 1.0 } else { (d as f64).sqrt() };
        let mask = self.mask();
        let is_causal = is_causal && !self.is(Fault::Mask);
        Ok(Array::from_fn([b, h, s, t], |[b, h, i, j]| {
            let is_hidden = (is_causal && j > past + i) || mask.as_ref().is_some_and(|mask| !mask[b][j]);
            if is_hidden { f64::from(f32::MIN) } else { dot(q.row([b, h, i]), k.row([b, h, j])) / scale }
        }))
    }

    /// What the probabilities gather, the heads side by side.
    pub(super) fn context(&self, probabilities: &Array, v: &Array) -> Array {
        let ([b, h, s, t], d) = (axes(probabilities), v.shape[3]);
        let merged = Array::from_fn([b, s, h, d], |[b, i, place, d]| {
            let head = if self.is(Fault::Merged) { h - 1 - place } else { place };
            (0..t).map(|j| probabilities.at([b, head, i, j]) * v.at([b, head, j, d])).sum()
        });
        Array::new(&[b, s, h * d], merged.data)
    }
}

pub(super) fn softmax(x: &Array) -> Array {
    x.map_rows(|row| {
        let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let odds: Vec<f64> = row.iter().map(|x| (x - max).exp()).collect();
        let sum: f64 = odds.iter().sum();
        odds.iter().map(|odds| odds / sum).collect()
    })
}

pub(super) fn axes(x: &Array) -> [usize; 4] {
    x.shape.as_slice().try_into().expect("four axes")
}
