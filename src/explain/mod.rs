//! Finding the reason: hypotheses about a mismatch, tested on the tensors. Pure: no files, no printing.
//!
//! [`explain`] takes a [`Question`] and answers with [`Explanation`]s, best first, or with none where nothing fits: a wrong
//! explanation is worse than none. What flows where:
//!
//! 1. `sides` brings both tensors into `f64`, with NaN for what is not compared, and `noise` says how much rounding
//!    explains;
//! 2. `bases` proposes what the reference would have to become: itself, in another order (`order`), another
//!    output, or by another `formula`: with another eps, another GELU, or another mask;
//! 3. `fit` lets each be scaled and biased, by estimates that a few wrong elements do not move, and
//!    `exceptions` says where a fit does not hold: at few elements, after a position, at NaN, or by rounding to 16 bits;
//! 4. `search` keeps what fits down to the noise, or nearly, and puts the best first: what predicts values before
//!    what only says where they differ, fewer parts before more, fewer free parameters before more.
//!
//! | hypothesis | what undoing it does | free parameters |
//! | --- | --- | --- |
//! | `transpose`, `permute-axes`, `reshape-order` | puts the elements back into their order | 0 |
//! | `shift`, `flip` | moves them back along an axis, or reverses axes | 1, 0 |
//! | `slice-order` | puts the slices of an axis back into their order | as many as there are slices |
//! | `swapped-outputs` | takes the other output's reference | 0 |
//! | `negated`, `scale` | divides by the factor | 0, 1; by index of an axis as many as there are indices |
//! | `clamp` | cuts the other side off as well | 1 |
//! | `conjugate` | takes the complex conjugate | 0 |
//! | `bias` | subtracts what is constant along axes | as many as there are constants; 0 for an input |
//! | `eps` | normalises with the other eps | 1 |
//! | `gelu-variant` | applies the other GELU | 0 |
//! | `causal-mask` | masks the future | 0 |
//! | `rounded-bf16`, `rounded-f16` | keeps what rounding took | 0 |
//! | `nan-region`, `stale-position`, `outliers`, `constant-output` | sets those elements right: all but the last say where, not why | where they are |
//! | `accumulation` | allows rounding noise | 0 |
//!
//! A hypothesis is accepted where what it leaves is no more than the dtype's rounding, or next to nothing of the difference,
//! after a correction for its free parameters; and only where the reference still shows in what it makes of it.

mod bases;
mod complex;
mod exceptions;
mod explanation;
mod fit;
mod formula;
mod order;
mod parts;
mod rounding;
mod search;
mod sides;
#[cfg(test)]
mod tests;

pub use explanation::{Details, Explanation, Hypothesis, Other, Question};
pub use search::explain;
