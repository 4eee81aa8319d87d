//! Formats numbers for the screen, rounded and with units. Stored numbers are exact and share no code with this.

use std::fmt::Debug;
use std::time::Duration;

/// Formats a number with three significant digits: `0.0312`, `222`, `2.1e-4`, `1.23e6`; `nan`, `inf` and `-inf` as words.
pub(crate) fn float(value: f64) -> String {
    digits(value, 3)
}

/// Formats a number with the given number of significant digits.
fn digits(value: f64, significant: usize) -> String {
    match value {
        _ if value.is_nan() => return "nan".into(),
        f64::INFINITY => return "inf".into(),
        f64::NEG_INFINITY => return "-inf".into(),
        0.0 => return "0".into(),
        _ => {}
    }
    // Rounding can carry into the next power of ten, so take the exponent from the rounded text.
    let last = significant as i32 - 1;
    let rounded = format!("{value:.digits$e}", digits = significant - 1);
    let (mantissa, exponent) = rounded.split_once('e').expect("`e` formats with an exponent");
    let exponent: i32 = exponent.parse().expect("`e` formats with a decimal exponent");
    match exponent {
        _ if (-3..=last).contains(&exponent) => {
            trim_zeros(&format!("{value:.digits$}", digits = (last - exponent) as usize))
        }
        _ => format!("{}e{exponent}", trim_zeros(mantissa)),
    }
}

/// Formats numbers with at least `least` significant digits, and as many as necessary to print different numbers
/// differently.
pub(crate) fn distinct<const N: usize>(values: [f64; N], least: usize) -> [String; N] {
    let are_distinct = |texts: &[String; N]| {
        let mut pairs = (0..N).flat_map(|left| (0..left).map(move |right| (left, right)));
        pairs.all(|(left, right)| values[left] == values[right] || texts[left] != texts[right])
    };
    // Seventeen digits distinguish any two numbers.
    let texts = (least..17).map(|significant| values.map(|value| digits(value, significant)));
    texts.into_iter().find(are_distinct).unwrap_or_else(|| values.map(|value| digits(value, 17)))
}

/// Formats a number like [`float`], but rounds up, so that the text can be used as a limit.
pub(crate) fn float_up(value: f64) -> String {
    let text = float(value);
    match text.parse::<f64>() {
        Ok(rounded) if rounded < value => {
            // Rounding lost at most half a unit of the third digit. Adding a little more than that rounds up.
            let unit = 10f64.powf(value.log10().floor() - 2.0);
            float(value + 0.6 * unit)
        }
        _ => text,
    }
}

/// Formats a number exactly, with the fewest digits that parse to the same value: `1e-5`, `0`, `0.001`.
pub(crate) fn exact(value: impl Debug) -> String {
    let text = format!("{value:?}").to_ascii_lowercase();
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}

/// Formats a count with thousands separators: `1,048,576`.
pub(crate) fn count(value: u64) -> String {
    match value {
        0..1000 => value.to_string(),
        _ => format!("{},{:03}", count(value / 1000), value % 1000),
    }
}

/// Formats a count and its noun, in the plural unless the count is 1: `1 case`, `2 cases`.
pub(crate) fn plural(value: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(value), if value == 1 { "" } else { "s" })
}

/// Formats a share as a percentage: `24%`, `0.6%`. Only 0 is `0%`, and only 1 is `100%`.
pub(crate) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        _ if !percent.is_finite() => float(percent),
        p if p <= 0.0 => "0%".into(),
        p if p < 0.01 => "<0.01%".into(),
        p if p < 0.095 => format!("{p:.2}%"),
        p if p < 0.95 => format!("{p:.1}%"),
        p if p > 99.0 && p < 100.0 => ">99%".into(),
        p if p > 100.0 && p < 100.5 => ">100%".into(),
        p => format!("{p:.0}%"),
    }
}

/// Formats a ratio: `21x`. Only 1 is `1x`.
pub(crate) fn ratio(times: f64) -> String {
    match float(times) {
        _ if (999.5..1e6).contains(&times) => format!("{}x", count(times.round() as u64)),
        text if text == "1" && times > 1.0 => "just over 1x".into(),
        text if text == "1" && times < 1.0 => "just under 1x".into(),
        text => format!("{text}x"),
    }
}

/// Formats the used share of a tolerance: a percentage up to 100%, otherwise a ratio.
pub(crate) fn share(used: f64) -> String {
    if used <= 1.0 { percent(used) } else { ratio(used) }
}

/// Formats a factor or a cosine, with full precision near 1: `1 - 3.2e-9`, `1 + 2e-4`, `0.97`.
pub(crate) fn near_one(value: f64) -> String {
    let rest = value - 1.0;
    match rest {
        _ if rest == 0.0 || rest.abs() >= 0.01 || rest.is_nan() => float(value),
        rest if rest > 0.0 => format!("1 + {}", float(rest)),
        rest => format!("1 - {}", float(-rest)),
    }
}

/// Formats a size: `512 B`, `1.5 KiB`, `3 GiB`.
pub(crate) fn bytes(size: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = size as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{} {}", float(value), UNITS[unit])
}

/// Formats a time: `0.4 ms`, `12 ms`, `1.24 s`, `2 min 5 s`, `1 h 2 min`.
pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    let whole = seconds.round() as u64;
    match seconds {
        0.0 => "0 s".into(),
        s if s < 0.000_1 => "<0.1 ms".into(),
        s if s < 0.01 => format!("{} ms", trim_zeros(&format!("{:.1}", s * 1e3))),
        s if s < 0.999_5 => format!("{:.0} ms", s * 1e3),
        s if s < 59.95 => format!("{} s", float(s)),
        _ if whole < 3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

/// Formats a shape: `[1, 8, 64]`, or `[]` for a scalar.
pub(crate) fn shape(extents: &[usize]) -> String {
    format!("{extents:?}")
}

/// Removes trailing zeros of a fraction.
fn trim_zeros(digits: &str) -> String {
    match digits.contains('.') {
        true => digits.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => digits.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_float_has_three_significant_digits_and_no_trailing_zeros() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (0.1, "0.1"),
            (222.4, "222"),
            (999.5, "1e3"),
            (999.4, "999"),
            (12345.0, "1.23e4"),
            (0.001, "0.001"),
            (0.000_999_9, "0.001"),
            (0.000_999, "9.99e-4"),
            (5.96e-8, "5.96e-8"),
            (2.0e-7, "2e-7"),
            (-7.753e-3, "-0.00775"),
            (-0.031_249, "-0.0312"),
            (f64::NAN, "nan"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (5e-324, "4.94e-324"),
            (f64::MAX, "1.8e308"),
        ] {
            assert_eq!(float(value), text, "{value:e}");
        }
    }

    #[test]
    fn a_limit_is_never_rounded_below_its_value() {
        for value in [2.1041e-4, 9.991e-4, 0.030_01, 1.0, 999.1, 1.234_5e-9, 5.960_464_477_539_063e-8, 0.0] {
            let shown: f64 = float_up(value).parse().expect("a number");
            assert!(shown >= value, "{shown:e} < {value:e}");
            assert!(shown <= value * 1.02, "{shown:e} is far above {value:e}");
        }
        assert_eq!(float_up(f64::INFINITY), "inf");
    }

    #[test]
    fn an_exact_number_has_every_digit() {
        for (value, text) in [(1e-5, "1e-5"), (0.0, "0"), (0.001, "0.001"), (1.3e-6, "1.3e-6"), (2.0, "2")] {
            assert_eq!(exact(value), text);
        }
    }

    #[test]
    fn counts_have_thousands_separators() {
        let texts: Vec<String> = [0, 999, 1000, 1_048_576].map(count).into();
        assert_eq!(texts, ["0", "999", "1,000", "1,048,576"]);
        assert_eq!(plural(1, "case"), "1 case");
        assert_eq!(plural(0, "case"), "0 cases");
    }

    #[test]
    fn only_0_is_0_percent_and_only_1_is_100_percent() {
        for (share, text) in [
            (0.0, "0%"),
            (0.000_01, "<0.01%"),
            (0.000_3, "0.03%"),
            (0.006, "0.6%"),
            (0.009_6, "1%"),
            (0.24, "24%"),
            (0.994, ">99%"),
            (3.0 / 512.0, "0.6%"),
            (0.999_9, ">99%"),
            (1.004, ">100%"),
            (1.0, "100%"),
            (1.0f64.next_up(), ">100%"),
            (2.5, "250%"),
            (f64::NAN, "nan"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(percent(share), text, "{share}");
        }
    }

    #[test]
    fn only_1_is_shown_as_1x() {
        for (times, text) in [
            (21.0, "21x"),
            (1.0, "1x"),
            (1.0004, "just over 1x"),
            (0.9999, "just under 1x"),
            (1680.4, "1,680x"),
            (1e7, "1e7x"),
        ] {
            assert_eq!(ratio(times), text);
        }
    }

    #[test]
    fn a_number_near_1_shows_its_distance_from_1() {
        for (value, text) in [(1.0, "1"), (0.97, "0.97"), (1.0 - 2f64.powi(-30), "1 - 9.31e-10"), (1.000_2, "1 + 2e-4")]
        {
            assert_eq!(near_one(value), text);
        }
    }

    #[test]
    fn sizes_and_times_have_units() {
        let texts: Vec<String> = [0, 512, 1536, 3 << 30].map(bytes).into();
        assert_eq!(texts, ["0 B", "512 B", "1.5 KiB", "3 GiB"]);
        for (seconds, text) in [
            (0.0, "0 s"),
            (0.000_01, "<0.1 ms"),
            (0.000_4, "0.4 ms"),
            (0.012, "12 ms"),
            (0.999_9, "1 s"),
            (1.238, "1.24 s"),
            (59.96, "1 min 0 s"),
            (125.0, "2 min 5 s"),
            (3725.0, "1 h 2 min"),
        ] {
            assert_eq!(duration(Duration::from_secs_f64(seconds)), text);
        }
    }

    #[test]
    fn different_numbers_get_as_many_digits_as_necessary() {
        assert_eq!(distinct([0.5, 1.0], 3), ["0.5", "1"]);
        assert_eq!(distinct([1.00042, 1.0], 3), ["1.0004", "1"]);
        assert_eq!(distinct([f64::from(0.1f32), 0.1], 3), ["0.100000001", "0.1"]);
        assert_eq!((float(2.1041e-4), float_up(2.1041e-4)), ("2.1e-4".to_owned(), "2.11e-4".to_owned()));
    }

    fn near(value: f64) -> impl Strategy<Value = f64> {
        (-3i64..=3, 0u32..52)
            .prop_map(move |(steps, size)| f64::from_bits(value.to_bits().wrapping_add_signed(steps << size)))
    }

    proptest! {
        #[test]
        fn different_numbers_print_differently(
            (left, right) in any::<f64>().prop_flat_map(|left| (Just(left), near(left))),
            least in 1usize..6,
        ) {
            let [one, other] = distinct([left, right], least);
            prop_assert!(left == right || one != other || (left.is_nan() && right.is_nan()), "{left:e} and {right:e}: {one}");
        }

        #[test]
        fn only_1_is_printed_as_100_percent_and_1x(share in near(1.0)) {
            let texts = (percent(share), ratio(share));
            prop_assert_eq!(texts == ("100%".into(), "1x".into()), share == 1.0, "{:?}", texts);
        }
    }
}
