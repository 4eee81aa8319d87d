//! The loops over one block of numbers: the only code that knows of vector instructions.
//!
//! Every loop is written once, over four doubles at a time ([`Four`](four::Four)) or over arrays that a compiler turns into vectors, and is
//! compiled once for every instruction set in [`Kernel`]. All of them give the same bits: element `i` of a block goes to
//! running sum `i % 4`, and nothing is contracted whose rounding could show. What they measure, and what they leave to be looked
//! at more closely, is what `twin.rs` measures one element after the other; tests hold the two together.
//!
//! They are for blocks of finite numbers whose squares neither overflow nor vanish. Sums that are not finite give a block away
//! that is not such a one; whoever calls looks at them.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod ends;
mod four;
mod pair;
mod prefetch;
mod side;

pub(crate) use ends::Ends;
pub(crate) use four::Number;
pub(crate) use pair::{Line, PairSums, Quotients};
use side::SideSums;

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
    pub(crate) fn ends<N: Number>(self, actual: &[N], reference: &[N]) -> Ends<N> {
        match self {
            Kernel::Portable => ends::ends(actual, reference),
            // SAFETY: there is an `Avx2` only where it was found.
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2 => unsafe { N::ends(actual, reference) },
        }
    }
}

/// Compiles loops for every instruction set.
macro_rules! loops {
    ($($(#[$doc:meta])* $name:ident = $loop:path, of $t:ident: $bound:path, ($($arg:ident: $type:ty),*) -> $out:ty;)*) => {
        impl Kernel {$(
            $(#[$doc])*
            pub(crate) fn $name<$t: $bound>(self, $($arg: $type),*) -> $out {
                // Not inline: what is done with the sums afterwards would make the compiler mix them up.
                #[inline(never)]
                fn portable<$t: $bound>($($arg: $type),*) -> $out {
                    $loop($($arg),*, [0.0; 4])
                }
                #[cfg(target_arch = "x86_64")]
                #[target_feature(enable = "avx2,fma,f16c")]
                fn avx2<$t: $bound>($($arg: $type),*) -> $out {
                    $loop($($arg),*, avx2::Doubles::default())
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

loops! {
    /// Sums over a pair of blocks of one length, and what is above the line.
    pair = pair::pair, of N: Number, (actual: &[N], reference: &[N], line: &Line) -> PairSums;
    /// The largest quotients, by atol and rtol, and whether an element needs a larger atol than the third, the floor.
    quotients = pair::quotients, of N: Number, (actual: &[N], reference: &[N], limits: [f64; 3]) -> Quotients;
    /// How many elements are outside `atol + rtol * |reference|`.
    outside = pair::outside, of N: Number, (actual: &[N], reference: &[N], atol: f64, rtol: f64) -> u64;
    /// Sums over one block, and its extremes; it is not empty.
    side = side::side, of N: Number, (block: &[N]) -> SideSums;
    /// The sum of the deviations from a base, and of their squares.
    about = side::about, of N: Number, (block: &[N], base: f64) -> [f64; 2];
}
