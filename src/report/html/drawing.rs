//! What is drawn: a chain over a logarithmic scale, and the map of a difference. Here are the places, in `page.html` the marks.

use std::borrow::Borrow;
use std::collections::BTreeMap;

use crate::compare::HeatMap;
use crate::report::{figures, overview};
use crate::run::{ChainOutcome, Difference, Role, Step};
use crate::text::number::{count, plural};

/// Both differences of a checkpoint beside each other: where they are equal both are seen.
const APART: f64 = 5.0;
/// For the numbers of the scale.
const LEFT: f64 = 64.0;
/// The row of checkpoints.
pub(super) const ROW: f64 = 34.0;
/// Where a difference is drawn that is no number, and where the scale begins and ends.
const BEYOND: f64 = 64.0;
const TOP: f64 = 86.0;
const BOTTOM: f64 = 240.0;
/// Where no difference at all is drawn: it has no logarithm.
pub(super) const ZERO: f64 = 262.0;
/// A longer id is cut.
const LETTERS: usize = 26;

/// A chain as a row of checkpoints over a logarithmic scale. What it shows is in the table below it too.
pub(super) struct Plot<'a> {
    chain: &'a ChainOutcome,
    /// The powers of ten between which all differences are.
    low: i32,
    high: i32,
    /// From one checkpoint to the next, as there is room.
    pub(super) pitch: f64,
}

/// A checkpoint: its place, and those of its differences.
pub(super) struct Mark<'a> {
    pub(super) step: &'a Step,
    pub(super) x: f64,
    /// Across, down, and whether it is inside.
    pub(super) own: Option<(f64, f64, &'static str)>,
    pub(super) propagated: Option<(f64, f64, &'static str)>,
    /// What the style sheet calls it, and its sign.
    pub(super) kind: &'static str,
    pub(super) sign: &'static str,
    /// As much of its id as there is room for.
    pub(super) name: String,
    /// What a pointer is told.
    pub(super) told: String,
}

impl<'a> Plot<'a> {
    pub(super) fn of(chain: &'a ChainOutcome) -> Plot<'a> {
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
        let ids = self.chain.steps.iter().map(|step| overview::short(self.chain, &step.id).chars().count());
        ZERO + 18.0 + 7.4 * ids.max().unwrap_or(0).min(LETTERS) as f64
    }

    /// The drawing in a sentence.
    pub(super) fn described(&self) -> String {
        let steps = plural(self.chain.steps.len() as u64, "checkpoint");
        let finding = overview::finding(&self.chain.finding);
        format!("{steps} in a row, own and propagated difference on a logarithmic scale. {finding}")
    }

    /// How far down a power of ten is drawn.
    fn at(&self, power: f64) -> f64 {
        BOTTOM - (power - f64::from(self.low)) / f64::from(self.high - self.low) * (BOTTOM - TOP)
    }

    /// How far down a difference is drawn.
    fn y(&self, difference: &Difference) -> f64 {
        match difference.max_abs_diff {
            Some(0.0) if difference.is_close => ZERO,
            Some(size) if size.is_finite() && size > 0.0 => self.at(size.log10()),
            // Another structure, or numbers that are not finite.
            _ => BEYOND,
        }
    }

    /// How far to the right a checkpoint is drawn.
    pub(super) fn x(&self, at: usize) -> f64 {
        LEFT + self.pitch * (at as f64 + 0.5)
    }

    /// The lines of the scale, as many as can be read, and what they stand for.
    pub(super) fn scale(&self) -> Vec<(f64, String)> {
        let every = ((self.high - self.low) / 8 + 1).max(1);
        let powers = (self.low..=self.high).rev().filter(|power| (power - self.low) % every == 0);
        let is_beyond = differences(self.chain).any(|difference| self.y(difference) == BEYOND);
        let powers = powers.map(|power| (self.at(f64::from(power)), figures::ten(power)));
        powers.chain([(ZERO, "0".to_owned())]).chain(is_beyond.then(|| (BEYOND, "unlike".to_owned()))).collect()
    }

    /// What links the checkpoints.
    pub(super) fn row(&self) -> String {
        format!("M{} {}H{}", px(self.x(0)), px(ROW), px(self.x(self.chain.steps.len().saturating_sub(1))))
    }

    /// The propagated differences, linked where one follows another.
    pub(super) fn links(&self) -> String {
        let marks = self.marks();
        let before = [None].into_iter().chain(marks.iter().map(|mark| mark.propagated));
        let link = |(mark, before): (&Mark<'_>, Option<_>)| {
            let (x, y, _) = mark.propagated?;
            Some(format!("{}{} {}", if before.is_some() { "L" } else { "M" }, px(x), px(y)))
        };
        marks.iter().zip(before).filter_map(link).collect()
    }

    pub(super) fn marks(&self) -> Vec<Mark<'a>> {
        let place = |x: f64, of: &Option<Difference>| {
            of.as_ref().map(|of| (x, self.y(of), if of.is_close { "in" } else { "out" }))
        };
        let mark = |(at, step): (usize, &'a Step)| {
            let x = self.x(at);
            let id = overview::short(self.chain, &step.id);
            let letters = id.chars().count();
            let name = match letters > LETTERS {
                true => format!("…{}", id.chars().skip(letters + 1 - LETTERS).collect::<String>()),
                false => id.to_owned(),
            };
            let own = step.own.as_ref().map(|of| format!("\nown {}", overview::difference(of)));
            let propagated = step.propagated.as_ref().map(|of| format!("\npropagated {}", overview::difference(of)));
            let amplified =
                step.amplification.map(|times| format!("\namplified {}", crate::text::number::ratio(times)));
            let part = Some(overview::part(step)).filter(|part| !part.is_empty()).map(|part| format!("\n{part}"));
            let told = [own, propagated, amplified, part].into_iter().flatten().collect::<String>();
            let (kind, sign, _) = kind(&step.role);
            let (own, propagated) = (place(x - APART, &step.own), place(x + APART, &step.propagated));
            Mark { step, x, own, propagated, kind, sign, name, told: step.id.to_string() + &told }
        };
        self.chain.steps.iter().enumerate().map(mark).collect()
    }

    /// The kinds of checkpoints that there are: what the style sheet calls them, their signs, what they mean.
    pub(super) fn legend(&self) -> Vec<(&'static str, &'static str, &'static str)> {
        let parts = [Role::Sound, Role::Diverges, Role::AtFaultToo, Role::PassesOn, Role::Accumulates, Role::Hole];
        let kinds = parts.iter().map(kind);
        kinds.filter(|one| self.chain.steps.iter().any(|step| kind(&step.role) == *one)).collect()
    }
}

fn differences(chain: &ChainOutcome) -> impl Iterator<Item = &Difference> {
    chain.steps.iter().flat_map(|step| [&step.own, &step.propagated]).flatten()
}

/// What the style sheet calls a checkpoint, its sign in the row, what that means.
fn kind(part: &Role) -> (&'static str, &'static str, &'static str) {
    match part {
        Role::Sound => ("sound", "✓", "sound"),
        Role::Diverges => ("diverges", "≠", "first divergence"),
        Role::AtFaultToo => ("fault", "!", "at fault too"),
        Role::PassesOn => ("on", "›", "passes it on"),
        Role::Accumulates => ("sums", "+", "accumulates"),
        Role::Hole | Role::PastHole => ("hole", "?", "hole, or past one"),
    }
}

/// A length on the screen, to a tenth.
pub(super) fn px(length: impl Borrow<f64>) -> String {
    let text = format!("{:.1}", length.borrow());
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// Where a difference is: a cell for some elements, those of one colour in one path.
pub(super) struct Map {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) paths: Vec<(String, String)>,
    /// The indices of some rows and columns, as many as there is room for: across, down, where the text is, the index.
    pub(super) numbers: Vec<(usize, usize, &'static str, String)>,
    /// The map in a sentence.
    pub(super) described: String,
    /// The colours that there are, and what they mean.
    pub(super) legend: Vec<(String, String)>,
}

impl Map {
    pub(super) fn of(map: &HeatMap) -> Map {
        /// How wide a map is at most, and how large a cell.
        const WIDTH: usize = 540;
        const CELL_AT_MOST: usize = 18;
        /// Lower rows can not be told apart by a finger or an eye.
        const ROW_AT_LEAST: usize = 9;
        /// For the numbers of the rows, and of the columns.
        const LEFT: usize = 44;
        const BELOW: usize = 16;
        let (rows, columns) = (map.cells.len(), map.cells.first().map_or(0, Vec::len).max(1));
        let wide = (WIDTH / columns).clamp(1, CELL_AT_MOST);
        let high = if rows == 1 { CELL_AT_MOST + 6 } else { wide.max(ROW_AT_LEAST) };
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
            described: described(map),
            legend: figures::meanings(map).into_iter().map(|(mark, meaning)| (class(mark), meaning)).collect(),
        }
    }
}

fn described(map: &HeatMap) -> String {
    let cells = map.cells.iter().enumerate();
    let cells = cells.flat_map(|(row, cells)| cells.iter().enumerate().map(move |(at, cell)| (row, at, *cell)));
    let cells: Vec<(usize, usize, f64)> = cells.filter_map(|(row, at, cell)| Some((row, at, cell?))).collect();
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
    let (of, place) = (count(cells.len() as u64), place.unwrap_or_default());
    format!("Heat map: {} of {of} cells hold an element outside tolerance{place}", count(outside))
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
