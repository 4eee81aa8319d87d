//! As much of Rust's syntax as it takes to see whether a test target uses `karat::Harness`.

use std::iter::Peekable;
use std::str::CharIndices;

/// The tokens of some source files.
#[derive(Debug, Default)]
pub(super) struct Code(Vec<Token>);

/// What matters in a source file; comments do not.
#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Mark(char),
}

impl Code {
    /// Adds a file, and returns the files that it may take in, relative to its folder or to that of its modules.
    pub(super) fn add(&mut self, text: &str) -> Vec<String> {
        let tokens = tokens(text);
        let modules = tokens.windows(3).filter_map(|three| match three {
            [Token::Word(word), Token::Word(name), Token::Mark(';')] if word == "mod" => Some(name),
            _ => None,
        });
        let modules = modules.flat_map(|name| [format!("{name}.rs"), format!("{name}/mod.rs")]);
        let named = tokens.iter().filter_map(|token| match token {
            Token::Text(file) if file.ends_with(".rs") => Some(file.clone()),
            _ => None,
        });
        let files = modules.chain(named).collect();
        self.0.extend(tokens);
        files
    }

    fn has(&self, wanted: &str) -> bool {
        self.0.iter().any(|token| is(token, wanted))
    }
}

/// Whether the code names karat's harness, where its sources know karat by one of those names.
///
/// Where it takes everything of karat in, or gives karat another name, the word `Harness` is enough.
pub(super) fn uses_harness(code: &Code, crates: &[String]) -> bool {
    let tokens = &code.0;
    let is_crate = |token: &Token| matches!(token, Token::Word(word) if crates.contains(word));
    (0..tokens.len()).filter(|at| is_crate(&tokens[*at])).any(|at| {
        let path = path(&tokens[at + 1..]);
        let is_renamed = path.first().is_some_and(|token| is(token, "as"));
        let is_extern = at > 0 && is(&tokens[at - 1], "crate");
        let takes_all = is_renamed || is_extern || path.contains(&Token::Mark('*'));
        path.iter().any(is_harness) || (takes_all && (code.has("Harness") || code.has("goldens")))
    })
}

/// The tokens of a path behind its first word: up to the end of a `use`, or the first that is no part of a path.
fn path(tokens: &[Token]) -> &[Token] {
    let mut depth = 0;
    let end = tokens.iter().position(|token| {
        match token {
            Token::Mark('{') => depth += 1,
            Token::Mark('}') => depth -= 1,
            Token::Word(_) | Token::Mark(':' | '*') => {}
            Token::Mark(',') if depth > 0 => {}
            _ => return true,
        }
        depth < 0
    });
    &tokens[..end.unwrap_or(tokens.len())]
}

fn is_harness(token: &Token) -> bool {
    is(token, "Harness") || is(token, "goldens")
}

fn is(token: &Token, wanted: &str) -> bool {
    matches!(token, Token::Word(word) if word == wanted)
}

/// The tokens of a source file.
fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text.char_indices().peekable();
    while let Some((at, c)) = rest.next() {
        match c {
            '/' if text[at..].starts_with("//") => drop(rest.by_ref().find(|(_, c)| *c == '\n')),
            '/' if text[at..].starts_with("/*") => skip_comment(text, at, &mut rest),
            '"' => tokens.push(Token::Text(quoted(&mut rest))),
            '\'' => skip_character(text, at, &mut rest),
            c if c.is_alphabetic() || c == '_' => {
                let end =
                    text[at..].find(|c: char| !c.is_alphanumeric() && c != '_').map_or(text.len(), |end| at + end);
                skip_to(end, &mut rest);
                match raw(&text[at..end], &text[end..]) {
                    Raw::String(length, content) => {
                        skip_to(end + length, &mut rest);
                        tokens.push(Token::Text(content));
                    }
                    Raw::Word => {}
                    Raw::None => tokens.push(Token::Word(text[at..end].to_owned())),
                }
            }
            c if c.is_whitespace() => {}
            c => tokens.push(Token::Mark(c)),
        }
    }
    tokens
}

type Rest<'a> = Peekable<CharIndices<'a>>;

fn skip_to(end: usize, rest: &mut Rest<'_>) {
    while rest.next_if(|(at, _)| *at < end).is_some() {}
}

/// Skips a comment, which may hold others.
fn skip_comment(text: &str, start: usize, rest: &mut Rest<'_>) {
    let mut depth = 0;
    let mut at = start;
    while let Some(next) = text[at..].find(['/', '*']) {
        at += next;
        match &text.as_bytes()[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return skip_to(at, rest);
        }
    }
    skip_to(text.len(), rest);
}

/// The content of a string whose first quote was read.
fn quoted(rest: &mut Rest<'_>) -> String {
    let mut content = String::new();
    while let Some((_, c)) = rest.next() {
        match c {
            '"' => break,
            '\\' => drop(rest.next()),
            c => content.push(c),
        }
    }
    content
}

/// Skips a character in quotes; of a lifetime only the quote.
fn skip_character(text: &str, start: usize, rest: &mut Rest<'_>) {
    let mut inside = text[start + 1..].char_indices();
    let end = match (inside.next(), inside.next()) {
        (Some((_, '\\')), Some(_)) => inside.find(|(_, c)| *c == '\'').map(|(at, _)| at),
        (Some((_, c)), Some((at, '\''))) if c != '\'' => Some(at),
        _ => None,
    };
    if let Some(end) = end {
        skip_to(start + 1 + end + 1, rest);
    }
}

/// What begins with a prefix of raw text.
enum Raw {
    /// A raw string: how long it is behind its prefix, and its content.
    String(usize, String),
    /// `r#` before a word, or the prefix of a string that is not raw.
    Word,
    None,
}

fn raw(prefix: &str, behind: &str) -> Raw {
    let hashes = behind.len() - behind.trim_start_matches('#').len();
    let quotes = behind[hashes..].starts_with('"');
    match prefix {
        "r" | "br" | "cr" if quotes => {
            let content = &behind[hashes + 1..];
            let close = format!("\"{}", &behind[..hashes]);
            let length = content.find(&close).unwrap_or(content.len());
            let whole = (hashes + 1 + length + close.len()).min(behind.len());
            Raw::String(whole, content[..length].to_owned())
        }
        "r" if hashes == 1 => Raw::Word,
        "b" | "c" if hashes == 0 && quotes => Raw::Word,
        _ => Raw::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uses(text: &str) -> bool {
        let mut code = Code::default();
        code.add(text);
        uses_harness(&code, &["karat".to_owned()])
    }

    #[test]
    fn every_way_to_name_the_harness_is_seen() {
        for text in [
            "fn main() { karat::Harness::new(\"goldens\") }",
            "fn main() { ::karat::harness::Harness::new(\"goldens\") }",
            "use karat::{outputs, Harness};",
            "use karat::{harness::{Harness as H}, Skip};",
            "use karat::Harness as Walk;",
            "karat::goldens! { x }",
            "use karat::goldens; goldens! { x }",
            "use karat::*; fn main() { Harness::new(\"goldens\") }",
            "use karat as k; fn main() { k::Harness::new(\"goldens\") }",
            "#[macro_use] extern crate karat; goldens! { x }",
            "const C: char = '\"'; use karat :: /* here */ Harness;",
            "fn f<'a>(x: &'a str) -> &'a str { x } use karat::Harness;",
            "const S: &str = r#\"\"\"#; use r#karat::Harness;",
        ] {
            assert!(uses(text), "{text}");
        }
    }

    #[test]
    fn what_is_no_code_and_what_is_not_karats_is_not_seen() {
        for text in [
            "// karat::Harness::new(\"goldens\")\nkarat::assert_close!(1, 1);",
            "/* a /* b */ karat::Harness */ use karat::assert_close;",
            "//! use karat::Harness;",
            "const S: &str = \"karat::Harness \\\" karat::Harness\";",
            "const S: &str = r##\"karat::Harness \"# karat::Harness\"##;",
            "const S: &[u8] = b\"karat::Harness\";",
            "use karat::assert_close; use criterion::Harness;",
            "use karat::{assert_close, Tensor}; struct Harness;",
            "fn f() { karat::assert_close!(a, b); let goldens = 1; }",
            "use other::Harness;",
            "",
            "'",
            "/*",
            "\"",
            "r#\"",
        ] {
            assert!(!uses(text), "{text}");
        }
    }

    #[test]
    fn any_text_has_tokens() {
        proptest::proptest!(|(text in "[a-z\"'/*#\\\\ \n{}é]*")| {
            tokens(&text);
        });
    }
}
