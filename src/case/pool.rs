//! A worker pool on threads of the standard library.
//!
//! It does not use rayon: a checkpoint that waits for rayon while it holds a lock could be given another case to run on the
//! same thread.

use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Returns how many threads this machine runs in parallel.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// Calls `work` for each item on at most that many threads, and returns the results in the order of the items.
///
/// The calling thread is one of them. If fewer threads can be started, those do all the work.
pub(crate) fn parallel_map<I: Sync, O: Send>(items: &[I], threads: usize, work: impl Fn(&I) -> O + Sync) -> Vec<O> {
    let next = AtomicUsize::new(0);
    let run = || {
        let step = || {
            let at = next.fetch_add(1, Ordering::Relaxed);
            Some((at, work(items.get(at)?)))
        };
        std::iter::from_fn(step).collect::<Vec<(usize, O)>>()
    };
    let mut results = thread::scope(|scope| {
        let spawn = |_| thread::Builder::new().spawn_scoped(scope, run).ok();
        let workers: Vec<_> = (1..threads.min(items.len())).filter_map(spawn).collect();
        let mut results = run();
        results
            .extend(workers.into_iter().flat_map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic))));
        results
    });
    results.sort_unstable_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_the_order_of_the_items() {
        for count in [0, 1, 2, 1000] {
            let items: Vec<usize> = (0..count).collect();
            assert_eq!(parallel_map(&items, 4, |item| item + 1), (1..=count).collect::<Vec<_>>());
        }
    }
}
