//! "Did you mean": which of the names that are known a wrong one was meant for.

/// The longest name that is compared with others, in bytes: the work grows with the product of both lengths.
const LONGEST: usize = 256;

/// How many letters are missing, added, changed or exchanged between two names, whatever their case, and how alike that leaves
/// them, from 0 to 1.
fn compare(name: &str, other: &str) -> (usize, f64) {
    if name.len().max(other.len()) > LONGEST {
        return (usize::MAX, 0.0);
    }
    let [name, other] = [name, other].map(str::to_lowercase);
    let edits = strsim::damerau_levenshtein(&name, &other);
    (edits, 1.0 - edits as f64 / name.chars().count().max(other.chars().count()).max(1) as f64)
}

/// How alike two names are, from 0 to 1, where one may have been meant for the other: a letter or two are missing, added,
/// different or exchanged, and most are not; of three letters only one.
pub(crate) fn likeness(name: &str, other: &str) -> Option<f64> {
    let (edits, alike) = compare(name, other);
    ((edits <= 1 && alike >= 0.66) || (edits == 2 && alike >= 0.7)).then_some(alike)
}

/// The known name that is most like the given one, where half of it at least is alike; the first of several.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let alike = known.into_iter().map(|other| (compare(name, other).1, other)).filter(|(alike, _)| *alike >= 0.5);
    alike.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(a.1))).map(|(_, other)| other)
}

/// All known names, the most similar one first.
#[cfg(feature = "harness")]
pub(crate) fn nearest_first<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut known: Vec<(f64, &str)> = known.into_iter().map(|other| (compare(name, other).1, other)).collect();
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
            assert_eq!(nearest(name, known), expected);
        }
        assert_eq!(nearest("layer_norm", ["x".repeat(5_000_000).as_str()]), None);
    }

    #[cfg(feature = "harness")]
    #[test]
    fn every_name_is_listed_the_most_similar_first() {
        assert_eq!(nearest_first("norm", ["gelu", "attention", "norms"]), ["norms", "attention", "gelu"]);
        assert_eq!(nearest_first(&"n".repeat(1_000_000), ["b", "a"]), ["a", "b"]);
    }
}
