//! Loops over one block of real numbers, written once and compiled for every instruction set in [`Kernel`].
//!
//! All variants give the same bits: element `i` of a block is added to running sum `i % 4`, and operations are contracted only if that
//! cannot change the result. They measure the same as `scalar.rs` does element by element; tests compare the two.
//!
//! The blocks must consist of finite numbers whose squares neither overflow nor underflow.

use std::iter::zip;
use std::ops::{Add, Mul, Sub};

use half::{bf16, f16};

use super::lanes::{Four, LANES, pad};
use crate::tensor::Element;

/// The number of elements in a chunk of a block. If any of them may matter, each is checked.
pub(crate) const CHUNK: usize = 64;

/// The instruction set that the loops use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kernel {
    /// The baseline of the target.
    Portable,
    /// AVX2 and FMA, available on x86-64 since 2013. AVX-512 would not be faster, since the loops are memory-bound.
    #[cfg(target_arch = "x86_64")]
    Avx2,
}

impl Kernel {
    /// Returns the best instruction set of this machine.
    pub(crate) fn best() -> Kernel {
        *Kernel::all().last().unwrap_or(&Kernel::Portable)
    }

    /// Returns all instruction sets of this machine, the best last.
    pub(crate) fn all() -> &'static [Kernel] {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            return &[Kernel::Portable, Kernel::Avx2];
        }
        &[Kernel::Portable]
    }
}

/// A real element that `f64` represents exactly.
pub(crate) trait Real: Element {
    /// The type of the arithmetic. It represents every element exactly.
    type Number: Number;

    /// A signed integer in the order of the elements. For floats, adjacent values differ by 1, and both zeros are 0.
    type Key: Key;

    /// Up to this value, two different relative differences are apart by at least 2^-17 of the larger one.
    ///
    /// A reference `r` of `p` bits is `R` units in its last place, with `R < 2^p`; if `|a - r| <= |r| / 4`, then `a - r` is `D` halves of
    /// that unit. Two different quotients `D / 2R` and `E / 2S` differ by at least `1 / 2RS`, which is `1 / RE` of the second. If the
    /// second is `q`, then `E <= 2^(p+1) q`, so they differ by at least `2^-(2p+1) / q` of it.
    const DISTINCT: f64 = 0.0;

    /// Converts a finite element.
    fn number(self) -> Self::Number;

    fn key(self) -> Self::Key;

    /// Returns the element of a key; the sign of a zero is unspecified.
    fn from_key(key: Self::Key) -> f64;

    /// Returns the block as numbers, in the buffer if they have to be converted.
    fn numbers<'a>(kernel: Kernel, block: &'a [Self], buffer: &'a mut Vec<Self::Number>) -> &'a [Self::Number] {
        kernel.convert(block, buffer);
        buffer
    }
}

/// Prefetches the memory two blocks of `f32` after this one. The processor's own prefetching stops at the end of every page, and a
/// block is a page.
pub(crate) fn prefetch<T>(block: &[T]) {
    #[cfg(target_arch = "x86_64")]
    for line in (0..size_of_val(block)).step_by(64) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: this is a hint, which does not access memory and cannot fail, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(block.as_ptr().cast::<i8>().wrapping_add(8192 + line)) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = block;
}

/// The type of the arithmetic in the loops.
pub(crate) trait Number:
    Copy + Default + PartialOrd + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Into<f64>
{
    /// Whether `f64` represents every product of two exactly, so that a fused multiply-add gives the same result.
    const EXACT_PRODUCTS: bool;

    /// A factor slightly below 1: by far more than the rounding errors of a few multiplications.
    const LOWER: f64;

    /// Subtracted from a line, so that a subnormal product, which loses digits, cannot hide an element.
    const SLACK: f64;

    /// If all distances are below this, an infinite line cannot hide an element.
    const LARGEST: f64;

    fn abs(self) -> Self;

    /// Returns the largest finite number that is not above `x`.
    fn below(x: f64) -> Self;

    /// Returns `self * factor + term`, rounded once if `FMA`.
    fn fused<const FMA: bool>(self, factor: Self, term: Self) -> Self;
}

impl Number for f32 {
    const EXACT_PRODUCTS: bool = true;
    const LOWER: f64 = 1.0 - 1.0 / (1u64 << 20) as f64;
    const SLACK: f64 = 2.0 * f32::MIN_POSITIVE as f64;
    const LARGEST: f64 = f32::MAX as f64 / 2.0;

    #[inline(always)]
    fn abs(self) -> f32 {
        self.abs()
    }

    fn below(x: f64) -> f32 {
        let nearest = x as f32;
        if f64::from(nearest) > x { nearest.next_down() } else { nearest }.min(f32::MAX)
    }

    #[inline(always)]
    fn fused<const FMA: bool>(self, factor: f32, term: f32) -> f32 {
        if FMA { self.mul_add(factor, term) } else { self * factor + term }
    }
}

impl Number for f64 {
    const EXACT_PRODUCTS: bool = false;
    const LOWER: f64 = 1.0 - 1.0 / (1u64 << 48) as f64;
    const SLACK: f64 = f64::from_bits((1023 - 960) << 52);
    const LARGEST: f64 = f64::MAX / 2.0;

    #[inline(always)]
    fn abs(self) -> f64 {
        self.abs()
    }

    fn below(x: f64) -> f64 {
        x.min(f64::MAX)
    }

    #[inline(always)]
    fn fused<const FMA: bool>(self, factor: f64, term: f64) -> f64 {
        if FMA { self.mul_add(factor, term) } else { self * factor + term }
    }
}

/// A signed integer.
pub(crate) trait Key: Copy + Ord + Default {
    /// The distance of two keys; also counts the elements of a block.
    type Steps: Copy + Ord + Default + From<bool> + Into<u64> + std::ops::AddAssign;

    fn steps(self, other: Self) -> Self::Steps;
}

macro_rules! keys {
    ($($key:ty, $steps:ty;)*) => {$(
        impl Key for $key {
            type Steps = $steps;

            #[inline(always)]
            fn steps(self, other: $key) -> $steps {
                self.abs_diff(other)
            }
        }
    )*};
}

keys! { i16, u16; i32, u32; i64, u64; }

macro_rules! reals {
    ($($type:ty => $number:ty, $key:ty, $to_number:expr, $to_key:expr, $from_key:expr, { $($rest:item)* };)*) => {$(
        impl Real for $type {
            type Number = $number;
            type Key = $key;

            #[inline(always)]
            fn number(self) -> $number {
                let number: fn($type) -> $number = $to_number;
                number(self)
            }

            #[inline(always)]
            fn key(self) -> $key {
                let key: fn($type) -> $key = $to_key;
                key(self)
            }

            fn from_key(key: $key) -> f64 {
                let from: fn($key) -> f64 = $from_key;
                from(key)
            }

            $($rest)*
        }
    )*};
}

/// Converts a sign-magnitude integer to two's complement, or back. Both zeros are 0.
macro_rules! flip {
    ($bits:expr, $int:ty) => {{
        let bits: $int = $bits;
        if bits < 0 { <$int>::MIN.wrapping_sub(bits) } else { bits }
    }};
}

reals! {
    f64 => f64, i64, |x| x, |x| flip!(x.to_bits() as i64, i64), |key| f64::from_bits(flip!(key, i64) as u64), {
        fn numbers<'a>(_: Kernel, block: &'a [f64], _: &'a mut Vec<f64>) -> &'a [f64] {
            block
        }
    };
    f32 => f32, i32, |x| x, |x| flip!(x.to_bits() as i32, i32), |key| f32::from_bits(flip!(key, i32) as u32).into(), {
        fn numbers<'a>(_: Kernel, block: &'a [f32], _: &'a mut Vec<f32>) -> &'a [f32] {
            block
        }
    };
    f16 => f32, i16, finite, |x| flip!(x.to_bits() as i16, i16), |key| f16::from_bits(flip!(key, i16) as u16).into(), {
        const DISTINCT: f64 = 0.015625;
    };
    bf16 => f32, i16, |x| f32::from_bits(u32::from(x.to_bits()) << 16), |x| flip!(x.to_bits() as i16, i16),
        |key| bf16::from_bits(flip!(key, i16) as u16).into(), {
        // Less than 2^-17 / 2^-17 = 1, since the derivation requires at most 1/4.
        const DISTINCT: f64 = 0.125;
    };
    bool => f64, i32, |x| f64::from(u8::from(x)), i32::from, f64::from, {};
    i8 => f64, i32, f64::from, i32::from, f64::from, {};
    i16 => f64, i32, f64::from, i32::from, f64::from, {};
    i32 => f64, i32, f64::from, |x| x, f64::from, {};
    u8 => f64, i32, f64::from, i32::from, f64::from, {};
    u16 => f64, i32, f64::from, i32::from, f64::from, {};
    u32 => f64, i64, f64::from, i64::from, |key| key as f64, {};
}

/// Converts a finite `f16` to `f32` with operations that vectorize on every machine, instead of the special instruction: shifts the
/// bits into place, and multiplies by the difference of the exponent biases.
#[inline(always)]
fn finite(x: f16) -> f32 {
    const BIAS: f32 = f32::from_bits((127 + 127 - 15) << 23);
    let extended = (i32::from(x.to_bits() as i16) as u32) << 13;
    f32::from_bits(extended & 0x8fff_e000) * BIAS
}

/// The extremes and counts of a pair of blocks, which need no arithmetic.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extremes<K> {
    /// The smallest and the largest key.
    pub(crate) actual: [K; 2],
    pub(crate) reference: [K; 2],
    /// The largest distance of two keys.
    pub(crate) steps: u64,
    /// The number of elements that are not equal.
    pub(crate) differing: u64,
    /// The number of references that are 0.
    pub(crate) zeros: u64,
}

#[inline(always)]
fn extremes<const FMA: bool, T: Real>(actual: &[T], reference: &[T]) -> Extremes<T::Key> {
    let (first, first_reference) = (actual[0].key(), reference[0].key());
    let ([mut least, mut most], [mut least_reference, mut most_reference]) = ([first; 2], [first_reference; 2]);
    let zero = T::Key::default();
    let [mut steps, mut differing, mut zeros] = [<T::Key as Key>::Steps::default(); 3];
    for (a, r) in zip(actual, reference) {
        let (a, r) = (a.key(), r.key());
        (least, most) = (least.min(a), most.max(a));
        (least_reference, most_reference) = (least_reference.min(r), most_reference.max(r));
        steps = steps.max(a.steps(r));
        differing += (a != r).into();
        zeros += (r == zero).into();
    }
    Extremes {
        actual: [least, most],
        reference: [least_reference, most_reference],
        steps: steps.into(),
        differing: differing.into(),
        zeros: zeros.into(),
    }
}

/// The sums over a pair of blocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PairSums {
    pub(crate) difference: f64,
    pub(crate) distance: f64,
    pub(crate) squared_distance: f64,
    pub(crate) actual: f64,
    pub(crate) reference: f64,
    pub(crate) squared_actual: f64,
    pub(crate) squared_reference: f64,
    pub(crate) product: f64,
    /// The largest distance.
    pub(crate) furthest: f64,
}

#[inline(always)]
fn pair_sums<const FMA: bool, N: Number>(actual: &[N], reference: &[N]) -> PairSums {
    let ((actual, actual_rest), (reference, reference_rest)) = (actual.as_chunks(), reference.as_chunks());
    let mut running = Running::default();
    for (a, r) in zip(actual, reference) {
        running.add::<FMA, N>(a, r);
    }
    if !actual_rest.is_empty() {
        running.add::<FMA, N>(&pad(actual_rest), &pad(reference_rest));
    }
    running.sums()
}

/// The running sums, in registers.
#[derive(Default)]
struct Running {
    sums: [Four; 8],
    furthest: Four,
}

impl Running {
    #[inline(always)]
    fn add<const FMA: bool, N: Number>(&mut self, a: &[N; LANES], r: &[N; LANES]) {
        let (a, r) = (Four(a.map(Into::into)), Four(r.map(Into::into)));
        let difference = a - r;
        let distance = difference.abs();
        let [differences, distances, squares, actual, reference, actual_squares, reference_squares, products] =
            &mut self.sums;
        *differences += difference;
        *distances += distance;
        *squares += difference * difference;
        *actual += a;
        *reference += r;
        if N::EXACT_PRODUCTS {
            *actual_squares = a.fused::<FMA>(a, *actual_squares);
            *reference_squares = r.fused::<FMA>(r, *reference_squares);
            *products = a.fused::<FMA>(r, *products);
        } else {
            *actual_squares += a * a;
            *reference_squares += r * r;
            *products += a * r;
        }
        self.furthest = self.furthest.max(distance);
    }

    /// Not inlined: the compiler would interleave the running sums to add them in fewer steps, and spill all of them.
    #[inline(never)]
    fn sums(&self) -> PairSums {
        let [difference, distance, squared_distance, actual, reference, squared_actual, squared_reference, product] =
            self.sums.map(Four::join);
        PairSums {
            difference,
            distance,
            squared_distance,
            actual,
            reference,
            squared_actual,
            squared_reference,
            product,
            furthest: self.furthest.0.into_iter().fold(0.0, f64::max),
        }
    }
}

/// Three upper bounds on the distance as lines over the magnitude of the reference, each a constant and a slope. The lowest counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lines<N>([[N; 2]; 3]);

impl<N: Number> Lines<N> {
    /// Lowers each line slightly, so that no rounding error hides an element above them.
    pub(crate) fn below(lines: &[[f64; 2]; 3]) -> Lines<N> {
        let lower = |[constant, slope]: [f64; 2]| [constant * N::LOWER - N::SLACK, slope * N::LOWER];
        Lines(lines.map(|line| lower(line).map(N::below)))
    }

    /// Returns how far the distance may be above the lowest line, or a value not above 0. A distance of 0 is never above a line.
    #[inline(always)]
    pub(crate) fn excess<const FMA: bool>(&self, actual: N, reference: N) -> N {
        let (distance, magnitude) = ((actual - reference).abs(), reference.abs());
        let [share, relative, excess] = self.0.map(|[constant, slope]| slope.fused::<FMA>(magnitude, constant));
        let least = |x: N, y: N| if y < x { y } else { x };
        distance - most(least(share, least(relative, excess)), N::default())
    }

    #[inline(always)]
    fn most_excess<const FMA: bool, T: Number + Into<N>>(
        &self,
        mut largest: [N; WIDTH],
        actual: &[T; WIDTH],
        reference: &[T; WIDTH],
    ) -> [N; WIDTH] {
        for lane in 0..WIDTH {
            largest[lane] = most(largest[lane], self.excess::<FMA>(actual[lane].into(), reference[lane].into()));
        }
        largest
    }

    /// Returns whether any distance may be above the lowest line.
    #[inline(always)]
    fn has_excess<const FMA: bool, T: Number + Into<N>>(&self, actual: &[T], reference: &[T]) -> bool {
        let (actual, actual_rest) = actual.as_chunks::<WIDTH>();
        let (reference, reference_rest) = reference.as_chunks::<WIDTH>();
        let mut most = [N::default(); WIDTH];
        for (a, r) in zip(actual, reference) {
            most = self.most_excess::<FMA, T>(most, a, r);
        }
        if !actual_rest.is_empty() {
            most = self.most_excess::<FMA, T>(most, &pad(actual_rest), &pad(reference_rest));
        }
        most.iter().any(|excess| *excess > N::default())
    }
}

/// One vector of `f32`, or two of `f64`.
const WIDTH: usize = 2 * LANES;

#[inline(always)]
fn most<N: Number>(x: N, y: N) -> N {
    if y > x { y } else { x }
}

#[inline(always)]
fn mark_chunks<const FMA: bool, N: Number>(actual: &[N], reference: &[N], lines: &Lines<N>) -> u64 {
    let mut marks = 0;
    for (place, (actual, reference)) in zip(actual.chunks(CHUNK), reference.chunks(CHUNK)).enumerate() {
        marks |= u64::from(lines.has_excess::<FMA, N>(actual, reference)) << place;
    }
    marks
}

#[inline(always)]
fn has_excess<const FMA: bool, N: Number>(actual: &[N], reference: &[N], lines: &Lines<f64>) -> bool {
    lines.has_excess::<FMA, N>(actual, reference)
}

#[inline(always)]
fn outside<const FMA: bool, N: Number>(actual: &[N], reference: &[N], [atol, rtol]: [f64; 2]) -> u64 {
    let is_outside = |a: f64, r: f64| u64::from((a - r).abs() > atol + rtol * r.abs());
    zip(actual, reference).map(|(a, r)| is_outside((*a).into(), (*r).into())).sum()
}

#[inline(always)]
fn convert<const FMA: bool, T: Real>(block: &[T], numbers: &mut Vec<T::Number>) {
    numbers.resize(block.len(), T::Number::default());
    for (number, x) in zip(numbers, block) {
        *number = x.number();
    }
}

/// Compiles the loops for every instruction set.
macro_rules! loops {
    ($($(#[$doc:meta])* $name:ident<$t:ident: $bound:ident>($($arg:ident: $type:ty),*) $(-> $out:ty)?;)*) => {
        impl Kernel {$(
            $(#[$doc])*
            pub(crate) fn $name<$t: $bound>(self, $($arg: $type),*) $(-> $out)? {
                #[cfg(target_arch = "x86_64")]
                #[target_feature(enable = "avx2,fma")]
                fn avx2<$t: $bound>($($arg: $type),*) $(-> $out)? {
                    $name::<true, $t>($($arg),*)
                }
                match self {
                    Kernel::Portable => $name::<false, $t>($($arg),*),
                    // SAFETY: `Avx2` is used only if both features were detected; see `all`.
                    #[cfg(target_arch = "x86_64")]
                    Kernel::Avx2 => unsafe { avx2($($arg),*) },
                }
            }
        )*}
    };
}

loops! {
    /// Returns the extremes and counts of a pair of blocks of the same length, which must not be empty.
    extremes<T: Real>(actual: &[T], reference: &[T]) -> Extremes<T::Key>;
    /// Returns the sums over a pair of blocks of the same length.
    pair_sums<N: Number>(actual: &[N], reference: &[N]) -> PairSums;
    /// Returns one bit per chunk: whether it has an element whose distance may be above the lines.
    mark_chunks<N: Number>(actual: &[N], reference: &[N], lines: &Lines<N>) -> u64;
    /// Returns whether an element's distance, in `f64`, may be above the lines.
    has_excess<N: Number>(actual: &[N], reference: &[N], lines: &Lines<f64>) -> bool;
    /// Counts the elements outside `atol + rtol * |reference|`.
    outside<N: Number>(actual: &[N], reference: &[N], tolerance: [f64; 2]) -> u64;
    /// Converts a block of finite elements.
    convert<T: Real>(block: &[T], numbers: &mut Vec<T::Number>);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_the_order_of_the_values_and_convert_back() {
        let mut halves: Vec<f16> = (0..=u16::MAX).map(f16::from_bits).filter(|x| !x.is_nan()).collect();
        halves.sort_by(f16::total_cmp);
        for pair in halves.windows(2) {
            // -0 and 0 are adjacent, and equal.
            assert_eq!(pair[0].key().steps(pair[1].key()), u16::from(pair[0] != pair[1]), "{pair:?}");
            assert_eq!(f16::from_key(pair[0].key()), f64::from(pair[0]));
        }
        assert_eq!(f64::MAX.key().steps(f64::MIN.key()), 2 * f64::MAX.to_bits());
        assert_eq!(i32::MIN.steps(i32::MAX), u32::MAX);
    }

    #[test]
    fn every_finite_half_is_converted_exactly() {
        for x in (0..=u16::MAX).map(f16::from_bits).filter(|x| x.is_finite()) {
            assert_eq!(finite(x).to_bits(), x.to_f32().to_bits(), "{x}");
        }
    }
}
