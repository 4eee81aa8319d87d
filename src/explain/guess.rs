//! Factors and biases as a sample suggests them: where most agree, whatever the others are.

use super::fit::{Between, Bias, Model};
use super::groups::Groups;
use super::noise::Noise;
use super::sample::{Sample, mode, pairs, quantile};
use super::sides::Sides;

/// The share of elements that has to agree for an estimate to be seen.
const AGREE: f64 = 0.2;

/// Pairs of elements that are looked at along an axis.
const PAIRS: usize = 512;

/// Values of a group of which the median is taken.
const MEMBERS: usize = 15;

/// Models that look right on a sample.
pub(super) fn guesses(sides: &Sides, sample: &Sample, between: Between<'_>) -> Vec<Model> {
    let Between { shape, actual, base, noise, rms, .. } = between;
    let here = |position: &&usize| !(actual[**position] - base[**position]).is_nan();
    let positions: Vec<usize> = sample.positions.iter().filter(here).copied().collect();
    if positions.len() < 3 {
        return Vec::new();
    }
    let typical = (positions.iter().map(|&p| base[p] * base[p]).sum::<f64>() / positions.len() as f64).sqrt();
    if typical == 0.0 || !typical.is_finite() {
        return Vec::new();
    }
    // A small base says little of its factor.
    let mut ratios: Vec<f64> =
        positions.iter().filter(|&&p| base[p].abs() > 0.3 * typical).map(|&p| actual[p] / base[p]).collect();
    let axes: Vec<usize> = (0..shape.len()).filter(|&axis| shape[axis] > 1).collect();
    let mut early = first_ratios(between, typical);
    let pairs: Vec<Vec<(usize, usize)>> = axes.iter().map(|&axis| pairs(shape, axis, PAIRS)).collect();
    let mut factors: Vec<f64> = vec![1.0, -1.0];
    factors.extend(mode(&mut ratios, AGREE));
    factors.extend(mode(&mut early, 0.5));
    for pairs in &pairs {
        let slope = |&(p, q): &(usize, usize)| {
            let (rise, run) = (actual[p] - actual[q], base[p] - base[q]);
            (run.abs() > 0.3 * typical && !rise.is_nan()).then(|| rise / run)
        };
        factors.extend(mode(&mut pairs.iter().filter_map(slope).collect::<Vec<f64>>(), AGREE));
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
    let factors = distinct;
    let mut models: Vec<Model> = Vec::new();
    for (at, factor) in factors.into_iter().enumerate().filter(|(_, factor)| factor.is_finite() && *factor != 0.0) {
        if at > 0 && (factor - 1.0).abs() < 4.0 * noise.eps {
            continue;
        }
        // Along which axes what is left does not change.
        let changes: Vec<Option<f64>> = pairs
            .iter()
            .map(|pairs| {
                let change = |&(p, q): &(usize, usize)| {
                    let change = ((actual[p] - actual[q]) - factor * (base[p] - base[q])).abs();
                    (!change.is_nan()).then_some(change)
                };
                quantile(&mut pairs.iter().filter_map(change).collect::<Vec<f64>>(), AGREE)
            })
            .collect();
        let most = changes.iter().flatten().copied().fold(0.0, f64::max);
        // Of rounding noise a fifth of the changes is below a third of its standard deviation.
        let limit = (2.0 * noise.eps * rms).max(0.1 * most);
        let varying: Vec<usize> =
            axes.iter().zip(&changes).filter(|(_, q)| q.is_none_or(|q| q > limit)).map(|(&axis, _)| axis).collect();
        if at > 0 && is_promising(between, &positions, factor) {
            models.push(Model { factor, bias: None });
        }
        let groups = Groups::new(shape, &varying);
        // Half of the elements at least have to be more than the values that explain them.
        if varying.len() < axes.len() && groups.count() * 2 <= sides.len() {
            let values = medians(between, &groups, factor);
            models.push(Model { factor, bias: Some(Bias { groups, values }) });
        }
    }
    models
}

/// The ratios at the first position, where actual may be right before it goes wrong.
fn first_ratios(between: Between<'_>, typical: f64) -> Vec<f64> {
    let Between { shape, actual, base, .. } = between;
    let [.., positions, width] = shape[..] else { return Vec::new() };
    let stride = positions * width;
    let rows = (actual.len() / stride).min(64);
    let first = (0..rows).flat_map(|row| (0..width.min(256)).map(move |column| row * stride + column));
    first.filter(|&p| base[p].abs() > 0.3 * typical && !actual[p].is_nan()).map(|p| actual[p] / base[p]).collect()
}

/// Whether a factor alone brings the sample closer, or a part of it to where it should be.
fn is_promising(between: Between<'_>, positions: &[usize], factor: f64) -> bool {
    let Between { actual, base, noise, rms, rmse, .. } = between;
    let mut left: Vec<f64> = positions.iter().map(|&p| (actual[p] - factor * base[p]).abs()).collect();
    let within = positions.iter().zip(&left).filter(|&(&p, &left)| left <= noise.slack(actual[p].abs(), rms)).count();
    is_seen(within, positions.len(), noise) || quantile(&mut left, 0.9).is_some_and(|q| q <= 0.3 * rmse)
}

/// Whether so many of so many are right by more than chance.
pub(super) fn is_seen(within: usize, all: usize, noise: Noise) -> bool {
    within >= 16 && within as f64 >= noise.chance() * all as f64
}

/// The median of what a factor leaves in each group.
fn medians(between: Between<'_>, groups: &Groups, factor: f64) -> Vec<f64> {
    let Between { actual, base, .. } = between;
    let median = |members: &Vec<usize>| {
        let left = |&p: &usize| {
            let left = actual[p] - factor * base[p];
            (!left.is_nan()).then_some(left)
        };
        let mut left: Vec<f64> = members.iter().filter_map(left).collect();
        // Of an even number the lower one would pull down.
        left.sort_by(f64::total_cmp);
        if left.is_empty() { 0.0 } else { (left[(left.len() - 1) / 2] + left[left.len() / 2]) / 2.0 }
    };
    groups.members(MEMBERS).iter().map(median).collect()
}
