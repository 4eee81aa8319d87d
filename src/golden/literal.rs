//! The header of an npy file as NumPy writes it, read without a parser of Python.
//!
//! `{'descr': '<f4', 'fortran_order': False, 'shape': (8, 64), }`, blanks and a line feed: nearly every file has exactly
//! that, and the parser of any Python literal takes longer for it than a small tensor takes for all the rest. What is not
//! of exactly that form is left to the parser.

/// What a header says.
pub(super) struct Literal<'a> {
    /// NumPy's text for the dtype, such as `<f4`.
    pub(super) descr: &'a str,
    pub(super) is_fortran: bool,
    /// The extent of each axis.
    pub(super) shape: Vec<usize>,
}

/// What that text of a header says, where it is what NumPy itself would have written.
pub(super) fn read(text: &[u8]) -> Option<Literal<'_>> {
    let text = std::str::from_utf8(text).ok()?;
    let (descr, rest) = text.strip_prefix("{'descr': '")?.split_once('\'')?;
    let rest = rest.strip_prefix(", 'fortran_order': ")?;
    let (is_fortran, rest) = match rest.strip_prefix("False") {
        Some(rest) => (false, rest),
        None => (true, rest.strip_prefix("True")?),
    };
    let (extents, rest) = rest.strip_prefix(", 'shape': (")?.split_once(')')?;
    let padding = rest.strip_prefix(", }")?.strip_suffix('\n')?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "<>|=".contains(c);
    if !descr.chars().all(is_plain) || padding.bytes().any(|byte| byte != b' ') {
        return None;
    }
    Some(Literal { descr, is_fortran, shape: shape(extents)? })
}

/// The extents between the brackets of `()`, `(3,)`, `(2, 3)`.
fn shape(extents: &str) -> Option<Vec<usize>> {
    let extent = |digits: &str| {
        let is_plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        // Python reads no leading zeros either.
        (is_plain && (digits == "0" || !digits.starts_with('0'))).then(|| digits.parse().ok()).flatten()
    };
    match extents.strip_suffix(',') {
        Some(only) => Some(vec![extent(only)?]),
        None if extents.is_empty() => Some(Vec::new()),
        // One extent without a comma is no tuple.
        None if !extents.contains(',') => None,
        None => extents.split(", ").map(extent).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(descr: &str, order: &str, shape: &str, end: &str) -> Option<(bool, Vec<usize>)> {
        let text = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}{end}");
        read(text.as_bytes()).map(|literal| {
            assert_eq!(literal.descr, descr);
            (literal.is_fortran, literal.shape)
        })
    }

    #[test]
    fn what_numpy_writes_is_read() {
        assert_eq!(said("<f4", "False", "(8, 64)", "    \n"), Some((false, vec![8, 64])));
        assert_eq!(said("|b1", "True", "(3,)", "\n"), Some((true, vec![3])));
        assert_eq!(said(">c16", "False", "()", " \n"), Some((false, vec![])));
        assert_eq!(said("<V2", "False", "(0, 10, 7)", " \n"), Some((false, vec![0, 10, 7])));
    }

    #[test]
    fn anything_else_is_left_to_the_parser() {
        let shapes =
            ["(8,64)", "(8)", "(,)", "(8, 64,)", "(08,)", "(+8,)", "(8L,)", "(-1,)", "[8]", "(99999999999999999999,)"];
        for shape in shapes {
            assert_eq!(said("<f4", "False", shape, "\n"), None, "{shape}");
        }
        for (descr, order, end) in
            [("<f4", "false", "\n"), ("a\\x62", "True", "\n"), ("<f4", "True", ""), ("<f4", "True", "\n\n")]
        {
            assert_eq!(said(descr, order, "(8,)", end), None, "{descr} {order} {end:?}");
        }
        assert!(read(b"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (8,), }\n").is_none());
        assert!(read(b"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (8,), }\n").is_none());
        assert!(read(b"").is_none());
    }
}
