//! The harnesses around some goldens: the binary never runs its built-in checkpoints in place of those of a harness.

use std::ffi::OsString;
use std::path::Path;

use super::{Context, Host, Program};
use crate::error::{Error, Result};
use crate::report::{Commands, quote};

/// The command that runs a harness.
pub(super) struct HarnessCommand {
    /// What the user types before a verb.
    text: String,
    /// Whether its package is in the current folder.
    is_here: bool,
}

impl HarnessCommand {
    /// Makes a commands suggest commands of this harness, for the goldens in `root`.
    pub(super) fn use_in(&self, commands: &mut Commands, context: &Context<'_>, root: &Path) {
        commands.command.clone_from(&self.text);
        if self.is_here {
            return;
        }
        // Cargo runs tests in the folder of their package, where a relative path from here is wrong.
        let absolute = |path: &Path| context.program.base.join(path).display().to_string();
        commands.root = Some(absolute(root));
        commands.snapshots = commands.snapshots.as_deref().map(|folder| absolute(Path::new(folder)));
    }
}

/// Returns a hint for a checkpoint that the binary does not know: it may belong to a harness in another folder.
pub(super) fn hint(context: &Context<'_>) -> String {
    if context.program.host == Host::Harness {
        return String::new();
    }
    let args: Vec<String> = context.args.iter().map(|arg| quote(&arg.to_string_lossy()).into_owned()).collect();
    format!(
        "\nthese are built into {}; for checkpoints of your own, run this in a crate with a karat::Harness:  cargo test --test NAME -- {}",
        context.program.command,
        args.join(" ")
    )
}

/// Returns the commands of the harnesses around the goldens in `root`, if the program is the binary.
#[cfg(feature = "cli")]
pub(super) fn commands(program: &Program, root: &Path) -> Vec<HarnessCommand> {
    use super::manifest::{Target, find_harnesses};

    if program.host != Host::Binary {
        return Vec::new();
    }
    let real = |path: &Path| path.canonicalize().or_else(|_| std::path::absolute(path)).unwrap_or_default();
    let base = real(&program.base);
    let root = program.base.join(root);
    // If the root is a link, its files may be in one package and the link in another.
    let places = [base.clone(), real(root.parent().unwrap_or(&root)), real(&root)];
    let command = |Target { package, package_name, name }: Target| {
        let option = match (base.starts_with(&package), package.strip_prefix(&base), package_name) {
            (true, _, _) => String::new(),
            (false, Ok(_), Some(name)) if base.join("Cargo.toml").is_file() => format!("-p {} ", quote(&name)),
            (false, below, _) => {
                let manifest = below.unwrap_or(&package).join("Cargo.toml");
                format!("--manifest-path {} ", quote(&manifest.display().to_string()))
            }
        };
        HarnessCommand { text: format!("cargo test {option}--test {} --", quote(&name)), is_here: base == package }
    };
    find_harnesses(&places).into_iter().map(command).collect()
}

/// Returns no commands: without the feature `cli` the program is a harness itself.
#[cfg(not(feature = "cli"))]
pub(super) fn commands(_: &Program, _: &Path) -> Vec<HarnessCommand> {
    Vec::new()
}

/// Refuses to run the built-in checkpoints in place of those of a harness, unless the command line names an executor.
pub(super) fn check(context: &Context<'_>, root: &Path, is_named: bool, executor: &str) -> Result<()> {
    let commands = if is_named { Vec::new() } else { commands(context.program, root) };
    let Some((verb, rest)) = context.args.split_first().filter(|_| !commands.is_empty()) else { return Ok(()) };
    let verb = verb.to_string_lossy();
    // Cargo runs tests in the folder of their package, where a relative path from here is wrong.
    let word = |is_here: bool, word: &OsString| {
        let path = context.program.base.join(word);
        let is_path = !is_here && path.exists();
        quote(&if is_path { path.as_os_str() } else { word.as_os_str() }.to_string_lossy()).into_owned()
    };
    let words = |is_here: bool| rest.iter().map(|arg| format!(" {}", word(is_here, arg))).collect::<String>();
    let line = |HarnessCommand { text, is_here }: &HarnessCommand| {
        format!("to run yours:  {text} {verb}{}\n", words(*is_here))
    };
    let lines: String = commands.iter().map(line).collect();
    Err(Error::Usage(format!(
        "this project has tests with a karat::Harness and checkpoints of their own; the built-in checkpoints were not run instead\n\
         {lines}to run the built-in ones anyway:  {} {verb} --executor {executor}{}",
        context.program.command,
        words(true)
    )))
}
