//! What is around the content: the document, its style sheet and its script, all in one file.

use super::element::{Element, el};

/// The style sheet.
const STYLE: &str = include_str!("page.css");

/// The script. Without it everything can be read; with it, filtered and copied.
const SCRIPT: &str = include_str!("page.js");

/// Nothing may be loaded from anywhere, and nothing sent.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

/// A sign for the tab, so that no browser asks a server for one: a filled square, gold or red.
fn icon(is_closed: bool) -> &'static str {
    match is_closed {
        true => {
            "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect x='1' y='1' width='14' height='14' rx='3' fill='%23b3261e'/%3E%3Cpath d='M5 5l6 6M11 5l-6 6' stroke='%23fff' stroke-width='2'/%3E%3C/svg%3E"
        }
        false => {
            "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect x='1' y='1' width='14' height='14' rx='3' fill='%23b8860b'/%3E%3Cpath d='M4 8.5l3 3 5-7' fill='none' stroke='%23fff' stroke-width='2'/%3E%3C/svg%3E"
        }
    }
}

/// The document around its body.
pub(super) fn document(title: &str, is_closed: bool, body: impl IntoIterator<Item = Element>) -> Element {
    let meta = |name: &'static str, content: &str| el("meta").attr("name", name).attr("content", content);
    let head = el("head")
        .put(el("meta").attr("charset", "utf-8"))
        .put(el("meta").attr("http-equiv", "Content-Security-Policy").attr("content", POLICY))
        .put(meta("viewport", "width=device-width, initial-scale=1"))
        .put(meta("color-scheme", "light dark"))
        .put(meta("generator", concat!("karat ", env!("CARGO_PKG_VERSION"))))
        .put(el("title").text(title))
        .put(el("link").attr("rel", "icon").attr("href", icon(is_closed)))
        .put(el("style").source(STYLE));
    let skip = el("a").class("skip").attr("href", "#cases").text("Skip to the cases");
    let body = el("body").put(skip).put(hatch()).all(body).put(el("script").source(SCRIPT));
    el("html").attr("lang", "en").put(head).put(body)
}

/// What marks a place where a colour would say too little: made once, used by every drawing.
fn hatch() -> Element {
    let line = el("path").attr("d", "M0 6L6 0M-1 1L1 -1M5 7L7 5");
    let pattern = el("pattern")
        .attr("id", "hatch")
        .attr("width", "6")
        .attr("height", "6")
        .attr("patternUnits", "userSpaceOnUse")
        .put(el("rect").attr("width", "6").attr("height", "6"))
        .put(line);
    el("svg").class("defs").attr("width", "0").attr("height", "0").attr("aria-hidden", "true").put(pattern)
}

/// The end of the page.
pub(super) fn footer() -> Element {
    let said =
        concat!("karat ", env!("CARGO_PKG_VERSION"), ". This file is whole: it loads nothing and sends nothing.");
    el("footer").put(el("p").text(said))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn style_and_script_cannot_end_their_element_nor_load_anything() {
        for source in [STYLE, SCRIPT] {
            assert!(!source.contains("</") && !source.contains("<!--"));
            for loads in ["http:", "https:", "url(//", "@import", "fetch(", "XMLHttpRequest", "import("] {
                assert!(!source.contains(loads), "{loads}");
            }
        }
    }
}
