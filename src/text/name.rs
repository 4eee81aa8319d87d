//! Checks that names are portable between systems, and finds similar names for "did you mean" messages.

use super::is_hidden;

/// The maximum length of a name in bytes. With the suffix `.snap.new` it is still a valid file name on every system.
const MAX_LENGTH: usize = 200;

/// Returns an error unless the name of an input or output can be a file name on every system.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    check_length(name)?;
    if name.is_empty() || name.starts_with('.') || name.contains(['/', '#']) {
        return Err(format!("`{name}` is not a valid name; it must be usable as a file name on every system"));
    }
    check_part(name)
}

/// Returns an error if a name is too long.
pub(crate) fn check_length(name: &str) -> Result<(), String> {
    if name.len() <= MAX_LENGTH {
        return Ok(());
    }
    let start: String = name.chars().take(32).collect();
    let (start, length) = (start.escape_debug(), name.len());
    Err(format!("`{start}..` is not a valid name: it is {length} bytes long; the limit is {MAX_LENGTH}"))
}

/// Returns an error if some system cannot store a file or folder with that name, or changes the name.
pub(crate) fn check_part(part: &str) -> Result<(), String> {
    let portable = make_portable(part);
    if portable == part {
        return Ok(());
    }
    let why = match part {
        _ if part.contains(is_hidden) => "it contains an invisible character",
        _ if part.contains(is_reserved) => "Windows reserves the characters < > : \" | ? * \\",
        _ if is_device(part) => "Windows reserves it for a device",
        _ if part.ends_with(['.', ' ']) => "Windows drops a dot or space at the end",
        _ => "it is not in Unicode's composed form (NFC), and macOS treats both forms as one name",
    };
    let [part, portable] = [part, &portable].map(str::escape_debug);
    Err(format!(
        "`{part}` is not a valid name; it must be usable as a file name on every system: {why}; rename it to `{portable}`"
    ))
}

/// Changes a name so that every system can store it. Returns it unchanged if every system can.
fn make_portable(part: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if part.bytes().all(is_plain) && part.len() > "CONOUT".len() {
        return part.to_owned();
    }
    let visible = part.chars().filter(|c| !is_hidden(*c)).map(|c| if is_reserved(c) { '_' } else { c });
    let mut name = compose(&visible.collect::<String>());
    name.truncate(name.trim_end_matches(['.', ' ']).len());
    if is_device(&name) {
        let stem = name.find('.').unwrap_or(name.len());
        name.insert(stem, '_');
    }
    if name.is_empty() { "_".to_owned() } else { name }
}

fn is_reserved(c: char) -> bool {
    "<>:\"|?*\\".contains(c)
}

/// Whether the name is a device on Windows, with any extension.
fn is_device(part: &str) -> bool {
    let stem = part.split('.').next().unwrap_or_default().trim_end_matches(' ').to_uppercase();
    let is_port = |port: &str| {
        matches!(port, "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "\u{b9}" | "\u{b2}" | "\u{b3}")
    };
    matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$")
        || ["COM", "LPT"].iter().any(|port| stem.strip_prefix(port).is_some_and(is_port))
}

/// Folds a name so that names that some system treats as one file become equal.
#[cfg(feature = "harness")]
pub(crate) fn fold(name: &str) -> String {
    // Upper case first, because several lower-case letters can share one upper-case letter, such as both forms of sigma.
    compose(&compose(name).to_uppercase().to_lowercase().replace('\u{3c2}', "\u{3c3}"))
}

/// Returns the text in Unicode's composed form (NFC).
#[cfg(feature = "harness")]
fn compose(text: &str) -> String {
    use unicode_normalization::UnicodeNormalization as _;
    if text.is_ascii() { text.to_owned() } else { text.nfc().collect() }
}

/// Returns the text unchanged: without the harness, names only come from source files.
#[cfg(not(feature = "harness"))]
fn compose(text: &str) -> String {
    text.to_owned()
}

/// The maximum length of names to compare, in bytes: the time grows with the product of both lengths.
const MAX_COMPARED: usize = 256;

/// Returns the number of edits between two names, ignoring case, and their similarity from 0 to 1.
fn compare(name: &str, other: &str) -> (usize, f64) {
    if name.len().max(other.len()) > MAX_COMPARED {
        return (usize::MAX, 0.0);
    }
    let [name, other] = [name, other].map(str::to_lowercase);
    let edits = strsim::damerau_levenshtein(&name, &other);
    (edits, 1.0 - edits as f64 / name.chars().count().max(other.chars().count()).max(1) as f64)
}

/// Returns the similarity of two names from 0 to 1, or `None` if one is unlikely to be a misspelling of the other. A
/// misspelling has one or two edits, or only one in three letters.
pub(crate) fn similarity(name: &str, other: &str) -> Option<f64> {
    let (edits, alike) = compare(name, other);
    ((edits <= 1 && alike >= 0.66) || (edits == 2 && alike >= 0.7)).then_some(alike)
}

/// Returns the known name that is most similar to the given one, if their similarity is at least one half.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let alike = known.into_iter().map(|other| (compare(name, other).1, other)).filter(|(alike, _)| *alike >= 0.5);
    alike.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(a.1))).map(|(_, other)| other)
}

/// Returns all known names, most similar first.
#[cfg(feature = "harness")]
pub(crate) fn sort_by_similarity<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut known: Vec<(f64, &str)> = known.into_iter().map(|other| (compare(name, other).1, other)).collect();
    known.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    known.into_iter().map(|(_, other)| other).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_not_portable_is_rejected_with_a_portable_suggestion() {
        for (name, instead) in [
            ("aux", "aux_"),
            ("Con.npy", "Con_.npy"),
            ("nul .tar.gz", "nul _.tar.gz"),
            ("com1", "com1_"),
            ("LPT\u{b9}", "LPT\u{b9}_"),
            ("conin$", "conin$_"),
            ("a:b", "a_b"),
            ("what?", "what_"),
            ("trail.", "trail"),
            ("trail ", "trail"),
            ("aux. .", "aux_"),
            ("a\u{202e}b", "ab"),
            ("a\u{200b}b\u{7f}\u{85}", "ab"),
            ("a\u{3164}b\u{fe0f}", "ab"),
            ("...", "_"),
        ] {
            let error = check_part(name).expect_err(name);
            assert!(error.ends_with(&format!("rename it to `{instead}`")), "{error}");
            check_part(instead).expect(instead);
            assert!(!error.contains('\u{202e}') && !error.contains('\u{200b}'), "{error}");
        }
        for name in ["h.0", "old case", "auxiliary", "com10", "console", ".hidden", "\u{e9}", "a#b", "\u{4e2d}"] {
            check_part(name).expect(name);
        }
    }

    #[cfg(feature = "harness")]
    #[test]
    fn a_decomposed_name_is_rejected_and_folds_to_the_composed_one() {
        let error = check_name("e\u{301}").expect_err("it is decomposed");
        assert!(error.contains("NFC") && error.ends_with("rename it to `\u{e9}`"), "{error}");
        assert_eq!(fold("E\u{301}"), fold("\u{e9}"));
        assert_ne!(fold("e"), fold("\u{e9}"));
    }

    #[test]
    fn the_error_about_a_very_long_name_is_short() {
        let error = check_name(&"x".repeat(5_000_000)).expect_err("it is too long");
        assert!(error.contains("is 5000000 bytes long; the limit is 200") && error.len() < 200, "{error}");
    }

    #[test]
    fn the_most_similar_name_is_found_and_very_long_names_are_skipped() {
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
    fn names_are_sorted_by_similarity() {
        assert_eq!(sort_by_similarity("norm", ["gelu", "attention", "norms"]), ["norms", "attention", "gelu"]);
        assert_eq!(sort_by_similarity(&"n".repeat(1_000_000), ["b", "a"]), ["a", "b"]);
    }
}
