//! `actual = factor x base + bias`, by estimates that wrong elements do not move.

use super::sides::{Dice, Noise, Sample, Sides, mode, pairs, quantile, strides};

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
    pub(super) sides: &'a Sides,
    pub(super) sample: &'a Sample,
    /// The actual tensor, or that with something undone.
    pub(super) actual: &'a [f64],
    /// NaN where nothing is known of what the element should be.
    pub(super) base: &'a [f64],
}

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

    fn group(&self, position: usize) -> usize {
        self.bias.as_ref().map_or(0, |bias| bias.groups.of(position))
    }

    /// What it makes of the element at that position.
    pub(super) fn at(&self, between: Between<'_>, position: usize) -> f64 {
        self.factor * between.base[position]
            + self.bias.as_ref().map_or(0.0, |bias| bias.values[bias.groups.of(position)])
    }

    /// What it makes of each element.
    pub(super) fn predict(&self, between: Between<'_>) -> Vec<f64> {
        (0..between.base.len()).map(|position| self.at(between, position)).collect()
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
}

impl Between<'_> {
    pub(super) fn noise(&self) -> Noise {
        self.sides.noise
    }

    /// The RMS that rounding may leave.
    pub(super) fn limit(&self) -> f64 {
        self.sides.noise.limit(self.sides.rms)
    }

    /// What a model leaves of the element at that position; NaN where nothing is known of it.
    pub(super) fn left(self, model: &Model, position: usize) -> f64 {
        self.actual[position] - model.at(self, position)
    }

    /// Whether that is more than rounding explains.
    pub(super) fn is_wrong(self, model: &Model, position: usize) -> bool {
        let (actual, predicted) = (self.actual[position], model.at(self, position));
        (actual - predicted).abs() > self.noise().slack(actual.abs().max(predicted.abs()), self.sides.rms)
    }

    /// Whether so small a difference is rounding beside the actual element.
    fn is_slack(&self, left: f64, position: usize) -> bool {
        left.abs() <= self.noise().slack(self.actual[position].abs(), self.sides.rms)
    }

    /// The positions of the sample where both sides are numbers.
    pub(super) fn sampled(&self) -> Vec<usize> {
        let here = |position: &usize| !(self.actual[*position] - self.base[*position]).is_nan();
        self.sample.positions.iter().copied().filter(here).collect()
    }
}

/// Holds a model against every element.
fn tally(between: Between<'_>, model: &Model) -> Tally {
    tally_by(between, model, 1, |_| 0)[0]
}

/// Holds a model against every element, by the index on that axis.
pub(super) fn profile(between: Between<'_>, model: &Model, axis: usize) -> Vec<Tally> {
    tally_by(between, model, between.sides.shape[axis], between.sides.along(axis))
}

fn tally_by(between: Between<'_>, model: &Model, count: usize, index: impl Fn(usize) -> usize) -> Vec<Tally> {
    let mut tallies = vec![Tally::default(); count];
    for position in 0..between.base.len() {
        let left = between.left(model, position);
        if left.is_nan() {
            continue;
        }
        let tally = &mut tallies[index(position)];
        tally.numbers += 1;
        tally.squares += left * left;
        if between.is_wrong(model, position) {
            tally.beyond += 1;
        } else {
            tally.within += left * left;
        }
    }
    tallies
}

/// The standard deviation of the actual tensor on a sample, of each group of the model's bias around its own mean: what a
/// bias leaves to be explained by the base.
pub(super) fn spread_within(between: Between<'_>, model: &Model) -> f64 {
    let groups = match &model.bias {
        Some(bias) => bias.groups.members(MEMBERS),
        None => vec![between.sample.positions.clone()],
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

/// The share of elements that has to agree for an estimate to be seen.
const AGREE: f64 = 0.2;

/// Pairs of elements that are looked at along an axis.
const PAIRS: usize = 512;

/// Values of a group of which the median is taken.
const MEMBERS: usize = 15;

/// The models that may hold of that base, fewer parameters first.
pub(super) fn models(between: Between<'_>) -> Vec<Model> {
    let mut models = vec![Model::identity()];
    models.extend(guesses(between));
    models.sort_by_key(Model::parameters);
    models
}

/// Models that look right on a sample: factors and biases where most agree, whatever the others are.
fn guesses(between: Between<'_>) -> Vec<Model> {
    let Between { sides, actual, base, .. } = between;
    let (shape, noise) = (&sides.shape, sides.noise);
    let positions = between.sampled();
    if positions.len() < 3 {
        return Vec::new();
    }
    let typical = (positions.iter().map(|&p| base[p] * base[p]).sum::<f64>() / positions.len() as f64).sqrt();
    if typical == 0.0 || !typical.is_finite() {
        return Vec::new();
    }
    // A small base says little of its factor.
    let ratio = |p: usize| (base[p].abs() > 0.3 * typical && !actual[p].is_nan()).then(|| actual[p] / base[p]);
    let axes: Vec<usize> = sides.axes().collect();
    let pairs: Vec<Vec<(usize, usize)>> = axes.iter().map(|&axis| pairs(shape, axis, PAIRS)).collect();
    let mut factors: Vec<f64> = vec![1.0, -1.0];
    factors.extend(mode(positions.iter().filter_map(|&p| ratio(p)).collect(), AGREE));
    factors.extend(mode(first_positions(shape, actual.len()).into_iter().filter_map(ratio).collect(), 0.5));
    for pairs in &pairs {
        let slope = |&(p, q): &(usize, usize)| {
            let (rise, run) = (actual[p] - actual[q], base[p] - base[q]);
            (run.abs() > 0.3 * typical && !rise.is_nan()).then(|| rise / run)
        };
        factors.extend(mode(pairs.iter().filter_map(slope).collect(), AGREE));
    }
    let products = |x: &[f64], y: &[f64]| positions.iter().map(|&p| x[p] * y[p]).sum::<f64>();
    factors.push(products(actual, base) / products(base, base));
    // Those that come to the same are one.
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
        // Along which axes what is left does not change.
        let change = |&(p, q): &(usize, usize)| ((actual[p] - actual[q]) - factor * (base[p] - base[q])).abs();
        let changes = pairs.iter().map(|pairs| {
            let mut changes: Vec<f64> = pairs.iter().map(change).filter(|change| !change.is_nan()).collect();
            quantile(&mut changes, AGREE)
        });
        let changes: Vec<Option<f64>> = changes.collect();
        let most = changes.iter().flatten().copied().fold(0.0, f64::max);
        // Of rounding noise a fifth of the changes is below a third of its standard deviation.
        let limit = (2.0 * noise.eps * sides.rms).max(0.1 * most);
        let varying: Vec<usize> =
            axes.iter().zip(&changes).filter(|(_, q)| q.is_none_or(|q| q > limit)).map(|(&axis, _)| axis).collect();
        let scaled = Model { factor, bias: None };
        if at > 0 && is_promising(between, &positions, &scaled) {
            models.push(scaled.clone());
        }
        let groups = Groups::new(shape, &varying);
        // Half of the elements at least have to be more than the values that explain them.
        if varying.len() < axes.len() && groups.count * 2 <= sides.len() {
            let values = medians(between, &groups, &scaled);
            models.push(Model { factor, bias: Some(Bias { groups, values }) });
        }
    }
    models
}

/// Elements of the first position in [.., position, width], where actual may be right before it goes wrong.
fn first_positions(shape: &[usize], len: usize) -> Vec<usize> {
    let [.., positions, width] = shape[..] else { return Vec::new() };
    let stride = positions * width;
    let rows = (len / stride).min(64);
    (0..rows).flat_map(|row| (0..width.min(256)).map(move |column| row * stride + column)).collect()
}

/// Whether a factor alone brings the sample closer, or a part of it to where it should be.
fn is_promising(between: Between<'_>, positions: &[usize], scaled: &Model) -> bool {
    let mut left: Vec<f64> = positions.iter().map(|&p| between.left(scaled, p).abs()).collect();
    let within = positions.iter().zip(&left).filter(|&(&p, &left)| between.is_slack(left, p)).count();
    is_seen(within, positions.len(), between.noise())
        || quantile(&mut left, 0.9).is_some_and(|q| q <= 0.3 * between.sides.rmse())
}

/// Whether so many of so many are right by more than chance.
fn is_seen(within: usize, all: usize, noise: Noise) -> bool {
    within >= 16 && within as f64 >= noise.chance() * all as f64
}

/// The median of what a factor leaves in each group.
fn medians(between: Between<'_>, groups: &Groups, scaled: &Model) -> Vec<f64> {
    let median = |members: &Vec<usize>| {
        let left = members.iter().map(|&position| between.left(scaled, position));
        let mut left: Vec<f64> = left.filter(|left| !left.is_nan()).collect();
        // Of an even number the lower one would pull down.
        left.sort_by(f64::total_cmp);
        if left.is_empty() { 0.0 } else { (left[(left.len() - 1) / 2] + left[left.len() / 2]) / 2.0 }
    };
    groups.members(MEMBERS).iter().map(median).collect()
}

/// Settles the numbers of a model by least squares over the elements that it holds for, and holds it against all.
pub(super) fn settle(between: Between<'_>, mut model: Model) -> Fit {
    if !model.is_identity() {
        let guess = model.factor;
        refit(between, &mut model);
        // Once more where the elements that it holds for may have become others.
        if model.bias.is_some() || (model.factor / guess - 1.0).abs() > 16.0 * between.noise().eps {
            refit(between, &mut model);
        }
        if (model.factor + 1.0).abs() < 4.0 * between.noise().eps {
            model.factor = -1.0;
        }
    }
    Fit { tally: tally(between, &model), model }
}

/// Least squares over the elements that the model holds for.
fn refit(between: Between<'_>, model: &mut Model) {
    let positions = between.sampled();
    let mut sampled: Vec<f64> = positions.iter().map(|&p| between.left(model, p).abs()).collect();
    let right = positions.iter().zip(&sampled).filter(|&(&p, &left)| between.is_slack(left, p)).count();
    let far = match is_seen(right, positions.len(), between.noise()) {
        // Some are right: the others are another matter.
        true => 0.0,
        // Six standard deviations, were it normal.
        false => 6.0 * 1.4826 * quantile(&mut sampled, 0.5).unwrap_or(0.0),
    };
    // By group: how many, and the sums of base and actual.
    let mut sums = vec![[0.0f64; 3]; model.bias.as_ref().map_or(1, |bias| bias.groups.count)];
    let (mut squares, mut products) = (0.0, 0.0);
    for (position, (&x, &y)) in between.base.iter().zip(between.actual).enumerate() {
        let left = between.left(model, position).abs();
        if left <= far || between.is_slack(left, position) {
            let [count, sum_x, sum_y] = &mut sums[model.group(position)];
            (*count, *sum_x, *sum_y) = (*count + 1.0, *sum_x + x, *sum_y + y);
            squares += x * x;
            products += x * y;
        }
    }
    if model.factor.abs() != 1.0 {
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

/// A partition of a tensor: two elements are in one group where their indices agree on the axes that were named.
#[derive(Clone, Debug)]
pub(super) struct Groups {
    shape: Vec<usize>,
    /// What a step along each axis adds to the number of the group; 0 along those that are not named.
    strides: Vec<usize>,
    /// The axes on which the elements of a group agree.
    pub(super) axes: Vec<usize>,
    pub(super) count: usize,
}

impl Groups {
    /// The groups of a tensor of that shape by those axes. Without axes there is one group.
    fn new(shape: &[usize], axes: &[usize]) -> Groups {
        let mut strides = vec![0; shape.len()];
        let mut count = 1;
        for &axis in axes.iter().rev() {
            strides[axis] = count;
            count *= shape[axis];
        }
        Groups { shape: shape.to_vec(), strides, axes: axes.to_vec(), count }
    }

    /// The other axes, those longer than 1.
    pub(super) fn others(&self) -> Vec<usize> {
        (0..self.shape.len()).filter(|axis| !self.axes.contains(axis) && self.shape[*axis] > 1).collect()
    }

    /// The group of that position.
    fn of(&self, position: usize) -> usize {
        let mut rest = position;
        let mut group = 0;
        for (extent, stride) in self.shape.iter().zip(&self.strides).rev() {
            group += rest % extent * stride;
            rest /= extent;
        }
        group
    }

    /// At most `count` positions of each group, in the order of the groups: the same places in each.
    fn members(&self, count: usize) -> Vec<Vec<usize>> {
        let strides = strides(&self.shape);
        let size = self.shape.iter().product::<usize>() / self.count.max(1);
        let mut dice = Dice::new(3);
        let places: Vec<usize> =
            if size <= count { (0..size).collect() } else { (0..count).map(|_| dice.below(size)).collect() };
        // The position that an index over some axes alone stands for.
        let position = |mut index: usize, axes: &[usize]| {
            let mut position = 0;
            for &axis in axes.iter().rev() {
                position += index % self.shape[axis] * strides[axis];
                index /= self.shape[axis];
            }
            position
        };
        let others: Vec<usize> = (0..self.shape.len()).filter(|axis| !self.axes.contains(axis)).collect();
        let offsets: Vec<usize> = places.into_iter().map(|place| position(place, &others)).collect();
        (0..self.count)
            .map(|group| position(group, &self.axes))
            .map(|first| offsets.iter().map(|offset| first + offset).collect())
            .collect()
    }
}

/// The share of the difference beyond what chance allows that a factor or a constant for each index of some axis, or for
/// all, explains: 0 of rounding noise, which has no such structure.
pub(super) fn structure(sides: &Sides) -> f64 {
    // Rows of the last axis, each index of every axis, and all as one.
    let width = sides.shape.last().copied().unwrap_or(1).max(1);
    let pairs = || sides.actual.iter().zip(&sides.reference).map(|(a, r)| (a - r, *r));
    let rows = explained(pairs(), sides.len() / width, |position| position / width);
    let all = explained(pairs(), 1, |_| 0);
    by_axis(sides, pairs).fold(rows.max(all), f64::max)
}

/// What a factor, or a constant, for each index of an axis explains of differences, by axis.
pub(super) fn by_axis<P: Iterator<Item = (f64, f64)>>(
    sides: &Sides,
    pairs: impl Fn() -> P,
) -> impl Iterator<Item = f64> {
    sides.axes().map(move |axis| explained(pairs(), sides.shape[axis], sides.along(axis)))
}

/// What a factor, or a constant, for each group explains of the squared differences, each beside what a factor would be of, less
/// what it would of noise.
pub(super) fn explained(pairs: impl Iterator<Item = (f64, f64)>, groups: usize, group: impl Fn(usize) -> usize) -> f64 {
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
    fn a_position_has_a_group_by_its_indices() {
        assert_eq!((Groups::new(&[2, 3, 4], &[0, 2]).of(23), Groups::new(&[2, 3, 4], &[1]).of(23)), (7, 2));
        assert_eq!(Groups::new(&[], &[]).count, 1);
    }

    #[test]
    fn the_members_of_a_group_are_in_it() {
        for axes in [vec![], vec![1], vec![0, 2]] {
            let groups = Groups::new(&[5, 6, 7], &axes);
            for (group, members) in groups.members(9).iter().enumerate() {
                assert!(members.iter().all(|&position| groups.of(position) == group), "{axes:?}");
                assert_eq!(members.len(), 9.min(210 / groups.count));
            }
        }
    }
}
