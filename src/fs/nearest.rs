//! "Did you mean": which of the names that are known a wrong one was meant for.

/// How alike two names must be, from 0 to 1, for one to be offered in place of the other.
pub(crate) const ALIKE: f64 = 0.5;

/// The longest name that is compared with others, in bytes: the work grows with the product of both lengths.
const LONGEST: usize = 256;

/// How alike two names are, whatever their case, from 0 to 1: letters that are missing, added, changed or exchanged count.
pub(crate) fn likeness(name: &str, other: &str) -> f64 {
    if name.len().max(other.len()) > LONGEST {
        return 0.0;
    }
    strsim::normalized_damerau_levenshtein(&name.to_lowercase(), &other.to_lowercase())
}

/// The known name that is most like the given one, and at least so much; the first of several.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>, alike: f64) -> Option<&'a str> {
    known
        .into_iter()
        .map(|other| (likeness(name, other), other))
        .filter(|(likeness, _)| *likeness >= alike)
        .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(a.1)))
        .map(|(_, other)| other)
}

/// The known names, the most like the given one first.
#[cfg(feature = "harness")]
pub(crate) fn nearest_first<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut known: Vec<(f64, &str)> = known.into_iter().map(|other| (likeness(name, other), other)).collect();
    known.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    known.into_iter().map(|(_, other)| other).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_similar_name_is_offered_and_a_name_without_end_costs_nothing() {
        let known = ["attention", "gelu", "layer_norm"];
        for (name, expected) in [
            ("layernorm", Some("layer_norm")),
            ("Gelu", Some("gelu")),
            ("atention", Some("attention")),
            ("zzz", None),
            (&"layer_norm".repeat(500_000), None),
        ] {
            assert_eq!(nearest(name, known, ALIKE), expected);
        }
        assert_eq!(nearest("layer_norm", ["x".repeat(5_000_000).as_str()], ALIKE), None);
    }

    #[cfg(feature = "harness")]
    #[test]
    fn every_name_is_listed_the_most_similar_first() {
        assert_eq!(nearest_first("norm", ["gelu", "attention", "norms"]), ["norms", "attention", "gelu"]);
        assert_eq!(nearest_first(&"n".repeat(1_000_000), ["b", "a"]), ["a", "b"]);
    }
}
