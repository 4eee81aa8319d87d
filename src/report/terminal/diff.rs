//! Two tensors, or two collections of them, held against each other.

use std::io::{self, Write};

use super::case_line::distance;
use super::explain::explanations;
use super::picture::picture;
use crate::compare::{Comparison, Extreme, Summary};
use crate::report::message::{self, non_finite_counts};
use crate::report::palette::Palette;
use crate::report::view::{DiffView, PairView, Unread};
use crate::run::Verdict;
use crate::text::number::{apart, both, count, counted, float, float_up, near_one, percent, ratio, shape};
use crate::text::safe::{name as shown, visible};
use crate::text::table::Table;
use crate::text::wrap::{padded, paragraphs, width};

/// Writes everything that was measured where one pair of tensors is compared; else a line for each pair, what only one
/// side has, and the count.
///
/// # Errors
///
/// What `out` returns.
pub fn diff(out: &mut dyn Write, palette: &Palette, diff: &DiffView) -> io::Result<()> {
    let DiffView { actual, reference, pairs, only_actual, only_reference, unread } = diff;
    let mut table = Table::default();
    table.row(["actual", actual]);
    table.row(["reference", reference]);
    table.write(out, 0)?;
    writeln!(out)?;
    if let ([pair], [], [], []) = (&pairs[..], &only_actual[..], &only_reference[..], &unread[..]) {
        return in_full(out, palette, pair);
    }
    let names = pairs.iter().map(|pair| &pair.name).chain(only_actual).chain(only_reference);
    let widest = names.map(|name| width(&shown(name))).max().unwrap_or(0);
    pairs.iter().try_for_each(|pair| in_a_line(out, palette, pair, widest))?;
    for Unread { name, error } in unread {
        let name = if name.is_empty() { actual } else { name };
        writeln!(out, "{}{}", palette.verdict(Verdict::Broken, 10), palette.strong(&shown(name)))?;
        paragraphs(out, 10, &error.lines().map(str::to_owned).collect::<Vec<_>>())?;
    }
    for (names, side) in [(only_actual, "actual"), (only_reference, "reference")] {
        for name in names {
            let name = palette.strong(&padded(name, widest));
            writeln!(out, "{}{name}  only in {side}", palette.verdict(Verdict::Missing, 10))?;
        }
    }
    total(out, palette, diff)
}

fn total(out: &mut dyn Write, palette: &Palette, diff: &DiffView) -> io::Result<()> {
    let DiffView { actual: _, reference: _, pairs, only_actual, only_reference, unread } = diff;
    let all = pairs.len() + only_actual.len() + only_reference.len() + unread.len();
    let passed = pairs.iter().filter(|pair| pair.is_close()).count();
    let tallies = [
        (unread.len(), Verdict::Broken),
        (only_actual.len() + only_reference.len(), Verdict::Missing),
        (pairs.len() - passed, Verdict::Mismatch),
        (passed, Verdict::Pass),
    ];
    let tallies: Vec<String> = tallies
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, verdict)| palette.tally(count, verdict))
        .collect();
    let tallies = if tallies.is_empty() { "nothing to compare".into() } else { tallies.join(", ") };
    writeln!(out, "{}: {tallies}", counted(all as u64, "tensor"))?;
    let is_vacuous = |pair: &&PairView| pair.comparison.as_ref().is_ok_and(|measured| measured.vacuous.is_some());
    match pairs.iter().filter(is_vacuous).count() {
        0 => Ok(()),
        count => writeln!(out, "{} cannot fail, or not on zeros or NaN", counted(count as u64, "tensor")),
    }
}

fn verdict(pair: &PairView) -> Verdict {
    if pair.is_close() { Verdict::Pass } else { Verdict::Mismatch }
}

fn in_a_line(out: &mut dyn Write, palette: &Palette, pair: &PairView, widest: usize) -> io::Result<()> {
    let PairView { name, tolerance: _, actual, reference, comparison, explanations, picture: _ } = pair;
    let found = match comparison {
        Err(mismatch) => visible(&format!(
            "{}: {} {}, reference {} {}",
            message::brief_mismatch(mismatch),
            actual.dtype,
            shape(&actual.shape),
            reference.dtype,
            shape(&reference.shape)
        )),
        Ok(measured) => match measured.mismatches.first() {
            Some(mismatch) if measured.non_finite_mismatches > 0 => message::brief_mismatch(mismatch).into(),
            _ => match measured.vacuous {
                Some(found) => format!("{}, {}", distance(&[measured]), message::brief_vacuous(found)),
                None => distance(&[measured]),
            },
        },
    };
    writeln!(out, "{}{}  {found}", palette.verdict(verdict(pair), 10), palette.strong(&padded(name, widest)))?;
    match explanations.as_deref().filter(|_| !pair.is_close()) {
        None => Ok(()),
        Some([]) => paragraphs(out, 10, &message::nothing_fits()),
        Some([best, ..]) => paragraphs(out, 10, &[message::looks(best)]),
    }
}

fn in_full(out: &mut dyn Write, palette: &Palette, pair: &PairView) -> io::Result<()> {
    let PairView { name, tolerance, actual, reference, comparison, explanations, picture } = pair;
    sides(out, actual, reference)?;
    writeln!(out)?;
    let head = format!("{}{}", palette.verdict(verdict(pair), 10), palette.strong(&shown(name)));
    match comparison {
        Err(mismatch) => {
            writeln!(out, "{}", head.trim_end())?;
            paragraphs(out, 10, &message::mismatch(mismatch, None, Some(tolerance)))?;
        }
        Ok(measured) => {
            let mut limits = vec![message::tolerance(tolerance)];
            limits.extend(message::more_asked(tolerance));
            match pair.is_close() {
                true => writeln!(out, "{head}{}{}", if name.is_empty() { "" } else { "  " }, limits.join(", "))?,
                false => writeln!(out, "{}", head.trim_end())?,
            }
            for mismatch in &measured.mismatches {
                paragraphs(out, 10, &message::mismatch(mismatch, Some(measured), Some(tolerance)))?;
            }
            if let Some(found) = measured.vacuous {
                paragraphs(out, 10, &[message::vacuous(found)])?;
            }
            if message::are_both_nan(measured) {
                paragraphs(out, 10, &["to let NaN match NaN, give --nan, or \"nan\": \"match\" in a case".into()])?;
            }
            writeln!(out)?;
            measures(out, measured)?;
        }
    }
    if let Some(explanations) = explanations.as_ref().filter(|_| !pair.is_close()) {
        writeln!(out)?;
        self::explanations(out, 0, explanations)?;
    }
    picture.iter().filter(|_| !pair.is_close()).try_for_each(|drawn| self::picture(out, 0, drawn))
}

/// Both summaries side by side.
fn sides(out: &mut dyn Write, actual: &Summary, reference: &Summary) -> io::Result<()> {
    let mut table = Table::default();
    table.row(["", "actual", "reference"]);
    for (of_actual, of_reference) in described(actual).iter().zip(described(reference)) {
        let (quantity, ref actual) = *of_actual;
        table.row([quantity, actual, &of_reference.1]);
    }
    let [_, _, mean, std] = message::quantities(actual.dtype);
    let moments =
        [(mean, actual.mean, reference.mean), (std, actual.std, reference.std), ("l2", actual.l2, reference.l2)];
    for (quantity, of_actual, of_reference) in moments {
        let [one, other] = match (of_actual, of_reference) {
            (Some(one), Some(other)) => apart([one, other], 3),
            _ => [(actual, of_actual), (reference, of_reference)]
                .map(|(summary, moment)| moment.map_or_else(|| absent(summary).to_owned(), float)),
        };
        table.row([quantity, &one, &other]);
    }
    table.write(out, 0)
}

/// What stands where a quantity of a tensor has no value.
fn absent(summary: &Summary) -> &'static str {
    if summary.is_unread() { "not read" } else { "none" }
}

fn described(summary: &Summary) -> [(&'static str, String); 7] {
    let Summary { shape: extents, dtype, elements: _, left_out, non_finite, min, max, mean: _, std: _, l2: _ } =
        summary;
    let [of_min, of_max, ..] = message::quantities(*dtype);
    let absent = || absent(summary).to_owned();
    let known = |text: String| if summary.is_unread() { absent() } else { text };
    [
        ("dtype", dtype.to_string()),
        ("shape", shape(extents)),
        ("elements", count(extents.iter().product::<usize>() as u64 - left_out)),
        ("left out", known(count(*left_out))),
        ("not finite", known(non_finite_counts(*non_finite))),
        (of_min, min.map_or_else(absent, |value| value.to_string())),
        (of_max, max.map_or_else(absent, |value| value.to_string())),
    ]
}

/// A quantity that is largest somewhere, and how its number is shown.
type Largest<'a> = (&'static str, &'a Option<Extreme>, fn(f64) -> String);

/// The largest differences, where they are, and both values there.
fn extremes(out: &mut dyn Write, extremes: &[Largest<'_>]) -> io::Result<()> {
    let mut table = Table::default();
    table.row(["", "largest", "at", "actual", "reference"]);
    for (quantity, extreme, number) in extremes {
        match extreme {
            Some(Extreme { value, index, actual, reference }) => {
                let [actual, reference] = both(*actual, *reference);
                table.row([*quantity, &number(*value), &shape(index), &actual, &reference]);
            }
            None => table.row([quantity, "none"]),
        }
    }
    table.write(out, 0)?;
    writeln!(out)
}

/// A share of the tolerance, as it is said elsewhere.
fn share(used: f64) -> String {
    if used <= 1.0 { percent(used) } else { ratio(used) }
}

/// Every measure, those of single places first.
fn measures(out: &mut dyn Write, measured: &Comparison) -> io::Result<()> {
    let Comparison {
        types: _,
        elements,
        left_out,
        differing,
        outside,
        first_outside,
        non_finite_mismatches,
        first_non_finite_mismatch,
        max_abs_diff,
        max_rel_diff,
        max_ulp_diff,
        worst,
        zero_references,
        mean_abs_diff,
        rmse,
        rel_rms,
        bias,
        scale,
        cosine,
        tolerance_used,
        smallest_atol,
        actual_non_finite,
        reference_non_finite,
        vacuous: _,
        mismatches: _,
    } = measured;
    let mut largest: Vec<Largest<'_>> = vec![
        ("difference", max_abs_diff, float),
        ("relative difference", max_rel_diff, float),
        ("ulp", max_ulp_diff, |ulps| count(ulps as u64)),
        ("share of tolerance", worst, share),
    ];
    if first_non_finite_mismatch.is_some() {
        largest.push(("NaN or infinity", first_non_finite_mismatch, |_| "first".into()));
    }
    extremes(out, &largest)?;
    let part = |part: u64| match elements {
        0 => count(part),
        elements => format!("{} ({})", count(part), percent(part as f64 / *elements as f64)),
    };
    let number = |value: &Option<f64>, number: fn(f64) -> String| value.map_or("none".into(), number);
    let first = first_outside.as_ref().map(|first| format!(", the first at {}", shape(first))).unwrap_or_default();
    let mut table = Table::default();
    for (quantity, value) in [
        ("elements compared", count(*elements)),
        ("left out", count(*left_out)),
        ("differing", part(*differing)),
        ("outside tolerance", part(*outside) + &first),
        ("tolerance used", share(*tolerance_used)),
        ("smallest atol that passes", number(smallest_atol, float_up)),
        ("mean absolute difference", number(mean_abs_diff, float)),
        ("rmse", number(rmse, float)),
        ("rmse of the reference's rms", number(rel_rms, float)),
        ("bias", number(bias, float)),
        ("scale", number(scale, near_one)),
        ("cosine", number(cosine, near_one)),
        ("references that are 0", count(*zero_references)),
        ("not finite, without match", count(*non_finite_mismatches)),
        ("not finite in actual", non_finite_counts(*actual_non_finite)),
        ("not finite in reference", non_finite_counts(*reference_non_finite)),
    ] {
        table.row([quantity, &value]);
    }
    table.write(out, 0)
}
