//! Where a link leads: the place of a case or an output on the page.

use crate::case::CaseId;

/// The place of a case: `case-gpt2-tiny/h.0/ln_1`.
pub(super) fn case(id: &CaseId) -> String {
    format!("case-{}", encoded(id.as_str()))
}

/// The place of an output of a case: `case-gpt2-tiny/h.0/ln_1:y`.
pub(super) fn output(id: &CaseId, name: &str) -> String {
    format!("{}:{}", case(id), encoded(name))
}

/// The text as a browser writes it behind `#`, so that both sides of a link are the same.
fn encoded(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => plain.push(byte as char),
            _ => plain.push_str(&format!("%{byte:02X}")),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_no_blank_and_no_mark_of_its_own() {
        let id = CaseId::new("größe/old case:<y>").expect("a path");
        assert_eq!(output(&id, "k v"), "case-gr%C3%B6%C3%9Fe/old%20case%3A%3Cy%3E:k%20v");
    }
}
