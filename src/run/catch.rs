//! Catching a panic with its message, without a word on stderr.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;

thread_local! {
    /// `Some` while this thread is inside [`catch`]: where the hook leaves what it was told.
    static CAUGHT: RefCell<Option<String>> = const { RefCell::new(None) };
}

static HOOK: Once = Once::new();

/// Runs `function`; where it panics, the message and the place.
///
/// Panics of this thread inside `function` print nothing. Every other panic goes to the hook that was there before.
pub(crate) fn catch<T>(function: impl FnOnce() -> T) -> Result<T, String> {
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !CAUGHT.with_borrow_mut(|caught| caught.as_mut().map(|text| *text = describe(info)).is_some()) {
                before(info);
            }
        }));
    });
    let outer = CAUGHT.replace(Some(String::new()));
    let result = panic::catch_unwind(AssertUnwindSafe(function));
    let caught = CAUGHT.replace(outer).unwrap_or_default();
    result.map_err(|payload| if caught.is_empty() { message(payload.as_ref()) } else { caught })
}

/// The message of a panic and where it was raised.
fn describe(info: &PanicHookInfo<'_>) -> String {
    let message = message(info.payload());
    info.location().map_or(message.clone(), |place| format!("{message} at {}:{}", place.file(), place.line()))
}

/// The message of a panic, where it is text.
fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caught_panic_has_its_message_and_its_place() {
        let text = catch(|| panic!("head {} is missing", 3)).unwrap_err();
        assert!(text.starts_with("head 3 is missing at src/run/catch.rs:"), "{text}");
    }

    #[test]
    fn an_inner_catch_leaves_the_outer_one_in_place() {
        let text = catch(|| {
            assert!(catch(|| panic!("inner")).is_err());
            panic!("outer")
        });
        assert!(text.is_err_and(|text: String| text.starts_with("outer")));
    }
}
