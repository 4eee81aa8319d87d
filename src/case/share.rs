//! Many small pieces of work, on every core.

use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// How many items a thread takes at a time: so many that taking them costs nothing, so few that all threads end together.
const HANDFUL: usize = 64;

/// What becomes of each item, in the order of the items.
pub(crate) fn share<I: Sync, O: Send>(items: &[I], work: impl Fn(&I) -> O + Sync) -> Vec<O> {
    let next = AtomicUsize::new(0);
    let some = || {
        let take = || {
            let at = next.fetch_add(1, Ordering::Relaxed);
            Some((at, items.chunks(HANDFUL).nth(at)?))
        };
        let handfuls = std::iter::from_fn(take);
        handfuls.map(|(at, handful)| (at, handful.iter().map(&work).collect())).collect::<Vec<(usize, Vec<O>)>>()
    };
    let mut done: Vec<(usize, Vec<O>)> = together(items.len().div_ceil(HANDFUL), some).into_iter().flatten().collect();
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().flat_map(|(_, done)| done).collect()
}

/// Does the same work on as many threads as there are cores, and at most that many.
///
/// The threads are its own, and not rayon's: where none can be started, this one does it alone.
pub(crate) fn together<O: Send>(at_most: usize, work: impl Fn() -> O + Sync) -> Vec<O> {
    if at_most < 2 {
        return vec![work()];
    }
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get).min(at_most);
    thread::scope(|scope| {
        let spawn = |_| thread::Builder::new().spawn_scoped(scope, &work).ok();
        let others: Vec<_> = (1..cores).filter_map(spawn).collect();
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
        for count in [0, 1, HANDFUL, HANDFUL + 1, 100 * HANDFUL - 1] {
            let items: Vec<usize> = (0..count).collect();
            assert_eq!(share(&items, |item| item + 1), (1..=count).collect::<Vec<_>>());
        }
    }
}
