//! Where a difference is: a cell for some elements, by colour, with its meaning and its characters beside.

use std::collections::BTreeMap;

use super::element::{Element, el};
use super::wide::wide;
use crate::compare::HeatMap;
use crate::report::terminal;
use crate::text::number::count;

/// How wide a map is at most, and how large a cell.
const WIDTH: usize = 540;
const CELL_AT_MOST: usize = 18;
/// Lower rows can not be told apart by a finger or an eye.
const ROW_AT_LEAST: usize = 9;
/// For the numbers of the rows, and of the columns.
const LEFT: usize = 44;
const BELOW: usize = 16;

/// The map, its legend, and the same in characters.
pub(super) fn heat(map: &HeatMap) -> Element {
    let marks: Vec<Vec<char>> =
        map.cells.iter().map(|row| row.iter().map(|cell| terminal::mark(*cell)).collect()).collect();
    let legend = terminal::meanings(map.cells.iter().flatten().copied()).into_iter().map(|(mark, meaning)| {
        let swatch = el("svg")
            .class("swatch")
            .attr("viewBox", "0 0 12 12")
            .attr("aria-hidden", "true")
            .put(el("rect").class(&class(mark)).attr("width", "12").attr("height", "12"));
        el("li").put(swatch).text(meaning)
    });
    let mut text = Vec::new();
    terminal::heat(&mut text, 0, map).expect("a vector takes everything");
    let characters = el("pre").text(String::from_utf8_lossy(&text));
    let characters = el("details")
        .class("characters")
        .put(el("summary").text("The map in characters"))
        .put(wide("The map in characters", characters));
    el("figure")
        .class("heat")
        .put(el("figcaption").text(terminal::axes(map)))
        .put(drawn(map, &marks))
        .put(el("ul").class("legend").attr("aria-label", "What the colours mean").all(legend))
        .put(characters)
}

/// The cells, those of one colour in one path.
fn drawn(map: &HeatMap, marks: &[Vec<char>]) -> Element {
    let columns = marks.first().map_or(0, Vec::len).max(1);
    let wide = (WIDTH / columns).clamp(1, CELL_AT_MOST);
    let high = if marks.len() == 1 { CELL_AT_MOST + 6 } else { wide.max(ROW_AT_LEAST) };
    let mut paths: BTreeMap<char, String> = BTreeMap::new();
    for (row, marks) in marks.iter().enumerate() {
        let mut at = 0;
        for run in marks.chunk_by(|one, other| one == other) {
            let (x, y, length) = (LEFT + at * wide, row * high, run.len() * wide);
            paths.entry(run[0]).or_default().push_str(&format!("M{x} {y}h{length}v{high}h-{length}z"));
            at += run.len();
        }
    }
    let (width, height) = (LEFT + columns * wide, marks.len() * high);
    let paths = paths.iter().map(|(mark, path)| el("path").class(&class(*mark)).attr("d", path));
    el("svg")
        .attr("viewBox", format!("0 0 {} {}", width + 1, height + BELOW))
        .attr("width", (width + 1).to_string())
        .attr("height", (height + BELOW).to_string())
        .attr("role", "img")
        .attr("aria-label", described(map))
        .all(paths)
        .all(numbers(map, marks.len(), columns, wide, high))
}

/// The indices of some rows and columns: as many as there is room for.
fn numbers(map: &HeatMap, rows: usize, columns: usize, wide: usize, high: usize) -> Vec<Element> {
    let text = |x: usize, y: usize, anchor: &str, number: usize| {
        el("text")
            .attr("x", x.to_string())
            .attr("y", y.to_string())
            .attr("text-anchor", anchor)
            .text(count(number as u64))
    };
    let mut numbers = Vec::new();
    if map.shape.len() > 1 {
        let every = 14usize.div_ceil(high);
        let rows = (0..rows).step_by(every);
        numbers.extend(rows.map(|row| text(LEFT - 5, row * high + high / 2 + 4, "end", row * map.step[0])));
    }
    if !map.shape.is_empty() {
        let every = 60usize.div_ceil(wide);
        let below = rows * high + 12;
        numbers.extend((0..columns).step_by(every).map(|at| text(LEFT + at * wide, below, "start", at * map.step[1])));
    }
    numbers
}

/// The map in a sentence.
fn described(map: &HeatMap) -> String {
    let cells: Vec<(usize, usize, f64)> = map
        .cells
        .iter()
        .enumerate()
        .flat_map(|(row, cells)| cells.iter().enumerate().filter_map(move |(at, cell)| Some((row, at, (*cell)?))))
        .collect();
    let outside = cells.iter().filter(|(_, _, share)| *share > 1.0).count() as u64;
    let furthest = cells.iter().copied().reduce(|one, other| if other.2 > one.2 { other } else { one });
    let place = furthest.filter(|_| outside > 0).map(|(row, at, _)| {
        let (row, at) = (row * map.step[0], at * map.step[1]);
        match map.shape.len() {
            0 => String::new(),
            1 => format!("; the furthest is from index {at} on"),
            _ => format!("; the furthest is from row {row}, column {at} on"),
        }
    });
    let of = count(cells.len() as u64);
    format!("Heat map: {} of {of} cells hold an element outside tolerance{}", count(outside), place.unwrap_or_default())
}

/// What the style sheet calls a mark of the map in characters.
fn class(mark: char) -> String {
    match mark {
        ' ' => "k-none".into(),
        '-' => "k-equal".into(),
        '.' => "k-within".into(),
        'N' => "k-nan".into(),
        digit => format!("k-{digit}"),
    }
}
