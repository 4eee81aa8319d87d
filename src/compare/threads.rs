//! Two pieces of work at once: on rayon's threads where the tool is there, which shares them with all else, and on the
//! standard library's where only assertions are.

#[cfg(feature = "harness")]
pub(super) use rayon::{current_num_threads as count, join};

/// How many threads work at once.
#[cfg(not(feature = "harness"))]
pub(super) fn count() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get)
}

/// Does both, the second one on a thread of its own; where none can be started, one after the other.
#[cfg(not(feature = "harness"))]
pub(super) fn join<A, B: Send>(left: impl FnOnce() -> A, right: impl Fn() -> B + Sync) -> (A, B) {
    std::thread::scope(|scope| {
        let other = std::thread::Builder::new().spawn_scoped(scope, &right);
        let left = left();
        match other {
            Ok(other) => (left, other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))),
            Err(_) => (left, right()),
        }
    })
}

/// Whether a branch of that share of the whole is split between two threads: rayon's wait for branches of any size, and
/// others are started for as many branches as there are threads.
pub(super) fn splits(part: usize, whole: usize) -> bool {
    cfg!(feature = "harness") || part > whole / count()
}
