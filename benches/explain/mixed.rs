//! Two faults at once, and faults that no rule covers.

use karat::DType;

use super::blocks::{eps, gelu};
use super::dice::Dice;
use super::faults::{
    Plant, Planted, bias_scalar, bias_vector, fits_nothing, interleave, nan, negated, outliers, permute_axes,
    rounded_bf16, rounded_f16, scale, shift, stale, swapped, transpose,
};
use super::material::{Array, Material};

pub(crate) const PAIRS: &[(&str, Plant)] = &[
    ("scale + shift", |m, d, t| two(m, d, t, shift, scale)),
    ("scale + transpose", |m, d, t| two(m, d, t, transpose, scale)),
    ("scale + permute-axes", |m, d, t| two(m, d, t, permute_axes, scale)),
    ("scale + reshape-order", |m, d, t| two(m, d, t, interleave, scale)),
    ("scale + swapped-outputs", |m, d, t| two(m, d, t, swapped, scale)),
    ("scale + bias", |m, d, t| two(m, d, t, scale, bias_vector)),
    ("scale + outliers", |m, d, t| two(m, d, t, scale, outliers)),
    ("scale + nan-region", |m, d, t| two(m, d, t, scale, nan)),
    ("scale + stale-position", |m, d, t| two(m, d, t, scale, stale)),
    ("negated + shift", |m, d, t| two(m, d, t, shift, negated)),
    ("negated + transpose", |m, d, t| two(m, d, t, transpose, negated)),
    ("bias + transpose", |m, d, t| two(m, d, t, transpose, bias_scalar)),
    ("bias + shift", |m, d, t| two(m, d, t, shift, bias_vector)),
    ("bias + outliers", |m, d, t| two(m, d, t, bias_vector, outliers)),
    ("transpose + outliers", |m, d, t| two(m, d, t, transpose, outliers)),
    ("shift + nan-region", |m, d, t| two(m, d, t, shift, nan)),
    ("scale + rounded-bf16", |m, d, t| two(m, d, t, scale, rounded_bf16)),
    ("transpose + rounded-f16", |m, d, t| two(m, d, t, transpose, rounded_f16)),
    ("eps + scale", |m, d, t| two(m, d, t, eps, scale)),
];

pub(crate) const UNCOVERED: &[(&str, Plant)] = &[
    ("another tensor", |m, d, _| {
        let rms = m.reference.rms();
        fits_nothing(m, m.reference.map(|_| rms * d.normal()))
    }),
    ("tanh for gelu", |m, d, t| {
        let planted = gelu(m, d, t)?;
        let before =
            Array::new(&planted.material.reference.shape, planted.material.inputs.get("before")?.values.clone());
        let mut material = planted.material;
        material.inputs.clear();
        fits_nothing(&material, before.map(f64::tanh))
    }),
    ("elements in random order", |m, d, _| {
        let mut actual = m.reference.clone();
        d.shuffle(&mut actual.values);
        fits_nothing(m, actual)
    }),
    ("smooth factor", |m, d, _| {
        let (phase, step, size) = (d.share() * 6.0, d.between(0.01, 0.2), d.between(0.01, 0.5));
        let mut at = 0.0;
        fits_nothing(
            m,
            m.reference.map(|x| {
                at += step;
                x * (1.0 + size * (phase + at).sin())
            }),
        )
    }),
    ("one head of another layer", |m, d, _| {
        let [_, heads, _, _] = m.reference.shape[..] else { return None };
        let (head, rms) = (d.below(heads), m.reference.rms());
        let actual = m.reference.with_index(|index, x| if index[1] == head { rms * d.normal() } else { x });
        (heads > 2).then(|| fits_nothing(m, actual)).flatten()
    }),
    ("noise of a thousandth", |m, d, t| {
        let rms = m.reference.rms();
        let size = if t.eps() > 1e-5 { 0.2 } else { d.between(1e-3, 1e-1) };
        fits_nothing(m, m.reference.map(|x| x + size * rms * d.normal()))
    }),
    ("a tenth of the elements", |m, d, _| {
        let rms = m.reference.rms();
        let actual = m.reference.map(|x| if d.share() < 0.1 { x + rms * d.normal() } else { x });
        // Of fewer they are a few.
        (m.reference.len() >= 90).then(|| fits_nothing(m, actual)).flatten()
    }),
    ("a factor for each row", |m, d, _| {
        let width = *m.reference.shape.last()?;
        let factors: Vec<f64> = (0..m.reference.len() / width).map(|_| d.between(0.5, 1.5)).collect();
        let actual = m.reference.with_index(|_, x| x);
        let values = actual.values.iter().enumerate().map(|(at, x)| x * factors[at / width]).collect();
        (factors.len() > 2).then(|| fits_nothing(m, Array::new(&m.reference.shape, values))).flatten()
    }),
    ("signs at random", |m, d, _| fits_nothing(m, m.reference.map(|x| if d.share() < 0.5 { -x } else { x }))),
    ("absolute values", |m, _, _| fits_nothing(m, m.reference.map(f64::abs))),
    ("squares", |m, _, _| fits_nothing(m, m.reference.map(|x| x * x))),
    ("another position", |m, d, _| {
        // One position in the middle, as a wrong index into a cache.
        let at = m.reference.shape.len().checked_sub(2)?;
        let (extent, rms) = (m.reference.shape[at], m.reference.rms());
        let wrong = 1 + d.below(extent.checked_sub(2).filter(|n| *n > 0)?);
        // More than a few elements, and not the last position of all.
        let actual = m.reference.with_index(|index, x| if index[at] == wrong { rms * d.normal() } else { x });
        (extent < 90).then(|| fits_nothing(m, actual)).flatten()
    }),
];

/// One fault after the other.
fn two(material: &Material, dice: &mut Dice, dtype: DType, first: Plant, second: Plant) -> Option<Planted> {
    let one = first(material, dice, dtype)?;
    let between = Material { reference: one.actual, inputs: Default::default(), ..one.material.clone() };
    let other = second(&between, dice, dtype)?;
    // Rounding does nothing to numbers that are round: then there is one fault.
    let is_same = |(a, b): (&f64, &f64)| a == b || (a.is_nan() && b.is_nan());
    if other.actual.values.iter().zip(&between.reference.values).all(is_same) {
        return None;
    }
    let expected = one.expected.into_iter().chain(other.expected).collect();
    // A mask is where it was: what moved under it is another thing.
    Some(Planted { material: one.material, actual: other.actual, expected })
}
