//! A difference in plain characters: where it is, and how large.

use std::io::{self, Write};

use crate::compare::{Decade, HeatMap, Picture, Size};
use crate::text::WIDTH;
use crate::text::number::{count, shape};
use crate::text::wrap::{padded, paragraphs, width};

/// Writes both below an indentation, a blank line before each.
///
/// # Errors
///
/// What `out` returns.
pub(super) fn picture(out: &mut dyn Write, indent: usize, picture: &Picture) -> io::Result<()> {
    // The worst of all is told before.
    let Picture { map, decades, types: _, worst: _ } = picture;
    writeln!(out)?;
    heat(out, indent, map)?;
    writeln!(out)?;
    self::decades(out, indent, decades)
}

/// A character a cell, and what the characters mean.
pub(in crate::report) fn heat(out: &mut dyn Write, indent: usize, map: &HeatMap) -> io::Result<()> {
    let HeatMap { shape: _, step, cells } = map;
    paragraphs(out, indent, &[axes(map)])?;
    let numbers = (cells.len().saturating_sub(1) * step[0]).to_string().len();
    for (row, cells) in cells.iter().enumerate() {
        let cells: String = cells.iter().map(|cell| mark(*cell)).collect();
        writeln!(out, "{:indent$}{:>numbers$} |{cells}|", "", row * step[0])?;
    }
    let meanings = meanings(cells.iter().flatten().copied()).into_iter().map(|(mark, meaning)| match mark {
        ' ' => format!("blank {meaning}"),
        mark => format!("{mark} {meaning}"),
    });
    paragraphs(out, indent, &[meanings.collect::<Vec<_>>().join(", ")])
}

/// What the rows and columns are.
pub(in crate::report) fn axes(map: &HeatMap) -> String {
    let HeatMap { shape: extents, step: [row, column], cells: _ } = map;
    let each = |step: usize, axis: usize| match step {
        1 => format!("axis {axis}"),
        step => format!("axis {axis} ({step} each)"),
    };
    let axes = match extents.len() {
        0 => "the only element".to_owned(),
        1 => format!("across: {}", each(*column, 0)),
        count => format!("down: {}, across: {}", each(*row, count - 2), each(*column, count - 1)),
    };
    let others = if extents.len() > 2 { "; the furthest over all other axes" } else { "" };
    format!("where it differs, of {}; {axes}{others}", shape(extents))
}

/// The character of a cell.
pub(in crate::report) fn mark(cell: Option<f64>) -> char {
    match cell {
        None => ' ',
        Some(0.0) => '-',
        Some(share) if share <= 1.0 => '.',
        Some(share) if share.is_infinite() => 'N',
        Some(share) => decade(share).min(9).to_string().chars().next().unwrap_or('9'),
    }
}

/// How many decades it is above what is allowed: 1 up to ten times, 2 up to a hundred times.
fn decade(share: f64) -> u32 {
    share.log10().ceil().max(1.0) as u32
}

/// What the characters mean, those that there are.
pub(in crate::report) fn meanings(cells: impl Iterator<Item = Option<f64>>) -> Vec<(char, String)> {
    let mut marks: Vec<char> = cells.map(mark).collect();
    marks.sort_unstable();
    marks.dedup();
    let meaning = |mark: &char| match mark {
        ' ' => "not compared".to_owned(),
        '-' => "equal".into(),
        '.' => "within".into(),
        'N' => "not finite".into(),
        '9' => "further".into(),
        digit => format!("up to {} what is allowed", times(digit.to_digit(10).unwrap_or(1))),
    };
    // Said once: what follows is in the same unit.
    let mut meanings: Vec<(char, String)> = marks.iter().map(|mark| (*mark, meaning(mark))).collect();
    let mut first = true;
    for (_, meaning) in meanings.iter_mut().filter(|(_, meaning)| meaning.ends_with(" what is allowed")) {
        if !std::mem::take(&mut first) {
            *meaning = meaning.trim_end_matches(" what is allowed").to_owned();
        }
    }
    meanings
}

fn times(decades: u32) -> String {
    format!("{}x", count(10u64.pow(decades)))
}

/// A bar for each decade, the longest to the right margin.
pub(super) fn decades(out: &mut dyn Write, indent: usize, decades: &[Decade]) -> io::Result<()> {
    let all = rows(decades);
    let labels = all.iter().map(|row| width(&row.label())).max().unwrap_or(0);
    let counts = all.iter().map(|row| count(row.count).len()).max().unwrap_or(0);
    let most = all.iter().map(|row| row.count).max().unwrap_or(0).max(1);
    let room = WIDTH.saturating_sub(indent + labels + 2 + counts + 2);
    writeln!(out, "{:indent$}|actual - reference|, and how many elements", "")?;
    for row in &all {
        // What is there has a bar.
        let length = (row.count as f64 / most as f64 * room as f64).ceil() as usize;
        let (label, number) = (padded(&row.label(), labels), count(row.count));
        let line = format!("{:indent$}{label}  {number:>counts$}  {}", "", "#".repeat(length));
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// A row of the chart: of one size, or of as many decades as it takes for the chart to be short.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::report) struct Row {
    /// The size; of several decades that of the first.
    pub(in crate::report) size: Size,
    /// How many decades it stands for, where it stands for decades.
    span: i32,
    /// How many elements.
    pub(in crate::report) count: u64,
}

impl Row {
    /// What it is called.
    pub(in crate::report) fn label(&self) -> String {
        match self.size {
            Size::Zero => "0".to_owned(),
            Size::NotFinite => "not finite".into(),
            Size::Power(power) => format!("{} to {}", ten(power), ten(power + self.span)),
        }
    }
}

/// The decades as rows, with those between that are empty, if they are few. Where there would be more rows than a person
/// reads, as where differences grew without bound, each stands for several decades.
pub(in crate::report) fn rows(decades: &[Decade]) -> Vec<Row> {
    const MOST: usize = 20;
    let spans = [1, 2, 5, 10, 20, 50, 100];
    let mut charts = spans.map(|span| joined(decades, span)).into_iter();
    let last = charts.next_back().unwrap_or_default();
    charts.find(|rows| rows.len() <= MOST).unwrap_or(last)
}

/// The same where each row stands for so many decades.
fn joined(decades: &[Decade], span: i32) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for Decade { size, count } in decades.iter().copied() {
        let size = match size {
            Size::Power(power) => Size::Power(power.div_euclid(span) * span),
            size => size,
        };
        match (rows.last_mut(), size) {
            (Some(row), _) if row.size == size => {
                row.count += count;
                continue;
            }
            (Some(Row { size: Size::Power(last), .. }), Size::Power(next)) if next - *last <= 6 * span => {
                let between = (*last + span..next).step_by(span as usize);
                rows.extend(between.map(|power| Row { size: Size::Power(power), span, count: 0 }).collect::<Vec<_>>());
            }
            _ => {}
        }
        rows.push(Row { size, span, count });
    }
    rows
}

/// A power of ten.
pub(in crate::report) fn ten(power: i32) -> String {
    match power {
        0 => "1".into(),
        1 => "10".into(),
        power => format!("1e{power}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::{Pair, Rules, Tolerance};
    use crate::tensor::Tensor;

    fn told(shape: &[usize], actual: Vec<f32>) -> String {
        let reference = Tensor::new(shape, vec![1.0f32; actual.len()]).expect("as many");
        let actual = Tensor::new(shape, actual).expect("as many");
        let rules = Rules::new(Tolerance::new(1e-3, 0.0).expect("valid"));
        let drawn = Picture::of(Pair::new(&actual, &reference), &rules).expect("one shape");
        let mut text = Vec::new();
        picture(&mut text, 2, &drawn).expect("a vector takes everything");
        String::from_utf8(text).expect("plain characters")
    }

    #[test]
    fn a_difference_is_seen() {
        let mut actual = vec![1.0f32; 3 * 40];
        actual[40..80].iter_mut().for_each(|x| *x = 1.5);
        (actual[0], actual[5], actual[119]) = (1.0005, 1.004, f32::NAN);
        let expected = "
  where it differs, of [3, 40]; down: axis 0, across: axis 1
  0 |.----1----------------------------------|
  1 |3333333333333333333333333333333333333333|
  2 |---------------------------------------N|
  - equal, . within, 1 up to 10x what is allowed, 3 up to 1,000x, N not finite

  |actual - reference|, and how many elements
  0             77  ############################################################
  1e-4 to 1e-3   1  #
  1e-3 to 1e-2   1  #
  1e-2 to 1e-1   0
  1e-1 to 1     40  ################################
  not finite     1  #
";
        assert_eq!(told(&[3, 40], actual), expected);
    }

    #[test]
    fn differences_over_many_decades_have_few_rows() {
        let decade = |power| Decade { size: Size::Power(power), count: 1 };
        let ends = [Decade { size: Size::Zero, count: 3 }, Decade { size: Size::NotFinite, count: 4 }];
        for (powers, count, first) in [
            (-8..9, 19, "1e-8 to 1e-7"),
            (-8..11, 12, "1e-8 to 1e-6"),
            (-45..146, 13, "1e-60 to 1e-40"),
            (-324..309, 16, "1e-350 to 1e-300"),
        ] {
            let middle: Vec<Decade> = powers.clone().map(decade).collect();
            let all = rows(&[&ends[..1], &middle, &ends[1..]].concat());
            assert_eq!((all.len(), &*all[1].label()), (count, first), "{powers:?}");
            let sum: u64 = all.iter().map(|row| row.count).sum();
            assert_eq!(sum, middle.len() as u64 + 7, "{powers:?}");
            let edges: Vec<String> = all[1..count - 1].iter().map(Row::label).collect();
            for pair in edges.windows(2) {
                assert_eq!(pair[0].split(" to ").nth(1), pair[1].split(" to ").next(), "{powers:?}");
            }
        }
        // Far apart, nothing is drawn between.
        let apart: Vec<String> = rows(&[decade(-300), decade(0)]).iter().map(Row::label).collect();
        assert_eq!(apart, ["1e-300 to 1e-299", "1 to 10"]);
    }

    #[test]
    fn a_large_difference_is_drawn_small() {
        let mut actual = vec![1.0f32; 4 * 64 * 640];
        actual[2 * 64 * 640 + 17 * 640 + 300] = 9.0;
        let text = told(&[4, 64, 640], actual);
        assert!(text.lines().all(|line| line.len() <= WIDTH), "{text}");
        let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            flat.contains("down: axis 1 (4 each), across: axis 2 (11 each); the furthest over all other axes"),
            "{text}"
        );
        assert_eq!(text.lines().filter(|line| line.contains(" |-")).count(), 16, "{text}");
        assert!(text.contains(&format!("  16 |{}4{}|\n", "-".repeat(27), "-".repeat(31))), "{text}");
    }

    #[test]
    fn a_vector_and_a_scalar_have_a_row() {
        assert!(told(&[3], vec![1.0, 2.0, 1.0]).contains("where it differs, of [3]; across: axis 0\n  0 |-3-|"));
        assert!(told(&[], vec![1.0]).contains("where it differs, of []; the only element\n  0 |-|"));
    }
}
