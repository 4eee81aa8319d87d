//! Whether the sources of a test target use `karat::Harness`, and which other files they take in.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The words, marks and literals of some source files, without their comments.
#[derive(Debug, Default)]
pub(super) struct Code(Vec<String>);

impl Code {
    /// Adds a file, and returns the files that it may take in, relative to its folder or to that of its modules.
    pub(super) fn add(&mut self, text: &str) -> Vec<String> {
        // What is not Rust cannot be built, and is no test target either.
        let tokens = text.parse().map(flatten).unwrap_or_default();
        let modules = tokens.windows(3).filter(|three| three[0] == "mod" && three[2] == ";").map(|three| &three[1]);
        let modules = modules.flat_map(|name| [format!("{name}.rs"), format!("{name}/mod.rs")]);
        let texts = tokens.iter().filter_map(|token| token.split('"').nth(1));
        let files = modules.chain(texts.filter(|text| text.ends_with(".rs")).map(str::to_owned)).collect();
        self.0.extend(tokens);
        files
    }
}

/// Whether the code names karat's harness, where its sources know karat by one of those names.
///
/// Where it takes everything of karat in, or gives karat another name, the word `Harness` is enough.
pub(super) fn uses_harness(Code(tokens): &Code, crates: &[String]) -> bool {
    let is_harness = |token: &String| token == "Harness" || token == "goldens";
    (0..tokens.len()).filter(|at| crates.contains(&tokens[*at])).any(|at| {
        let path = path(&tokens[at + 1..]);
        let is_renamed = path.first().is_some_and(|token| token == "as");
        let is_extern = at > 0 && tokens[at - 1] == "crate";
        let takes_all = is_renamed || is_extern || path.iter().any(|token| token == "*");
        path.iter().any(is_harness) || (takes_all && tokens.iter().any(is_harness))
    })
}

/// The tokens of a path behind its first word: up to the end of a `use`, or the first that is no part of a path.
fn path(tokens: &[String]) -> &[String] {
    let mut depth = 0;
    let end = tokens.iter().position(|token| {
        match &**token {
            "{" => depth += 1,
            "}" => depth -= 1,
            ":" | "*" => {}
            "," if depth > 0 => {}
            word if word.starts_with(|c: char| c.is_alphabetic() || c == '_') && !word.contains('"') => {}
            _ => return true,
        }
        depth < 0
    });
    &tokens[..end.unwrap_or(tokens.len())]
}

/// The tokens of a file in a row, a group between its marks.
fn flatten(stream: TokenStream) -> Vec<String> {
    let mut flat = Vec::new();
    let mut open = vec![(stream.into_iter(), "")];
    while let Some((tokens, close)) = open.last_mut() {
        match tokens.next() {
            Some(TokenTree::Group(group)) => {
                let (begin, end) = if group.delimiter() == Delimiter::Brace { ("{", "}") } else { ("(", ")") };
                flat.push(begin.to_owned());
                open.push((group.stream().into_iter(), end));
            }
            Some(token) => flat.push(token.to_string().trim_start_matches("r#").to_owned()),
            None => {
                flat.push((*close).to_owned());
                open.pop();
            }
        }
    }
    flat
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
    fn any_text_can_be_added() {
        proptest::proptest!(|(text in "[a-z\"'/*#\\\\ \n{}é]*")| {
            Code::default().add(&text);
        });
    }
}
