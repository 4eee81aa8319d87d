//! A parameter of a case as it is typed: JSON, or else text that nobody would take for JSON.

use serde_json::Value;

use crate::case::{is_wide, numbers, read_value};
use crate::report::quote;
use crate::tensor::DType;

/// A parameter as it was typed: JSON, or else text. Refused are a number that JSON or a `f64` would change, and what another
/// language takes for a number, a boolean, a null or a list: as text it would reach the checkpoint in silence.
pub(super) fn param(name: &str, text: &str) -> Result<Value, String> {
    match read_value(text) {
        Ok(_) if !numbers(text).all(|(_, number)| is_exact(number)) => Err(inexact()),
        Ok(value) => Ok(value),
        Err(error) if error.to_string().starts_with("number out of range") => Err(inexact()),
        Err(_) => match foreign(text.trim()) {
            None => Ok(Value::String(text.to_owned())),
            Some(Foreign { kind, meant }) => {
                let write = |value: &str| format!("--param {}", quote(&format!("{name}={value}")));
                let meant = meant
                    .filter(|meant| read_value(meant).is_ok() && numbers(meant).all(|(_, number)| is_exact(number)));
                let meant = meant.map(|meant| format!("write {}, or ", write(&meant))).unwrap_or_default();
                let quoted = Value::from(text).to_string();
                Err(format!("looks like {kind}, and is not JSON; {meant}as text:  {}", write(&quoted)))
            }
        },
    }
}

fn inexact() -> String {
    "JSON cannot hold this number exactly; give one that a double holds, or quote it as text".to_owned()
}

/// What a text is taken for in another language.
struct Foreign {
    kind: &'static str,
    /// How JSON writes it, where it can.
    meant: Option<String>,
}

/// What is not JSON, and is a value all the same elsewhere: in Python, C, Rust or R.
fn foreign(text: &str) -> Option<Foreign> {
    let of = |kind, meant: Option<&str>| Some(Foreign { kind, meant: meant.map(str::to_owned) });
    match text {
        "None" | "NULL" | "Null" | "nil" => return of("null", Some("null")),
        _ if text.starts_with(['[', '(']) => return of("a list", None),
        _ if text.starts_with('{') => return of("an object", None),
        _ if text.starts_with('"') => return of("quoted text", None),
        _ => {}
    }
    match text.to_ascii_lowercase().as_str() {
        word @ ("true" | "false") => of("a boolean", Some(word)),
        lower => number(lower).map(|meant| Foreign { kind: "a number", meant }),
    }
}

/// What follows the digits of a number in Rust and C.
const SUFFIXES: [&str; 18] = [
    "bf16", "f16", "f32", "f64", "i8", "i16", "i32", "i64", "isize", "u8", "u16", "u32", "u64", "usize", "ul", "u",
    "l", "f",
];

/// How JSON writes a number as other languages have it, where it can; `None` where the text, in small letters, is no number.
fn number(text: &str) -> Option<Option<String>> {
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
    // A date and a version are text.
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

/// The integers in a JSON text that 64 bits cannot hold, which the value of it has as text.
pub(super) fn wide(json: &str) -> impl Iterator<Item = &str> {
    numbers(json).map(|(_, number)| number).filter(|number| is_wide(number))
}

/// Whether a JSON number is what it is read as: the same decimal digits. An integer always is.
fn is_exact(number: &str) -> bool {
    if !number.contains(['.', 'e', 'E']) {
        return true;
    }
    let Ok(value) = number.parse::<f64>() else { return false };
    value.is_finite() && decimal(number) == decimal(&format!("{value:e}"))
}

/// The digits of a number without zeros around them, and the power of ten of the last.
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

/// The dtype of that name, for clap.
pub(super) fn parse_dtype(name: &str) -> Result<DType, String> {
    DType::from_name(name).ok_or_else(|| {
        let known: Vec<&str> = DType::ALL.into_iter().map(DType::name).collect();
        format!("dtypes are {}", known.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_language_takes_for_a_value_is_refused_with_how_to_write_it() {
        for (text, meant) in [
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
            let refused = param("q", text).expect_err(text);
            let (_, write) = refused.split_once(", and is not JSON; ").unwrap_or_else(|| panic!("{refused}"));
            let first = write.split_once(", or as text:  ").map(|(first, _)| first);
            assert_eq!(first, meant.map(|meant| format!("write --param q={meant}")).as_deref(), "{text}");
            // What it says to write is taken as what it says.
            let (_, as_text) = write.split_once("as text:  --param ").expect("text can always be written");
            let as_text = as_text.trim_matches('\'').strip_prefix("q=").expect("the name");
            assert_eq!(param("q", as_text), Ok(Value::from(text)), "{text}");
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
            assert_eq!(param("q", text), Ok(Value::from(text)), "{text}");
        }
    }

    #[test]
    fn a_number_that_would_change_is_not_a_parameter() {
        for text in
            ["0.1", "1e-5", "1E+05", "0.0", "-0.0", "1.50", "5e-324", "1e23", "18446744073709551616", "[1, 2.5]"]
        {
            assert!(param("q", text).is_ok(), "{text}");
        }
        for text in ["1e400", "-1e400", "1e-400", "0.1000000000000000055", "16777216.0000000001", "[1, 1e400]"] {
            assert!(param("q", text).is_err(), "{text}");
        }
        for text in ["\"1e400\"", "\"a\\\"1e-400\"", "{\"0.1000000000000000055\": 1}", "true", "text"] {
            assert!(param("q", text).is_ok(), "{text}");
        }
    }
}
