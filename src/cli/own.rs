//! Whose checkpoints run: the binary's own are never taken for those of a harness.

use std::ffi::OsString;
use std::path::Path;

use super::{Context, Home, Host};
use crate::error::{Error, Result};
use crate::report::{Commands, quote};

/// What runs the checkpoints of a harness.
pub(super) struct Command {
    /// What is typed before a verb.
    pub(super) text: String,
    /// Whether its package is in the current folder.
    is_here: bool,
}

impl Command {
    /// Has commands name this, for goldens at that root: what runs them, and knows their checkpoints.
    pub(super) fn speak(&self, context: &Context<'_>, commands: &mut Commands, root: &Path) {
        commands.command.clone_from(&self.text);
        if self.is_here {
            return;
        }
        // Cargo runs tests in the folder of their package: a path from here is another there.
        let from_here = |path: &Path| context.home.base.join(path).display().to_string();
        commands.root = Some(from_here(root));
        commands.snapshots = commands.snapshots.as_deref().map(|folder| from_here(Path::new(folder)));
    }
}

/// What to say of checkpoints that the binary does not know: they may be those of a harness that is not here.
pub(super) fn elsewhere(context: &Context<'_>) -> String {
    if context.home.host == Host::Harness {
        return String::new();
    }
    let typed: Vec<String> = context.typed.iter().map(|word| quote(&word.to_string_lossy()).into_owned()).collect();
    format!(
        "\nthese are built into {}; in a crate with those of a karat::Harness:  cargo test --test NAME -- {}",
        context.home.command,
        typed.join(" ")
    )
}

/// The commands of the harnesses around the goldens at that root, where it is the binary that runs: their checkpoints are the user's.
#[cfg(feature = "cli")]
pub(super) fn commands(home: &Home, root: &Path) -> Vec<Command> {
    use super::harnesses::{Target, around};

    if home.host != Host::Binary {
        return Vec::new();
    }
    let real = |path: &Path| path.canonicalize().or_else(|_| std::path::absolute(path)).unwrap_or_default();
    let base = real(&home.base);
    let root = home.base.join(root);
    // Where the root is a link, the files are in one package and its name in another.
    let places = [base.clone(), real(root.parent().unwrap_or(&root)), real(&root)];
    let command = |Target { package, package_name, name }: Target| {
        let place = match (base.starts_with(&package), package.strip_prefix(&base), package_name) {
            (true, _, _) => String::new(),
            (false, Ok(_), Some(name)) if base.join("Cargo.toml").is_file() => format!("-p {} ", quote(&name)),
            (false, below, _) => {
                let manifest = below.unwrap_or(&package).join("Cargo.toml");
                format!("--manifest-path {} ", quote(&manifest.display().to_string()))
            }
        };
        Command { text: format!("cargo test {place}--test {} --", quote(&name)), is_here: base == package }
    };
    around(&places).into_iter().map(command).collect()
}

/// The same without the binary: every executor is its caller's.
#[cfg(not(feature = "cli"))]
pub(super) fn commands(_: &Home, _: &Path) -> Vec<Command> {
    Vec::new()
}

/// Refuses to run the built-in checkpoints in place of those of a harness, unless an executor was named.
pub(super) fn check(context: &Context<'_>, root: &Path, is_named: bool, executor: &str) -> Result<()> {
    let commands = if is_named { Vec::new() } else { commands(context.home, root) };
    let Some((verb, rest)) = context.typed.split_first().filter(|_| !commands.is_empty()) else { return Ok(()) };
    let verb = verb.to_string_lossy();
    // Cargo runs tests in the folder of their package: a path from here is another there.
    let word = |is_here: bool, word: &OsString| {
        let path = context.home.base.join(word);
        let is_path = !is_here && path.exists();
        quote(&if is_path { path.as_os_str() } else { word.as_os_str() }.to_string_lossy()).into_owned()
    };
    let words = |is_here: bool| rest.iter().map(|typed| format!(" {}", word(is_here, typed))).collect::<String>();
    let line = |Command { text, is_here }: &Command| format!("to run yours:  {text} {verb}{}\n", words(*is_here));
    let lines: String = commands.iter().map(line).collect();
    let own = &context.home.command;
    Err(Error::Usage(format!(
        "the tests here use karat::Harness, with checkpoints of their own; the built-in ones did not run in their place\n\
         {lines}to run the built-in ones all the same:  {own} {verb} --executor {executor}{}",
        words(true)
    )))
}
