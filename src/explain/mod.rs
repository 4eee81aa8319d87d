//! Explanations of a mismatch: hypotheses that are tested on the tensors. Nothing here reads files or prints.
//!
//! [`explain`] answers a [`Question`] with [`Explanation`]s, best first, or with none if nothing fits: a wrong explanation is worse
//! than none. The data flow:
//!
//! 1. `sides` converts both tensors to `f64`, with NaN for elements that are not compared, and estimates the rounding noise;
//! 2. `bases` proposes tensors that the actual one may be a multiple of: the reference itself, its elements in another order
//!    (`order`), another output, or the reference by another `formula` (another eps, GELU or mask);
//! 3. `fit` estimates a factor and a bias for each, so that a few wrong elements have no influence, and `exceptions` finds
//!    where a fit does not hold: at a few elements, after a position, at NaN, or because of rounding to 16 bits;
//! 4. `search` keeps what explains the difference down to the noise, or nearly, and sorts it: predictions of values before mere
//!    locations, fewer parts before more, fewer free parameters before more.
//!
//! | hypothesis | how it is undone | free parameters |
//! | --- | --- | --- |
//! | `transpose`, `permute-axes`, `reshape-order` | restore the order of the elements | 0 |
//! | `shift`, `flip` | shift back along an axis, or reverse axes | 1, 0 |
//! | `slice-order` | restore the order of the slices of an axis | the number of slices |
//! | `swapped-outputs` | compare with the reference of the other output | 0 |
//! | `negated`, `scale` | divide by the factor | 0, 1; with a factor for each index of an axis, the number of indices |
//! | `clamp` | clamp the other side too | 1 |
//! | `conjugate` | take the complex conjugate | 0 |
//! | `bias` | subtract a constant along axes | the number of constants; 0 for an input |
//! | `eps` | normalise with the other eps | 1 |
//! | `gelu-variant` | apply the other GELU | 0 |
//! | `causal-mask` | mask future positions | 0 |
//! | `rounded-bf16`, `rounded-f16` | round the other side too | 0 |
//! | `nan-region`, `stale-position`, `outliers`, `constant-output` | correct those elements; all but the last are locations, not causes | the locations |
//! | `accumulation` | allow rounding noise | 0 |
//!
//! A hypothesis is accepted if it leaves no more than the rounding of the dtype, or next to nothing of the difference, after a
//! correction for its free parameters; and only if its prediction still depends on the reference.

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
