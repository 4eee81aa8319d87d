//! What may be wider than the page: it moves by itself, by the keyboard too, and the page does not.

use super::element::{Element, el};

/// The same under a name.
pub(super) fn wide(label: &str, inner: Element) -> Element {
    el("div").class("wide").attr("role", "group").attr("tabindex", "0").attr("aria-label", label).put(inner)
}
