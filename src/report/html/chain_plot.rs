//! A chain as a row of checkpoints over a logarithmic scale.

use super::chain::short;
use super::chain_legend::legend;
use super::element::{Element, el};
use super::wide::wide;
use crate::report::message;
use crate::report::terminal::ten;
use crate::run::{ChainOutcome, Difference, Part, Step};
use crate::text::number::{counted, ratio};

/// From one checkpoint to the next, as there is room.
const PITCH: [f64; 2] = [26.0, 44.0];
/// The width that a chain takes where it can.
const WIDTH: f64 = 1040.0;
/// Both differences of a checkpoint beside each other: where they are equal both are seen.
const APART: f64 = 5.0;
/// For the numbers of the scale.
const LEFT: f64 = 64.0;
/// The row of checkpoints, and where the scale begins and ends.
const ROW: f64 = 34.0;
const TOP: f64 = 86.0;
/// Where a difference is drawn that is no number.
const BEYOND: f64 = 64.0;
const BOTTOM: f64 = 240.0;
/// Where no difference at all is drawn: it has no logarithm.
const ZERO: f64 = 262.0;
/// A longer id is cut.
const LETTERS: usize = 26;
/// As many lines of the scale as can be read.
const LINES: i32 = 8;

/// The powers of ten between which all differences are.
struct Scale {
    low: i32,
    high: i32,
    /// From one checkpoint to the next.
    pitch: f64,
}

impl Scale {
    fn of(chain: &ChainOutcome) -> Scale {
        let sizes = chain.steps.iter().flat_map(|step| [&step.own, &step.propagated]);
        let sizes = sizes.flatten().filter_map(|difference| difference.max_abs_diff);
        let powers: Vec<f64> = sizes.filter(|size| *size > 0.0 && size.is_finite()).map(f64::log10).collect();
        let low = powers.iter().copied().reduce(f64::min).unwrap_or(-8.0).floor() as i32;
        let high = powers.iter().copied().reduce(f64::max).unwrap_or(0.0).ceil() as i32;
        let pitch = (WIDTH / chain.steps.len() as f64).clamp(PITCH[0], PITCH[1]);
        Scale { low, high: high.max(low + 1), pitch }
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
    fn x(&self, at: usize) -> f64 {
        LEFT + self.pitch * (at as f64 + 0.5)
    }

    fn at(&self, power: f64) -> f64 {
        let share = (power - f64::from(self.low)) / f64::from(self.high - self.low);
        BOTTOM - share * (BOTTOM - TOP)
    }
}

/// The drawing. What it shows is in the table below it too.
pub(super) fn plot(chain: &ChainOutcome) -> Element {
    let scale = Scale::of(chain);
    let width = LEFT + scale.pitch * chain.steps.len() as f64 + 12.0;
    let letters = chain.steps.iter().map(|step| short(chain, &step.id).chars().count().min(LETTERS)).max();
    let height = ZERO + 18.0 + 7.4 * letters.unwrap_or(0) as f64;
    let drawing = el("svg")
        .class("plot")
        .attr("width", px(width))
        .attr("height", px(height))
        .attr("viewBox", format!("0 0 {} {}", px(width), px(height)))
        .attr("role", "img")
        .attr("aria-label", described(chain))
        .put(lines(chain, &scale, width))
        .all(chain.steps.iter().enumerate().map(|(at, step)| band(&scale, at, step)))
        .put(row(chain, &scale))
        .put(ends(chain, &scale))
        .all(chain.steps.iter().enumerate().map(|(at, step)| column(chain, &scale, at, step)));
    el("figure").class("chain-plot").put(legend(chain)).put(wide(&format!("Chain {} drawn", chain.name), drawing))
}

/// The drawing in a sentence.
fn described(chain: &ChainOutcome) -> String {
    let steps = counted(chain.steps.len() as u64, "checkpoint");
    format!(
        "{steps} in a row, own and propagated difference on a logarithmic scale. {}",
        message::finding(&chain.finding)
    )
}

/// The lines of the scale and what they stand for.
fn lines(chain: &ChainOutcome, scale: &Scale, width: f64) -> Element {
    let mut all = chain.steps.iter().flat_map(|step| [&step.own, &step.propagated]).flatten();
    let is_beyond = all.any(|difference| scale.y(difference) == BEYOND);
    let every = ((scale.high - scale.low) / LINES + 1).max(1);
    let powers = (scale.low..=scale.high).rev().filter(|power| (power - scale.low) % every == 0);
    let powers = powers.map(|power| (scale.at(f64::from(power)), ten(power)));
    let beyond = is_beyond.then(|| (BEYOND, "unlike".to_owned()));
    let all = powers.chain([(ZERO, "0".to_owned())]).chain(beyond);
    el("g").class("scale").all(all.flat_map(|(y, text)| {
        let line = format!("M{} {}H{}", px(LEFT), px(y), px(width - 8.0));
        [el("path").attr("d", line), label(LEFT - 8.0, y + 4.0, "end", &text)]
    }))
}

/// What links the checkpoints.
fn row(chain: &ChainOutcome, scale: &Scale) -> Element {
    let last = chain.steps.len().saturating_sub(1);
    el("path").class("row").attr("d", format!("M{} {}H{}", px(scale.x(0)), px(ROW), px(scale.x(last))))
}

/// The propagated differences, linked where one follows another.
fn ends(chain: &ChainOutcome, scale: &Scale) -> Element {
    let mut path = String::new();
    let mut is_drawn = false;
    for (at, step) in chain.steps.iter().enumerate() {
        if let Some(propagated) = &step.propagated {
            let (x, y) = (px(scale.x(at) + APART), px(scale.y(propagated)));
            path.push_str(&format!("{}{x} {y}", if is_drawn { "L" } else { "M" }));
        }
        is_drawn = step.propagated.is_some();
    }
    el("path").class("propagated line").attr("d", path)
}

/// Where the pointer finds a checkpoint, behind everything.
fn band(scale: &Scale, at: usize, step: &Step) -> Element {
    el("rect")
        .class(&format!("band {}", kind(&step.part)))
        .attr("data-go", super::anchor::case(&step.id))
        .attr("x", px(scale.x(at) - scale.pitch / 2.0))
        .attr("y", px(ROW - 14.0))
        .attr("width", px(scale.pitch))
        .attr("height", px(ZERO + 22.0 - ROW))
        .put(el("title").text(told(step)))
}

/// A checkpoint: its mark in the row, both differences below it, its name at the foot.
fn column(chain: &ChainOutcome, scale: &Scale, at: usize, step: &Step) -> Element {
    let x = scale.x(at);
    let name = short(chain, &step.id);
    let cut = match name.chars().count() > LETTERS {
        true => format!("…{}", name.chars().skip(name.chars().count() + 1 - LETTERS).collect::<String>()),
        false => name.to_owned(),
    };
    let name = label(0.0, 0.0, "end", &cut)
        .attr("transform", format!("translate({} {}) rotate(-90)", px(x + 4.0), px(ZERO + 14.0)));
    el("g")
        .class(kind(&step.part))
        .all((step.part == Part::Diverges).then(|| label(x, 12.0, "middle", "first").class("mark")))
        .all(step.propagated.as_ref().map(|of| diamond(x + APART, scale.y(of), of)))
        .all(step.own.as_ref().map(|of| circle(x - APART, scale.y(of), of)))
        .put(
            el("rect")
                .class("node")
                .attr("x", px(x - 8.0))
                .attr("y", px(ROW - 8.0))
                .attr("width", "16")
                .attr("height", "16")
                .attr("rx", "4"),
        )
        .put(label(x, ROW + 4.0, "middle", sign(&step.part)).class("node-sign"))
        .put(name)
}

pub(super) fn circle(x: f64, y: f64, difference: &Difference) -> Element {
    el("circle").class(&format!("own {}", inside(difference))).attr("cx", px(x)).attr("cy", px(y)).attr("r", "4.5")
}

pub(super) fn diamond(x: f64, y: f64, difference: &Difference) -> Element {
    let path = format!("M{} {}l6 6l-6 6l-6 -6z", px(x), px(y - 6.0));
    el("path").class(&format!("propagated {}", inside(difference))).attr("d", path)
}

/// A full mark is outside, an empty one inside.
fn inside(difference: &Difference) -> &'static str {
    if difference.is_close { "in" } else { "out" }
}

/// What a pointer is told.
fn told(step: &Step) -> String {
    let Step { id, checkpoint: _, part: _, why: _, own, propagated, amplification } = step;
    let own = own.as_ref().map(|own| format!("\nown {}", message::difference(own)));
    let propagated = propagated.as_ref().map(|of| format!("\npropagated {}", message::difference(of)));
    let amplified = amplification.map(|times| format!("\namplified {}", ratio(times)));
    let part = Some(message::part(step)).filter(|part| !part.is_empty()).map(|part| format!("\n{part}"));
    id.as_str().to_owned() + &[own, propagated, amplified, part].into_iter().flatten().collect::<String>()
}

/// The sign of a checkpoint in the row.
pub(super) fn sign(part: &Part) -> &'static str {
    match part {
        Part::Sound => "✓",
        Part::Diverges => "≠",
        Part::AtFaultToo => "!",
        Part::PassesOn => "›",
        Part::Accumulates => "+",
        Part::Hole | Part::PastHole => "?",
    }
}

pub(super) fn kind(part: &Part) -> &'static str {
    match part {
        Part::Sound => "step sound",
        Part::Diverges => "step diverges",
        Part::AtFaultToo => "step fault",
        Part::PassesOn => "step on",
        Part::Accumulates => "step sums",
        Part::Hole | Part::PastHole => "step hole",
    }
}

pub(super) fn label(x: f64, y: f64, anchor: &str, text: &str) -> Element {
    el("text").attr("x", px(x)).attr("y", px(y)).attr("text-anchor", anchor).text(text)
}

/// A length on the screen, to a tenth.
fn px(length: f64) -> String {
    let text = format!("{length:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}
