//! Embeddings, a block, and greedy generation.

use super::array::{Array, Fit};
use super::attention::softmax;
use super::compute::Plain;
use crate::fault::Fault;

impl Plain<'_> {
    pub(super) fn embeddings(&self, ids: &Array, offset: usize) -> Fit<Array> {
        let (wte, wpe) = (self.tensor("wte.weight"), self.tensor("wpe.weight"));
        if wte.width() != wpe.width() {
            return Err(format!("{:?} and {:?}", wte.shape, wpe.shape));
        }
        let offset = offset + usize::from(self.is(Fault::Positions));
        let (seq, width) = (ids.width(), wte.width());
        let mut data = Vec::new();
        for (place, &id) in ids.data.iter().enumerate() {
            let (token, position) = (id as usize * width, (offset + place % seq) * width);
            data.extend((0..width).map(|column| wte.data[token + column] + wpe.data[position + column]));
        }
        Ok(Array::new(&[ids.shape[0], seq, width], data))
    }

    pub(super) fn block(&self, x: &Array, layer: &str) -> Fit<Array> {
        let named = |name: &str| format!("{layer}{name}");
        let projected = self.conv1d(&self.norm(x, &named("ln_1."))?, &named("attn.c_attn."))?;
        let [q, k, v] = self.thirds(&projected)?;
        let context = self.context(&softmax(&self.scores(&q, &k, true)?), &v);
        let h = x.plus(&self.conv1d(&context, &named("attn.c_proj."))?);
        Ok(h.plus(&self.mlp(&self.norm(&h, &named("ln_2."))?, &named("mlp."))?))
    }

    /// Greedy generation that recomputes all positions for every token.
    pub(super) fn generate(&self) -> Fit<Array> {
        let mut ids = self.tensor("ids");
        assert_eq!(ids.shape[0], 1, "one sequence");
        for _ in 0..self.number("new_tokens") as usize {
            let mut x = self.embeddings(&ids, 0)?;
            let layers = (0..).map(|layer| format!("h.{layer}."));
            for layer in layers.take_while(|layer| self.golden.inputs.contains_key(&format!("{layer}ln_1.weight"))) {
                x = self.block(&x, &layer)?;
            }
            let last = last_rows(&self.norm(&x, "ln_f.")?, 1);
            ids.data.extend(best(&last.dense(&self.tensor("wte.weight"), None)?).data);
            ids.shape[1] += 1;
        }
        Ok(ids)
    }
}

/// The row `back` from the end of each sequence.
pub(super) fn last_rows(x: &Array, back: usize) -> Array {
    let (seq, width) = (x.shape[1], x.width());
    let data = x.data.chunks(seq * width).flat_map(|sequence| {
        let start = (seq - back) * width;
        sequence[start..start + width].to_vec()
    });
    Array::new(&[x.shape[0], width], data.collect())
}

/// The place of the largest of each row.
pub(super) fn best(x: &Array) -> Array {
    let places = x.rows().map(|row| {
        let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        row.iter().position(|&x| x == largest).expect("a row has a largest") as f64
    });
    Array::new(&x.shape[..1], places.collect())
}
