//! The worker pool: the same work on several threads of the standard library.
//!
//! Not on rayon's: a checkpoint that waits for rayon inside a lock would be handed another case to run meanwhile, on the thread
//! that holds the lock.

use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// How many threads this machine runs at a time.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// Does the work for each item on at most that many threads, and returns what becomes of each, in the order of the items.
pub(crate) fn share<I: Sync, O: Send>(items: &[I], threads: usize, work: impl Fn(&I) -> O + Sync) -> Vec<O> {
    let next = AtomicUsize::new(0);
    let some = || {
        let take = || {
            let at = next.fetch_add(1, Ordering::Relaxed);
            Some((at, work(items.get(at)?)))
        };
        std::iter::from_fn(take).collect::<Vec<(usize, O)>>()
    };
    let mut done = together(threads.min(items.len()), some).into_iter().flatten().collect::<Vec<_>>();
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, done)| done).collect()
}

/// Does the same work on that many threads: this one, and as many others as can be started.
fn together<O: Send>(threads: usize, work: impl Fn() -> O + Sync) -> Vec<O> {
    thread::scope(|scope| {
        let spawn = |_| thread::Builder::new().spawn_scoped(scope, &work).ok();
        let others: Vec<_> = (1..threads).filter_map(spawn).collect();
        let mut done = vec![work()];
        done.extend(others.into_iter().map(|other| other.join().unwrap_or_else(|panic| resume_unwind(panic))));
        done
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_that_of_the_items_however_many_there_are() {
        for count in [0, 1, 2, 1000] {
            let items: Vec<usize> = (0..count).collect();
            assert_eq!(share(&items, 4, |item| item + 1), (1..=count).collect::<Vec<_>>());
        }
    }
}
