//! How the elements of a tensor are spread.

use crate::tensor::json::Float;
use crate::tensor::{Data, Element, Kind, Tensor, dispatch};

/// At most this many bins: a screen shows them beside a summary.
const BINS: usize = 12;

/// The finite elements of a tensor (complex: their moduli) counted in bins of equal width.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    /// From the smallest to the largest element; empty where no element is finite.
    pub bins: Vec<Bin>,
}

/// A range of values, and how many elements are in it.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Bin {
    /// The lower end, which belongs to it.
    #[serde(with = "Float")]
    pub from: f64,
    /// The upper end, which belongs to the next; to this one where it is the last, or as wide as one value.
    #[serde(with = "Float")]
    pub to: f64,
    /// How many elements.
    pub count: u64,
}

impl Histogram {
    /// Counts the elements of a tensor. Integers in a small range have a bin for each value.
    ///
    /// ```
    /// # use karat::{Tensor, report::Histogram};
    /// let tensor = Tensor::new(&[4], vec![1i64, 2, 2, 3]).unwrap();
    /// let counts: Vec<u64> = Histogram::of(&tensor).bins.iter().map(|bin| bin.count).collect();
    /// assert_eq!(counts, [1, 2, 1]);
    /// ```
    #[must_use]
    pub fn of(tensor: &Tensor) -> Histogram {
        spread(tensor.data(), tensor.dtype().kind() == Kind::Integer)
    }
}

/// Elements that are widened at a time.
const SOME: usize = 1024;

/// Hands the finite elements on, some at a time.
fn visit(data: &Data, take: &mut dyn FnMut(&[f64])) {
    fn of<T: Element>(elements: &[T], take: &mut dyn FnMut(&[f64])) {
        let mut wide = [0.0; SOME];
        for some in elements.chunks(SOME) {
            let mut count = 0;
            for x in some {
                wide[count] = x.value().to_f64();
                count += usize::from(wide[count].is_finite());
            }
            take(&wide[..count]);
        }
    }
    dispatch!(data, elements => of(elements, take));
}

fn spread(data: &Data, is_integer: bool) -> Histogram {
    let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
    visit(data, &mut |some| some.iter().for_each(|x| (min, max) = (min.min(*x), max.max(*x))));
    if min > max {
        return Histogram { bins: Vec::new() };
    }
    let has_bin_each = is_integer && max - min < BINS as f64;
    let count = if has_bin_each { (max - min) as usize + 1 } else { BINS };
    let count = if min == max { 1 } else { count };
    // By halves: the width of all finite doubles is not finite.
    let edge = |at: usize| {
        let share = at as f64 / count as f64;
        if at == count { max } else { min * (1.0 - share) + max * share }
    };
    let mut bins: Vec<Bin> = (0..count)
        .map(|at| match has_bin_each {
            true => Bin { from: min + at as f64, to: min + at as f64, count: 0 },
            false => Bin { from: edge(at), to: edge(at + 1), count: 0 },
        })
        .collect();
    visit(data, &mut |some| {
        for x in some {
            let at = match has_bin_each {
                true => (x - min) as usize,
                false => (((x / 2.0 - min / 2.0) / (max / 2.0 - min / 2.0)) * count as f64) as usize,
            };
            bins[at.min(count - 1)].count += 1;
        }
    });
    Histogram { bins }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(values: &[f64]) -> Vec<u64> {
        let tensor = Tensor::new(&[values.len()], values.to_vec()).expect("a vector has its length");
        Histogram::of(&tensor).bins.iter().map(|bin| bin.count).collect()
    }

    #[test]
    fn every_finite_element_is_in_one_bin() {
        assert_eq!(counts(&[0.0, 0.5, 1.0, 12.0, f64::NAN, f64::INFINITY]), [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    }

    #[test]
    fn the_widest_range_of_doubles_is_binned() {
        assert_eq!(counts(&[f64::MIN, f64::MAX]), [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    }

    #[test]
    fn equal_elements_share_one_bin() {
        assert_eq!(counts(&[3.5, 3.5]), [2]);
    }

    #[test]
    fn nothing_finite_has_no_bin() {
        assert_eq!(counts(&[f64::NAN]), [0u64; 0]);
        assert_eq!(counts(&[]), [0u64; 0]);
    }

    #[test]
    fn booleans_have_a_bin_each() {
        let tensor = Tensor::new(&[3], vec![true, false, true]).expect("three elements");
        let bins = Histogram::of(&tensor).bins;
        assert_eq!(bins, [Bin { from: 0.0, to: 0.0, count: 1 }, Bin { from: 1.0, to: 1.0, count: 2 }]);
    }
}
