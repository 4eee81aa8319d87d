//! Catches panics with their messages, without output on stderr.

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// Inside [`catch_panic`], the location of the last panic of this thread, as stored by the hook.
    static LOCATION: RefCell<Option<String>> = const { RefCell::new(None) };
}

static HOOK: Once = Once::new();

/// A caught panic.
#[derive(Debug)]
pub(crate) struct Panic {
    /// Its message.
    pub(crate) message: String,
    /// Its file and line, or empty if they are unknown.
    location: String,
}

/// Runs `function`, and catches a panic.
///
/// Panics of this thread inside `function` print nothing. Every other panic goes to the previous hook.
pub(crate) fn catch_panic<T>(function: impl FnOnce() -> T) -> Result<T, Panic> {
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            // A thread that is being destroyed has no thread-local state, and is not inside `catch_panic`.
            let is_caught = LOCATION.try_with(|location| {
                let mut location = location.try_borrow_mut().ok()?;
                *location.as_mut()? =
                    info.location().map(|at| format!("{}:{}", at.file(), at.line())).unwrap_or_default();
                Some(())
            });
            if !matches!(is_caught, Ok(Some(()))) {
                before(info);
            }
        }));
    });
    let outer = LOCATION.replace(Some(String::new()));
    let result = panic::catch_unwind(AssertUnwindSafe(function));
    let location = LOCATION.replace(outer).unwrap_or_default();
    result.map_err(|payload| Panic { message: message(payload.as_ref()), location })
}

/// Returns the message of a panic, if it is text.
fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a message".to_owned())
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Panic { message, location } = self;
        if location.is_empty() { write!(f, "{message}") } else { write!(f, "{message}, at {location}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caught_panic_has_its_message_and_location() {
        let panic = catch_panic(|| panic!("head {} is missing", 3)).expect_err("it panics");
        assert_eq!(panic.message, "head 3 is missing");
        assert!(panic.to_string().starts_with("head 3 is missing, at src/snapshot/panic.rs:"), "{panic}");
    }

    #[test]
    fn an_inner_catch_does_not_affect_the_outer_one() {
        let outer: Result<(), Panic> = catch_panic(|| {
            assert!(catch_panic(|| panic!("inner")).is_err());
            panic!("outer")
        });
        assert_eq!(outer.expect_err("it panics").message, "outer");
    }
}
