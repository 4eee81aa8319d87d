//! How karat names its own commands and the user's files where a message is read.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use crate::compare::Tolerance;
use crate::text::is_hidden;
use crate::text::number::exact;

/// What a message needs to know of the place where it is read, so that the commands in it work there.
#[derive(Clone, Debug)]
pub struct Commands {
    /// What the reader types before a verb: `karat`, or `cargo test --test goldens --`.
    pub command: String,
    /// How the reader accepts pending snapshots.
    pub review: Review,
    /// The goldens root as the reader typed it, where it is not the one that `run` takes by itself.
    pub root: Option<String>,
    /// The snapshots folder as the reader typed it, where it is not the one beside the root.
    pub snapshots: Option<String>,
    /// The executor that ran, where it is not the default one.
    pub executor: Option<String>,
    /// What else `run` takes to run the same again: `--accuracy-only`, `--chained`.
    pub options: Option<String>,
    /// Whether what drifted was left for review: `explain` leaves nothing.
    pub leaves_pending: bool,
    /// The folder the reader is in: paths below it are shown relative to it.
    pub base: PathBuf,
}

/// How pending snapshots are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Review {
    /// `cargo insta review`, which needs a Cargo project.
    Insta,
    /// karat's own verb `accept`.
    Accept,
}

impl Commands {
    /// Commands with the defaults of `run`, reviewed by karat's own verb, for a reader in that folder.
    pub(crate) fn new(command: &str, base: PathBuf) -> Commands {
        Commands {
            command: command.to_owned(),
            review: Review::Accept,
            root: None,
            snapshots: None,
            executor: None,
            options: None,
            leaves_pending: true,
            base,
        }
    }

    /// A path as the reader sees it: relative where it is below the folder they are in, with `/`.
    pub(super) fn path(&self, path: &Path) -> String {
        let shown = path.strip_prefix(&self.base).unwrap_or(path);
        let shown = if shown.as_os_str().is_empty() { Path::new(".") } else { shown };
        slashes(shown)
    }

    /// The text with the paths in it as the reader sees them.
    pub(crate) fn relative(&self, text: &str) -> String {
        let base = format!("{}/", slashes(&self.base).trim_end_matches('/'));
        let mut shown = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find(&base) {
            let (before, path) = rest.split_at(at);
            // Within a longer path it is another folder.
            let begins = before.chars().last().is_none_or(|c| c.is_whitespace() || "`'\"(".contains(c));
            shown.push_str(before);
            shown.push_str(if begins && base.len() > 1 { "" } else { &base });
            rest = &path[base.len()..];
        }
        shown + rest
    }

    /// The command that runs what `filter` selects, or everything.
    pub(crate) fn run(&self, filter: Option<&str>) -> String {
        let options = self.options.as_deref().map(|options| format!(" {options}")).unwrap_or_default();
        self.of_many("run", &(self.other() + &options), filter)
    }

    /// The command that lists what `filter` selects, or everything.
    pub(crate) fn list(&self, filter: Option<&str>) -> String {
        self.of_many("list", "", filter)
    }

    /// A verb that takes the root and a filter.
    fn of_many(&self, verb: &str, options: &str, filter: Option<&str>) -> String {
        let root = self.root.as_deref().map(|root| format!(" {}", path_argument(root))).unwrap_or_default();
        let filter = filter.map(|filter| option("-k", filter)).unwrap_or_default();
        format!("{} {verb}{root}{}{options}{filter}", self.command, self.snapshots())
    }

    /// The option that names the root.
    fn root(&self) -> String {
        folder("--root", self.root.as_deref())
    }

    /// The option that names the snapshots folder.
    fn snapshots(&self) -> String {
        folder("--snapshots", self.snapshots.as_deref())
    }

    /// The command that runs one case and says what its mismatch looks like.
    pub(crate) fn explain(&self, id: &str) -> String {
        format!("{} explain{}", self.command, id_argument(id, &(self.root() + &self.other())))
    }

    /// The option that names the executor, where it is not the default one.
    fn other(&self) -> String {
        self.executor.as_deref().map(|name| option("--executor", name)).unwrap_or_default()
    }

    /// The command that adds a case, with names to replace.
    pub(crate) fn add(&self) -> String {
        format!("{} add CASE{} --checkpoint NAME --input x=x.npy --output y=y.npy", self.command, self.root())
    }

    /// The command that follows every chain.
    pub(super) fn chained(&self) -> String {
        let command = self.run(None);
        if command.contains(" --chained") { command } else { command + " --chained" }
    }

    /// The command that reviews pending snapshots: of one case where the tool can select it.
    pub(super) fn review(&self, id: Option<&str>) -> String {
        match self.review {
            Review::Insta => "cargo insta review".into(),
            Review::Accept => self.accept(id),
        }
    }

    /// The command that accepts the pending snapshots of one case, or all.
    pub(crate) fn accept(&self, id: Option<&str>) -> String {
        let options = self.root() + &self.snapshots();
        // Alone the verb would be taken for a filter in a test target, which cargo hands to each.
        match id {
            None => format!("{} accept{options} --all", self.command),
            Some(id) if is_like_option(id) => format!("{} accept{}", self.command, id_argument(id, &options)),
            Some(id) => format!("{} accept{options} {}", self.command, quote(id)),
        }
    }

    /// The command that shows a tensor file.
    pub(super) fn show(&self, file: &str) -> String {
        format!("{} show {}", self.command, path_argument(file))
    }

    /// The command that shows a case.
    pub(crate) fn show_case(&self, id: &str) -> String {
        format!("{} show{}", self.command, id_argument(id, &self.root()))
    }

    /// The command that compares two tensor files, by the case's tolerance where one is given.
    pub(super) fn diff(&self, actual: &str, reference: &str, tolerance: Option<&Tolerance>) -> String {
        let (actual, reference) = (path_argument(actual), path_argument(reference));
        let tolerance = tolerance
            .map(|tolerance| format!(" --atol {} --rtol {}", exact(tolerance.atol), exact(tolerance.rtol)))
            .unwrap_or_default();
        format!("{} diff {actual} {reference}{tolerance}", self.command)
    }
}

/// An option with a path, behind a space, or nothing.
fn folder(name: &str, path: Option<&str>) -> String {
    path.map(|path| format!(" {name} {}", path_argument(path))).unwrap_or_default()
}

/// An option with its value, behind a space.
fn option(name: &str, value: &str) -> String {
    match is_like_option(value) {
        true => format!(" {}", quote(&format!("{name}={value}"))),
        false => format!(" {name} {}", quote(value)),
    }
}

/// An id and the options of its verb, behind a space: the id first, unless it would be taken for an option itself.
fn id_argument(id: &str, options: &str) -> String {
    match is_like_option(id) {
        true => format!("{options} -- {}", quote(id)),
        false => format!(" {}{options}", quote(id)),
    }
}

/// Whether a command line takes that word for an option.
fn is_like_option(word: &str) -> bool {
    word.starts_with('-')
}

/// The command that deletes a file.
pub(super) fn remove(path: &str) -> String {
    format!("rm {}", path_argument(path))
}

/// A path with `/` between its parts on every system.
pub(super) fn slashes(path: &Path) -> String {
    let text = path.to_string_lossy();
    if std::path::MAIN_SEPARATOR == '/' { text.into_owned() } else { text.replace(std::path::MAIN_SEPARATOR, "/") }
}

/// A path as one word of a command that is not taken for an option.
pub(super) fn path_argument(path: &str) -> Cow<'_, str> {
    if is_like_option(path) { quote(&format!("./{path}")).into_owned().into() } else { quote(path) }
}

/// The text as one word of a POSIX shell; a leading `=` is special to zsh. One in which something is hidden is written as bash,
/// zsh and POSIX of 2024 read it: what is copied is then what is seen. No two `#` are neighbours, which could begin a command
/// to a CI runner and would be written out on their way there.
pub(crate) fn quote(text: &str) -> Cow<'_, str> {
    if let Some((before, after)) = text.split_once("##") {
        let [before, after] = [format!("{before}#"), format!("#{after}")].map(|part| quote(&part).into_owned());
        return (before + &after).into();
    }
    if text.contains(is_hidden) {
        return format!("$'{}'", text.chars().map(spelled).collect::<String>()).into();
    }
    let is_plain =
        |(at, c): (usize, char)| c.is_alphanumeric() || "_-./:,+@%".contains(c) || (at > 0 && "#=".contains(c));
    if !text.is_empty() && text.char_indices().all(is_plain) {
        return text.into();
    }
    format!("'{}'", text.replace('\'', r"'\''")).into()
}

/// A character between `$'` and `'`.
fn spelled(c: char) -> String {
    match c {
        '\'' | '\\' => format!("\\{c}"),
        c if is_hidden(c) => c.encode_utf8(&mut [0; 4]).bytes().map(|byte| format!("\\{byte:03o}")).collect(),
        c => c.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands() -> Commands {
        Commands::new("karat", "/home/me/port".into())
    }

    #[test]
    fn paths_below_the_current_folder_are_relative() {
        assert_eq!(commands().path(Path::new("/home/me/port/goldens/a")), "goldens/a");
        assert_eq!(commands().path(Path::new("/home/me/other")), "/home/me/other");
        assert_eq!(commands().path(Path::new("/home/me/port")), ".");
        assert_eq!(commands().path(Path::new("goldens/a")), "goldens/a");
    }

    #[test]
    fn paths_in_a_text_are_shown_as_others_are() {
        let text = "input `x`: /home/me/port/goldens/x.npy: no such file, nor /mnt/home/me/port/x.npy";
        let shown = "input `x`: goldens/x.npy: no such file, nor /mnt/home/me/port/x.npy";
        assert_eq!(commands().relative(text), shown);
        assert_eq!(Commands { base: "/".into(), ..commands() }.relative(text), text);
    }

    #[test]
    fn what_a_shell_would_split_or_expand_is_quoted() {
        for (text, word) in [
            ("all.npz#y", "all.npz#y"),
            ("größe/λ.npy", "größe/λ.npy"),
            ("with space/y.npy", "'with space/y.npy'"),
            ("it's", r"'it'\''s'"),
            ("$HOME", "'$HOME'"),
            ("~", "'~'"),
            ("#1", "'#1'"),
            ("a##b", "a#'#b'"),
            ("##[error]x", "'#''#[error]x'"),
            ("it's ###", r"'it'\''s #''#''#'"),
            ("\u{1b}##", r"$'\033#''#'"),
            ("a*", "'a*'"),
            ("", "''"),
            ("a\u{1b}'\\\n\u{202e}b", r"$'a\033\'\\\012\342\200\256b'"),
        ] {
            assert_eq!(quote(text), word);
        }
        assert_eq!(commands().show("-x.npy"), "karat show ./-x.npy");
        assert_eq!(remove("- x"), "rm './- x'");
    }

    #[test]
    fn an_id_that_begins_with_a_dash_is_not_taken_for_an_option() {
        assert_eq!(commands().run(Some("-bad")), "karat run -k=-bad");
        assert_eq!(commands().list(Some("- b")), "karat list '-k=- b'");
        assert_eq!(commands().accept(Some("-bad")), "karat accept -- -bad");
        assert_eq!(commands().show_case("-bad"), "karat show -- -bad");
        let commands = Commands { root: Some("-r".into()), executor: Some("-e".into()), ..commands() };
        assert_eq!(commands.explain("-bad"), "karat explain --root ./-r --executor=-e -- -bad");
        assert_eq!(commands.accept(Some("-bad")), "karat accept --root ./-r -- -bad");
    }

    #[test]
    fn a_root_that_was_typed_is_typed_again() {
        assert_eq!(commands().run(Some("a b")), "karat run -k 'a b'");
        let commands = Commands { root: Some("my goldens".into()), ..commands() };
        assert_eq!(commands.run(None), "karat run 'my goldens'");
        assert_eq!(commands.accept(Some("a/b")), "karat accept --root 'my goldens' a/b");
        assert_eq!(commands.show_case("a/b"), "karat show a/b --root 'my goldens'");
        assert_eq!(commands.show("y.npy"), "karat show y.npy");
        let commands = Commands { snapshots: Some("s".into()), ..commands };
        assert_eq!(commands.run(Some("a/b")), "karat run 'my goldens' --snapshots s -k a/b");
        assert_eq!(commands.accept(None), "karat accept --root 'my goldens' --snapshots s --all");
        let commands = Commands { executor: Some("candle".into()), ..commands };
        assert_eq!(commands.run(Some("a/b")), "karat run 'my goldens' --snapshots s --executor candle -k a/b");
    }

    #[test]
    fn the_review_is_named_that_works_there() {
        assert_eq!(commands().review(Some("a/b")), "karat accept a/b");
        assert_eq!(Commands { review: Review::Insta, ..commands() }.review(Some("a/b")), "cargo insta review");
    }
}
