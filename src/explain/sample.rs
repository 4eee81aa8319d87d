//! Elements that stand for all: the same ones for the same shape.

/// A generator of numbers that look random (Steele, Lea and Flood, "Fast splittable pseudorandom number generators").
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// A number below `limit`, which is not 0.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) % limit as u64) as usize
    }
}

/// Positions: some rows of the last axis and in each the same columns, so that columns and rows have means.
#[derive(Debug)]
pub(super) struct Sample {
    /// In rows, one after the other.
    pub(super) positions: Vec<usize>,
    /// How many there are in a row.
    pub(super) columns: usize,
}

/// Rows, and columns, of a sample.
const SIDE: usize = 64;

impl Sample {
    /// Of a tensor of that shape.
    pub(super) fn of(shape: &[usize]) -> Sample {
        let width = shape.last().copied().unwrap_or(1).max(1);
        let count: usize = shape.iter().product();
        let mut dice = Dice::new(1);
        // A vector has one row: all of the sample is in it.
        let is_flat = count / width < 4;
        let rows = pick(&mut dice, count / width, SIDE);
        let columns = pick(&mut dice, width, if is_flat { SIDE * SIDE / rows.len().max(1) } else { SIDE });
        let positions = rows.iter().flat_map(|row| columns.iter().map(move |column| row * width + column)).collect();
        Sample { positions, columns: columns.len() }
    }
}

/// At most `count` of the numbers below `limit`, in order.
fn pick(dice: &mut Dice, limit: usize, count: usize) -> Vec<usize> {
    if limit <= count {
        return (0..limit).collect();
    }
    // One from each of as many equal parts.
    (0..count)
        .map(|part| {
            let (from, to) = (limit * part / count, limit * (part + 1) / count);
            from + dice.below(to - from)
        })
        .collect()
}

/// Pairs of positions that differ in that axis alone.
pub(super) fn pairs(shape: &[usize], axis: usize, count: usize) -> Vec<(usize, usize)> {
    let stride: usize = shape[axis + 1..].iter().product();
    let (all, extent) = (shape.iter().product::<usize>(), shape[axis]);
    if all == 0 || extent < 2 {
        return Vec::new();
    }
    let mut dice = Dice::new(2 + axis as u64);
    (0..count)
        .map(|_| {
            let one = dice.below(all);
            let at = one / stride % extent;
            let other = (at + 1 + dice.below(extent - 1)) % extent;
            (one, one + other * stride - at * stride)
        })
        .collect()
}

/// The value at that share of the sorted values; the values are reordered. `None` where there is none.
pub(super) fn quantile(values: &mut [f64], share: f64) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    let at = ((values.len() - 1) as f64 * share) as usize;
    Some(*values.select_nth_unstable_by(at, f64::total_cmp).1)
}

/// The middle of the narrowest range that holds that share of the values: where most agree, whatever the others are.
pub(super) fn mode(values: &mut [f64], share: f64) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let width = ((values.len() as f64 * share) as usize).max(1);
    let windows = values.windows(width);
    let narrowest = windows.min_by(|a, b| (a[width - 1] - a[0]).total_cmp(&(b[width - 1] - b[0])))?;
    Some(narrowest[width / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_the_same_columns_in_every_row() {
        let sample = Sample::of(&[1000, 300]);
        assert_eq!((sample.positions.len(), sample.columns), (64 * 64, 64));
        let columns = |row: usize| sample.positions[row * 64..][..64].iter().map(|p| p % 300).collect::<Vec<_>>();
        assert_eq!(columns(0), columns(63));
        assert!(sample.positions.is_sorted() && sample.positions.iter().all(|p| *p < 300_000));
    }

    #[test]
    fn a_small_tensor_is_its_own_sample() {
        assert_eq!(Sample::of(&[2, 3]).positions, [0, 1, 2, 3, 4, 5]);
        assert_eq!(Sample::of(&[]).positions, [0]);
        assert_eq!(Sample::of(&[0, 3]).positions, [0usize; 0]);
    }

    #[test]
    fn pairs_differ_in_one_axis() {
        for (one, other) in pairs(&[3, 4, 5], 1, 100) {
            assert_eq!((one / 20, one % 5), (other / 20, other % 5));
            assert_ne!(one, other);
        }
    }

    #[test]
    fn the_mode_is_where_a_third_agrees() {
        assert_eq!(mode(&mut [9.0, 2.0, -4.0, 2.0, 77.0, 2.0, 31.0, -8.0], 0.34), Some(2.0));
        assert_eq!(mode(&mut [], 0.3), None);
    }
}
