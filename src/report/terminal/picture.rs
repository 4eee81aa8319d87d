//! A difference in plain characters: where it is, and how large.

use std::io::{self, Write};

use crate::numeric::{Decade, HeatMap, Picture, Size};
use crate::report::number::{count, shape};
use crate::words::WIDTH;
use crate::words::text::{padded, paragraphs, width};

/// Writes both below an indentation, a blank line before each.
///
/// # Errors
///
/// What `out` returns.
pub(super) fn picture(out: &mut dyn Write, indent: usize, picture: &Picture) -> io::Result<()> {
    // The worst of all is told before.
    let Picture { map, decades, worst: _ } = picture;
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
    let all = filled(decades);
    let labels = all.iter().map(|decade| width(&size(decade.size))).max().unwrap_or(0);
    let counts = all.iter().map(|decade| count(decade.count).len()).max().unwrap_or(0);
    let most = all.iter().map(|decade| decade.count).max().unwrap_or(0).max(1);
    let room = WIDTH.saturating_sub(indent + labels + 2 + counts + 2);
    writeln!(out, "{:indent$}|actual - reference|, and how many elements", "")?;
    for Decade { size: of_size, count: of } in &all {
        let label = size(*of_size);
        // What is there has a bar.
        let length = (*of as f64 / most as f64 * room as f64).ceil() as usize;
        let line = format!("{:indent$}{}  {:>counts$}  {}", "", padded(&label, labels), count(*of), "#".repeat(length));
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// What a decade is called.
pub(in crate::report) fn size(size: Size) -> String {
    match size {
        Size::Zero => "0".to_owned(),
        Size::NotFinite => "not finite".into(),
        Size::Power(power) => format!("{} to {}", ten(power), ten(power + 1)),
    }
}

/// The same with the decades between that are empty, if they are few.
pub(in crate::report) fn filled(decades: &[Decade]) -> Vec<Decade> {
    let mut all: Vec<Decade> = Vec::new();
    for decade in decades {
        if let (Some(Decade { size: Size::Power(last), .. }), Size::Power(next)) = (all.last().copied(), decade.size)
            && next - last <= 6
        {
            all.extend((last + 1..next).map(|power| Decade { size: Size::Power(power), count: 0 }));
        }
        all.push(*decade);
    }
    all
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
    use crate::numeric::{Pair, Rules, Tensor, Tolerance};

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
