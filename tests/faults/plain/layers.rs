//! Norms, linear layers, GELU and pooling.

use super::array::{Array, Fit};
use super::compute::Plain;
use crate::fault::{EPS, Fault};

impl Plain<'_> {
    pub(super) fn norm(&self, x: &Array, layer: &str) -> Fit<Array> {
        let (weight, bias) = (self.tensor(&format!("{layer}weight")), self.tensor(&format!("{layer}bias")));
        let eps = if self.is(Fault::Eps) { EPS } else { self.number("eps") };
        Ok(x.map_rows(|row| {
            let count = row.len() as f64;
            let mean = row.iter().sum::<f64>() / count;
            let variance = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / count;
            let normal = row.iter().map(|x| (x - mean) / (variance + eps).sqrt());
            normal.zip(&weight.data).zip(&bias.data).map(|((x, weight), bias)| x * weight + bias).collect()
        }))
    }

    pub(super) fn conv1d(&self, x: &Array, layer: &str) -> Fit<Array> {
        x.conv1d(&self.tensor(&format!("{layer}weight")), &self.tensor(&format!("{layer}bias")))
    }

    pub(super) fn dense(&self, x: &Array, layer: &str) -> Fit<Array> {
        x.dense(&self.tensor(&format!("{layer}weight")), Some(&self.tensor(&format!("{layer}bias"))))
    }

    pub(super) fn gelu(&self, x: Array) -> Array {
        let is_tanh = (self.golden.case.params["gelu"] == "tanh") != self.is(Fault::Gelu);
        match is_tanh {
            true => x.map(|x| {
                let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x);
                x / 2.0 * (1.0 + inner.tanh())
            }),
            false => x.map(|x| x / 2.0 * (1.0 + libm::erf(x / 2f64.sqrt()))),
        }
    }

    pub(super) fn mlp(&self, x: &Array, layer: &str) -> Fit<Array> {
        let hidden = self.gelu(self.conv1d(x, &format!("{layer}c_fc."))?);
        self.conv1d(&hidden, &format!("{layer}c_proj."))
    }

    /// The mean of the rows that are tokens.
    pub(super) fn pooled(&self, x: &Array) -> Array {
        let (batch, seq, width) = (x.shape[0], x.shape[1], x.width());
        let mask = self.mask().unwrap_or_else(|| vec![vec![true; seq]; batch]);
        let mut y = vec![0.0; batch * width];
        for (place, row) in x.rows().enumerate().filter(|(place, _)| mask[place / seq][place % seq]) {
            let sentence = place / seq;
            let count = mask[sentence].iter().filter(|&&token| token).count() as f64;
            row.iter().enumerate().for_each(|(column, x)| y[sentence * width + column] += x / count);
        }
        Array::new(&[batch, width], y)
    }
}
