//! What may be called what, so that every system reads the same names; and "did you mean": which of the names that are known a
//! wrong one was meant for.

use super::is_hidden;

/// The longest name, in bytes: with `.snap.new` behind it, it is a file name everywhere.
const LONGEST: usize = 200;

/// Refuses the name of an input or output that cannot be a file name everywhere.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    check_length(name)?;
    if name.is_empty() || name.starts_with('.') || name.contains(['/', '#']) {
        return Err(format!("`{name}` cannot be a name; it must be usable as a file name on every system"));
    }
    check_part(name)
}

/// Refuses a name that is too long to be one.
pub(crate) fn check_length(name: &str) -> Result<(), String> {
    if name.len() <= LONGEST {
        return Ok(());
    }
    let start: String = name.chars().take(32).collect();
    Err(format!("`{}..` cannot be a name: it is {} bytes long, and may be {LONGEST}", start.escape_debug(), name.len()))
}

/// Refuses the name of a file or folder that some system cannot hold, or holds under another name.
pub(crate) fn check_part(part: &str) -> Result<(), String> {
    let portable = portable(part);
    if portable == part {
        return Ok(());
    }
    let why = match part {
        _ if part.contains(is_hidden) => "it holds a character that cannot be seen",
        _ if part.contains(is_reserved) => "Windows reserves the characters < > : \" | ? * \\",
        _ if is_device(part) => "Windows reserves it for a device",
        _ if part.ends_with(['.', ' ']) => "Windows drops a dot or space at the end",
        _ => "it is not in Unicode's composed form (NFC), and macOS takes both forms for one",
    };
    let [part, portable] = [part, &portable].map(str::escape_debug);
    Err(format!(
        "`{part}` cannot be a name; it must be usable as a file name on every system: {why}; rename it to `{portable}`"
    ))
}

/// The name as every system can hold it: the same where all can.
fn portable(part: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if part.bytes().all(is_plain) && part.len() > "CONOUT".len() {
        return part.to_owned();
    }
    let seen = part.chars().filter(|c| !is_hidden(*c)).map(|c| if is_reserved(c) { '_' } else { c });
    let mut name = composed(&seen.collect::<String>());
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

/// Whether Windows takes a file of that name for a device, whatever its extension.
fn is_device(part: &str) -> bool {
    let stem = part.split('.').next().unwrap_or_default().trim_end_matches(' ').to_uppercase();
    let is_port = |port: &str| {
        matches!(port, "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "\u{b9}" | "\u{b2}" | "\u{b3}")
    };
    matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$")
        || ["COM", "LPT"].iter().any(|port| stem.strip_prefix(port).is_some_and(is_port))
}

/// What a name and its twins have in common: those that some system takes for one file.
#[cfg(feature = "harness")]
pub(crate) fn fold(name: &str) -> String {
    // By way of capitals, since several small letters may have one: the sigma of a word's end, the long s.
    composed(&composed(name).to_uppercase().to_lowercase().replace('\u{3c2}', "\u{3c3}"))
}

/// The text in Unicode's composed form.
#[cfg(feature = "harness")]
fn composed(text: &str) -> String {
    use unicode_normalization::UnicodeNormalization as _;
    if text.is_ascii() { text.to_owned() } else { text.nfc().collect() }
}

/// An assertion in an ordinary test names its snapshot in its source, of which there is one form.
#[cfg(not(feature = "harness"))]
fn composed(text: &str) -> String {
    text.to_owned()
}

/// The longest name that is compared with others, in bytes: the work grows with the product of both lengths.
const COMPARED: usize = 256;

/// How many letters are missing, added, changed or exchanged between two names, whatever their case, and how alike that leaves
/// them, from 0 to 1.
fn compare(name: &str, other: &str) -> (usize, f64) {
    if name.len().max(other.len()) > COMPARED {
        return (usize::MAX, 0.0);
    }
    let [name, other] = [name, other].map(str::to_lowercase);
    let edits = strsim::damerau_levenshtein(&name, &other);
    (edits, 1.0 - edits as f64 / name.chars().count().max(other.chars().count()).max(1) as f64)
}

/// How alike two names are, from 0 to 1, where one may have been meant for the other: a letter or two are missing, added,
/// different or exchanged, and most are not; of three letters only one.
pub(crate) fn similarity(name: &str, other: &str) -> Option<f64> {
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
pub(crate) fn sort_by_similarity<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut known: Vec<(f64, &str)> = known.into_iter().map(|other| (compare(name, other).1, other)).collect();
    known.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    known.into_iter().map(|(_, other)| other).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_another_system_reads_differently_is_refused_with_one_that_it_does_not() {
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
            let said = check_part(name).expect_err(name);
            assert!(said.ends_with(&format!("rename it to `{instead}`")), "{said}");
            check_part(instead).expect(instead);
            assert!(!said.contains('\u{202e}') && !said.contains('\u{200b}'), "{said}");
        }
        for name in ["h.0", "old case", "auxiliary", "com10", "console", ".hidden", "\u{e9}", "a#b", "\u{4e2d}"] {
            check_part(name).expect(name);
        }
    }

    #[cfg(feature = "harness")]
    #[test]
    fn a_name_in_the_decomposed_form_is_refused_and_is_a_twin_of_the_composed_one() {
        let said = check_name("e\u{301}").expect_err("it is decomposed");
        assert!(said.contains("NFC") && said.ends_with("rename it to `\u{e9}`"), "{said}");
        assert_eq!(fold("E\u{301}"), fold("\u{e9}"));
        assert_ne!(fold("e"), fold("\u{e9}"));
    }

    #[test]
    fn a_name_without_end_is_refused_in_few_words() {
        let said = check_name(&"x".repeat(5_000_000)).expect_err("it is too long");
        assert!(said.contains("is 5000000 bytes long, and may be 200") && said.len() < 200, "{said}");
    }

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
        assert_eq!(sort_by_similarity("norm", ["gelu", "attention", "norms"]), ["norms", "attention", "gelu"]);
        assert_eq!(sort_by_similarity(&"n".repeat(1_000_000), ["b", "a"]), ["a", "b"]);
    }
}
