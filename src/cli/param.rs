//! Parsing a parameter from the command line: JSON, or else text that cannot be mistaken for a value.

use serde_json::Value;

use crate::case::{is_wide, numbers, read_value};
use crate::report::quote;
use crate::tensor::DType;

/// Parses a parameter: JSON, or else text. Refuses a number that an `f64` cannot hold exactly, and the literals of other languages
/// for numbers, booleans, null and lists, which would silently reach the checkpoint as text.
pub(super) fn parse_param(name: &str, text: &str) -> Result<Value, String> {
    match read_value(text) {
        Ok(_) if !numbers(text).all(|(_, number)| is_exact(number)) => Err(inexact()),
        Ok(value) => Ok(value),
        Err(error) if error.to_string().starts_with("number out of range") => Err(inexact()),
        Err(_) => match foreign_literal(text.trim()) {
            None => Ok(Value::String(text.to_owned())),
            Some(ForeignLiteral { kind, json }) => {
                let write = |value: &str| format!("--param {}", quote(&format!("{name}={value}")));
                let json =
                    json.filter(|json| read_value(json).is_ok() && numbers(json).all(|(_, number)| is_exact(number)));
                let json = json.map(|json| format!("write {}, or ", write(&json))).unwrap_or_default();
                let quoted = Value::from(text).to_string();
                Err(format!("looks like {kind}, but is not JSON; {json}as text:  {}", write(&quoted)))
            }
        },
    }
}

fn inexact() -> String {
    "a 64-bit float cannot hold this number exactly; shorten it, or quote it as text".to_owned()
}

/// A literal of another language: Python, C, Rust or R.
struct ForeignLiteral {
    kind: &'static str,
    /// The same value in JSON, if JSON can express it.
    json: Option<String>,
}

/// Recognises a text that is not JSON, but a value in another language.
fn foreign_literal(text: &str) -> Option<ForeignLiteral> {
    let of = |kind, json: Option<&str>| Some(ForeignLiteral { kind, json: json.map(str::to_owned) });
    match text {
        "None" | "NULL" | "Null" | "nil" => return of("null", Some("null")),
        _ if text.starts_with(['[', '(']) => return of("a list", None),
        _ if text.starts_with('{') => return of("an object", None),
        _ if text.starts_with('"') => return of("quoted text", None),
        _ => {}
    }
    match text.to_ascii_lowercase().as_str() {
        word @ ("true" | "false") => of("a boolean", Some(word)),
        lower => foreign_number(lower).map(|json| ForeignLiteral { kind: "a number", json }),
    }
}

/// The suffixes of numbers in Rust and C.
const SUFFIXES: [&str; 18] = [
    "bf16", "f16", "f32", "f64", "i8", "i16", "i32", "i64", "isize", "u8", "u16", "u32", "u64", "usize", "ul", "u",
    "l", "f",
];

/// Returns the JSON of a number of another language, or `Some(None)` if JSON cannot express it. `None` if `text`, in lower case, is
/// not a number.
fn foreign_number(text: &str) -> Option<Option<String>> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    if ["nan", "inf", "infinity"].contains(&digits) {
        return Some(None);
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        let Some(digits) = digits.strip_prefix(prefix).map(|digits| digits.replace('_', "")) else { continue };
        let is_number = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
        return is_number.then(|| u64::from_str_radix(&digits, radix).ok().map(|number| format!("{sign}{number}")));
    }
    let is_end = |rest: &&str| rest.ends_with(|c: char| c.is_ascii_digit() || "._".contains(c));
    let plain = SUFFIXES.iter().find_map(|suffix| digits.strip_suffix(suffix).filter(is_end)).unwrap_or(digits);
    let plain = if plain.starts_with('_') { plain.to_owned() } else { plain.replace('_', "") };
    let (mantissa, exponent) = plain.split_once('e').map_or((&*plain, None), |(before, after)| (before, Some(after)));
    let is_decimal = |text: &str| text.chars().all(|c| c.is_ascii_digit() || ".,/".contains(c));
    let power = exponent.map(|power| power.trim_start_matches(['+', '-']));
    let starts = mantissa.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let is_number = starts && mantissa.contains(|c: char| c.is_ascii_digit()) && is_decimal(mantissa);
    if !is_number || !power.unwrap_or_default().bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let marks = |mark: char| mantissa.matches(mark).count();
    // Dates and versions are text.
    if marks('.') > 1 || marks('/') > 1 {
        return None;
    }
    if marks(',') + marks('/') > 0 || power == Some("") {
        return Some(None);
    }
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let whole = Some(whole.trim_start_matches('0')).filter(|whole| !whole.is_empty()).unwrap_or("0");
    let fraction = if fraction.is_empty() { String::new() } else { format!(".{fraction}") };
    let exponent = exponent.map(|power| format!("e{power}")).unwrap_or_default();
    Some(Some(format!("{sign}{whole}{fraction}{exponent}")))
}

/// Returns the integers in a JSON text that do not fit in 64 bits; its parsed value holds them as strings.
pub(super) fn wide_integers(json: &str) -> impl Iterator<Item = &str> {
    numbers(json).map(|(_, number)| number).filter(|number| is_wide(number))
}

/// Whether parsing a JSON number keeps its decimal digits. Integers always do.
fn is_exact(number: &str) -> bool {
    if !number.contains(['.', 'e', 'E']) {
        return true;
    }
    let Ok(value) = number.parse::<f64>() else { return false };
    value.is_finite() && decimal(number) == decimal(&format!("{value:e}"))
}

/// Returns the significant digits of a number, and the power of ten of the last one.
fn decimal(number: &str) -> (String, i64) {
    let number = number.trim_start_matches('-');
    let (digits, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_end_matches('0');
    let exponent = exponent.parse::<i64>().unwrap_or(i64::MAX / 2);
    let last = exponent - fraction.len() as i64 + (digits.len() - significant.len()) as i64;
    match significant.trim_start_matches('0') {
        "" => (String::new(), 0),
        digits => (digits.to_owned(), last),
    }
}

/// Parses the name of a dtype.
pub(super) fn parse_dtype(name: &str) -> Result<DType, String> {
    DType::from_name(name).ok_or_else(|| {
        let known: Vec<&str> = DType::ALL.into_iter().map(DType::name).collect();
        format!("expected one of {}", known.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_of_other_languages_are_refused_with_their_json() {
        for (text, json) in [
            (".707", Some("0.707")),
            ("-.5", Some("-0.5")),
            ("1.", Some("1")),
            ("+1", Some("1")),
            ("+.5e+3", Some("0.5e+3")),
            ("007", Some("7")),
            ("00", Some("0")),
            ("0x10", Some("16")),
            ("-0b11", Some("-3")),
            ("0o17", Some("15")),
            ("1_000", Some("1000")),
            ("1e-5f", Some("1e-5")),
            ("1.0f32", Some("1.0")),
            ("16L", Some("16")),
            ("1E5_f64", Some("1e5")),
            ("True", Some("true")),
            ("FALSE", Some("false")),
            ("None", Some("null")),
            ("NULL", Some("null")),
            (" .5 ", Some("0.5")),
            ("1e", None),
            ("1e+", None),
            ("1,5", None),
            ("1/255", None),
            ("NaN", None),
            ("-inf", None),
            ("Infinity", None),
            ("+1e400", None),
            ("[1,.5]", None),
            ("(3, 3)", None),
            ("{\"a\": 1, \"a\": 2}", None),
            ("\"open", None),
        ] {
            let refused = parse_param("q", text).expect_err(text);
            let (_, write) = refused.split_once(", but is not JSON; ").unwrap_or_else(|| panic!("{refused}"));
            let first = write.split_once(", or as text:  ").map(|(first, _)| first);
            assert_eq!(first, json.map(|json| format!("write --param q={json}")).as_deref(), "{text}");
            // The suggested text is accepted as text.
            let (_, as_text) = write.split_once("as text:  --param ").expect("anything can be written as text");
            let as_text = as_text.trim_matches('\'').strip_prefix("q=").expect("the name");
            assert_eq!(parse_param("q", as_text), Ok(Value::from(text)), "{text}");
        }
    }

    #[test]
    fn a_word_is_text() {
        for text in [
            "tanh",
            "none",
            "yes",
            "e",
            "e5",
            "f32",
            "3x3",
            "2nd",
            "7B",
            "1.0.2",
            "2024-01-01",
            "1/2/2024",
            "a=b=c",
            ".",
            "-",
            "+",
            "-v",
            "...",
            "10:30",
            "info",
            "nanometer",
            "0xyz",
            "gelu_new",
            "x.npy",
            "1e5x",
            "truely",
            "_1",
            "'a'",
            "/1",
            "2j",
        ] {
            assert_eq!(parse_param("q", text), Ok(Value::from(text)), "{text}");
        }
    }

    #[test]
    fn a_number_that_parsing_would_change_is_refused() {
        for text in
            ["0.1", "1e-5", "1E+05", "0.0", "-0.0", "1.50", "5e-324", "1e23", "18446744073709551616", "[1, 2.5]"]
        {
            assert!(parse_param("q", text).is_ok(), "{text}");
        }
        for text in ["1e400", "-1e400", "1e-400", "0.1000000000000000055", "16777216.0000000001", "[1, 1e400]"] {
            assert!(parse_param("q", text).is_err(), "{text}");
        }
        for text in ["\"1e400\"", "\"a\\\"1e-400\"", "{\"0.1000000000000000055\": 1}", "true", "text"] {
            assert!(parse_param("q", text).is_ok(), "{text}");
        }
    }
}
