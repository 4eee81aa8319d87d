//! The drawings of the page: a chain on a logarithmic scale, and the map of a difference. This file computes the
//! coordinates; the elements are in `page.html`.

use std::borrow::Borrow;
use std::collections::BTreeMap;

use crate::compare::HeatMap;
use crate::report::{figures, overview};
use crate::run::{ChainOutcome, Difference, Role, Step};
use crate::text::number::{count, plural, ratio};

/// The horizontal distance of each difference from its checkpoint, so that equal differences do not hide each other.
const OFFSET: f64 = 5.0;
/// The width of the scale's labels.
const LEFT: f64 = 64.0;
/// The y coordinate of the checkpoints.
pub(super) const ROW: f64 = 34.0;
/// The y coordinate of differences that are not numbers, and of the ends of the scale.
const BEYOND: f64 = 64.0;
const TOP: f64 = 86.0;
const BOTTOM: f64 = 240.0;
/// The y coordinate of a difference of 0, which has no logarithm.
pub(super) const ZERO: f64 = 262.0;
/// The maximum length of an id; a longer one is cut.
const LETTERS: usize = 26;

/// A chain as a row of checkpoints over a logarithmic scale. The table below it has the same content.
pub(super) struct Plot<'a> {
    chain: &'a ChainOutcome,
    /// The powers of ten that enclose all differences.
    low: i32,
    high: i32,
    /// The distance between checkpoints.
    pub(super) pitch: f64,
}

/// A checkpoint and its differences, with their coordinates.
pub(super) struct Mark<'a> {
    pub(super) step: &'a Step,
    pub(super) x: f64,
    /// The coordinates, and the CSS class: inside or outside tolerance.
    pub(super) own: Option<(f64, f64, &'static str)>,
    pub(super) propagated: Option<(f64, f64, &'static str)>,
    /// The CSS class and the sign.
    pub(super) kind: &'static str,
    pub(super) sign: &'static str,
    /// The id, shortened if necessary.
    pub(super) name: String,
    /// The tooltip.
    pub(super) tooltip: String,
}

impl<'a> Plot<'a> {
    pub(super) fn new(chain: &'a ChainOutcome) -> Plot<'a> {
        let sizes = differences(chain).filter_map(|difference| difference.max_abs_diff);
        let powers: Vec<f64> = sizes.filter(|size| *size > 0.0 && size.is_finite()).map(f64::log10).collect();
        let low = powers.iter().copied().reduce(f64::min).unwrap_or(-8.0).floor() as i32;
        let high = powers.iter().copied().reduce(f64::max).unwrap_or(0.0).ceil() as i32;
        let pitch = (1040.0 / chain.steps.len() as f64).clamp(26.0, 44.0);
        Plot { chain, low, high: high.max(low + 1), pitch }
    }

    pub(super) fn width(&self) -> f64 {
        LEFT + self.pitch * self.chain.steps.len() as f64 + 12.0
    }

    pub(super) fn height(&self) -> f64 {
        let ids = self.chain.steps.iter().map(|step| overview::short_id(self.chain, &step.id).chars().count());
        ZERO + 18.0 + 7.4 * ids.max().unwrap_or(0).min(LETTERS) as f64
    }

    /// Describes the drawing in a sentence.
    pub(super) fn description(&self) -> String {
        let steps = plural(self.chain.steps.len() as u64, "checkpoint");
        let finding = overview::finding(&self.chain.finding);
        format!("{steps} in a row, own and propagated difference on a logarithmic scale. {finding}")
    }

    /// Returns the y coordinate of a power of ten.
    fn power_y(&self, power: f64) -> f64 {
        BOTTOM - (power - f64::from(self.low)) / f64::from(self.high - self.low) * (BOTTOM - TOP)
    }

    /// Returns the y coordinate of a difference.
    fn y(&self, difference: &Difference) -> f64 {
        match difference.max_abs_diff {
            Some(0.0) if difference.is_close => ZERO,
            Some(size) if size.is_finite() && size > 0.0 => self.power_y(size.log10()),
            // A different dtype or shape, or non-finite numbers.
            _ => BEYOND,
        }
    }

    /// Returns the x coordinate of a checkpoint.
    pub(super) fn x(&self, at: usize) -> f64 {
        LEFT + self.pitch * (at as f64 + 0.5)
    }

    /// Returns the lines of the scale and their labels, as many as are readable.
    pub(super) fn scale(&self) -> Vec<(f64, String)> {
        let every = ((self.high - self.low) / 8 + 1).max(1);
        let powers = (self.low..=self.high).rev().filter(|power| (power - self.low) % every == 0);
        let is_beyond = differences(self.chain).any(|difference| self.y(difference) == BEYOND);
        let powers = powers.map(|power| (self.power_y(f64::from(power)), figures::power_of_ten(power)));
        powers.chain([(ZERO, "0".to_owned())]).chain(is_beyond.then(|| (BEYOND, "n/a".to_owned()))).collect()
    }

    /// Returns the path that connects the checkpoints.
    pub(super) fn row(&self) -> String {
        format!("M{} {}H{}", px(self.x(0)), px(ROW), px(self.x(self.chain.steps.len().saturating_sub(1))))
    }

    /// Returns the path that connects consecutive propagated differences.
    pub(super) fn links(&self) -> String {
        let marks = self.marks();
        let before = [None].into_iter().chain(marks.iter().map(|mark| mark.propagated));
        let link = |(mark, before): (&Mark<'_>, Option<_>)| {
            let (x, y, _) = mark.propagated?;
            Some(format!("{}{} {}", if before.is_some() { "L" } else { "M" }, px(x), px(y)))
        };
        marks.iter().zip(before).filter_map(link).collect()
    }

    /// Returns the checkpoints with their coordinates.
    pub(super) fn marks(&self) -> Vec<Mark<'a>> {
        let place = |x: f64, difference: &Option<Difference>| {
            let difference = difference.as_ref()?;
            Some((x, self.y(difference), if difference.is_close { "in" } else { "out" }))
        };
        let mark = |(at, step): (usize, &'a Step)| {
            let x = self.x(at);
            let id = overview::short_id(self.chain, &step.id);
            let letters = id.chars().count();
            let name = match letters > LETTERS {
                true => format!("…{}", id.chars().skip(letters + 1 - LETTERS).collect::<String>()),
                false => id.to_owned(),
            };
            let own = step.own.as_ref().map(|own| format!("\nown {}", overview::difference_cell(own)));
            let propagated =
                step.propagated.as_ref().map(|of| format!("\npropagated {}", overview::difference_cell(of)));
            let amplified = step.amplification.map(|times| format!("\namplified {}", ratio(times)));
            let role = Some(overview::role(step)).filter(|role| !role.is_empty()).map(|role| format!("\n{role}"));
            let details: String = [own, propagated, amplified, role].into_iter().flatten().collect();
            let (kind, sign, _) = kind(&step.role);
            let (own, propagated) = (place(x - OFFSET, &step.own), place(x + OFFSET, &step.propagated));
            Mark { step, x, own, propagated, kind, sign, name, tooltip: step.id.to_string() + &details }
        };
        self.chain.steps.iter().enumerate().map(mark).collect()
    }

    /// Returns the CSS class, the sign and the meaning of each kind of checkpoint in the chain.
    pub(super) fn legend(&self) -> Vec<(&'static str, &'static str, &'static str)> {
        let parts = [Role::Sound, Role::Diverges, Role::AtFaultToo, Role::PassesOn, Role::Accumulates, Role::Hole];
        let kinds = parts.iter().map(kind);
        kinds.filter(|one| self.chain.steps.iter().any(|step| kind(&step.role) == *one)).collect()
    }
}

fn differences(chain: &ChainOutcome) -> impl Iterator<Item = &Difference> {
    chain.steps.iter().flat_map(|step| [&step.own, &step.propagated]).flatten()
}

/// Returns the CSS class, the sign and the meaning of a checkpoint's part in the chain.
fn kind(role: &Role) -> (&'static str, &'static str, &'static str) {
    match role {
        Role::Sound => ("sound", "✓", "sound"),
        Role::Diverges => ("diverges", "≠", "first divergence"),
        Role::AtFaultToo => ("fault", "!", "also at fault"),
        Role::PassesOn => ("on", "›", "propagates"),
        Role::Accumulates => ("sums", "+", "accumulates"),
        Role::Hole | Role::PastHole => ("hole", "?", "hole, or past one"),
    }
}

/// Formats a length, rounded to a tenth of a pixel.
pub(super) fn px(length: impl Borrow<f64>) -> String {
    let text = format!("{:.1}", length.borrow());
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// The map of a difference: a cell for some elements. The cells of one colour share one path.
pub(super) struct Map {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) paths: Vec<(String, String)>,
    /// The indices of some rows and columns: x, y, text anchor, index.
    pub(super) numbers: Vec<(usize, usize, &'static str, String)>,
    /// The description of the map in a sentence.
    pub(super) description: String,
    /// The CSS class and the meaning of each colour in the map.
    pub(super) legend: Vec<(String, String)>,
}

impl Map {
    pub(super) fn new(map: &HeatMap) -> Map {
        /// The maximum size of the map and of a cell.
        const WIDTH: usize = 540;
        const MAX_CELL: usize = 18;
        /// The minimum height of a row: lower rows are hard to see and to touch.
        const MIN_ROW: usize = 9;
        /// Space for the numbers of the rows and columns.
        const LEFT: usize = 44;
        const BELOW: usize = 16;
        let (rows, columns) = (map.cells.len(), map.cells.first().map_or(0, Vec::len).max(1));
        let wide = (WIDTH / columns).clamp(1, MAX_CELL);
        let high = if rows == 1 { MAX_CELL + 6 } else { wide.max(MIN_ROW) };
        let mut paths: BTreeMap<char, String> = BTreeMap::new();
        for (row, cells) in map.cells.iter().enumerate() {
            let marks: Vec<char> = cells.iter().map(|cell| figures::mark(*cell)).collect();
            let mut at = 0;
            for run in marks.chunk_by(|one, other| one == other) {
                let (x, y, length) = (LEFT + at * wide, row * high, run.len() * wide);
                *paths.entry(run[0]).or_default() += &format!("M{x} {y}h{length}v{high}h-{length}z");
                at += run.len();
            }
        }
        let index = |index: usize| count(index as u64);
        let mut numbers = Vec::new();
        if map.shape.len() > 1 {
            let rows = (0..rows).step_by(14usize.div_ceil(high));
            let down = |row| row * high + high / 2 + 4;
            numbers.extend(rows.map(|row| (LEFT - 5, down(row), "end", index(row * map.step[0]))));
        }
        if !map.shape.is_empty() {
            let columns = (0..columns).step_by(60usize.div_ceil(wide));
            let below = rows * high + 12;
            numbers.extend(columns.map(|at| (LEFT + at * wide, below, "start", index(at * map.step[1]))));
        }
        Map {
            width: LEFT + columns * wide + 1,
            height: rows * high + BELOW,
            paths: paths.into_iter().map(|(mark, path)| (class(mark), path)).collect(),
            numbers,
            description: describe(map),
            legend: figures::legend(map).into_iter().map(|(mark, meaning)| (class(mark), meaning)).collect(),
        }
    }
}

fn describe(map: &HeatMap) -> String {
    let cells = map.cells.iter().enumerate();
    let cells = cells.flat_map(|(row, cells)| cells.iter().enumerate().map(move |(at, cell)| (row, at, *cell)));
    let cells: Vec<(usize, usize, f64)> = cells.filter_map(|(row, at, cell)| Some((row, at, cell?))).collect();
    let outside = cells.iter().filter(|(_, _, share)| *share > 1.0).count() as u64;
    let largest = cells.iter().copied().reduce(|one, other| if other.2 > one.2 { other } else { one });
    let place = largest.filter(|_| outside > 0).map(|(row, at, _)| {
        let (row, at) = (row * map.step[0], at * map.step[1]);
        match map.shape.len() {
            0 => String::new(),
            1 => format!("; the largest is in the cell that starts at index {at}"),
            _ => format!("; the largest is in the cell that starts at row {row}, column {at}"),
        }
    });
    let (outside, total, place) = (count(outside), count(cells.len() as u64), place.unwrap_or_default());
    format!("Heat map: {outside} of {total} cells contain an element outside tolerance{place}")
}

/// Returns the CSS class for a mark of the character map.
fn class(mark: char) -> String {
    match mark {
        ' ' => "k-none".into(),
        '-' => "k-equal".into(),
        '.' => "k-within".into(),
        'N' => "k-nan".into(),
        digit => format!("k-{digit}"),
    }
}
