//! Escapes untrusted text for terminals, CI logs and documents.
//!
//! Names, messages and values come from `case.json`, tensor files, snapshots and records that someone else wrote. In them, a
//! control character could move the cursor, a bidi character could reorder a line, and a line such as `::add-mask::` could
//! be a command to a CI runner. [`escape_line`] and [`escape_name`] turn a text into one line where it is inserted.
//! [`write_guarded`] checks every line of the output, after wrapping. [`escape_lines`] does both for a whole message.

use std::borrow::Cow;
use std::io::{self, Write};

use super::number::count;

/// Whether a character is invisible or changes how others are shown: control and format characters (bidi, zero width,
/// tags), whitespace except the space, line separators, fillers, selectors and noncharacters.
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control()
        || (c.is_whitespace() && c != ' ')
        || matches!(c,
            // Unicode's category Cf, the blank Braille pattern, and the property Default_Ignorable_Code_Point.
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}'
            | '\u{8e2}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2800}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{fdd0}'..='\u{fdef}'
            | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
        || (c as u32) & 0xfffe == 0xfffe
}

/// The maximum length of a name in a table.
const MAX_NAME: usize = 160;

/// The maximum length of a line, which is also the maximum length of a path.
const MAX_LINE: usize = 4096;

/// Escapes hidden characters and line breaks. Shortens the text in the middle if it is longer than any path.
pub(crate) fn escape_line(text: &str) -> String {
    escape_text(&shorten(text, MAX_LINE))
}

/// Escapes a name in a table like [`escape_line`], but with a smaller maximum length.
pub(crate) fn escape_name(text: &str) -> String {
    escape_text(&shorten(text, MAX_NAME))
}

/// Escapes hidden characters and line breaks in a text of any length.
pub(crate) fn escape_text(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => shown.push_str("    "),
            c if is_hidden(c) => shown.extend(c.escape_default()),
            c => shown.push(c),
        }
    }
    shown
}

/// Replaces the middle of a long text by the number of omitted characters.
fn shorten(text: &str, limit: usize) -> String {
    /// The length of the replacement.
    const MARK: usize = 20;
    let columns = text.chars().count();
    if columns <= limit {
        return text.to_owned();
    }
    let half = (limit - MARK) / 2;
    let place = |at: usize| text.char_indices().nth(at).map_or(text.len(), |(byte, _)| byte);
    let (head, tail) = (&text[..place(half)], &text[place(columns - half)..]);
    format!("{head}…{} more…{tail}", count((columns - 2 * half) as u64))
}

/// Escapes a message of several lines, so that each is safe to print anywhere.
pub(crate) fn escape_lines(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| Rule::Text.guard_line(&escape_line(line)).into_owned()).collect();
    lines.join("\n")
}

/// Escapes a name that is the start of a line.
pub(crate) fn escape_item(text: &str) -> String {
    Rule::Text.guard_line(&escape_text(text)).into_owned()
}

/// The kind of output to guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Text without colours.
    Text,
    /// Text with the colours of a palette.
    Colored,
    /// A JSON document, in which escapes do not change the value.
    Json,
    /// karat's own commands to a CI runner, one per line.
    #[cfg_attr(not(feature = "reports"), allow(dead_code, reason = "only the GitHub report uses it"))]
    Commands,
}

/// Guards the output of `write` line by line and writes it to `out`.
pub(crate) fn write_guarded(
    out: &mut dyn Write,
    rule: Rule,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut text = Vec::new();
    write(&mut text)?;
    out.write_all(rule.guard(&String::from_utf8_lossy(&text)).as_bytes())
}

impl Rule {
    /// Guards every line of a text.
    pub(crate) fn guard(self, text: &str) -> String {
        text.split('\n').map(|line| self.guard_line(line)).collect::<Vec<_>>().join("\n")
    }

    /// Escapes hidden characters and commands in a line.
    fn guard_line(self, line: &str) -> Cow<'_, str> {
        let is_plain = line.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        if is_plain && !line.contains("##") && !line.trim_start().starts_with("::") {
            return line.into();
        }
        let mut safe = String::with_capacity(line.len());
        let mut is_start = true;
        let mut rest = line;
        while let Some(c) = rest.chars().next() {
            let colour = if self == Rule::Colored { colour(rest) } else { None };
            let next = colour.unwrap_or(&rest[..c.len_utf8()]);
            let is_command = match c {
                // GitHub's runner trims Unicode whitespace before it looks for `::`.
                ':' => is_start && matches!(self, Rule::Text | Rule::Colored) && rest.starts_with("::"),
                '#' => starts_command(rest),
                _ => false,
            };
            is_start &= c.is_whitespace() || colour.is_some();
            match self {
                _ if colour.is_some() => safe.push_str(next),
                Rule::Json if is_command || is_hidden(c) => {
                    c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| safe.push_str(&format!("\\u{unit:04x}")));
                }
                _ if is_command => safe.extend(c.escape_unicode()),
                _ if c == '\t' => safe.push_str("    "),
                _ if is_hidden(c) => safe.extend(c.escape_default()),
                _ => safe.push(c),
            }
            rest = &rest[next.len()..];
        }
        safe.into()
    }
}

/// Whether a text starts with a command that a runner recognises anywhere in a line: `##[error]`, `##vso[..]`,
/// `##teamcity[..]`.
fn starts_command(rest: &str) -> bool {
    let word = rest.strip_prefix("##").map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric()));
    word.is_some_and(|rest| rest.starts_with('['))
}

/// Returns the colour of a palette at the start of a text.
fn colour(rest: &str) -> Option<&str> {
    const COLOURS: [&str; 7] =
        ["\u{1b}[0m", "\u{1b}[1m", "\u{1b}[2m", "\u{1b}[31m", "\u{1b}[32m", "\u{1b}[33m", "\u{1b}[36m"];
    COLOURS.into_iter().find(|colour| rest.starts_with(colour))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_are_escaped() {
        assert_eq!(escape_line("a\u{1b}[31mb\r\tc\n"), "a\\u{1b}[31mb\\r    c\\n");
        for c in [
            '\u{7f}',
            '\u{9b}',
            '\u{85}',
            '\u{202e}',
            '\u{2066}',
            '\u{200b}',
            '\u{feff}',
            '\u{2028}',
            '\u{e0041}',
            '\u{ffff}',
            '\u{a0}',
            '\u{115f}',
            '\u{1160}',
            '\u{180e}',
            '\u{2000}',
            '\u{2009}',
            '\u{202f}',
            '\u{205f}',
            '\u{2800}',
            '\u{3000}',
            '\u{ffa0}',
            '\u{e0000}',
            '\u{e007f}',
        ] {
            assert_eq!(escape_line(&c.to_string()), format!("\\u{{{:x}}}", c as u32));
        }
        for plain in ["größe/λ 重み", "a b", "é", "🙂", "-> × ‖x‖"] {
            assert_eq!(escape_line(plain), plain);
        }
    }

    #[test]
    fn long_text_is_shortened_in_the_middle() {
        assert_eq!(escape_name(&"n".repeat(160)), "n".repeat(160));
        let long = escape_name(&format!("a{}z", "n".repeat(69_998)));
        assert_eq!(long, format!("a{}…69,860 more…{}z", "n".repeat(69), "n".repeat(69)));
        assert_eq!(escape_line(&"p".repeat(4096)).len(), 4096);
        assert!(escape_line(&"ü".repeat(5_000_000)).chars().count() <= 4096);
    }

    #[test]
    fn no_line_contains_a_command_to_a_runner() {
        let guarded = |rule, text: &str| {
            let mut out = Vec::new();
            // Write in pieces, as formatting does.
            let pieces = |out: &mut dyn Write| text.as_bytes().chunks(3).try_for_each(|piece| out.write_all(piece));
            write_guarded(&mut out, rule, pieces).expect("writing to a vector cannot fail");
            String::from_utf8(out).expect("text")
        };
        for (text, safe) in [
            ("plain: a::b #1\nnext", "plain: a::b #1\nnext"),
            ("::error::x\n  \u{a0}::add-mask::y\n", "\\u{3a}:error::x\n  \\u{a0}\\u{3a}:add-mask::y\n"),
            ("a ##[error]b ###[c", "a \\u{23}#[error]b #\\u{23}#[c"),
            ("##vso[x] ##teamcity[y] ## [z]", "\\u{23}#vso[x] \\u{23}#teamcity[y] ## [z]"),
            ("\u{1b}[1ma\r\u{2028}::b", "\\u{1b}[1ma\\r\\u{2028}::b"),
        ] {
            assert_eq!(guarded(Rule::Text, text), safe);
        }
        assert_eq!(guarded(Rule::Colored, "\u{1b}[1m::a\u{1b}[0m\u{1b}[8m"), "\u{1b}[1m\\u{3a}:a\u{1b}[0m\\u{1b}[8m");
        assert_eq!(guarded(Rule::Commands, "::error::a##[b\u{7f}"), "::error::a\\u{23}#[b\\u{7f}");
        let json = guarded(Rule::Json, "{\n  \"a\": \"##[x \u{202e}\u{e0041}\u{7f} ü\"\n}\n");
        assert_eq!(json, "{\n  \"a\": \"\\u0023#[x \\u202e\\udb40\\udc41\\u007f ü\"\n}\n");
        assert_eq!(escape_lines("a\u{1b}\n ::b\n"), "a\\u{1b}\n \\u{3a}:b");
    }
}
