//! One karat at a time where two would write one file: what insta writes, it writes in place.

use std::path::Path;

/// As long as this lives, no other karat on the tree holds one.
#[must_use]
pub(super) struct Lock {
    /// What the lock is of; closing it gives it up, also where the process is killed.
    #[cfg(unix)]
    _folder: Option<std::fs::File>,
}

/// Locks a folder, which leaves no file behind.
///
/// Where the file system knows no locks, or whoever holds this one does not give it up within ten seconds, as one that is
/// stopped, work goes on without: what is half written is found out when it is read.
#[cfg(unix)]
pub(super) fn lock(folder: &Path) -> Lock {
    use std::fs::File;
    use std::thread::sleep;
    use std::time::{Duration, Instant};

    use rustix::fs::{FlockOperation, flock};
    use rustix::io::Errno;

    const PATIENCE: Duration = Duration::from_secs(10);
    let started = Instant::now();
    let folder = File::open(folder).ok().filter(|folder| {
        loop {
            match flock(folder, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return true,
                Err(Errno::WOULDBLOCK | Errno::INTR) if started.elapsed() < PATIENCE => {
                    sleep(Duration::from_millis(1));
                }
                Err(_) => return false,
            }
        }
    });
    Lock { _folder: folder }
}

/// Locks nothing, here.
#[cfg(not(unix))]
pub(super) fn lock(_: &Path) -> Lock {
    Lock {}
}

#[cfg(all(test, unix))]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;
    use std::time::Duration;

    use super::lock;

    #[test]
    fn no_two_have_the_lock_of_a_folder_and_it_leaves_nothing_there() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let is_locked = AtomicBool::new(false);
        let first = lock(folder.path());
        thread::scope(|scope| {
            scope.spawn(|| {
                let _second = lock(folder.path());
                is_locked.store(true, Ordering::SeqCst);
            });
            thread::sleep(Duration::from_millis(200));
            assert!(!is_locked.load(Ordering::SeqCst));
            drop(first);
        });
        assert!(is_locked.load(Ordering::SeqCst));
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0);
    }

    #[test]
    fn a_folder_that_is_not_there_holds_nobody_up() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let _lock = lock(&folder.path().join("nowhere"));
    }
}
