//! `actual = factor x base + bias`, by estimates that wrong elements do not move.

use std::ops::Range;

use rayon::prelude::*;

use super::groups::Groups;
use super::guess::{guesses, is_seen};
use super::noise::Noise;
use super::sample::{Sample, quantile};
use super::sides::{CHUNK, Sides};

/// What is made of a base.
#[derive(Clone, Debug)]
pub(super) struct Model {
    /// 1 where it is not scaled.
    pub(super) factor: f64,
    pub(super) bias: Option<Bias>,
}

/// What is added: one value a group.
#[derive(Clone, Debug)]
pub(super) struct Bias {
    pub(super) groups: Groups,
    pub(super) values: Vec<f64>,
}

/// What a model leaves of the actual tensor.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    /// Elements of which actual and base are numbers.
    pub(super) numbers: u64,
    /// The squares of what is left.
    pub(super) squares: f64,
    /// Elements that are left with more than rounding explains.
    pub(super) beyond: u64,
    /// The squares of what is left of the others.
    pub(super) within: f64,
}

/// A model that was held against every element.
#[derive(Clone, Debug)]
pub(super) struct Fit {
    pub(super) model: Model,
    pub(super) tally: Tally,
}

/// The tensors that a model is between.
#[derive(Clone, Copy, Debug)]
pub(super) struct Between<'a> {
    pub(super) shape: &'a [usize],
    pub(super) actual: &'a [f64],
    /// NaN where nothing is known of what the element should be.
    pub(super) base: &'a [f64],
    pub(super) noise: Noise,
    /// The RMS of the actual tensor.
    pub(super) rms: f64,
    /// The RMS of the difference between actual and reference.
    pub(super) rmse: f64,
}

/// Parts that sums are taken in.
const PARTS: usize = 4;

impl Model {
    /// The base as it is.
    pub(super) fn identity() -> Model {
        Model { factor: 1.0, bias: None }
    }

    pub(super) fn is_identity(&self) -> bool {
        self.factor == 1.0 && self.bias.is_none()
    }

    /// Numbers that were chosen so that it fits.
    pub(super) fn parameters(&self) -> usize {
        usize::from(self.factor != 1.0) + self.bias.as_ref().map_or(0, |bias| bias.values.len())
    }

    /// What it makes of the base at that position, which is in that group.
    #[inline]
    fn at(&self, base: f64, group: usize) -> f64 {
        self.factor * base + self.bias.as_ref().map_or(0.0, |bias| bias.values[group])
    }

    /// What it makes of each element.
    pub(super) fn predict(&self, between: Between<'_>) -> Vec<f64> {
        let mut predicted = vec![0.0; between.base.len()];
        predicted.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, predicted)| {
            let start = chunk * CHUNK;
            self.visit(between.shape, start..start + predicted.len(), |position, group| {
                predicted[position - start] = self.at(between.base[position], group);
            });
        });
        predicted
    }

    /// What it makes of the element at that position.
    pub(super) fn predict_at(&self, between: Between<'_>, position: usize) -> f64 {
        self.at(between.base[position], self.bias.as_ref().map_or(0, |bias| bias.groups.of(position)))
    }

    #[inline]
    fn visit(&self, shape: &[usize], range: Range<usize>, mut visit: impl FnMut(usize, usize)) {
        match &self.bias {
            Some(bias) => bias.groups.walk(range, visit),
            None => {
                debug_assert!(range.end <= shape.iter().product());
                range.for_each(|position| visit(position, 0));
            }
        }
    }
}

impl Tally {
    /// The root mean square of what is left.
    pub(super) fn rms(&self) -> f64 {
        (self.squares / self.numbers.max(1) as f64).sqrt()
    }

    /// That of the elements that are left with no more than rounding explains.
    pub(super) fn rms_within(&self) -> f64 {
        (self.within / (self.numbers - self.beyond).max(1) as f64).sqrt()
    }

    fn join(self, later: Tally) -> Tally {
        Tally {
            numbers: self.numbers + later.numbers,
            squares: self.squares + later.squares,
            beyond: self.beyond + later.beyond,
            within: self.within + later.within,
        }
    }

    /// Takes one element into account.
    #[inline]
    pub(super) fn add(&mut self, actual: f64, predicted: f64, noise: Noise, rms: f64) {
        let left = actual - predicted;
        if left.is_nan() {
            return;
        }
        self.numbers += 1;
        self.squares += left * left;
        if left.abs() <= noise.slack(actual.abs().max(predicted.abs()), rms) {
            self.within += left * left;
        } else {
            self.beyond += 1;
        }
    }
}

/// Holds a model against every element.
pub(super) fn tally(between: Between<'_>, model: &Model) -> Tally {
    let Between { actual, base, noise, rms, .. } = between;
    let parts: Vec<Tally> = actual
        .par_chunks(CHUNK)
        .enumerate()
        .map(|(chunk, part)| {
            let start = chunk * CHUNK;
            let mut tally = Tally::default();
            model.visit(between.shape, start..start + part.len(), |position, group| {
                tally.add(actual[position], model.at(base[position], group), noise, rms);
            });
            tally
        })
        .collect();
    parts.into_iter().fold(Tally::default(), Tally::join)
}

/// The standard deviation of the actual tensor on a sample, of each group of the model's bias around its own mean: what a
/// bias leaves to be explained by the base.
pub(super) fn spread_within(between: Between<'_>, sample: &Sample, model: &Model) -> f64 {
    /// Elements of a group that are looked at.
    const MEMBERS: usize = 15;
    let groups = match &model.bias {
        Some(bias) => bias.groups.members(MEMBERS),
        None => vec![sample.positions.clone()],
    };
    let (mut numbers, mut squares) = (0.0, 0.0);
    for group in groups {
        let values = || group.iter().map(|&position| between.actual[position]).filter(|x| !x.is_nan());
        let count = values().count() as f64;
        let mean = values().sum::<f64>() / count;
        // Of a few the mean is their own.
        if count > 1.0 {
            numbers += count - 1.0;
            squares += values().map(|x| (x - mean) * (x - mean)).sum::<f64>();
        }
    }
    if numbers > 0.0 { (squares / numbers).sqrt() } else { 0.0 }
}

/// Holds a model against every element, by the index on that axis.
pub(super) fn profile(between: Between<'_>, model: &Model, axis: usize) -> Vec<Tally> {
    let Between { shape, actual, base, noise, rms, .. } = between;
    let (extent, stride) = (shape[axis], shape[axis + 1..].iter().product::<usize>());
    // More than for a sum over everything: a part has a tally for each index, and all parts together no more than elements.
    let size = (extent * 4).max(1 << 18);
    let parts: Vec<Vec<Tally>> = actual
        .par_chunks(size)
        .enumerate()
        .map(|(chunk, part)| {
            let start = chunk * size;
            let mut tallies = vec![Tally::default(); extent];
            model.visit(shape, start..start + part.len(), |position, group| {
                let tally = &mut tallies[position / stride % extent];
                tally.add(actual[position], model.at(base[position], group), noise, rms);
            });
            tallies
        })
        .collect();
    let mut parts = parts.into_iter();
    let mut all = parts.next().unwrap_or_else(|| vec![Tally::default(); extent]);
    for part in parts {
        all.iter_mut().zip(part).for_each(|(tally, part)| *tally = tally.join(part));
    }
    all
}

/// The models that may hold of that base, fewer parameters first.
pub(super) fn models(sides: &Sides, sample: &Sample, between: Between<'_>) -> Vec<Model> {
    let mut models = vec![Model::identity()];
    models.extend(guesses(sides, sample, between));
    models.sort_by_key(Model::parameters);
    models
}

/// Settles the numbers of a model by least squares over the elements that it holds for, and holds it against all.
pub(super) fn settle(between: Between<'_>, sample: &Sample, mut model: Model) -> Fit {
    if !model.is_identity() {
        let guess = model.factor;
        refit(between, sample, &mut model);
        // Once more where the elements that it holds for may have become others.
        if model.bias.is_some() || (model.factor / guess - 1.0).abs() > 16.0 * between.noise.eps {
            refit(between, sample, &mut model);
        }
        if (model.factor + 1.0).abs() < 4.0 * between.noise.eps {
            model.factor = -1.0;
        }
    }
    Fit { tally: tally(between, &model), model }
}

/// Least squares over the elements that the model holds for.
fn refit(between: Between<'_>, sample: &Sample, model: &mut Model) {
    let Between { shape, actual, base, noise, rms, .. } = between;
    let count = model.bias.as_ref().map_or(1, |bias| bias.groups.count());
    let left = |position: usize| {
        let group = model.bias.as_ref().map_or(0, |bias| bias.groups.of(position));
        actual[position] - model.at(base[position], group)
    };
    let here = |position: &&usize| !left(**position).is_nan();
    let positions: Vec<usize> = sample.positions.iter().filter(here).copied().collect();
    let is_right = |position: &&usize| left(**position).abs() <= noise.slack(actual[**position].abs(), rms);
    let far = match is_seen(positions.iter().filter(is_right).count(), positions.len(), noise) {
        // Some are right: the others are another matter.
        true => 0.0,
        // Six standard deviations, were it normal.
        false => {
            6.0 * 1.4826
                * quantile(&mut positions.iter().map(|&p| left(p).abs()).collect::<Vec<_>>(), 0.5).unwrap_or(0.0)
        }
    };
    // By group: how many, and the sums of base and actual. In so many parts on every machine: the same bits.
    let part = |part: usize| {
        let mut sums = vec![[0.0f64; 3]; count];
        let (mut squares, mut products) = (0.0, 0.0);
        let range = actual.len() * part / PARTS..actual.len() * (part + 1) / PARTS;
        model.visit(shape, range, |position, group| {
            let (x, y) = (base[position], actual[position]);
            let left = (y - model.at(x, group)).abs();
            if left <= far.max(noise.slack(y.abs(), rms)) {
                let sums = &mut sums[group];
                (sums[0], sums[1], sums[2]) = (sums[0] + 1.0, sums[1] + x, sums[2] + y);
                squares += x * x;
                products += x * y;
            }
        });
        (sums, squares, products)
    };
    let parts: Vec<_> = (0..PARTS).into_par_iter().map(part).collect();
    let mut sums = vec![[0.0f64; 3]; count];
    let (mut squares, mut products) = (0.0, 0.0);
    for (part, more_squares, more_products) in parts {
        sums.iter_mut().zip(part).for_each(|(sum, part)| (0..3).for_each(|at| sum[at] += part[at]));
        squares += more_squares;
        products += more_products;
    }
    if model.factor != 1.0 && model.factor != -1.0 {
        // Without a bias the line goes through 0; with one, through the mean of each group.
        let means = sums.iter().filter(|sums| sums[0] > 0.0 && model.bias.is_some());
        let (squares_of_means, products_of_means) =
            means.fold((0.0, 0.0), |(s, p), [count, x, y]| (s + x * x / count, p + x * y / count));
        let (run, rise) = (squares - squares_of_means, products - products_of_means);
        if run > 1e-12 * squares {
            model.factor = rise / run;
        }
    }
    let factor = model.factor;
    if let Some(bias) = &mut model.bias {
        for (value, [count, x, y]) in bias.values.iter_mut().zip(&sums).filter(|(_, sums)| sums[0] > 0.0) {
            *value = (y - factor * x) / count;
        }
    }
}
