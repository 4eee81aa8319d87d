//! Elements that close themselves, and text that stays text whatever is in it.

use std::fmt;

use crate::text::hidden::is_hidden;

/// An element, its attributes and what is in it.
#[derive(Clone, Debug)]
#[must_use]
pub(super) struct Element {
    tag: &'static str,
    attributes: String,
    inner: String,
}

/// An element of that name with nothing in it.
pub(super) fn el(tag: &'static str) -> Element {
    Element { tag, attributes: String::new(), inner: String::new() }
}

impl Element {
    /// An attribute.
    pub(super) fn attr(mut self, name: &'static str, value: impl AsRef<str>) -> Element {
        self.attributes.push(' ');
        self.attributes.push_str(name);
        self.attributes.push_str("=\"");
        escape(&mut self.attributes, value.as_ref());
        self.attributes.push('"');
        self
    }

    /// An attribute without a value.
    pub(super) fn flag(mut self, name: &'static str) -> Element {
        self.attributes.push(' ');
        self.attributes.push_str(name);
        self
    }

    /// The same attribute, where it holds.
    pub(super) fn flag_if(self, holds: bool, name: &'static str) -> Element {
        if holds { self.flag(name) } else { self }
    }

    /// What the style sheet knows it by.
    pub(super) fn class(self, class: &str) -> Element {
        self.attr("class", class)
    }

    /// Appends text.
    pub(super) fn text(mut self, text: impl AsRef<str>) -> Element {
        escape(&mut self.inner, text.as_ref());
        self
    }

    /// Appends an element, or none.
    pub(super) fn put(mut self, child: impl Into<Option<Element>>) -> Element {
        if let Some(child) = child.into() {
            child.write(&mut self.inner).expect("a string takes everything");
        }
        self
    }

    /// Appends elements.
    pub(super) fn all(self, children: impl IntoIterator<Item = Element>) -> Element {
        children.into_iter().fold(self, Element::put)
    }

    /// Takes a style sheet or a script of ours as it is.
    pub(super) fn source(mut self, source: &'static str) -> Element {
        self.inner.push_str(source);
        self
    }

    fn write(&self, out: &mut impl fmt::Write) -> fmt::Result {
        let Element { tag, attributes, inner } = self;
        match *tag {
            "input" | "link" | "meta" => write!(out, "<{tag}{attributes}>"),
            _ => write!(out, "<{tag}{attributes}>{inner}</{tag}>"),
        }
    }
}

impl fmt::Display for Element {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(out)
    }
}

/// Appends text so that no character of it is markup, within an element or a quoted attribute, nor a mark that a CI runner
/// looks for. What is hidden is written out, as on a terminal.
fn escape(to: &mut String, text: &str) {
    for (at, c) in text.char_indices() {
        match c {
            '&' => to.push_str("&amp;"),
            '<' => to.push_str("&lt;"),
            '>' => to.push_str("&gt;"),
            '"' => to.push_str("&quot;"),
            '\'' => to.push_str("&#39;"),
            '#' if text[at..].starts_with("##") => to.push_str("&#35;"),
            '\t' => to.push_str("    "),
            c if is_hidden(c) => to.extend(c.escape_default()),
            c => to.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_never_markup() {
        let hostile = "</script><script>alert('1')</script> & \"\u{1b}[31m\"";
        let written = el("p").attr("title", hostile).text(hostile).to_string();
        let escaped = "&lt;/script&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &amp; &quot;\\u{1b}[31m&quot;";
        assert_eq!(written, format!("<p title=\"{escaped}\">{escaped}</p>"));
    }

    #[test]
    fn elements_close_and_void_ones_do_not() {
        let list = el("ul").all(["a", "b"].map(|text| el("li").text(text))).put(None);
        assert_eq!(list.to_string(), "<ul><li>a</li><li>b</li></ul>");
        assert_eq!(el("input").flag_if(true, "hidden").flag_if(false, "disabled").to_string(), "<input hidden>");
    }
}
