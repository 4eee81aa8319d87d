//! Catching a panic with its message, without a word on stderr.

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// Inside [`catch`]: where the hook leaves the place of a panic of this thread.
    static CAUGHT: RefCell<Option<String>> = const { RefCell::new(None) };
}

static HOOK: Once = Once::new();

/// A panic that was caught.
#[derive(Debug)]
pub(crate) struct Panic {
    /// What it said.
    pub(crate) message: String,
    /// The file and line that raised it, if the hook was told.
    place: String,
}

/// Runs `function`, and catches a panic.
///
/// Panics of this thread inside `function` print nothing. Every other panic goes to the hook that was there before.
pub(crate) fn catch<T>(function: impl FnOnce() -> T) -> Result<T, Panic> {
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let place =
                || info.location().map(|place| format!("{}:{}", place.file(), place.line())).unwrap_or_default();
            // A thread that is being torn down has no thread-local state left: it was not inside `catch`.
            let is_caught = CAUGHT.try_with(|caught| {
                caught.try_borrow_mut().is_ok_and(|mut caught| caught.as_mut().map(|text| *text = place()).is_some())
            });
            if !is_caught.unwrap_or(false) {
                before(info);
            }
        }));
    });
    let outer = CAUGHT.replace(Some(String::new()));
    let result = panic::catch_unwind(AssertUnwindSafe(function));
    let place = CAUGHT.replace(outer).unwrap_or_default();
    result.map_err(|payload| Panic { message: message(payload.as_ref()), place })
}

/// The message of a panic, where it is text.
fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "it says nothing".to_owned())
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Panic { message, place } = self;
        if place.is_empty() { write!(f, "{message}") } else { write!(f, "{message}, at {place}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caught_panic_has_its_message_and_its_place() {
        let panic = catch(|| panic!("head {} is missing", 3)).expect_err("it panics");
        assert_eq!(panic.message, "head 3 is missing");
        assert!(panic.to_string().starts_with("head 3 is missing, at src/snapshot/catch.rs:"), "{panic}");
    }

    #[test]
    fn an_inner_catch_leaves_the_outer_one_in_place() {
        let outer: Result<(), Panic> = catch(|| {
            assert!(catch(|| panic!("inner")).is_err());
            panic!("outer")
        });
        assert_eq!(outer.expect_err("it panics").message, "outer");
    }
}
