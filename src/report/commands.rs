//! Spells karat's commands and the user's files in messages, so that they work where the message is read.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use crate::compare::Tolerance;
use crate::text::is_hidden;
use crate::text::number::exact;

/// Where a message is read: what the commands in it must contain to work there.
#[derive(Clone, Debug, Default)]
pub struct Commands {
    /// What the user types before a verb: `karat`, or `cargo test --test goldens --`.
    pub command: String,
    /// How the user reviews pending snapshots.
    pub review: Review,
    /// The goldens root as given on the command line, unless it is the default.
    pub root: Option<String>,
    /// The snapshots folder as given on the command line, unless it is the default.
    pub snapshots: Option<String>,
    /// The executor of the run, unless it is the default.
    pub executor: Option<String>,
    /// Other options that `run` needs to repeat the run, such as `--accuracy-only`.
    pub options: Option<String>,
    /// Whether the verb writes pending snapshots for review, which `explain` does not.
    pub leaves_pending: bool,
    /// The current folder. Paths below it are shown relative to it.
    pub base: PathBuf,
}

/// How pending snapshots are reviewed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Review {
    /// `cargo insta review`, which needs a Cargo project.
    Insta,
    /// karat's own verb `accept`.
    #[default]
    Accept,
}

impl Commands {
    /// Returns commands with the defaults of `run` and karat's own review, for the current folder `base`.
    pub(crate) fn new(command: &str, base: PathBuf) -> Commands {
        Commands { command: command.to_owned(), leaves_pending: true, base, ..Commands::default() }
    }

    /// Formats a path with `/`, relative to the current folder if it is below it.
    pub(super) fn path(&self, path: &Path) -> String {
        let shown = path.strip_prefix(&self.base).unwrap_or(path);
        let shown = if shown.as_os_str().is_empty() { Path::new(".") } else { shown };
        with_slashes(shown)
    }

    /// Makes the paths in a text relative to the current folder.
    pub(crate) fn relative(&self, text: &str) -> String {
        let base = format!("{}/", with_slashes(&self.base).trim_end_matches('/'));
        let mut shown = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find(&base) {
            let (before, path) = rest.split_at(at);
            // Inside a longer path, this is another folder.
            let begins = before.chars().last().is_none_or(|c| c.is_whitespace() || "`'\"(".contains(c));
            shown.push_str(before);
            shown.push_str(if begins && base.len() > 1 { "" } else { &base });
            rest = &path[base.len()..];
        }
        shown + rest
    }

    /// Returns the command that runs the cases that `filter` selects, or all.
    pub(crate) fn run(&self, filter: Option<&str>) -> String {
        let options = self.options.as_deref().map(|options| format!(" {options}")).unwrap_or_default();
        self.many_cases("run", &(self.executor() + &options), filter)
    }

    /// Returns the command that lists the cases that `filter` selects, or all.
    pub(crate) fn list(&self, filter: Option<&str>) -> String {
        self.many_cases("list", "", filter)
    }

    /// Returns a command with the root and a filter.
    fn many_cases(&self, verb: &str, options: &str, filter: Option<&str>) -> String {
        let root = self.root.as_deref().map(|root| format!(" {}", path_argument(root))).unwrap_or_default();
        let filter = filter.map(|filter| option("-k", filter)).unwrap_or_default();
        format!("{} {verb}{root}{}{options}{filter}", self.command, self.snapshots())
    }

    /// Returns the option for the root.
    fn root(&self) -> String {
        path_option("--root", self.root.as_deref())
    }

    /// Returns the option for the snapshots folder.
    fn snapshots(&self) -> String {
        path_option("--snapshots", self.snapshots.as_deref())
    }

    /// Returns the command that runs one case and explains its mismatch.
    pub(crate) fn explain(&self, id: &str) -> String {
        format!("{} explain{}", self.command, id_argument(id, &(self.root() + &self.executor())))
    }

    /// Returns the option for the executor.
    fn executor(&self) -> String {
        self.executor.as_deref().map(|name| option("--executor", name)).unwrap_or_default()
    }

    /// Returns the command that adds a case, with placeholders.
    pub(crate) fn add(&self) -> String {
        format!("{} add CASE{} --checkpoint NAME --input x=x.npy --output y=y.npy", self.command, self.root())
    }

    /// Returns the command that follows every chain.
    pub(super) fn chained(&self) -> String {
        let command = self.run(None);
        if command.contains(" --chained") { command } else { command + " --chained" }
    }

    /// Returns the command that reviews pending snapshots: those of one case if the tool can select it.
    pub(super) fn review(&self, id: Option<&str>) -> String {
        match self.review {
            Review::Insta => "cargo insta review".into(),
            Review::Accept => self.accept(id),
        }
    }

    /// Returns the command that accepts the pending snapshots of one case, or all.
    pub(crate) fn accept(&self, id: Option<&str>) -> String {
        let options = self.root() + &self.snapshots();
        // In a test target, the verb alone would be a filter, which cargo passes to every target.
        match id {
            None => format!("{} accept{options} --all", self.command),
            Some(id) if looks_like_option(id) => format!("{} accept{}", self.command, id_argument(id, &options)),
            Some(id) => format!("{} accept{options} {}", self.command, quote(id)),
        }
    }

    /// Returns the command that shows a tensor file.
    pub(super) fn show(&self, file: &str) -> String {
        format!("{} show {}", self.command, path_argument(file))
    }

    /// Returns the command that shows a case.
    pub(crate) fn show_case(&self, id: &str) -> String {
        format!("{} show{}", self.command, id_argument(id, &self.root()))
    }

    /// Returns the command that compares two tensor files, with the tolerance if one is given.
    pub(super) fn diff(&self, actual: &str, reference: &str, tolerance: Option<&Tolerance>) -> String {
        let (actual, reference) = (path_argument(actual), path_argument(reference));
        let tolerance = tolerance
            .map(|tolerance| format!(" --atol {} --rtol {}", exact(tolerance.atol), exact(tolerance.rtol)))
            .unwrap_or_default();
        format!("{} diff {actual} {reference}{tolerance}", self.command)
    }
}

/// Formats an option with a path after a space, or nothing.
fn path_option(name: &str, path: Option<&str>) -> String {
    path.map(|path| format!(" {name} {}", path_argument(path))).unwrap_or_default()
}

/// Formats an option with its value after a space.
fn option(name: &str, value: &str) -> String {
    match looks_like_option(value) {
        true => format!(" {}", quote(&format!("{name}={value}"))),
        false => format!(" {name} {}", quote(value)),
    }
}

/// Formats an id and the options of its verb after a space. The id comes first unless it looks like an option.
fn id_argument(id: &str, options: &str) -> String {
    match looks_like_option(id) {
        true => format!("{options} -- {}", quote(id)),
        false => format!(" {}{options}", quote(id)),
    }
}

/// Whether a word would be parsed as an option.
fn looks_like_option(word: &str) -> bool {
    word.starts_with('-')
}

/// Returns the command that deletes a file.
pub(super) fn remove(path: &str) -> String {
    format!("rm {}", path_argument(path))
}

/// Formats a path with `/` on every system.
pub(super) fn with_slashes(path: &Path) -> String {
    let text = path.to_string_lossy();
    if std::path::MAIN_SEPARATOR == '/' { text.into_owned() } else { text.replace(std::path::MAIN_SEPARATOR, "/") }
}

/// Quotes a path as one word of a command that cannot be parsed as an option.
pub(super) fn path_argument(path: &str) -> Cow<'_, str> {
    if looks_like_option(path) { quote(&format!("./{path}")).into_owned().into() } else { quote(path) }
}

/// Quotes the text as one word of a POSIX shell; a leading `=` is special to zsh. Hidden characters are escaped with `$'..'`,
/// which bash, zsh and POSIX 2024 understand, so that the visible text can be copied. Adjacent `#` are separated, because
/// `##` could start a command to a CI runner and would be escaped there.
pub(crate) fn quote(text: &str) -> Cow<'_, str> {
    if let Some((before, after)) = text.split_once("##") {
        let [before, after] = [format!("{before}#"), format!("#{after}")].map(|part| quote(&part).into_owned());
        return (before + &after).into();
    }
    if text.contains(is_hidden) {
        return format!("$'{}'", text.chars().map(escape_quoted).collect::<String>()).into();
    }
    let is_plain =
        |(at, c): (usize, char)| c.is_alphanumeric() || "_-./:,+@%".contains(c) || (at > 0 && "#=".contains(c));
    if !text.is_empty() && text.char_indices().all(is_plain) {
        return text.into();
    }
    format!("'{}'", text.replace('\'', r"'\''")).into()
}

/// Escapes a character between `$'` and `'`.
fn escape_quoted(c: char) -> String {
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
    fn paths_in_a_text_are_made_relative() {
        let text = "input `x`: /home/me/port/goldens/x.npy: no such file, nor /mnt/home/me/port/x.npy";
        let shown = "input `x`: goldens/x.npy: no such file, nor /mnt/home/me/port/x.npy";
        assert_eq!(commands().relative(text), shown);
        assert_eq!(Commands { base: "/".into(), ..commands() }.relative(text), text);
    }

    #[test]
    fn characters_that_are_special_to_a_shell_are_quoted() {
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
    fn an_id_that_begins_with_a_dash_is_not_parsed_as_an_option() {
        assert_eq!(commands().run(Some("-bad")), "karat run -k=-bad");
        assert_eq!(commands().list(Some("- b")), "karat list '-k=- b'");
        assert_eq!(commands().accept(Some("-bad")), "karat accept -- -bad");
        assert_eq!(commands().show_case("-bad"), "karat show -- -bad");
        let commands = Commands { root: Some("-r".into()), executor: Some("-e".into()), ..commands() };
        assert_eq!(commands.explain("-bad"), "karat explain --root ./-r --executor=-e -- -bad");
        assert_eq!(commands.accept(Some("-bad")), "karat accept --root ./-r -- -bad");
    }

    #[test]
    fn commands_repeat_the_root_that_was_given() {
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
    fn the_review_command_depends_on_the_project() {
        assert_eq!(commands().review(Some("a/b")), "karat accept a/b");
        assert_eq!(Commands { review: Review::Insta, ..commands() }.review(Some("a/b")), "cargo insta review");
    }
}
