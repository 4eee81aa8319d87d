//! Where elements are, in words.

use super::sides::Sides;

/// The smallest box that holds those positions, as an index: `[0, 3..5, :]`; and whether they fill it.
pub(super) fn region(shape: &[usize], positions: &[usize]) -> (String, bool) {
    let mut ranges = vec![(usize::MAX, 0); shape.len()];
    for &position in positions {
        let mut rest = position;
        for (range, extent) in ranges.iter_mut().zip(shape).rev() {
            let at = rest % extent;
            *range = (range.0.min(at), range.1.max(at));
            rest /= extent;
        }
    }
    let words: Vec<String> = ranges
        .iter()
        .zip(shape)
        .map(|(&(from, to), &extent)| match (from, to) {
            (0, to) if to + 1 == extent && extent > 1 => ":".to_owned(),
            (from, to) if from == to => from.to_string(),
            (from, to) => format!("{from}..{}", to + 1),
        })
        .collect();
    let volume: usize = ranges.iter().map(|(from, to)| to + 1 - from).product();
    (format!("[{}]", words.join(", ")), volume == positions.len())
}

/// Some of how many: `12 of 512 elements`.
pub(super) fn share(count: usize, sides: &Sides) -> String {
    let all = sides.numbers as usize + sides.lost.len();
    let compared = if all == sides.len() { "" } else { " that are compared" };
    format!("{count} of {all} elements{compared}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_named_by_its_box() {
        assert_eq!(region(&[1, 8, 4], &[12, 13, 14, 15]), ("[0, 3, :]".into(), true));
        assert_eq!(region(&[1, 8, 4], &[12, 21]), ("[0, 3..6, 0..2]".into(), false));
        assert_eq!(region(&[], &[0]), ("[]".into(), true));
    }
}
