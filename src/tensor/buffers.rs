//! Memory for elements that have to be turned before they can be seen, within a limit whatever the number of threads.

use std::cell::Cell;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::view;

/// How many bytes are out at most for one file, so that those of a pair are half of what karat may take.
const LIMIT: usize = 16 << 20;

thread_local! {
    /// How many buffers this thread has.
    static HELD: Cell<usize> = const { Cell::new(0) };
}

/// Buffers that are used again.
#[derive(Default)]
pub(crate) struct Buffers {
    state: Mutex<State>,
    returned: Condvar,
}

#[derive(Default)]
struct State {
    spare: Vec<Vec<u64>>,
    /// The bytes of the buffers that are out.
    out: usize,
}

impl Buffers {
    /// Calls `take` with a buffer of that many bytes, aligned to 8; what they are is left from before.
    ///
    /// Waits where as many are out as may be, except on a thread that has one already, of this file or another: whoever
    /// waits holds nothing that another could wait for.
    pub(crate) fn with<R>(&self, len: usize, take: impl FnOnce(&mut [u8]) -> R) -> R {
        let mut state = self.state();
        while state.out > 0 && state.out + len > LIMIT && HELD.get() == 0 {
            state = self.returned.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.out += len;
        let mut lent = Lent { buffers: self, buffer: state.spare.pop().unwrap_or_default(), len };
        drop(state);
        HELD.set(HELD.get() + 1);
        let words = len.div_ceil(size_of::<u64>());
        if lent.buffer.len() < words {
            lent.buffer = vec![0; words];
        }
        take(&mut view::bytes_mut(&mut lent.buffer)[..len])
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What a panic leaves is sound: counts that go back as it unwinds.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A buffer that goes back, also where what it was lent for panics.
struct Lent<'a> {
    buffers: &'a Buffers,
    buffer: Vec<u64>,
    len: usize,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        HELD.set(HELD.get() - 1);
        let mut state = self.buffers.state();
        state.out -= self.len;
        state.spare.push(std::mem::take(&mut self.buffer));
        drop(state);
        self.buffers.returned.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn no_more_bytes_are_out_than_may_be_whatever_the_number_of_threads() {
        let (buffers, out, most) = (Buffers::default(), AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        buffers.with(LIMIT / 3, |buffer| {
                            most.fetch_max(out.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                            buffer.fill(1);
                            out.fetch_sub(1, Ordering::SeqCst);
                        });
                    }
                });
            }
        });
        assert!(most.into_inner() <= 3);
    }

    #[test]
    fn a_thread_that_has_a_buffer_never_waits() {
        let (one, other) = (Buffers::default(), Buffers::default());
        let lens = one.with(LIMIT, |a| other.with(LIMIT, |b| one.with(2 * LIMIT, |c| [a.len(), b.len(), c.len()])));
        assert_eq!(lens, [LIMIT, LIMIT, 2 * LIMIT]);
    }

    #[test]
    fn a_buffer_goes_back_where_its_use_panics() {
        let buffers = Buffers::default();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            buffers.with(LIMIT, |_| panic!("on purpose"));
        }));
        assert!(panicked.is_err());
        buffers.with(LIMIT, |_| assert_eq!(HELD.get(), 1));
    }
}
