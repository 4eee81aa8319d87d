//! Bases with the elements in another order: axes swapped or reversed, heads split or merged wrongly, shifts along an axis.

use std::collections::BTreeSet;

use super::explanation::{Details, Hypothesis};
use super::parts::{Base, Part, format_axes};
use super::sides::{Sample, Sides, quantile, strides};

/// An order of the elements of a tensor.
pub(super) struct Order {
    pub(super) part: Part,
    source: Source,
}

/// Maps a position of the actual tensor to the position in the reference that its element comes from, or to `None` if it comes from
/// outside.
type Source = Box<dyn Fn(usize) -> Option<usize>>;

/// The number of orders of each kind that are compared on all elements.
const MAX_FULL_COMPARISONS: usize = 3;

impl Order {
    /// An order that maps every position of the actual tensor to one of the reference.
    fn new(part: Part, source: impl Fn(usize) -> usize + 'static) -> Order {
        Order { part, source: Box::new(move |position| Some(source(position))) }
    }

    /// Returns the position in the reference that the actual element at a position comes from.
    pub(super) fn source(&self, position: usize) -> Option<usize> {
        (self.source)(position)
    }

    /// Puts the elements of the reference into this order, with NaN for those that come from outside.
    fn apply(&self, reference: &[f64]) -> Vec<f64> {
        (0..reference.len()).map(|position| self.source(position).map_or(f64::NAN, |from| reference[from])).collect()
    }
}

/// Proposes the reference in each order that fits a sample. The iterator is lazy, because each base is as large as the tensor.
pub(super) fn reorder(sides: &Sides, sample: &Sample) -> impl Iterator<Item = Base> {
    let screen = Screen::new(&sides.actual, &sides.reference, sample);
    let best = |orders| screen.best(orders, Order::source);
    let layouts = best(layouts(&sides.shape, &sides.actual_shape));
    let same = if sides.is_aligned() { sides.shape.as_slice() } else { &[] };
    let flips = best(flips(same));
    let shifts = screen.best(Shift::all(same), |shift, position| shift.source(position, false));
    // A shift either wraps around, or leaves arbitrary elements at the edge, which must be a small part of the axis.
    let shifts = shifts.into_iter().flat_map(|shift| {
        [true, false].into_iter().filter(move |wraps| *wraps || shift.extent >= 8).map(move |wraps| shift.order(wraps))
    });
    let base = move |order: Order, parameters| {
        let outside = (0..sides.len()).filter(|&position| order.source(position).is_none());
        let squares = outside.map(|p| sides.difference(p).powi(2)).filter(|square| !square.is_nan());
        let unexplained = squares.sum();
        let values = order.apply(&sides.reference);
        Base { unexplained, ..Base::new(order.part, values, parameters) }
    };
    let permutations = layouts.into_iter().chain(flips).map(move |order| base(order, 0));
    permutations.chain(shifts.map(move |order| base(order, 1)))
}

/// Whether the elements determine their order. A few elements with two or three distinct values fit another order by chance.
pub(super) fn has_enough_information(sides: &Sides) -> bool {
    /// The information that the elements need to have, in bits.
    const MIN_BITS: f64 = 24.0;
    let mut values: Vec<f64> = sides.reference.iter().copied().filter(|x| !x.is_nan()).take(4096).collect();
    if values.iter().any(|x| x.fract() != 0.0) {
        return true;
    }
    values.sort_by(f64::total_cmp);
    values.dedup();
    sides.finite_count as f64 * (values.len() as f64).log2() >= MIN_BITS
}

/// Maps positions in C order of a tensor with these extents to positions with these strides. An axis with a negative stride is read
/// from its other end.
fn strided(extents: Vec<usize>, strides: Vec<isize>) -> impl Fn(usize) -> usize {
    let axes: Vec<(usize, isize)> = extents.into_iter().zip(strides).rev().collect();
    let first: isize = axes.iter().map(|&(extent, stride)| (extent as isize - 1) * (-stride).max(0)).sum();
    move |position| {
        let (mut rest, mut source) = (position, first);
        for &(extent, stride) in &axes {
            source += (rest % extent) as isize * stride;
            rest /= extent;
        }
        source as usize
    }
}

/// Returns the reversals of every set of axes longer than 2, the smallest sets first. Reversing two indices is a shift by one.
pub(super) fn flips(shape: &[usize]) -> Vec<Order> {
    /// The largest number of axes for which every set is tried; of more axes, only single ones are.
    const EVERY_SET: usize = 4;
    let long: Vec<usize> = (0..shape.len()).filter(|&axis| shape[axis] > 2).collect();
    let set = |bits: usize| (0..long.len()).filter(|at| bits >> at & 1 == 1).map(|at| long[at]).collect();
    let mut sets: Vec<Vec<usize>> = match long.len() > EVERY_SET {
        true => long.iter().map(|&axis| vec![axis]).collect(),
        false => (1..1 << long.len()).map(set).collect(),
    };
    sets.sort_by_key(Vec::len);
    let flip = |axes: Vec<usize>| {
        let evidence = match axes[..] {
            [axis] => format!("axis {axis} is reversed"),
            _ => format!("axes {} are reversed", format_axes(&axes)),
        };
        let signs = (0..shape.len()).map(|axis| if axes.contains(&axis) { -1 } else { 1 });
        let steps = strides(shape).into_iter().zip(signs).map(|(stride, sign)| stride as isize * sign).collect();
        let details = Details { axes: Some(axes), ..Details::default() };
        Order::new(Part::new(Hypothesis::Flip, evidence, details), strided(shape.to_vec(), steps))
    };
    sets.into_iter().map(flip).collect()
}

/// A shift of the elements: the actual element at index `i` is the reference element at `i - by`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shift {
    /// The axis, or `None` for a shift across all axes in C order.
    axis: Option<usize>,
    by: i64,
    stride: usize,
    extent: usize,
}

impl Shift {
    /// Returns every shift that leaves at least half of the elements with a counterpart, the shortest first.
    pub(super) fn all(shape: &[usize]) -> Vec<Shift> {
        /// The longest shift that is tried along an axis.
        const MAX_ALONG_AXIS: usize = 64;
        /// The longest shift that is tried across all axes.
        const MAX_ACROSS_AXES: usize = 8;
        let stride = |axis: usize| shape[axis + 1..].iter().product();
        let along = (0..shape.len()).map(|axis| (Some(axis), stride(axis), shape[axis], MAX_ALONG_AXIS));
        let is_flat = shape.iter().filter(|extent| **extent > 1).count() < 2;
        let across = (!is_flat).then(|| (None, 1, shape.iter().product(), MAX_ACROSS_AXES));
        let shifts = along.chain(across).flat_map(|(axis, stride, extent, max)| {
            let max = max.min(extent / 2) as i64;
            (1..=max).flat_map(|by| [by, -by]).map(move |by| Shift { axis, by, stride, extent })
        });
        let mut shifts: Vec<Shift> = shifts.collect();
        shifts.sort_by_key(|shift| (shift.axis.is_none(), shift.by.abs()));
        shifts
    }

    /// Returns the position in the reference that the actual element at a position comes from, or `None` if that is outside and the
    /// shift does not wrap around.
    fn source(&self, position: usize, wraps: bool) -> Option<usize> {
        let extent = self.extent as i64;
        let at = (position / self.stride) as i64 % extent;
        let from = if wraps { (at - self.by).rem_euclid(extent) } else { at - self.by };
        (0..extent).contains(&from).then(|| (position as i64 + (from - at) * self.stride as i64) as usize)
    }

    /// Returns the order of the shifted elements.
    pub(super) fn order(self, wraps: bool) -> Order {
        let Shift { axis, by, .. } = self;
        let along = axis.map_or("across all axes, in C order".to_owned(), |axis| format!("along axis {axis}"));
        let distance = if by.abs() == 1 { "1 position".to_owned() } else { format!("{} positions", by.abs()) };
        let direction = if by > 0 { "later" } else { "earlier" };
        let edge = if wraps { ", wrapping around" } else { "" };
        let details = Details { axes: axis.map(|axis| vec![axis]), by: Some(by), ..Details::default() };
        let evidence = format!("shifted by {distance} {along}: each element is {distance} {direction}{edge}");
        let part = Part::new(Hypothesis::Shift, evidence, details);
        Order { part, source: Box::new(move |position| self.source(position, wraps)) }
    }
}

/// An axis that was split in two, and the two extents.
type Split = (usize, usize, usize);

/// A view of one side that, transposed, gives the other side.
struct View {
    /// The extents of the view.
    extents: Vec<usize>,
    /// The order of its axes after the transposition.
    order: Vec<usize>,
    split: Option<Split>,
    /// Whether it is a view of the actual tensor, which gives the reference.
    is_inverse: bool,
}

/// Returns every useful order of axes, as they are or with one of them split in two, the simplest first and without duplicates. `shape`
/// is that of the reference, `actual` that of the actual tensor.
pub(super) fn layouts(shape: &[usize], actual: &[usize]) -> Vec<Order> {
    /// The largest number of orders that are tried.
    const LIMIT: usize = 8192;
    let views = [(shape, false), (actual, true)]
        .into_iter()
        .flat_map(|(shape, is_inverse)| views(shape).into_iter().map(move |view| (view, is_inverse)));
    // A permutation of either side is simpler than one with a split axis.
    let (whole, split): (Vec<_>, Vec<_>) = views.partition(|((_, split), _)| split.is_none());
    let all = whole.into_iter().chain(split).flat_map(|((extents, split), is_inverse)| {
        let view = move |order| View { extents: extents.clone(), order, split, is_inverse };
        permutations(view(Vec::new()).extents.len()).into_iter().map(view).collect::<Vec<View>>()
    });
    let mut known = BTreeSet::new();
    let distinct = all.filter_map(|view| {
        let (extents, strides) = view.strides();
        let is_new = extents.len() > 1 && known.insert((extents.clone(), strides.clone()));
        is_new.then(|| Order::new(view.describe(shape, actual), strided(extents, strides)))
    });
    let mut orders: Vec<Order> = distinct.take(LIMIT).collect();
    if orders.len() < LIMIT {
        orders.extend(interleaved_heads(shape));
    }
    orders
}

/// Returns the order of heads that are interleaved within the width instead of side by side: `[batch, heads, positions, width]` split
/// from `[batch, positions, width x heads]`.
fn interleaved_heads(shape: &[usize]) -> Option<Order> {
    let &[batch, heads, positions, width] = shape else { return None };
    // If one extent divides the other, it is an order with one split axis.
    let is_new = heads > 1 && positions * width > 1 && !width.is_multiple_of(heads) && !heads.is_multiple_of(width);
    let source = |extents: [usize; 4], order: [usize; 4]| {
        let view = View { extents: extents.to_vec(), order: order.to_vec(), split: None, is_inverse: false };
        let (extents, strides) = view.strides();
        strided(extents, strides)
    };
    is_new.then(|| {
        let merged = source([batch, heads, positions, width], [0, 2, 1, 3]);
        let split = source([batch, positions, width, heads], [0, 3, 1, 2]);
        let evidence = "heads split wrongly: they are interleaved within the width instead of side by side";
        let part = Part::new(Hypothesis::ReshapeOrder, evidence, Details::default());
        Order::new(part, move |position| merged(split(position)))
    })
}

impl View {
    /// Returns extents that the actual tensor can be read with in C order, as few as possible, and their strides in the reference.
    fn strides(&self) -> (Vec<usize>, Vec<isize>) {
        let View { extents, order, is_inverse, .. } = self;
        let transposed: Vec<usize> = order.iter().map(|&axis| extents[axis]).collect();
        let (outer, inner) = (strides(&transposed), strides(extents));
        let place = |axis| order.iter().position(|&taken| taken == axis).expect("an order has every axis");
        let mut merged: Vec<(usize, isize)> = Vec::new();
        for at in 0..extents.len() {
            // A view of the actual tensor describes the map in the opposite direction.
            let (extent, stride) = match is_inverse {
                true => (extents[at], outer[place(at)] as isize),
                false => (transposed[at], inner[order[at]] as isize),
            };
            match merged.last_mut() {
                Some((outer, step)) if *step == extent as isize * stride => (*outer, *step) = (*outer * extent, stride),
                _ => merged.push((extent, stride)),
            }
        }
        merged.into_iter().unzip()
    }

    /// Describes the order of tensors with these shapes.
    fn describe(&self, shape: &[usize], actual: &[usize]) -> Part {
        let View { extents, order, split, is_inverse } = self;
        let (side, viewed) = if *is_inverse { ("the actual tensor", actual) } else { ("the reference", shape) };
        let axes: Vec<usize> = (0..viewed.len()).filter(|&axis| viewed[axis] > 1).collect();
        let Some((axis, first, second)) = split else { return self.describe_permutation(shape, actual, &axes) };
        // The parts of split axis 1 are called 1a and 1b.
        let names: Vec<String> = axes
            .iter()
            .flat_map(|at| if at == axis { vec![format!("{at}a"), format!("{at}b")] } else { vec![at.to_string()] })
            .collect();
        let taken: Vec<&str> = order.iter().map(|&at| names[at].as_str()).collect();
        let swapped: Vec<usize> = (0..extents.len()).filter(|&at| order[at] != at).collect();
        let is_interleaved = swapped.len() == 2 && swapped[1] == swapped[0] + 1 && names[swapped[0]].ends_with("a");
        let evidence = match is_interleaved {
            true => format!("interleaved: axis {axis} of {side} is {first} x {second}, read as {second} x {first}"),
            false => format!(
                "reordered: axis {axis} of {side} is split into {first} x {second} ({axis}a, {axis}b), then the order is {}",
                taken.join(", ")
            ),
        };
        Part::new(Hypothesis::ReshapeOrder, evidence, Details { axes: Some(vec![*axis]), ..Details::default() })
    }

    /// Describes a permutation of the axes longer than 1, which are `axes`.
    fn describe_permutation(&self, shape: &[usize], actual: &[usize], axes: &[usize]) -> Part {
        // Axes of extent 1 keep their place.
        let mut order: Vec<usize> = (0..if self.is_inverse { actual } else { shape }.len()).collect();
        for (place, &taken) in axes.iter().zip(&self.order) {
            order[*place] = axes[taken];
        }
        let moved: Vec<usize> = (0..order.len()).filter(|&at| order[at] != at).collect();
        let is_swap = moved.len() == 2 && (moved[1] == moved[0] + 1 || axes.len() == 2);
        let becomes: Vec<usize> = order.iter().map(|&axis| shape.get(axis).copied().unwrap_or(1)).collect();
        let is_under_shape = actual == shape && becomes != shape;
        let under = if is_under_shape { ", but with the shape of the reference" } else { "" };
        let details = Details { axes: Some(order.clone()), ..Details::default() };
        if is_swap && moved[1] == order.len() - 1 {
            return Part::new(Hypothesis::Transpose, format!("the last two axes are swapped{under}"), details);
        }
        let what = match is_swap {
            true => format!("axes {} and {} are swapped", moved[0], moved[1]),
            false => format!("the axes are in the order {}", format_axes(&order)),
        };
        if is_under_shape || self.is_inverse && actual == shape {
            let evidence = format!("{what}{under}: split or merged without transposing");
            return Part::new(Hypothesis::ReshapeOrder, evidence, details);
        }
        Part::new(Hypothesis::PermuteAxes, what, details)
    }
}

/// Returns the shape without axes of extent 1, and the same with one axis split in two, for each axis and each divisor.
fn views(shape: &[usize]) -> Vec<(Vec<usize>, Option<Split>)> {
    let axes: Vec<usize> = (0..shape.len()).filter(|&axis| shape[axis] > 1).collect();
    let extents: Vec<usize> = axes.iter().map(|&axis| shape[axis]).collect();
    let mut views = vec![(extents.clone(), None)];
    for (at, &axis) in axes.iter().enumerate() {
        for first in (2..=extents[at] / 2).filter(|first| extents[at].is_multiple_of(*first)) {
            let second = extents[at] / first;
            let mut extents = extents.clone();
            extents.splice(at..=at, [first, second]);
            views.push((extents, Some((axis, first, second))));
        }
    }
    views
}

/// Returns the permutations of this number of axes, without the identity; of many axes, only swaps of adjacent blocks.
fn permutations(count: usize) -> Vec<Vec<usize>> {
    /// The largest number of axes for which every order is tried.
    const EVERY_ORDER: usize = 5;
    let identity: Vec<usize> = (0..count).collect();
    if count <= EVERY_ORDER {
        let mut orders = vec![Vec::new()];
        for _ in 0..count {
            let longer = |order: &Vec<usize>| {
                let rest = (0..count).filter(|axis| !order.contains(axis));
                rest.map(|axis| [order.as_slice(), &[axis]].concat()).collect::<Vec<_>>()
            };
            orders = orders.iter().flat_map(longer).collect();
        }
        orders.retain(|order| *order != identity);
        // Orders that move fewer axes are simpler.
        orders.sort_by_key(|order| order.iter().zip(&identity).filter(|(a, b)| a != b).count());
        return orders;
    }
    let mut orders = Vec::new();
    for from in 0..count {
        for middle in from + 1..count {
            for to in middle + 1..=count {
                let mut order = identity.clone();
                order[from..to].rotate_left(middle - from);
                orders.push(order);
            }
        }
    }
    orders
}

/// Compares orders of the reference with a sample of the actual tensor.
pub(super) struct Screen<'a> {
    actual: &'a [f64],
    reference: &'a [f64],
    sample: &'a Sample,
    /// A smaller sample for a first comparison.
    subsample: Sample,
    /// The range that each side is clamped to, so that a few extreme elements have no influence.
    ranges: [(f64, f64); 2],
    /// The correlation of both sides in their own order. Another order has to correlate better.
    unchanged: f64,
}

impl<'a> Screen<'a> {
    pub(super) fn new(actual: &'a [f64], reference: &'a [f64], sample: &'a Sample) -> Screen<'a> {
        let range = |side: &[f64]| range(sample.positions.iter().map(|&position| side[position]).collect());
        let ranges = [range(actual), range(reference)];
        let mut screen = Screen { actual, reference, sample, subsample: sample.subsample(), ranges, unchanged: 0.0 };
        screen.unchanged = screen.correlation(sample, Some);
        screen
    }

    /// Returns the orders with the highest similarity; of equally good ones, the first.
    fn best<T>(&self, orders: Vec<T>, source: impl Fn(&T, usize) -> Option<usize>) -> Vec<T> {
        let rate = |order: T| Some((self.similarity(|position| source(&order, position))?, order));
        let mut rated: Vec<(f64, T)> = orders.into_iter().filter_map(rate).collect();
        rated.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        rated.into_iter().take(MAX_FULL_COMPARISONS).map(|(_, order)| order).collect()
    }

    /// Returns the correlation of the actual tensor with the reference in this order, or `None` if it is too low.
    pub(super) fn similarity(&self, source: impl Fn(usize) -> Option<usize>) -> Option<f64> {
        if self.correlation(&self.subsample, &source) < 0.3 {
            return None;
        }
        let correlation = self.correlation(self.sample, &source);
        (correlation >= 0.5 && correlation >= self.unchanged - 0.02).then_some(correlation)
    }

    /// Returns the highest absolute correlation of the elements, minus the means of the columns, or of the rows, or neither. A
    /// bias along an axis therefore does not hide an order.
    fn correlation(&self, sample: &Sample, source: impl Fn(usize) -> Option<usize>) -> f64 {
        let clamp = |x: f64, (low, high): (f64, f64)| x.clamp(low, high);
        let pair = |&position: &usize| {
            let base = source(position).map_or(f64::NAN, |source| self.reference[source]);
            (clamp(self.actual[position], self.ranges[0]), clamp(base, self.ranges[1]))
        };
        let pairs = sample.positions.iter().map(pair).enumerate();
        let pairs: Vec<(usize, (f64, f64))> = pairs.filter(|(_, (a, b))| !(a + b).is_nan()).collect();
        let columns = sample.columns.max(1);
        let rows = sample.positions.len() / columns;
        let mut highest = correlation(&pairs, 1, |_| 0);
        if rows >= 4 {
            highest = highest.max(correlation(&pairs, columns, |at| at % columns));
        }
        if columns >= 4 {
            highest = highest.max(correlation(&pairs, rows, |at| at / columns));
        }
        highest
    }
}

/// Returns the absolute correlation of pairs minus the means of their groups.
fn correlation(pairs: &[(usize, (f64, f64))], groups: usize, group: impl Fn(usize) -> usize) -> f64 {
    if pairs.len() < 4 {
        return 0.0;
    }
    let mut sums = vec![[0.0; 3]; groups];
    for (at, (x, y)) in pairs {
        let [count, sum_x, sum_y] = &mut sums[group(*at)];
        (*count, *sum_x, *sum_y) = (*count + 1.0, *sum_x + x, *sum_y + y);
    }
    let [xx, yy, xy] = pairs.iter().fold([0.0; 3], |[xx, yy, xy], (at, (x, y))| {
        let [count, sum_x, sum_y] = sums[group(*at)];
        let (x, y) = (x - sum_x / count, y - sum_y / count);
        [xx + x * x, yy + y * y, xy + x * y]
    });
    if xx > 0.0 && yy > 0.0 { (xy / (xx * yy).sqrt()).abs() } else { 0.0 }
}

/// Returns the range of all but a few extreme values.
fn range(mut values: Vec<f64>) -> (f64, f64) {
    values.retain(|x| !x.is_nan());
    match (quantile(&mut values, 0.03), quantile(&mut values, 0.97)) {
        (Some(low), Some(high)) if low < high => (low, high),
        _ => (f64::NEG_INFINITY, f64::INFINITY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(order: &Order, count: usize) -> Vec<f64> {
        order.apply(&(0..count).map(|x| x as f64).collect::<Vec<_>>())
    }

    #[test]
    fn no_order_is_tried_twice_and_none_is_the_identity() {
        for shape in [vec![2, 3], vec![1, 8, 12], vec![2, 4, 6, 8], vec![12], vec![2, 3, 4, 5]] {
            let count = shape.iter().product();
            let layouts = layouts(&shape, &shape);
            let orders: BTreeSet<Vec<usize>> =
                layouts.iter().map(|order| applied(order, count).iter().map(|&x| x as usize).collect()).collect();
            assert_eq!(orders.len(), layouts.len(), "{shape:?}");
            assert!(!orders.contains(&(0..count).collect::<Vec<_>>()), "{shape:?}");
        }
    }

    #[test]
    fn orders_have_common_names() {
        let named = |shape: &[usize], actual: &[usize], expected: &[usize]| {
            let expected: Vec<f64> = expected.iter().map(|&x| x as f64).collect();
            let layouts = layouts(shape, actual);
            let order = layouts.into_iter().find(|order| applied(order, expected.len()) == expected);
            let Part { id, evidence, .. } = order.expect("it is one of the layouts").part;
            (id, evidence)
        };
        let transposed = [0, 3, 1, 4, 2, 5];
        assert_eq!(
            named(&[2, 3], &[3, 2], &transposed),
            (Hypothesis::Transpose, "the last two axes are swapped".into())
        );
        assert_eq!(
            named(&[2, 3], &[2, 3], &transposed),
            (Hypothesis::Transpose, "the last two axes are swapped, but with the shape of the reference".into())
        );
        assert_eq!(
            named(&[2, 6], &[2, 6], &[0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11]).0,
            Hypothesis::Transpose,
            "and so is its inverse"
        );
        // [2, 2, 3] with the first two axes swapped.
        let swapped = [0, 1, 2, 6, 7, 8, 3, 4, 5, 9, 10, 11];
        assert_eq!(
            named(&[2, 2, 3], &[2, 2, 3], &swapped),
            (Hypothesis::PermuteAxes, "axes 0 and 1 are swapped".into())
        );
        // [2, 3, 2] with the first two axes swapped, but the same shape.
        let reshaped = [0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11];
        let (id, evidence) = named(&[2, 3, 2], &[2, 3, 2], &reshaped);
        assert_eq!(id, Hypothesis::ReshapeOrder);
        assert!(evidence.starts_with("axes 0 and 1 are swapped, but with the shape of the reference"), "{evidence}");
        let interleaved = [0, 2, 1, 3, 4, 6, 5, 7];
        assert_eq!(
            named(&[2, 4], &[2, 4], &interleaved),
            (Hypothesis::ReshapeOrder, "interleaved: axis 1 of the reference is 2 x 2, read as 2 x 2".into())
        );
    }

    #[test]
    fn elements_shift_along_their_axis() {
        let shift = |axis, by, wraps| {
            let shift = Shift::all(&[2, 3])
                .into_iter()
                .find(|s| s.axis == axis && s.by == by)
                .expect("it is one of the shifts");
            applied(&shift.order(wraps), 6)
        };
        assert_eq!(shift(Some(1), 1, true), [2.0, 0.0, 1.0, 5.0, 3.0, 4.0]);
        assert_eq!(shift(Some(0), -1, true), [3.0, 4.0, 5.0, 0.0, 1.0, 2.0]);
        assert_eq!(shift(None, 1, true), [5.0, 0.0, 1.0, 2.0, 3.0, 4.0]);
        let moved = shift(Some(1), -1, false);
        assert_eq!((moved[0], moved[1], moved[3]), (1.0, 2.0, 4.0));
        assert!(moved[2].is_nan() && moved[5].is_nan());
    }

    #[test]
    fn a_flip_reads_an_axis_from_its_other_end() {
        let axes = |flip: &Order| flip.part.details.axes.clone().expect("it has axes");
        let flipped: Vec<(Vec<usize>, Vec<f64>)> =
            flips(&[2, 3]).iter().map(|flip| (axes(flip), applied(flip, 6))).collect();
        assert_eq!(flipped, [(vec![1], vec![2.0, 1.0, 0.0, 5.0, 4.0, 3.0])]);
        let sets: Vec<Vec<usize>> = flips(&[3, 1, 4]).iter().map(axes).collect();
        assert_eq!(sets, [vec![0], vec![2], vec![0, 2]]);
        assert_eq!(flips(&[3, 4]).pop().and_then(|flip| flip.source(0)), Some(11));
    }
}
