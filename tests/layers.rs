//! The order of rooms in `src/`: each uses only what lies below it, and no files use each other in a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use walkdir::WalkDir;

/// The rooms, each able to use those in the lines above it.
const ORDER: &[&[&str]] = &[
    &["error"],
    &["fs", "text"],
    &["tensor"],
    &["compare"],
    &["explain"],
    &["case"],
    &["snapshot"],
    &["run"],
    &["doctor"],
    &["report"],
    &["cli"],
    &["harness"],
];

/// What ships as an executor, and what it may use: it is to the tool what a user's own code is.
const EXECUTORS: (&str, &[&str]) = ("executors", &["error.rs", "tensor/", "run/checkpoint"]);

static SOURCES: LazyLock<Sources> = LazyLock::new(Sources::read);

/// The crates that only one place may name, and that place.
const OWNERS: &[(&str, &str)] = &[
    ("insta", "snapshot/"),
    ("clap", "cli/"),
    ("clap_complete", "cli/"),
    ("toml", "cli/"),
    ("glob", "cli/"),
    ("indicatif", "cli/"),
    ("libtest_mimic", "harness/"),
    ("askama", "report/"),
    ("quick_junit", "report/"),
    ("ndarray_npy", "tensor/"),
    ("rawzip", "tensor/"),
    ("bytemuck", "tensor/"),
    ("safetensors", "tensor/"),
    ("flate2", "tensor/"),
    ("sha2", "case/ tensor/"),
    ("unicode_normalization", "text/"),
    ("xxhash_rust", "run/"),
    ("walkdir", "fs.rs case/ doctor/ cli/ snapshot/"),
    ("libm", "executors/ explain/ tensor/"),
    ("rustix", "fs.rs tensor/ run/ snapshot/"),
    ("signal_hook", "cli/"),
    ("libc", "cli/ run/"),
    ("candle_core", "executors/candle.rs"),
    ("candle_nn", "executors/candle.rs"),
];

/// A source file below `src/`, without comments and tests.
struct Source {
    /// Its module, as `["run", "session"]`.
    module: Vec<String>,
    words: Vec<Word>,
}

/// A word or a mark, and how many inline modules of the file it is in.
struct Word {
    text: String,
    depth: usize,
}

/// A path that a file names, from the module whose file it is.
#[derive(Clone)]
struct Named {
    path: Vec<String>,
    /// The name under which a `use` brings it in; none where the code names it in place.
    name: Option<String>,
    is_public: bool,
    depth: usize,
}

/// All sources, by their path below `src/`.
struct Sources {
    files: BTreeMap<String, Source>,
    modules: BTreeMap<Vec<String>, String>,
    named: BTreeMap<String, Vec<Named>>,
}

impl Sources {
    fn read() -> Sources {
        let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let entries = WalkDir::new(&src).into_iter().map(|entry| entry.expect("src can be walked"));
        let files: BTreeMap<String, Source> = entries
            .filter(|entry| entry.path().extension().is_some_and(|end| end == "rs"))
            .map(|entry| {
                let path = entry.path().strip_prefix(&src).expect("below src").to_string_lossy().replace('\\', "/");
                let text = fs::read_to_string(entry.path()).expect("sources are text");
                let tokens: TokenStream = text.parse().expect("sources are Rust");
                let mut words = Vec::new();
                flatten(tokens, 0, &mut words);
                (path.clone(), Source { module: module(&path), words })
            })
            .filter(|(path, _)| !path.ends_with("tests.rs") && !path.contains("/tests/"))
            .collect();
        let modules = files.iter().map(|(path, source)| (source.module.clone(), path.clone())).collect();
        let named = files.iter().map(|(path, source)| (path.clone(), source.named(&modules))).collect();
        Sources { files, modules, named }
    }

    /// The files that each file uses. What `lib.rs` and `main.rs` use, and what others re-export, is no use.
    fn graph(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let own = self.files.iter().filter(|(path, _)| !matches!(path.as_str(), "lib.rs" | "main.rs"));
        own.map(|(path, source)| {
            let named = self.named[path].iter().filter(|named| !(named.is_public && path.ends_with("mod.rs")));
            let used = named.filter_map(|named| self.resolve(&source.module, named, 0));
            (&**path, used.filter(|other| *other != path && *other != "lib.rs").collect())
        })
        .collect()
    }

    /// The file that defines what a path names, where it is one of ours.
    fn resolve(&self, module: &[String], Named { path, depth, .. }: &Named, passed: usize) -> Option<&str> {
        let mut here = module.to_vec();
        let mut inside = *depth;
        let mut rest = &path[..];
        match rest.first()?.as_str() {
            "crate" => (here, rest) = (Vec::new(), &rest[1..]),
            "self" => rest = &rest[1..],
            "super" => {
                while rest.first().is_some_and(|part| part == "super") {
                    if inside > 0 {
                        inside -= 1;
                    } else {
                        here.pop();
                    }
                    rest = &rest[1..];
                }
            }
            first if self.modules.contains_key(&[module, &[first.to_owned()]].concat()) => {}
            _ => return None,
        }
        while let [first, behind @ ..] = rest
            && let below = [&here[..], std::slice::from_ref(first)].concat()
            && self.modules.contains_key(&below)
        {
            (here, rest) = (below, behind);
        }
        let file = self.modules.get(&here)?;
        let Some(item) = rest.first().filter(|_| passed < 8) else { return Some(file) };
        let brought = |named: &&Named| named.name.as_ref() == Some(item) && named.depth == 0;
        if let Some(named) = self.named[file].iter().find(brought) {
            return self.resolve(&here, named, passed + 1);
        }
        let globs = self.named[file].iter().filter(|named| named.name.as_deref() == Some("*") && named.is_public);
        let mut from_glob = globs.filter_map(|named| {
            let whole = Named { path: named.path[..named.path.len() - 1].to_vec(), ..named.clone() };
            self.resolve(&here, &whole, passed + 1).filter(|file| self.files[*file].defines(item))
        });
        from_glob.next_back().or(Some(file))
    }
}

impl Source {
    fn defines(&self, item: &str) -> bool {
        let kinds = ["fn", "struct", "enum", "trait", "type", "const", "static", "union"];
        self.words.windows(2).any(|two| kinds.contains(&&*two[0].text) && two[1].text == item)
    }

    /// The paths that are brought in by `use`, and those that begin with `crate`, `super`, `self` or a module of this file.
    fn named(&self, modules: &BTreeMap<Vec<String>, String>) -> Vec<Named> {
        let text = |at: usize| self.words.get(at).map_or("", |word| &*word.text);
        let is_behind_path = |at: usize| at > 0 && matches!(text(at - 1), ":" | "$");
        let mut named = Vec::new();
        let mut at = 0;
        while at < self.words.len() {
            let Word { text: word, depth } = &self.words[at];
            let is_own = || modules.contains_key(&[&self.module[..], std::slice::from_ref(word)].concat());
            let is_path = text(at + 1) == ":" && text(at + 2) == ":" && !is_behind_path(at);
            if word == "use" {
                let is_public = at > 0 && matches!(text(at - 1), "pub" | ")");
                let mut brought = Vec::new();
                at = tree(&self.words, at + 1, &[], &mut brought);
                let depth = *depth;
                named.extend(brought.into_iter().map(|(path, name)| Named { path, name, is_public, depth }));
            } else if is_path && (matches!(&**word, "crate" | "super" | "self") || is_own()) {
                let mut path = vec![word.clone()];
                while text(at + 1) == ":" && text(at + 2) == ":" && text(at + 3).starts_with(char::is_alphabetic) {
                    path.push(text(at + 3).to_owned());
                    at += 3;
                }
                named.push(Named { path, name: None, is_public: false, depth: *depth });
            }
            at += 1;
        }
        named
    }
}

/// The module of a file: that of a `mod.rs` is its folder.
fn module(path: &str) -> Vec<String> {
    let path = path.trim_end_matches(".rs");
    let path = path.strip_suffix("/mod").unwrap_or(path);
    if path == "lib" { Vec::new() } else { path.split('/').map(str::to_owned).collect() }
}

/// The words of a source without what is for tests alone.
fn flatten(tokens: TokenStream, depth: usize, words: &mut Vec<Word>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        let is_mark = |mark: char| matches!(&tokens[at], TokenTree::Punct(punct) if punct.as_char() == mark);
        let attribute = tokens.get(at + 1).map(|next| next.to_string().replace(' ', "")).filter(|_| is_mark('#'));
        let is_test = |text: &String| text.starts_with("[cfg(test") || text.starts_with("[cfg(all(test");
        if attribute.as_ref().is_some_and(is_test) {
            let is_end = |token: &TokenTree| match token {
                TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
                other => other.to_string() == ";",
            };
            at += tokens[at..].iter().position(is_end).map_or(tokens.len(), |end| end + 1);
            continue;
        }
        let mut push = |text: String| words.push(Word { text, depth });
        match &tokens[at] {
            TokenTree::Group(group) => {
                let [open, close] = match group.delimiter() {
                    Delimiter::Brace => ["{", "}"],
                    Delimiter::Bracket => ["[", "]"],
                    Delimiter::Parenthesis => ["(", ")"],
                    Delimiter::None => ["", ""],
                };
                let is_module = at > 1 && matches!(&tokens[at - 2], TokenTree::Ident(word) if word == "mod");
                push(open.to_owned());
                flatten(group.stream(), depth + usize::from(is_module), words);
                words.push(Word { text: close.to_owned(), depth });
            }
            TokenTree::Literal(_) => push("literal".to_owned()),
            other => push(other.to_string()),
        }
        at += 1;
    }
}

/// The paths of one tree of a `use`, and the names that they get here. Returns the place of what ends it.
fn tree(words: &[Word], mut at: usize, above: &[String], found: &mut Vec<(Vec<String>, Option<String>)>) -> usize {
    let mut path = above.to_vec();
    let mut name = None;
    loop {
        match &*words[at].text {
            ":" => {}
            "{" => {
                loop {
                    at = tree(words, at + 1, &path, found);
                    if words[at].text != "," {
                        break;
                    }
                }
                return at + 1;
            }
            "as" => {
                name = Some(words[at + 1].text.clone());
                at += 1;
            }
            "," | "}" | ";" => break,
            "self" if !path.is_empty() => {}
            word => path.push(word.to_owned()),
        }
        at += 1;
    }
    if path.len() > above.len() || above.is_empty() || words[at - 1].text == "self" {
        let name = name.or_else(|| path.last().cloned());
        found.push((path, name));
    }
    at
}

/// The room of a file.
fn room(path: &str) -> &str {
    path.split(['/', '.']).next().expect("a path has a first part")
}

#[test]
fn every_room_uses_only_the_rooms_below_it() {
    let rank = |room: &str| ORDER.iter().position(|rooms| rooms.contains(&room));
    let mut wrong = Vec::new();
    for (file, used) in SOURCES.graph() {
        for other in used.into_iter().filter(|other| room(other) != room(file)) {
            let is_below = match room(file) {
                executors if executors == EXECUTORS.0 => EXECUTORS.1.iter().any(|place| other.starts_with(place)),
                own => rank(room(other)).is_some_and(|other| Some(other) < rank(own)),
            };
            if !is_below {
                wrong.push(format!("{file} uses {other}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_room_is_in_the_order() {
    for path in SOURCES.files.keys().filter(|path| !matches!(path.as_str(), "lib.rs" | "main.rs")) {
        let is_known = ORDER.iter().any(|rooms| rooms.contains(&room(path))) || room(path) == EXECUTORS.0;
        assert!(is_known, "{path} is in no known room");
    }
}

#[test]
fn no_files_use_each_other() {
    let graph = SOURCES.graph();
    let reached: BTreeMap<&str, BTreeSet<&str>> = graph.keys().map(|file| (*file, reach(&graph, file))).collect();
    let mut circles: BTreeSet<Vec<&str>> = BTreeSet::new();
    for (file, below) in &reached {
        if below.contains(file) {
            circles.insert(below.iter().copied().filter(|other| reached[other].contains(file)).collect());
        }
    }
    assert!(circles.is_empty(), "use each other, and are one file or lack one below them: {circles:#?}");
}

/// The files that can be reached from one.
fn reach<'a>(graph: &BTreeMap<&'a str, BTreeSet<&'a str>>, from: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut waiting: Vec<&str> = graph[from].iter().copied().collect();
    while let Some(file) = waiting.pop() {
        if reached.insert(file) {
            waiting.extend(graph.get(file).into_iter().flatten().copied());
        }
    }
    reached
}

#[test]
fn every_dependency_has_one_owner() {
    for (path, source) in &SOURCES.files {
        for (name, owners) in OWNERS {
            let is_path = |three: &[Word]| three[0].text == *name && three[1].text == ":" && three[2].text == ":";
            let is_use = |three: &[Word]| three[0].text == "use" && three[1].text == *name;
            let is_named = source.words.windows(3).any(|three| is_path(three) || is_use(three));
            let is_owner = owners.split(' ').any(|owner| path.starts_with(owner));
            assert!(!is_named || is_owner, "{path} names {name}, which belongs to {owners}");
        }
    }
}

#[test]
fn only_the_command_line_and_the_harness_print() {
    for (path, source) in SOURCES.files.iter().filter(|(path, _)| !matches!(room(path), "cli" | "harness")) {
        let macros = ["println", "eprintln", "print", "eprint", "dbg"];
        let prints = source.words.windows(2).any(|two| macros.contains(&&*two[0].text) && two[1].text == "!");
        assert!(!prints, "{path} prints");
    }
}
