//! Numbers and axes in a sentence. The explanations are read by people, in every report.

/// Four significant digits, the shortest way: `0.125`, `1.01`, `2.357e-4`.
pub(super) fn number(x: f64) -> String {
    if x == 0.0 || !x.is_finite() {
        return format!("{}", x + 0.0);
    }
    let rounded: f64 = format!("{x:.3e}").parse().unwrap_or(x);
    match rounded.abs() {
        1e-3..1e6 => format!("{rounded}"),
        _ => format!("{rounded:e}"),
    }
}

/// The same of several, with as many digits as tell them apart.
pub(super) fn apart<const N: usize>(values: [f64; N]) -> [String; N] {
    crate::text::number::apart(values, 4)
}

/// A value that stands in a tensor: what is no whole number does not look like one.
pub(super) fn exactly(x: f64) -> String {
    let [text, _] = apart([x, x.round()]);
    text
}

/// Axes in brackets: `(0, 2, 1)`.
pub(super) fn axes_words(axes: &[usize]) -> String {
    let axes: Vec<String> = axes.iter().map(usize::to_string).collect();
    format!("({})", axes.join(", "))
}

/// What else the factor is, to that relative precision: a root or a power of one of those extents, or of a small number.
pub(super) fn factor_name(factor: f64, extents: &[usize], precision: f64) -> Option<String> {
    let size = factor.abs();
    let is = |value: f64| (size / value - 1.0).abs() <= precision;
    let sign = if factor < 0.0 { "-" } else { "" };
    let known = extents.iter().copied().filter(|n| *n > 1);
    // What stands in the shapes is no coincidence; what does not has to be usual.
    for n in known.chain([16, 32, 48, 64, 80, 96, 128, 256, 512, 768, 1024]) {
        let root = (n as f64).sqrt();
        if is(root) {
            return Some(format!("{sign}sqrt({n})"));
        }
        if is(1.0 / root) {
            return Some(format!("{sign}1/sqrt({n})"));
        }
    }
    for n in extents.iter().copied().filter(|n| *n > 1).chain([3, 12, 16, 32, 64, 128, 255, 256, 512, 768, 1024]) {
        if is(1.0 / n as f64) {
            return Some(format!("{sign}1/{n}"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (x, text) in [(8.0, "8"), (0.125, "0.125"), (1.01, "1.01"), (2.356_78e-4, "2.357e-4"), (-1e9, "-1e9")] {
            assert_eq!(number(x), text);
        }
    }

    #[test]
    fn what_is_no_whole_number_does_not_look_like_one() {
        for (x, text) in [(1.00004, "1.00004"), (1.0, "1"), (-0.99996, "-0.99996"), (6.0, "6"), (0.25, "0.25")] {
            assert_eq!(exactly(x), text);
        }
    }

    #[test]
    fn a_root_of_an_extent_is_named() {
        assert_eq!(factor_name(0.125, &[4, 64], 1e-6).as_deref(), Some("1/sqrt(64)"));
        assert_eq!(factor_name(8.0, &[1, 8, 64], 1e-6).as_deref(), Some("sqrt(64)"));
        assert_eq!(factor_name(-4.0, &[], 1e-6).as_deref(), Some("-sqrt(16)"));
        assert_eq!(factor_name(1.0 / 14.0, &[14], 1e-6).as_deref(), Some("1/14"));
        assert_eq!(factor_name(1.01, &[7, 9], 1e-6), None);
    }
}
