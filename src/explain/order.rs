//! The same elements in another order: axes exchanged or reversed, heads split or merged wrongly, moved along an axis.

use std::collections::BTreeSet;

use super::explanation::{Details, Hypothesis};
use super::parts::{Base, Part, axes_words};
use super::sides::{Sample, Sides, quantile, strides};

/// An order of the elements of a tensor.
pub(super) struct Order {
    pub(super) part: Part,
    source: Source,
}

/// The place in the reference of the actual tensor's element at a position; `None` where it came from outside.
type Source = Box<dyn Fn(usize) -> Option<usize>>;

/// Orders of each kind that are held against all elements.
const CLOSER_LOOKS: usize = 3;

impl Order {
    fn new(id: Hypothesis, evidence: String, details: Details, source: Source) -> Order {
        Order { part: Part { id, evidence, details }, source }
    }

    /// The place in the reference of the actual tensor's element at that position.
    pub(super) fn source(&self, position: usize) -> Option<usize> {
        (self.source)(position)
    }

    /// The reference's elements in that order; NaN where nothing came.
    fn apply(&self, reference: &[f64]) -> Vec<f64> {
        (0..reference.len()).map(|position| self.source(position).map_or(f64::NAN, |from| reference[from])).collect()
    }
}

/// The reference in each order that looks right on a sample, one after the other: each is as large as the tensor.
pub(super) fn moved(sides: &Sides, sample: &Sample) -> impl Iterator<Item = Base> {
    let screen = Screen::new(&sides.actual, &sides.reference, sample);
    let best = |orders| screen.best(orders, Order::source);
    let layouts = best(layouts(&sides.shape, &sides.actual_shape));
    let same = if sides.is_aligned() { sides.shape.as_slice() } else { &[] };
    let flips = best(flips(same));
    let shifts = screen.best(Shift::all(same), |shift, position| shift.source(position, false));
    // Either what went out came in again, or what stands at the edge is anything: a small part of a long axis.
    let shifts = shifts.into_iter().flat_map(|shift| {
        [true, false].into_iter().filter(move |wraps| *wraps || shift.extent >= 8).map(move |wraps| shift.order(wraps))
    });
    let base = move |order: Order, parameters| {
        let outside = (0..sides.len()).filter(|&position| order.source(position).is_none());
        let squares = outside.map(|p| (sides.actual[p] - sides.reference[p]).powi(2)).filter(|square| !square.is_nan());
        let untold = squares.sum();
        Base { untold, ..Base::new(order.part.clone(), order.apply(&sides.reference), parameters) }
    };
    let whole = layouts.into_iter().chain(flips).map(move |order| base(order, 0));
    whole.chain(shifts.map(move |order| base(order, 1)))
}

/// Whether the elements are enough to tell their order: a few that are one of two or three values fit another one by chance.
pub(super) fn has_order(sides: &Sides) -> bool {
    /// As good as one in so many powers of two.
    const BITS: f64 = 24.0;
    let mut values: Vec<f64> = sides.reference.iter().copied().filter(|x| !x.is_nan()).take(4096).collect();
    if values.iter().any(|x| x.fract() != 0.0) {
        return true;
    }
    values.sort_by(f64::total_cmp);
    values.dedup();
    sides.numbers as f64 * (values.len() as f64).log2() >= BITS
}

/// Where an element of a tensor in C order of those extents is, where a step along each axis is so many elements; along an axis
/// with a negative step from its other end.
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

/// Every set of axes longer than 2 in reverse, the smallest first: two indices in reverse are moved by one.
pub(super) fn flips(shape: &[usize]) -> Vec<Order> {
    /// Axes of which every set is tried; of more only single ones.
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
            _ => format!("axes {} are reversed", axes_words(&axes)),
        };
        let signs = (0..shape.len()).map(|axis| if axes.contains(&axis) { -1 } else { 1 });
        let steps = strides(shape).into_iter().zip(signs).map(|(stride, sign)| stride as isize * sign).collect();
        let source = strided(shape.to_vec(), steps);
        let details = Details { axes: Some(axes), ..Details::default() };
        Order::new(Hypothesis::Flip, evidence, details, Box::new(move |position| Some(source(position))))
    };
    sets.into_iter().map(flip).collect()
}

/// A move of the elements by some places: the actual element at `i` is the reference's at `i - by`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shift {
    /// Along that axis, or across all of them in C order.
    axis: Option<usize>,
    by: i64,
    /// Elements a step along the axis is, and how many steps there are.
    stride: usize,
    extent: usize,
}

impl Shift {
    /// Every move that leaves at least half of the elements with a counterpart, the shortest first.
    pub(super) fn all(shape: &[usize]) -> Vec<Shift> {
        /// How far is tried along a long axis, and across all axes. A shorter one is tried in full.
        const FAR: [usize; 2] = [64, 8];
        let along = (0..shape.len()).map(|axis| (Some(axis), shape[axis + 1..].iter().product(), shape[axis], FAR[0]));
        let is_flat = shape.iter().filter(|extent| **extent > 1).count() < 2;
        let across = (!is_flat).then(|| (None, 1, shape.iter().product(), FAR[1]));
        // Of an odd extent the middle one has its counterpart either way.
        let mut shifts: Vec<Shift> = along
            .chain(across)
            .flat_map(|(axis, stride, extent, far)| {
                let far = far.min(extent / 2) as i64;
                (1..=far).flat_map(|by| [by, -by]).map(move |by| Shift { axis, by, stride, extent })
            })
            .collect();
        shifts.sort_by_key(|shift| (shift.axis.is_none(), shift.by.abs()));
        shifts
    }

    /// The place in the reference of the actual tensor's element at that position: `None` where it would be outside, unless
    /// it is to come in again at the other end.
    fn source(&self, position: usize, wraps: bool) -> Option<usize> {
        let extent = self.extent as i64;
        let at = (position / self.stride) as i64 % extent;
        let from = if wraps { (at - self.by).rem_euclid(extent) } else { at - self.by };
        (0..extent).contains(&from).then(|| (position as i64 + (from - at) * self.stride as i64) as usize)
    }

    /// The elements moved so, where what goes out comes in at the other end or not.
    pub(super) fn order(self, wraps: bool) -> Order {
        let Shift { axis, by, .. } = self;
        let along = axis.map_or("across all axes, in C order".to_owned(), |axis| format!("along axis {axis}"));
        let counted = if by.abs() == 1 { "1 place".to_owned() } else { format!("{} places", by.abs()) };
        let towards = if by > 0 { "later" } else { "earlier" };
        let edge = if wraps { ", and what went out came in at the other end" } else { "" };
        let details = Details { axes: axis.map(|axis| vec![axis]), by: Some(by), ..Details::default() };
        let evidence = format!("shifted by {counted} {along}: each element stands {counted} {towards}{edge}");
        Order::new(Hypothesis::Shift, evidence, details, Box::new(move |position| self.source(position, wraps)))
    }
}

/// The axis that was split in two, and into what.
type Split = (usize, usize, usize);

/// How an order of axes came about.
struct View {
    /// The extents that one side is viewed with.
    extents: Vec<usize>,
    /// Their axes in the order in which they are taken.
    order: Vec<usize>,
    split: Option<Split>,
    /// Whether it is the actual tensor that is viewed so, and gives the reference.
    is_inverse: bool,
}

/// Every order of axes, whole or one of them split in two, that is worth a try, the simplest first, none twice. `shape` is that
/// of the reference, `actual` the actual tensor's.
pub(super) fn layouts(shape: &[usize], actual: &[usize]) -> Vec<Order> {
    /// Orders that are tried at most.
    const LIMIT: usize = 8192;
    let views = [(shape, false), (actual, true)]
        .into_iter()
        .flat_map(|(shape, is_inverse)| views(shape).into_iter().map(move |view| (view, is_inverse)));
    // Whole axes of either side are simpler than an axis that is split.
    let (whole, split): (Vec<_>, Vec<_>) = views.partition(|((_, split), _)| split.is_none());
    let all = whole.into_iter().chain(split).flat_map(|((extents, split), is_inverse)| {
        let view = move |order| View { extents: extents.clone(), order, split, is_inverse };
        permutations(view(Vec::new()).extents.len()).into_iter().map(view).collect::<Vec<View>>()
    });
    let mut known = BTreeSet::new();
    let distinct = all.filter_map(|view| {
        let (extents, strides) = view.strides();
        let is_new = extents.len() > 1 && known.insert((extents.clone(), strides.clone()));
        is_new.then(|| {
            let (id, evidence, details) = view.words(shape, actual);
            let source = strided(extents, strides);
            Order::new(id, evidence, details, Box::new(move |position| Some(source(position))))
        })
    });
    let mut orders: Vec<Order> = distinct.take(LIMIT).collect();
    if orders.len() < LIMIT {
        orders.extend(split_within(shape));
    }
    orders
}

/// Heads that alternate within the width, where they should lie side by side: `[batch, heads, positions, width]` split from
/// `[batch, positions, width x heads]`.
fn split_within(shape: &[usize]) -> Option<Order> {
    let &[batch, heads, positions, width] = shape else { return None };
    // Where one divides the other it is an order with one split.
    let is_new = heads > 1 && positions * width > 1 && !width.is_multiple_of(heads) && !heads.is_multiple_of(width);
    let source = |extents: [usize; 4], order: [usize; 4]| {
        let view = View { extents: extents.to_vec(), order: order.to_vec(), split: None, is_inverse: false };
        let (extents, strides) = view.strides();
        strided(extents, strides)
    };
    is_new.then(|| {
        let merged = source([batch, heads, positions, width], [0, 2, 1, 3]);
        let split = source([batch, positions, width, heads], [0, 3, 1, 2]);
        let evidence = "heads split wrongly: they alternate within the width, and should lie side by side".into();
        let source = Box::new(move |position| Some(merged(split(position))));
        Order::new(Hypothesis::ReshapeOrder, evidence, Details::default(), source)
    })
}

impl View {
    /// The extents of the actual tensor's elements in C order, as few as it takes, and how many elements of the reference a
    /// step along each is.
    fn strides(&self) -> (Vec<usize>, Vec<isize>) {
        let View { extents, order, is_inverse, .. } = self;
        let taken: Vec<usize> = order.iter().map(|&axis| extents[axis]).collect();
        let steps: Vec<(usize, usize)> = match is_inverse {
            // Position `p` of the reference holds what the viewed tensor has along these strides: the actual tensor is to be
            // read the other way round.
            true => {
                let place = |axis| order.iter().position(|&taken| taken == axis).expect("an order has every axis");
                (0..extents.len()).map(|axis| (extents[axis], strides(&taken)[place(axis)])).collect()
            }
            false => order.iter().map(|&axis| (extents[axis], strides(extents)[axis])).collect(),
        };
        let mut merged: Vec<(usize, isize)> = Vec::new();
        for (extent, stride) in steps.into_iter().map(|(extent, stride)| (extent, stride as isize)) {
            match merged.last_mut() {
                Some((outer, step)) if *step == extent as isize * stride => (*outer, *step) = (*outer * extent, stride),
                _ => merged.push((extent, stride)),
            }
        }
        merged.into_iter().unzip()
    }

    /// What it is called, where the tensors have those shapes.
    fn words(&self, shape: &[usize], actual: &[usize]) -> (Hypothesis, String, Details) {
        let View { extents, order, split, is_inverse } = self;
        let (side, viewed) = if *is_inverse { ("the actual tensor", actual) } else { ("the reference", shape) };
        let axes: Vec<usize> = (0..viewed.len()).filter(|&axis| viewed[axis] > 1).collect();
        let Some((axis, first, second)) = split else { return self.whole_axes(shape, actual, viewed, &axes) };
        // The parts of the split axis have its number with a and b.
        let names: Vec<String> = axes
            .iter()
            .flat_map(|at| if at == axis { vec![format!("{at}a"), format!("{at}b")] } else { vec![at.to_string()] })
            .collect();
        let taken: Vec<&str> = order.iter().map(|&at| names[at].as_str()).collect();
        let swapped: Vec<usize> = (0..extents.len()).filter(|&at| order[at] != at).collect();
        let is_interleaved = swapped.len() == 2 && swapped[1] == swapped[0] + 1 && names[swapped[0]].ends_with("a");
        let evidence = match is_interleaved {
            true => format!("interleaved: axis {axis} is {first} x {second} of {side}'s, taken as {second} x {first}"),
            false => format!(
                "another order of {side}: axis {axis} split into {first} x {second} ({axis}a, {axis}b), taken in the order {}",
                taken.join(", ")
            ),
        };
        (Hypothesis::ReshapeOrder, evidence, Details { axes: Some(vec![*axis]), ..Details::default() })
    }

    /// The same for an order of whole axes, which are those longer than 1.
    fn whole_axes(
        &self,
        shape: &[usize],
        actual: &[usize],
        viewed: &[usize],
        axes: &[usize],
    ) -> (Hypothesis, String, Details) {
        // Axes of extent 1 stay where they are.
        let mut order: Vec<usize> = (0..viewed.len()).collect();
        for (place, &taken) in axes.iter().zip(&self.order) {
            order[*place] = axes[taken];
        }
        let moved: Vec<usize> = (0..order.len()).filter(|&at| order[at] != at).collect();
        let exchanged = moved.len() == 2 && (moved[1] == moved[0] + 1 || axes.len() == 2);
        let becomes: Vec<usize> = order.iter().map(|&axis| shape.get(axis).copied().unwrap_or(1)).collect();
        let is_under_shape = actual == shape && becomes != shape;
        let under = if is_under_shape { ", under the shape of the reference" } else { "" };
        let details = Details { axes: Some(order.clone()), ..Details::default() };
        if exchanged && moved[1] == viewed.len() - 1 {
            return (Hypothesis::Transpose, format!("the last two axes are exchanged{under}"), details);
        }
        let what = match exchanged {
            true => format!("axes {} and {} are exchanged", moved[0], moved[1]),
            false => format!("the axes are in the order {}", axes_words(&order)),
        };
        match is_under_shape || self.is_inverse && actual == shape {
            true => {
                let evidence = format!("{what}{under}: split or merged without moving the axes");
                (Hypothesis::ReshapeOrder, evidence, details)
            }
            false => (Hypothesis::PermuteAxes, what, details),
        }
    }
}

/// The shape without axes of extent 1, and that with one axis split in two, for each axis and each divisor.
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

/// Orders of so many axes, other than the one they are in; of many only exchanges of neighbouring blocks.
fn permutations(count: usize) -> Vec<Vec<usize>> {
    /// Axes of which every order is tried.
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
        // Those that move the fewest axes first: they are the simplest.
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

/// Samples of the actual tensor that orders of the reference are held against.
pub(super) struct Screen<'a> {
    actual: &'a [f64],
    reference: &'a [f64],
    all: &'a Sample,
    /// For a first look.
    few: Sample,
    /// What each side is cut to, so that a few wild elements decide nothing.
    ranges: [(f64, f64); 2],
    /// How alike they are as they are. Another order has to be more alike.
    as_is: f64,
}

impl<'a> Screen<'a> {
    pub(super) fn new(actual: &'a [f64], reference: &'a [f64], all: &'a Sample) -> Screen<'a> {
        let range = |side: &[f64]| range(all.positions.iter().map(|&position| side[position]).collect());
        let ranges = [range(actual), range(reference)];
        let mut screen = Screen { actual, reference, all, few: all.few(), ranges, as_is: 0.0 };
        screen.as_is = screen.correlation(all, Some);
        screen
    }

    /// The orders most alike, of equally good ones the first.
    fn best<T>(&self, orders: Vec<T>, source: impl Fn(&T, usize) -> Option<usize>) -> Vec<T> {
        let alike = |order: T| self.alike(|position| source(&order, position)).map(|alike| (alike, order));
        let mut alike: Vec<(f64, T)> = orders.into_iter().filter_map(alike).collect();
        alike.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        alike.into_iter().take(CLOSER_LOOKS).map(|(_, order)| order).collect()
    }

    /// How alike the actual tensor is to the reference where its elements are taken from those places; `None` where it is not
    /// worth a closer look.
    pub(super) fn alike(&self, source: impl Fn(usize) -> Option<usize>) -> Option<f64> {
        if self.correlation(&self.few, &source) < 0.3 {
            return None;
        }
        Some(self.correlation(self.all, &source)).filter(|alike| *alike >= 0.5 && *alike >= self.as_is - 0.02)
    }

    /// The correlation, whatever its sign: as it is, or less the means of the columns, or those of the rows, whichever is
    /// highest. A bias hides no order.
    fn correlation(&self, sample: &Sample, source: impl Fn(usize) -> Option<usize>) -> f64 {
        let cut = |x: f64, (low, high): (f64, f64)| x.clamp(low, high);
        let pair = |&position: &usize| {
            let base = source(position).map_or(f64::NAN, |source| self.reference[source]);
            (cut(self.actual[position], self.ranges[0]), cut(base, self.ranges[1]))
        };
        let pairs = sample.positions.iter().map(pair).enumerate();
        let places: Vec<(usize, (f64, f64))> = pairs.filter(|(_, (a, b))| !(a + b).is_nan()).collect();
        let columns = sample.columns.max(1);
        let rows = sample.positions.len() / columns;
        let mut alike = correlation(&places, 1, |_| 0);
        if rows >= 4 {
            alike = alike.max(correlation(&places, columns, |place| place % columns));
        }
        if columns >= 4 {
            alike = alike.max(correlation(&places, rows, |place| place / columns));
        }
        alike
    }
}

/// The absolute correlation of pairs less the means of their groups.
fn correlation(places: &[(usize, (f64, f64))], groups: usize, group: impl Fn(usize) -> usize) -> f64 {
    if places.len() < 4 {
        return 0.0;
    }
    let mut sums = vec![[0.0; 3]; groups];
    for (place, (x, y)) in places {
        let [count, sum_x, sum_y] = &mut sums[group(*place)];
        (*count, *sum_x, *sum_y) = (*count + 1.0, *sum_x + x, *sum_y + y);
    }
    let [xx, yy, xy] = places.iter().fold([0.0; 3], |[xx, yy, xy], (place, (x, y))| {
        let [count, sum_x, sum_y] = sums[group(*place)];
        let (x, y) = (x - sum_x / count, y - sum_y / count);
        [xx + x * x, yy + y * y, xy + x * y]
    });
    if xx > 0.0 && yy > 0.0 { (xy / (xx * yy).sqrt()).abs() } else { 0.0 }
}

/// The range that holds all but a few of the numbers: a few wild ones decide nothing.
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
    fn no_order_is_tried_twice_and_none_is_the_one_there_is() {
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
    fn orders_have_the_names_that_people_use() {
        let named = |shape: &[usize], actual: &[usize], expected: &[usize]| {
            let expected: Vec<f64> = expected.iter().map(|&x| x as f64).collect();
            let layouts = layouts(shape, actual);
            let order = layouts.into_iter().find(|order| applied(order, expected.len()) == expected);
            let Part { id, evidence, .. } = order.expect("it is tried").part;
            (id, evidence)
        };
        let transposed = [0, 3, 1, 4, 2, 5];
        assert_eq!(
            named(&[2, 3], &[3, 2], &transposed),
            (Hypothesis::Transpose, "the last two axes are exchanged".into())
        );
        assert_eq!(
            named(&[2, 3], &[2, 3], &transposed),
            (Hypothesis::Transpose, "the last two axes are exchanged, under the shape of the reference".into())
        );
        assert_eq!(
            named(&[2, 6], &[2, 6], &[0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11]).0,
            Hypothesis::Transpose,
            "and so is what undoes it"
        );
        // [2, 2, 3] with the first two exchanged.
        let exchanged = [0, 1, 2, 6, 7, 8, 3, 4, 5, 9, 10, 11];
        assert_eq!(
            named(&[2, 2, 3], &[2, 2, 3], &exchanged),
            (Hypothesis::PermuteAxes, "axes 0 and 1 are exchanged".into())
        );
        // [2, 3, 2] with the first two exchanged, called [2, 3, 2] all the same.
        let unmoved = [0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11];
        let (id, evidence) = named(&[2, 3, 2], &[2, 3, 2], &unmoved);
        assert_eq!(id, Hypothesis::ReshapeOrder);
        assert!(evidence.starts_with("axes 0 and 1 are exchanged, under the shape of the reference"), "{evidence}");
        let interleaved = [0, 2, 1, 3, 4, 6, 5, 7];
        assert_eq!(
            named(&[2, 4], &[2, 4], &interleaved),
            (Hypothesis::ReshapeOrder, "interleaved: axis 1 is 2 x 2 of the reference's, taken as 2 x 2".into())
        );
    }

    #[test]
    fn elements_move_along_their_axis() {
        let shift = |axis, by, wraps| {
            let shift = Shift::all(&[2, 3]).into_iter().find(|s| s.axis == axis && s.by == by).expect("tried");
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
    fn an_axis_is_read_from_its_other_end() {
        let axes = |flip: &Order| flip.part.details.axes.clone().expect("it has axes");
        let flipped: Vec<(Vec<usize>, Vec<f64>)> =
            flips(&[2, 3]).iter().map(|flip| (axes(flip), applied(flip, 6))).collect();
        assert_eq!(flipped, [(vec![1], vec![2.0, 1.0, 0.0, 5.0, 4.0, 3.0])]);
        let sets: Vec<Vec<usize>> = flips(&[3, 1, 4]).iter().map(axes).collect();
        assert_eq!(sets, [vec![0], vec![2], vec![0, 2]]);
        assert_eq!(flips(&[3, 4]).pop().and_then(|flip| flip.source(0)), Some(11));
    }
}
