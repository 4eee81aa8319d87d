//! Pairs of large arrays: seeded, and made by all threads, since a gibibyte is made before each timing.

use half::{bf16, f16};
use karat::tensor::Element;
use rayon::prelude::*;

/// How the actual array comes from the reference.
#[derive(Clone, Copy)]
pub(crate) enum Likeness {
    /// Off by a few units in the last place, and within the default tolerance; integers are equal.
    Near,
    /// The same, and one element in twenty, by chance, off by 1% (bf16, whose tolerance is wider: 4%).
    Outliers,
    /// Drawn on its own.
    Unrelated,
}

impl Likeness {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Likeness::Near => "near",
            Likeness::Outliers => "outliers",
            Likeness::Unrelated => "unrelated",
        }
    }
}

/// What such arrays hold.
pub(crate) trait Number: Element + Copy + Send + Sync {
    /// From a number about 0 with a deviation of 1.
    fn of(normal: f32) -> Self;

    /// Off by a few units in the last place, at random.
    fn near(self, random: u64) -> Self;

    /// Off by enough to be outside.
    fn far(self) -> Self;
}

/// An actual array and its reference.
pub(crate) fn pair<T: Number>(likeness: Likeness, len: usize) -> (Vec<T>, Vec<T>) {
    let draw = |seed: u64, at: usize| T::of(normal(random(seed, at)));
    let reference: Vec<T> = (0..len).into_par_iter().map(|at| draw(1, at)).collect();
    let actual = (0..len).into_par_iter().map(|at| {
        let dice = random(2, at);
        match likeness {
            Likeness::Unrelated => draw(3, at),
            Likeness::Outliers if dice.is_multiple_of(20) => reference[at].far(),
            _ => reference[at].near(dice >> 32),
        }
    });
    (actual.collect(), reference)
}

/// Another number for every seed and place, after Steele, Lea and Flood, "Fast splittable pseudorandom number generators".
fn random(seed: u64, at: usize) -> u64 {
    let mut x = (at as u64).wrapping_add(seed << 40).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// The sum of four uniform numbers, scaled to a deviation of 1: near enough to normal, and much faster.
fn normal(random: u64) -> f32 {
    let parts = [0, 16, 32, 48].map(|shift| f32::from((random >> shift) as u16) / 65536.0 - 0.5);
    parts.iter().sum::<f32>() * 3f32.sqrt()
}

/// From -reach to reach.
fn step(random: u64, reach: u64) -> i64 {
    (random % (2 * reach + 1)) as i64 - reach as i64
}

impl Number for f32 {
    fn of(normal: f32) -> f32 {
        normal
    }

    fn near(self, random: u64) -> f32 {
        self * (1.0 + step(random, 3) as f32 * f32::EPSILON)
    }

    fn far(self) -> f32 {
        self * 1.01
    }
}

impl Number for f64 {
    fn of(normal: f32) -> f64 {
        f64::from(normal)
    }

    fn near(self, random: u64) -> f64 {
        self * (1.0 + step(random, 3) as f64 * f64::EPSILON)
    }

    fn far(self) -> f64 {
        self * 1.01
    }
}

impl Number for f16 {
    fn of(normal: f32) -> f16 {
        f16::from_f32(normal)
    }

    /// One unit at most: two may be more than the tolerance.
    fn near(self, random: u64) -> f16 {
        f16::from_bits(self.to_bits().saturating_add_signed(step(random, 1) as i16))
    }

    fn far(self) -> f16 {
        f16::from_f32(self.to_f32() * 1.01)
    }
}

impl Number for bf16 {
    fn of(normal: f32) -> bf16 {
        bf16::from_f32(normal)
    }

    fn near(self, random: u64) -> bf16 {
        bf16::from_bits(self.to_bits().saturating_add_signed(step(random, 1) as i16))
    }

    fn far(self) -> bf16 {
        bf16::from_f32(self.to_f32() * 1.04)
    }
}

impl Number for i32 {
    fn of(normal: f32) -> i32 {
        (normal * 1e6) as i32
    }

    fn near(self, _: u64) -> i32 {
        self
    }

    fn far(self) -> i32 {
        self + self / 100 + 1
    }
}

impl Number for i64 {
    fn of(normal: f32) -> i64 {
        (f64::from(normal) * 1e15) as i64
    }

    fn near(self, _: u64) -> i64 {
        self
    }

    fn far(self) -> i64 {
        self + self / 100 + 1
    }
}
