//! The loops over one block of numbers: the only code that knows of vector instructions.
//!
//! Every loop is written once, over four doubles at a time ([`Four`](four::Four)), over eight singles ([`Eight`](eight::Eight)), or over
//! arrays that a compiler turns into vectors, and is compiled once for every instruction set in [`Kernel`]. All of them give the
//! same bits: element `i` of a block goes to running sum `i % 4`, and nothing is contracted whose rounding could show. Singles sum
//! nothing: they say in half the time what need not be looked at more closely. What the loops measure is what `twin.rs`
//! measures one element after the other; tests hold the two together.
//!
//! They are for blocks of finite numbers whose squares neither overflow nor vanish. Sums that are not finite give a block away
//! that is not such a one; whoever calls looks at them.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod convert;
mod eight;
mod ends;
mod exact;
mod fill;
mod four;
mod line;
mod number;
mod outside;
mod pair;
mod prefetch;
mod quotients;
mod screen;
mod side;
mod whole;

#[cfg(target_arch = "x86_64")]
pub(crate) use avx2::Row;
pub(crate) use convert::Short;
pub(crate) use ends::Ends;
#[cfg(not(target_arch = "x86_64"))]
pub(crate) use ends::Ordered as Row;
pub(crate) use exact::{Mark, Marks};
pub(crate) use line::Line;
pub(crate) use number::Number;
pub(crate) use pair::PairSums;
pub(crate) use prefetch::Ahead;
pub(crate) use quotients::Quotients;
use side::SideSums;
pub(crate) use whole::Whole;

/// The instruction set that the loops are run with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kernel {
    /// What every machine of the target has.
    Portable,
    /// AVX2, FMA and F16C, which x86-64 has had since 2013. AVX-512 would wait for memory all the same.
    #[cfg(target_arch = "x86_64")]
    Avx2,
}

impl Kernel {
    /// The best that this machine has.
    pub(crate) fn best() -> Kernel {
        Kernel::all().last().copied().unwrap_or(Kernel::Portable)
    }

    /// All that this machine has, the best last.
    pub(crate) fn all() -> &'static [Kernel] {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c") {
            return &[Kernel::Portable, Kernel::Avx2];
        }
        &[Kernel::Portable]
    }
}

impl Kernel {
    /// The extremes of both sides of a pair of blocks, which are not empty, and counts that need no arithmetic.
    pub(crate) fn ends<N: Row>(self, actual: &[N], reference: &[N], ahead: Ahead) -> Ends<N> {
        match self {
            Kernel::Portable => ends::ends(actual, reference),
            // SAFETY: there is an `Avx2` only where it was found.
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2 => unsafe { N::ends(actual, reference, ahead) },
        }
    }
}

/// Compiles loops for every instruction set.
macro_rules! loops {
    ($($(#[$doc:meta])* $name:ident$(<$t:ident: $bound:path>)? = $loop:path, by $portable:expr, $avx2:ident,
        ($($arg:ident: $type:ty),*) $(-> $out:ty)?;)*) => {
        impl Kernel {$(
            $(#[$doc])*
            pub(crate) fn $name$(<$t: $bound>)?(self, $($arg: $type),*) $(-> $out)? {
                // Not inline: what is done with the sums afterwards would make the compiler mix them up.
                #[inline(never)]
                fn portable$(<$t: $bound>)?($($arg: $type),*) $(-> $out)? {
                    $loop($($arg),*, $portable)
                }
                #[cfg(target_arch = "x86_64")]
                #[target_feature(enable = "avx2,fma,f16c")]
                fn avx2$(<$t: $bound>)?($($arg: $type),*) $(-> $out)? {
                    $loop($($arg),*, avx2::$avx2::default())
                }
                match self {
                    Kernel::Portable => portable($($arg),*),
                    // SAFETY: there is an `Avx2` only where all three were found: see `all`.
                    #[cfg(target_arch = "x86_64")]
                    Kernel::Avx2 => unsafe { avx2($($arg),*) },
                }
            }
        )*}
    };
}

/// Four doubles, and eight singles, on every target.
const FOUR: [f64; 4] = [0.0; 4];
const EIGHT: [f32; 8] = [0.0; 8];

loops! {
    /// Sums over a pair of blocks of one length. Memory is asked for ahead of the elements that they are made of.
    pair<N: Number> = pair::pair, by FOUR, Doubles, (actual: &[N], reference: &[N], ahead: Ahead) -> PairSums;
    /// Whether an element of a pair of blocks may be above the line. Where this is false none is.
    may_matter<N: Number> = screen::may_matter, by FOUR, Doubles, (actual: &[N], reference: &[N], line: &Line) -> bool;
    /// The same, twice as fast, but more often true. The distances are below 2^127.
    may_matter_roughly = screen::may_matter_roughly, by EIGHT, Singles, (actual: &[f32], reference: &[f32], line: &Line) -> bool;
    /// Whether an element of a pair of blocks passes a mark, exactly; true where the instruction set has nothing for it.
    matters<N: Number> = exact::matters, by FOUR, Doubles, (actual: &[N], reference: &[N], marks: &Marks) -> bool;
    /// The largest quotients, by atol and rtol, and by how much a distance is above what the third, the floor, allows in the place of atol.
    quotients<N: Number> = quotients::quotients, by FOUR, Doubles, (actual: &[N], reference: &[N], limits: [f64; 3]) -> Quotients;
    /// How many elements are outside `atol + rtol * |reference|`, by atol and rtol.
    outside<N: Number> = outside::outside, by FOUR, Doubles, (actual: &[N], reference: &[N], tolerance: [f64; 2]) -> u64;
    /// The same, twice as fast; `None` where singles cannot tell. The distances are below 2^127.
    outside_surely = outside::outside_surely, by EIGHT, Singles, (actual: &[f32], reference: &[f32], tolerance: [f64; 2]) -> Option<u64>;
    /// The same of integers, exactly.
    outside_whole<N: Whole> = outside::outside_whole, by FOUR, Doubles, (actual: &[N], reference: &[N], tolerance: [f64; 2]) -> u64;
    /// Sums over one block, and its extremes; it is not empty. Memory is asked for as in [`Kernel::pair`].
    side<N: Number> = side::side, by FOUR, Doubles, (block: &[N], ahead: Ahead) -> SideSums;
    /// The sum of the deviations from a base, and of their squares.
    about<N: Number> = side::about, by FOUR, Doubles, (block: &[N], base: f64) -> [f64; 2];
    /// The same, from a base of the type of the elements: each deviation is rounded once.
    about_exactly<N: Number> = side::about_exactly, by FOUR, Doubles, (block: &[N], base: N) -> [f64; 2];
    /// The sum of a block of integers.
    total<N: Whole> = whole::total, by FOUR, Doubles, (block: &[N]) -> i128;
    /// Converts a block that is not in the cache.
    convert<T: Short> = convert::convert, by EIGHT, Singles, (block: &[T], singles: &mut Vec<f32>);
}
