//! Models of the form `actual = factor x base + bias`, estimated so that wrong elements have no influence.

use super::sides::{Noise, Rng, Sample, Sides, axis_pairs, mode, quantile, strides};

/// What is done to a base.
#[derive(Clone, Debug)]
pub(super) struct Model {
    /// 1 if the base is not scaled.
    pub(super) factor: f64,
    pub(super) bias: Option<Bias>,
}

/// A bias: one value for each group of elements.
#[derive(Clone, Debug)]
pub(super) struct Bias {
    pub(super) groups: Groups,
    pub(super) values: Vec<f64>,
}

/// The residuals of a model: the actual elements minus its predictions.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Residuals {
    /// The number of elements for which there is a prediction.
    pub(super) count: u64,
    pub(super) squares: f64,
    /// The number of wrong elements: those with a larger residual than rounding explains.
    pub(super) wrong: u64,
    /// The squares of the others.
    pub(super) squares_inside: f64,
}

/// A model and its residuals over all elements.
#[derive(Clone, Debug)]
pub(super) struct Fit {
    pub(super) model: Model,
    pub(super) residuals: Residuals,
}

/// The tensors that a model is fitted to.
#[derive(Clone, Copy, Debug)]
pub(super) struct FitData<'a> {
    pub(super) sides: &'a Sides,
    pub(super) sample: &'a Sample,
    /// The actual tensor, possibly after a correction.
    pub(super) actual: &'a [f64],
    /// The base; NaN where nothing is predicted.
    pub(super) base: &'a [f64],
}

impl Model {
    /// The model that predicts the base unchanged.
    pub(super) fn identity() -> Model {
        Model { factor: 1.0, bias: None }
    }

    pub(super) fn is_identity(&self) -> bool {
        self.factor == 1.0 && self.bias.is_none()
    }

    /// The number of free parameters.
    pub(super) fn parameters(&self) -> usize {
        usize::from(self.factor != 1.0) + self.bias.as_ref().map_or(0, |bias| bias.values.len())
    }

    fn group(&self, position: usize) -> usize {
        self.bias.as_ref().map_or(0, |bias| bias.groups.group(position))
    }

    /// Predicts one element.
    pub(super) fn predict(&self, data: FitData<'_>, position: usize) -> f64 {
        self.factor * data.base[position] + self.bias.as_ref().map_or(0.0, |bias| bias.values[self.group(position)])
    }

    /// Predicts every element.
    pub(super) fn predict_all(&self, data: FitData<'_>) -> Vec<f64> {
        (0..data.base.len()).map(|position| self.predict(data, position)).collect()
    }
}

impl Residuals {
    /// The root mean square of the residuals.
    pub(super) fn rms(&self) -> f64 {
        (self.squares / self.count.max(1) as f64).sqrt()
    }

    /// The root mean square of the residuals that rounding explains.
    pub(super) fn rms_inside(&self) -> f64 {
        (self.squares_inside / (self.count - self.wrong).max(1) as f64).sqrt()
    }
}

impl FitData<'_> {
    /// The RMS that rounding may leave.
    pub(super) fn limit(&self) -> f64 {
        self.sides.noise.limit(self.sides.rms)
    }

    /// The residual of a model at a position; NaN if there is no prediction.
    pub(super) fn residual(self, model: &Model, position: usize) -> f64 {
        self.actual[position] - model.predict(self, position)
    }

    /// Whether the residual at a position is larger than rounding explains.
    pub(super) fn is_wrong(self, model: &Model, position: usize) -> bool {
        let (actual, predicted) = (self.actual[position], model.predict(self, position));
        (actual - predicted).abs() > self.sides.noise.slack(actual.abs().max(predicted.abs()), self.sides.rms)
    }

    /// Whether rounding explains this residual of the actual element.
    fn is_rounding(&self, residual: f64, position: usize) -> bool {
        residual.abs() <= self.sides.noise.slack(self.actual[position].abs(), self.sides.rms)
    }

    /// The positions of the sample where both actual and base are numbers.
    pub(super) fn sampled(&self) -> Vec<usize> {
        let is_number = |position: &usize| !(self.actual[*position] - self.base[*position]).is_nan();
        self.sample.positions.iter().copied().filter(is_number).collect()
    }
}

/// Measures the residuals of a model by index on an axis.
pub(super) fn profile(data: FitData<'_>, model: &Model, axis: usize) -> Vec<Residuals> {
    measure(data, model, data.sides.shape[axis], data.sides.index_on(axis))
}

fn measure(data: FitData<'_>, model: &Model, count: usize, index: impl Fn(usize) -> usize) -> Vec<Residuals> {
    let mut all = vec![Residuals::default(); count];
    for position in 0..data.base.len() {
        let residual = data.residual(model, position);
        if residual.is_nan() {
            continue;
        }
        let residuals = &mut all[index(position)];
        residuals.count += 1;
        residuals.squares += residual * residual;
        if data.is_wrong(model, position) {
            residuals.wrong += 1;
        } else {
            residuals.squares_inside += residual * residual;
        }
    }
    all
}

/// Returns the standard deviation of a sample of the actual tensor, each group of the model's bias around its own mean: what
/// remains for the base to explain.
pub(super) fn spread_within_groups(data: FitData<'_>, model: &Model) -> f64 {
    let groups = match &model.bias {
        Some(bias) => bias.groups.members(MEMBERS),
        None => vec![data.sample.positions.clone()],
    };
    let (mut freedom, mut squares) = (0.0, 0.0);
    for group in groups {
        let values = || group.iter().map(|&position| data.actual[position]).filter(|x| !x.is_nan());
        let count = values().count() as f64;
        let mean = values().sum::<f64>() / count;
        if count > 1.0 {
            freedom += count - 1.0;
            squares += values().map(|x| (x - mean) * (x - mean)).sum::<f64>();
        }
    }
    if freedom > 0.0 { (squares / freedom).sqrt() } else { 0.0 }
}

/// The share of elements that have to agree on an estimate.
const AGREEMENT: f64 = 0.2;

/// The number of pairs of elements that are examined along an axis.
const PAIRS: usize = 512;

/// The number of values that the median of a group is taken of.
const MEMBERS: usize = 15;

/// Proposes models for the base, those with fewer parameters first.
pub(super) fn models(data: FitData<'_>) -> Vec<Model> {
    let mut models = guesses(data);
    models.insert(0, Model::identity());
    models.sort_by_key(Model::parameters);
    models
}

/// Proposes models that fit a sample: factors and biases on which most elements agree.
fn guesses(data: FitData<'_>) -> Vec<Model> {
    let FitData { sides, actual, base, .. } = data;
    let (shape, noise) = (&sides.shape, sides.noise);
    let positions = data.sampled();
    if positions.len() < 3 {
        return Vec::new();
    }
    let typical = (positions.iter().map(|&p| base[p] * base[p]).sum::<f64>() / positions.len() as f64).sqrt();
    if typical == 0.0 || !typical.is_finite() {
        return Vec::new();
    }
    // A small element determines the factor badly.
    let ratio = |p: usize| (base[p].abs() > 0.3 * typical && !actual[p].is_nan()).then(|| actual[p] / base[p]);
    let axes: Vec<usize> = sides.axes().collect();
    let pairs: Vec<Vec<(usize, usize)>> = axes.iter().map(|&axis| axis_pairs(shape, axis, PAIRS)).collect();
    let mut factors = vec![1.0, -1.0];
    factors.extend(mode(positions.iter().filter_map(|&p| ratio(p)).collect(), AGREEMENT));
    factors.extend(mode(first_positions(shape, actual.len()).into_iter().filter_map(ratio).collect(), 0.5));
    for pairs in &pairs {
        let slope = |&(p, q): &(usize, usize)| {
            let (rise, run) = (actual[p] - actual[q], base[p] - base[q]);
            (run.abs() > 0.3 * typical && !rise.is_nan()).then(|| rise / run)
        };
        factors.extend(mode(pairs.iter().filter_map(slope).collect(), AGREEMENT));
    }
    let products = |x: &[f64], y: &[f64]| positions.iter().map(|&p| x[p] * y[p]).sum::<f64>();
    factors.push(products(actual, base) / products(base, base));
    // Factors that are nearly equal count as one.
    let mut distinct: Vec<f64> = Vec::new();
    for factor in factors {
        if distinct.iter().all(|known| (factor / known - 1.0).abs() > 1e-3 || (factor == 1.0) != (*known == 1.0)) {
            distinct.push(factor);
        }
    }
    let mut models: Vec<Model> = Vec::new();
    for (at, factor) in distinct.into_iter().enumerate().filter(|(_, factor)| factor.is_finite() && *factor != 0.0) {
        if at > 0 && (factor - 1.0).abs() < 4.0 * noise.eps {
            continue;
        }
        // Along which axes the residual is constant.
        let change = |&(p, q): &(usize, usize)| ((actual[p] - actual[q]) - factor * (base[p] - base[q])).abs();
        let typical_change = |pairs: &Vec<(usize, usize)>| {
            let mut changes: Vec<f64> = pairs.iter().map(change).filter(|change| !change.is_nan()).collect();
            quantile(&mut changes, AGREEMENT)
        };
        let changes: Vec<Option<f64>> = pairs.iter().map(typical_change).collect();
        let most = changes.iter().flatten().copied().fold(0.0, f64::max);
        // For rounding noise, a fifth of the changes is below a third of its standard deviation.
        let limit = (2.0 * noise.eps * sides.rms).max(0.1 * most);
        let varying: Vec<usize> =
            axes.iter().zip(&changes).filter(|(_, q)| q.is_none_or(|q| q > limit)).map(|(&axis, _)| axis).collect();
        let scaled = Model { factor, bias: None };
        if at > 0 && is_promising(data, &positions, &scaled) {
            models.push(scaled.clone());
        }
        let groups = Groups::new(shape, &varying);
        // A bias needs at least two elements for each of its values.
        if varying.len() < axes.len() && groups.count * 2 <= sides.len() {
            let values = medians(data, &groups, &scaled);
            models.push(Model { factor, bias: Some(Bias { groups, values }) });
        }
    }
    models
}

/// Returns elements at the first position of [.., position, width], where actual may be right before it goes wrong.
fn first_positions(shape: &[usize], len: usize) -> Vec<usize> {
    let [.., positions, width] = shape[..] else { return Vec::new() };
    let stride = positions * width;
    let rows = (len / stride).min(64);
    (0..rows).flat_map(|row| (0..width.min(256)).map(move |column| row * stride + column)).collect()
}

/// Whether a factor alone brings the whole sample closer to the base, or makes a part of it right.
fn is_promising(data: FitData<'_>, positions: &[usize], scaled: &Model) -> bool {
    let (right, mut residuals) = count_right(data, positions, scaled);
    is_significant(right, positions.len(), data.sides.noise)
        || quantile(&mut residuals, 0.9).is_some_and(|q| q <= 0.3 * data.sides.rmse())
}

/// Counts the positions at which the model is right, and returns the magnitudes of all residuals.
fn count_right(data: FitData<'_>, positions: &[usize], model: &Model) -> (usize, Vec<f64>) {
    let residuals: Vec<f64> = positions.iter().map(|&p| data.residual(model, p).abs()).collect();
    (positions.iter().zip(&residuals).filter(|&(&p, &residual)| data.is_rounding(residual, p)).count(), residuals)
}

/// Whether more elements are right than chance explains.
fn is_significant(right: usize, all: usize, noise: Noise) -> bool {
    right >= 16 && right as f64 >= noise.chance() * all as f64
}

/// Returns the median residual of each group.
fn medians(data: FitData<'_>, groups: &Groups, scaled: &Model) -> Vec<f64> {
    let median = |members: &Vec<usize>| {
        let residuals = members.iter().map(|&position| data.residual(scaled, position));
        let mut residuals: Vec<f64> = residuals.filter(|residual| !residual.is_nan()).collect();
        residuals.sort_by(f64::total_cmp);
        match residuals.len() {
            0 => 0.0,
            count => (residuals[(count - 1) / 2] + residuals[count / 2]) / 2.0,
        }
    };
    groups.members(MEMBERS).iter().map(median).collect()
}

/// Refines a model by least squares over the elements that it fits, and measures it on all.
pub(super) fn refine(data: FitData<'_>, mut model: Model) -> Fit {
    if !model.is_identity() {
        let guess = model.factor;
        refit(data, &mut model);
        // Once more if other elements may fit now.
        if model.bias.is_some() || (model.factor / guess - 1.0).abs() > 16.0 * data.sides.noise.eps {
            refit(data, &mut model);
        }
        if (model.factor + 1.0).abs() < 4.0 * data.sides.noise.eps {
            model.factor = -1.0;
        }
    }
    let residuals = measure(data, &model, 1, |_| 0)[0];
    Fit { model, residuals }
}

/// Fits a model by least squares over the elements for which it is right.
fn refit(data: FitData<'_>, model: &mut Model) {
    let positions = data.sampled();
    let (right, mut residuals) = count_right(data, &positions, model);
    let limit = match is_significant(right, positions.len(), data.sides.noise) {
        // If some are right, the others have another fault.
        true => 0.0,
        // Six standard deviations of a normal distribution.
        false => 6.0 * 1.4826 * quantile(&mut residuals, 0.5).unwrap_or(0.0),
    };
    // For each group the count, and the sums of base and actual.
    let mut sums = vec![[0.0f64; 3]; model.bias.as_ref().map_or(1, |bias| bias.groups.count)];
    let (mut squares, mut products) = (0.0, 0.0);
    for (position, (&x, &y)) in data.base.iter().zip(data.actual).enumerate() {
        let residual = data.residual(model, position).abs();
        if residual <= limit || data.is_rounding(residual, position) {
            let [count, sum_x, sum_y] = &mut sums[model.group(position)];
            (*count, *sum_x, *sum_y) = (*count + 1.0, *sum_x + x, *sum_y + y);
            squares += x * x;
            products += x * y;
        }
    }
    if model.factor.abs() != 1.0 {
        // Without a bias the line passes through 0; with one, through the mean of each group.
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

/// A partition of a tensor into groups: the elements of a group have the same indices on the grouped axes.
#[derive(Clone, Debug)]
pub(super) struct Groups {
    shape: Vec<usize>,
    /// What a step along each axis adds to the number of the group; 0 for axes that are not grouped.
    strides: Vec<usize>,
    /// The grouped axes.
    pub(super) axes: Vec<usize>,
    pub(super) count: usize,
}

impl Groups {
    /// Groups a tensor by these axes. Without axes there is one group.
    fn new(shape: &[usize], axes: &[usize]) -> Groups {
        let mut strides = vec![0; shape.len()];
        let mut count = 1;
        for &axis in axes.iter().rev() {
            strides[axis] = count;
            count *= shape[axis];
        }
        Groups { shape: shape.to_vec(), strides, axes: axes.to_vec(), count }
    }

    /// The axes longer than 1 that are not grouped.
    pub(super) fn other_axes(&self) -> Vec<usize> {
        (0..self.shape.len()).filter(|axis| !self.axes.contains(axis) && self.shape[*axis] > 1).collect()
    }

    /// The group of a position.
    fn group(&self, position: usize) -> usize {
        let mut rest = position;
        let mut group = 0;
        for (extent, stride) in self.shape.iter().zip(&self.strides).rev() {
            group += rest % extent * stride;
            rest /= extent;
        }
        group
    }

    /// Returns at most `count` positions of each group, the same places in each.
    fn members(&self, count: usize) -> Vec<Vec<usize>> {
        let strides = strides(&self.shape);
        let size = self.shape.iter().product::<usize>() / self.count.max(1);
        let mut rng = Rng(3);
        let places: Vec<usize> =
            if size <= count { (0..size).collect() } else { (0..count).map(|_| rng.below(size)).collect() };
        // Converts an index over some of the axes to a position.
        let position = |mut index: usize, axes: &[usize]| {
            let mut position = 0;
            for &axis in axes.iter().rev() {
                position += index % self.shape[axis] * strides[axis];
                index /= self.shape[axis];
            }
            position
        };
        let others = self.other_axes();
        let offsets: Vec<usize> = places.into_iter().map(|place| position(place, &others)).collect();
        (0..self.count)
            .map(|group| position(group, &self.axes))
            .map(|first| offsets.iter().map(|offset| first + offset).collect())
            .collect()
    }
}

/// Returns the largest share of the squared difference that a factor or a constant explains, if there is one for each index of an
/// axis, each row, or the whole tensor. It is about 0 for rounding noise, which has no such structure.
pub(super) fn structured_share(sides: &Sides) -> f64 {
    let width = sides.shape.last().copied().unwrap_or(1).max(1);
    let pairs = || sides.actual.iter().zip(&sides.reference).map(|(a, r)| (a - r, *r));
    let rows = explained_share(pairs(), sides.len() / width, |position| position / width);
    let all = explained_share(pairs(), 1, |_| 0);
    explained_by_axis(sides, pairs).fold(rows.max(all), f64::max)
}

/// Returns for each axis the [`explained_share`] with a group for each of its indices.
pub(super) fn explained_by_axis<P: Iterator<Item = (f64, f64)>>(
    sides: &Sides,
    pairs: impl Fn() -> P,
) -> impl Iterator<Item = f64> {
    sides.axes().map(move |axis| explained_share(pairs(), sides.shape[axis], sides.index_on(axis)))
}

/// Returns the share of the squared differences that a factor, or a constant, for each group explains, minus the share that it
/// would explain of noise. `pairs` are the differences and what the factor applies to.
pub(super) fn explained_share(
    pairs: impl Iterator<Item = (f64, f64)>,
    groups: usize,
    group: impl Fn(usize) -> usize,
) -> f64 {
    let mut sums = vec![[0.0f64; 4]; groups];
    let (mut numbers, mut squares) = (0u64, 0.0);
    for (position, (d, r)) in pairs.enumerate().filter(|(_, (d, _))| !d.is_nan()) {
        let [count, sum, rise, run] = &mut sums[group(position)];
        (*count, *sum, *rise, *run) = (*count + 1.0, *sum + d, *rise + d * r, *run + r * r);
        (numbers, squares) = (numbers + 1, squares + d * d);
    }
    let by = |of: &dyn Fn(&[f64; 4]) -> f64| sums.iter().map(of).filter(|x| x.is_finite()).sum::<f64>() / squares;
    let share = by(&|[count, sum, ..]| sum * sum / count).max(by(&|[_, _, rise, run]| rise * rise / run));
    share - 3.0 * groups as f64 / numbers.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_of_a_position_depends_on_its_indices() {
        assert_eq!(Groups::new(&[2, 3, 4], &[0, 2]).group(23), 7);
        assert_eq!(Groups::new(&[2, 3, 4], &[1]).group(23), 2);
        assert_eq!(Groups::new(&[], &[]).count, 1);
    }

    #[test]
    fn the_members_of_a_group_are_in_it() {
        for axes in [vec![], vec![1], vec![0, 2]] {
            let groups = Groups::new(&[5, 6, 7], &axes);
            for (group, members) in groups.members(9).iter().enumerate() {
                assert!(members.iter().all(|&position| groups.group(position) == group), "{axes:?}");
                assert_eq!(members.len(), 9.min(210 / groups.count));
            }
        }
    }
}
