//! The same elements in another order: axes exchanged, heads split or merged wrongly, interleaving.

use std::collections::BTreeSet;

use rayon::prelude::*;

use super::parts::Part;
use super::sides::CHUNK;
use super::words::axes_words;
use crate::explain::{Details, Hypothesis};

/// An order of the elements of a tensor: where each element of the actual tensor is taken from.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// The actual tensor's elements in C order have these extents ..
    extents: Vec<usize>,
    /// .. and a step along each is that many elements of the reference.
    strides: Vec<usize>,
    view: View,
    /// The order that the reference is brought into before.
    before: Option<Box<Layout>>,
}

/// The axis that was split in two, and into what.
type Split = (usize, usize, usize);

/// How the order came about.
#[derive(Clone, Debug)]
struct View {
    /// The extents that one side is viewed with.
    extents: Vec<usize>,
    /// Their axes in the order in which they are taken.
    order: Vec<usize>,
    split: Option<Split>,
    /// Whether it is the actual tensor that is viewed so, and gives the reference.
    is_inverse: bool,
}

/// Axes of a view of which every order is tried; of more only the exchange of neighbouring blocks.
const EVERY_ORDER: usize = 5;

/// Orders that are tried at most.
const LIMIT: usize = 8192;

impl Layout {
    /// Every order that is worth a try, the simplest first, none twice. `shape` is that of the reference, `actual` the
    /// actual tensor's.
    pub(super) fn all(shape: &[usize], actual: &[usize]) -> Vec<Layout> {
        let mut known = BTreeSet::new();
        let mut layouts = Vec::new();
        let views = [(shape, false), (actual, true)]
            .into_iter()
            .flat_map(|(shape, is_inverse)| views(shape).into_iter().map(move |view| (view, is_inverse)));
        // Whole axes of either side are simpler than an axis that is split.
        let (whole, split): (Vec<_>, Vec<_>) = views.partition(|((_, split), _)| split.is_none());
        for ((extents, split), is_inverse) in whole.into_iter().chain(split) {
            for order in orders(extents.len()) {
                let layout = Layout::new(View { extents: extents.clone(), order, split, is_inverse });
                let is_moved = layout.extents.len() > 1;
                if is_moved && known.insert((layout.extents.clone(), layout.strides.clone())) {
                    layouts.push(layout);
                }
                if layouts.len() >= LIMIT {
                    return layouts;
                }
            }
        }
        layouts.extend(Layout::split_within(shape));
        layouts
    }

    fn new(view: View) -> Layout {
        let View { extents, order, split: _, is_inverse } = &view;
        let stride = |extents: &[usize], axis: usize| extents[axis + 1..].iter().product::<usize>();
        let taken: Vec<usize> = order.iter().map(|&axis| extents[axis]).collect();
        let (extents, strides): (Vec<usize>, Vec<usize>) = match is_inverse {
            // Position `p` of the reference holds what the viewed tensor has along these strides: the actual tensor is to be
            // read the other way round.
            true => (0..extents.len())
                .map(|axis| {
                    let place = order.iter().position(|&taken| taken == axis).expect("an order has every axis");
                    (extents[axis], stride(&taken, place))
                })
                .unzip(),
            false => (taken.clone(), order.iter().map(|&axis| stride(extents, axis)).collect()),
        };
        let (extents, strides) = merge(extents, strides);
        Layout { extents, strides, view, before: None }
    }

    /// Heads that alternate within the width, where they should lie side by side: `[batch, heads, positions, width]` split from
    /// `[batch, positions, width x heads]`.
    fn split_within(shape: &[usize]) -> Option<Layout> {
        let &[batch, heads, positions, width] = shape else { return None };
        // Where one divides the other it is an order with one split.
        let is_new = heads > 1 && positions * width > 1 && !width.is_multiple_of(heads) && !heads.is_multiple_of(width);
        let view = |extents: Vec<usize>, order: Vec<usize>| View { extents, order, split: None, is_inverse: false };
        is_new.then(|| {
            let merged = Layout::new(view(shape.to_vec(), vec![0, 2, 1, 3]));
            let split = Layout::new(view(vec![batch, positions, width, heads], vec![0, 3, 1, 2]));
            Layout { before: Some(Box::new(merged)), ..split }
        })
    }

    /// The place in the reference of the actual tensor's element at that position.
    #[inline]
    pub(super) fn source(&self, position: usize) -> usize {
        let mut rest = position;
        let mut source = 0;
        for (extent, stride) in self.extents.iter().zip(&self.strides).rev() {
            source += rest % extent * stride;
            rest /= extent;
        }
        self.before.as_ref().map_or(source, |before| before.source(source))
    }

    /// The reference's elements in that order.
    pub(super) fn apply(&self, reference: &[f64]) -> Vec<f64> {
        if let Some(before) = &self.before {
            let alone = Layout { before: None, ..self.clone() };
            return alone.apply(&before.apply(reference));
        }
        let (width, step) = (self.extents[self.extents.len() - 1], self.strides[self.strides.len() - 1]);
        let mut moved = vec![0.0; reference.len()];
        moved.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, moved)| {
            let start = chunk * CHUNK;
            let mut done = 0;
            while done < moved.len() {
                let position = start + done;
                let row = (width - position % width).min(moved.len() - done);
                let first = self.source(position);
                for (place, x) in moved[done..done + row].iter_mut().enumerate() {
                    *x = reference[first + place * step];
                }
                done += row;
            }
        });
        moved
    }

    /// What it is called, where the tensors have those shapes.
    pub(super) fn part(&self, shape: &[usize], actual: &[usize]) -> Part {
        let View { extents, order, split, is_inverse } = &self.view;
        if self.before.is_some() {
            let evidence = "heads split wrongly: they alternate within the width, and should lie side by side".into();
            return Part { id: Hypothesis::ReshapeOrder, evidence, details: Details::default() };
        }
        let axes: Vec<usize> = (0..shape.len()).filter(|&axis| shape[axis] > 1).collect();
        let Some((axis, first, second)) = split else {
            let axes = if *is_inverse { (0..actual.len()).filter(|&axis| actual[axis] > 1).collect() } else { axes };
            return self.own_axes(shape, actual, &axes);
        };
        let side = if *is_inverse { "the actual tensor" } else { "the reference" };
        let names = axis_names(if *is_inverse { actual } else { shape }, *axis);
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
        let details = Details { axes: Some(vec![*axis]), ..Details::default() };
        Part { id: Hypothesis::ReshapeOrder, evidence, details }
    }

    /// The same for an order of whole axes.
    fn own_axes(&self, shape: &[usize], actual: &[usize], axes: &[usize]) -> Part {
        let viewed = if self.view.is_inverse { actual } else { shape };
        // Axes of extent 1 stay where they are.
        let mut order: Vec<usize> = (0..viewed.len()).collect();
        for (place, &taken) in axes.iter().zip(&self.view.order) {
            order[*place] = axes[taken];
        }
        let last = viewed.len().saturating_sub(2);
        let moved: Vec<usize> = (0..order.len()).filter(|&at| order[at] != at).collect();
        let exchanged = moved.len() == 2 && (moved[1] == moved[0] + 1 || axes.len() == 2);
        let becomes: Vec<usize> = order.iter().map(|&axis| shape.get(axis).copied().unwrap_or(1)).collect();
        let is_under_shape = actual == shape && becomes != shape;
        let under = if is_under_shape { ", under the shape of the reference" } else { "" };
        let details = Details { axes: Some(order.clone()), ..Details::default() };
        if exchanged && moved[1] == viewed.len() - 1 && (moved[0] == last || axes.len() == 2) {
            let evidence = format!("the last two axes are exchanged{under}");
            return Part { id: Hypothesis::Transpose, evidence, details };
        }
        let what = match exchanged {
            true => format!("axes {} and {} are exchanged", moved[0], moved[1]),
            false => format!("the axes are in the order {}", axes_words(&order)),
        };
        match is_under_shape || self.view.is_inverse && actual == shape {
            true => Part {
                id: Hypothesis::ReshapeOrder,
                evidence: format!("{what}{under}: split or merged without moving the axes"),
                details,
            },
            false => Part { id: Hypothesis::PermuteAxes, evidence: what, details },
        }
    }
}

/// What the axes of a view are called: by their number in the shape, the parts of the split one with a and b.
fn axis_names(shape: &[usize], split: usize) -> Vec<String> {
    let axes = (0..shape.len()).filter(|&axis| shape[axis] > 1);
    axes.flat_map(
        |axis| if axis == split { vec![format!("{axis}a"), format!("{axis}b")] } else { vec![axis.to_string()] },
    )
    .collect()
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

/// Orders of so many axes, other than the one they are in.
fn orders(count: usize) -> Vec<Vec<usize>> {
    let identity: Vec<usize> = (0..count).collect();
    let mut orders = Vec::new();
    if count <= EVERY_ORDER {
        permute(&mut identity.clone(), 0, &mut orders);
        orders.retain(|order| *order != identity);
        // Those that move the fewest axes first: they are the simplest.
        orders.sort_by_key(|order| order.iter().zip(&identity).filter(|(a, b)| a != b).count());
        return orders;
    }
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

fn permute(order: &mut Vec<usize>, from: usize, orders: &mut Vec<Vec<usize>>) {
    if from == order.len() {
        orders.push(order.clone());
    }
    for at in from..order.len() {
        order.swap(from, at);
        permute(order, from + 1, orders);
        order.swap(from, at);
    }
}

/// The same order with as few axes as it takes.
fn merge(extents: Vec<usize>, strides: Vec<usize>) -> (Vec<usize>, Vec<usize>) {
    let mut merged: (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
    for (extent, stride) in extents.into_iter().zip(strides) {
        match (merged.0.last_mut(), merged.1.last_mut()) {
            (Some(outer), Some(step)) if *step == extent * stride => (*outer, *step) = (*outer * extent, stride),
            _ => {
                merged.0.push(extent);
                merged.1.push(stride);
            }
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(layout: &Layout, count: usize) -> Vec<f64> {
        layout.apply(&(0..count).map(|x| x as f64).collect::<Vec<_>>())
    }

    #[test]
    fn no_order_is_tried_twice_and_none_is_the_one_there_is() {
        for shape in [vec![2, 3], vec![1, 8, 12], vec![2, 4, 6, 8], vec![12], vec![2, 3, 4, 5]] {
            let count = shape.iter().product();
            let layouts = Layout::all(&shape, &shape);
            let orders: BTreeSet<Vec<usize>> =
                layouts.iter().map(|layout| applied(layout, count).iter().map(|&x| x as usize).collect()).collect();
            assert_eq!(orders.len(), layouts.len(), "{shape:?}");
            assert!(!orders.contains(&(0..count).collect::<Vec<_>>()), "{shape:?}");
            for layout in &layouts {
                let moved = applied(layout, count);
                assert!((0..count).all(|position| moved[position] == layout.source(position) as f64));
            }
        }
    }

    #[test]
    fn orders_have_the_names_that_people_use() {
        let named = |shape: &[usize], actual: &[usize], expected: &[usize]| {
            let expected: Vec<f64> = expected.iter().map(|&x| x as f64).collect();
            let layouts = Layout::all(shape, actual);
            let layout =
                layouts.iter().find(|layout| applied(layout, expected.len()) == expected).expect("it is tried");
            let Part { id, evidence, .. } = layout.part(shape, actual);
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
}
