//! The test targets around some goldens that use `karat::Harness`: the checkpoints there are the user's, not karat's own.
//!
//! Manifests and sources are read, never run: asking cargo costs a tenth of a second, and there may be no cargo.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::source_code::{Code, uses_harness};
use crate::fs::{Found, TEXT_LIMIT, read_regular};

/// How many files of one test target, and how many members of one workspace, are looked at.
const LIMIT: usize = 1000;

/// A test target that uses `karat::Harness`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Target {
    /// The folder of its package.
    pub(super) package: PathBuf,
    /// The name of its package, where the manifest says it.
    pub(super) package_name: Option<String>,
    /// Its own name.
    pub(super) name: String,
    /// Its main source file.
    pub(super) file: PathBuf,
}

/// The targets of the packages that those places are in, and of all members where that is the root of a workspace.
///
/// What cannot be read has no targets: cargo could not build it either.
pub(super) fn around(places: &[PathBuf]) -> BTreeSet<Target> {
    let nearest = places.iter().filter_map(|place| place.ancestors().find_map(Manifest::read));
    let with_members = nearest.flat_map(|manifest| {
        let members = manifest.members();
        std::iter::once(manifest).chain(members)
    });
    with_members.flat_map(|manifest| manifest.harnesses()).collect()
}

/// The `Cargo.toml` of a folder.
struct Manifest {
    folder: PathBuf,
    table: Table,
}

impl Manifest {
    /// The manifest in that folder, if there is one. One that is not TOML is taken for an empty one.
    fn read(folder: &Path) -> Option<Manifest> {
        let text = read(&folder.join("Cargo.toml"))?;
        Some(Manifest { folder: folder.to_path_buf(), table: text.parse().unwrap_or_default() })
    }

    /// The member packages of the workspace whose root this is.
    fn members(&self) -> Vec<Manifest> {
        let list = |name: &str| {
            let patterns = self.table.get("workspace").and_then(|workspace| workspace.get(name)?.as_array());
            patterns.into_iter().flatten().filter_map(Value::as_str).flat_map(|pattern| expand(&self.folder, pattern))
        };
        let excluded: Vec<PathBuf> = list("exclude").collect();
        let is_member = |folder: &PathBuf| !excluded.iter().any(|out| folder.starts_with(out));
        list("members").filter(is_member).take(LIMIT).filter_map(|folder| Manifest::read(&folder)).collect()
    }

    /// The test targets that use `karat::Harness`; none of karat's own.
    fn harnesses(&self) -> Vec<Target> {
        let package_name = self.package("name").and_then(Value::as_str);
        if package_name == Some("karat") {
            return Vec::new();
        }
        let crates = self.karat_names();
        let is_harness = |(_, file): &(String, PathBuf)| !crates.is_empty() && uses_harness(&code(file), &crates);
        let target = |(name, file)| Target {
            package: self.folder.clone(),
            package_name: package_name.map(str::to_owned),
            name,
            file,
        };
        self.tests().into_iter().filter(is_harness).map(target).collect()
    }

    fn package(&self, field: &str) -> Option<&Value> {
        self.table.get("package")?.get(field)
    }

    /// The names under which the sources of the package know karat.
    fn karat_names(&self) -> Vec<String> {
        if self.table.is_empty() {
            return vec!["karat".to_owned()];
        }
        let platforms = self.table.get("target").and_then(Value::as_table).into_iter().flatten();
        let tables = platforms.filter_map(|(_, platform)| platform.as_table()).chain([&self.table]);
        let kinds = ["dependencies", "dev-dependencies", "dev_dependencies"];
        let dependencies = tables.flat_map(|table| kinds.map(|kind| table.get(kind).and_then(Value::as_table)));
        let dependencies = dependencies.flatten().flatten();
        dependencies
            .filter(|(name, dependency)| self.crate_of(name, dependency) == "karat")
            .map(|(name, _)| name.replace('-', "_"))
            .collect()
    }

    /// The package that a dependency is, which may be called otherwise here.
    fn crate_of(&self, name: &str, dependency: &Value) -> String {
        let renamed = |dependency: &Value| Some(dependency.get("package")?.as_str()?.to_owned());
        let is_inherited = dependency.get("workspace").and_then(Value::as_bool) == Some(true);
        let inherited = || {
            let mut above = self.folder.ancestors().filter_map(Manifest::read);
            let workspace = above.find_map(|manifest| manifest.table.get("workspace").cloned())?;
            renamed(workspace.get("dependencies")?.get(name)?)
        };
        let package = if is_inherited { inherited() } else { renamed(dependency) };
        package.unwrap_or_else(|| name.to_owned())
    }

    /// The test targets, by name, each with its main file: those that are declared, then those that cargo finds.
    fn tests(&self) -> Vec<(String, PathBuf)> {
        let folder = self.folder.join("tests");
        let declared = self.table.get("test").and_then(Value::as_array).into_iter().flatten();
        let mut tests: Vec<(String, PathBuf)> = declared
            .filter_map(|test| {
                let name = test.get("name")?.as_str()?;
                let path = test.get("path").and_then(Value::as_str).map(|path| self.folder.join(path));
                let alone = folder.join(format!("{name}.rs"));
                let own = || if alone.is_file() { alone } else { folder.join(name).join("main.rs") };
                Some((name.to_owned(), path.unwrap_or_else(own)))
            })
            .collect();
        if self.package("autotests").and_then(Value::as_bool) == Some(false) {
            return tests;
        }
        for entry in fs::read_dir(&folder).into_iter().flatten().take(LIMIT).filter_map(Result::ok) {
            let path = entry.path();
            let (name, file) = match path.extension() {
                Some(extension) if extension == "rs" && path.is_file() => (path.file_stem(), path.clone()),
                _ => (path.file_name(), path.join("main.rs")),
            };
            let is_known = tests.iter().any(|(_, known)| *known == file);
            if let Some(name) = name.and_then(|name| name.to_str()).filter(|_| !is_known && file.is_file()) {
                tests.push((name.to_owned(), file));
            }
        }
        tests
    }
}

/// The code of a target: its main file, and the modules that it names.
fn code(main: &Path) -> Code {
    let mut code = Code::default();
    let mut seen = BTreeSet::new();
    let mut waiting = vec![main.to_path_buf()];
    while let Some(file) = waiting.pop() {
        if seen.len() >= LIMIT || !seen.insert(file.clone()) {
            continue;
        }
        let Some(text) = read(&file) else { continue };
        let folder = file.parent().unwrap_or(Path::new(""));
        // The modules of a file that is no `main.rs` or `mod.rs` are in the folder of its name; a main file's are beside it.
        let below = file.with_extension("");
        for name in code.add(&text) {
            waiting.extend([folder, &below].map(|place| place.join(&name)));
        }
    }
    code
}

/// The folders that a pattern of a manifest names: each part of it may hold `*`.
fn expand(root: &Path, pattern: &str) -> Vec<PathBuf> {
    let parts = pattern.split('/').filter(|part| !part.is_empty() && *part != ".");
    parts.fold(vec![root.to_path_buf()], |folders, part| match part.contains(['*', '?', '[']) {
        false => folders.into_iter().map(|folder| folder.join(part)).collect(),
        true => {
            let below = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().filter_map(Result::ok);
            let below = below.filter(|entry| entry.file_name().to_str().is_some_and(|name| is_like(name, part)));
            below.map(|entry| entry.path()).take(LIMIT).collect()
        }
    })
}

/// Whether a name is as a pattern with `*` says. Where a pattern holds more than that, every name is.
fn is_like(name: &str, pattern: &str) -> bool {
    if pattern.contains(['?', '[']) {
        return true;
    }
    let Some((first, rest)) = pattern.split_once('*') else { return name == pattern };
    let Some(name) = name.strip_prefix(first) else { return false };
    name.char_indices().map(|(at, _)| at).chain([name.len()]).any(|at| is_like(&name[at..], rest))
}

/// The text of a file, where there is one.
fn read(file: &Path) -> Option<String> {
    match read_regular(file, TEXT_LIMIT) {
        Ok(Found::File(bytes)) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HARNESS: &str = "fn main() { karat::Harness::new(\"goldens\").main(); }";
    const PLAIN: &str = "#[test] fn close() { karat::assert_close!(1.0f32, 1.0f32); } // not a karat::Harness";
    const PACKAGE: &str = "[package]\nname = \"port\"\n[dev-dependencies]\nkarat = \"0.1\"\n";

    /// The names of the targets around a place in a folder with those files.
    fn found(files: &[(&str, &str)], place: &str) -> Vec<String> {
        let root = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            let file = root.path().join(name);
            fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
            fs::write(file, text).expect("a file");
        }
        around(&[root.path().join(place)]).into_iter().map(|target| target.name).collect()
    }

    #[test]
    fn a_target_is_found_wherever_cargo_finds_it() {
        let package = |more: &str| format!("{PACKAGE}{more}");
        let declared = package("[[test]]\nname = \"port\"\npath = \"checks/all.rs\"\nharness = false\n");
        let named = package("[[test]]\nname = \"a-b\"\nharness = false\n");
        let by_hand =
            package("[[test]]\nname = \"b\"\n").replace("name = \"port\"", "name = \"port\"\nautotests = false");
        for (manifest, file, text, expected) in [
            (PACKAGE, "tests/goldens.rs", HARNESS, Some("goldens")),
            (PACKAGE, "tests/goldens/main.rs", HARNESS, Some("goldens")),
            (PACKAGE, "tests/common/mod.rs", HARNESS, None),
            (PACKAGE, "benches/goldens.rs", HARNESS, None),
            (PACKAGE, "tests/goldens.rs", PLAIN, None),
            (&declared, "checks/all.rs", HARNESS, Some("port")),
            (&named, "tests/a-b.rs", HARNESS, Some("a-b")),
            (&named, "tests/a-b/main.rs", HARNESS, Some("a-b")),
            (&by_hand, "tests/a.rs", HARNESS, None),
            (&by_hand, "tests/b.rs", HARNESS, Some("b")),
            ("not TOML", "tests/goldens.rs", HARNESS, Some("goldens")),
            ("[package]\nname = \"karat\"\n[dependencies]\nkarat = \"1\"", "tests/goldens.rs", HARNESS, None),
            ("[package]\nname = \"port\"\n", "tests/goldens.rs", HARNESS, None),
        ] {
            let files = [("Cargo.toml", manifest), (file, text)];
            for place in ["", "goldens/suite"] {
                let expected: Vec<&str> = expected.into_iter().collect();
                assert_eq!(found(&files, place), expected, "{manifest} {file} from {place:?}");
            }
        }
    }

    #[test]
    fn karat_may_be_called_otherwise() {
        let harness = HARNESS.replace("karat", "numeric_goldens");
        for (manifest, root) in [
            ("[dev-dependencies]\nnumeric-goldens = { package = \"karat\", version = \"1\" }", ""),
            ("[dependencies.numeric-goldens]\npackage = \"karat\"", ""),
            ("[target.'cfg(unix)'.dev-dependencies]\nnumeric-goldens = { package = \"karat\" }", ""),
            (
                "[dev-dependencies]\nnumeric-goldens.workspace = true",
                "[workspace]\nmembers = [\"port\"]\n[workspace.dependencies]\nnumeric-goldens = { package = \"karat\" }",
            ),
        ] {
            let files = [("Cargo.toml", root), ("port/Cargo.toml", manifest), ("port/tests/goldens.rs", &*harness)];
            assert_eq!(found(&files, "port"), ["goldens"], "{manifest}");
        }
    }

    #[test]
    fn a_module_of_a_target_belongs_to_it() {
        for (main, file) in [
            ("mod checks;", "tests/checks.rs"),
            ("mod checks;", "tests/checks/mod.rs"),
            ("#[path = \"../shared/all.rs\"] mod checks;", "shared/all.rs"),
            ("include!(\"deep/all.in.rs\");", "tests/deep/all.in.rs"),
        ] {
            let files = [("Cargo.toml", PACKAGE), ("tests/goldens.rs", main), (file, HARNESS)];
            assert!(found(&files, "").contains(&"goldens".to_owned()), "{main} {file}");
        }
    }

    #[test]
    fn the_root_of_a_workspace_has_the_targets_of_its_members_and_a_member_its_own() {
        let root = "[workspace]\nmembers = [\"crates/*\", \"port\"]\nexclude = [\"crates/out\"]\n";
        let mut files = vec![("Cargo.toml", root)];
        for member in ["crates/a", "crates/out", "port", "other"] {
            let name = |file: &str| &*format!("{member}/{file}").leak();
            files.extend([(name("Cargo.toml"), PACKAGE), (name(&format!("tests/{}.rs", &member[..1])), HARNESS)]);
        }
        assert_eq!(found(&files, "goldens"), ["c", "p"]);
        assert_eq!(found(&files, "port/goldens"), ["p"]);
        assert_eq!(found(&files, "other"), ["o"]);
    }

    #[test]
    fn a_pattern_matches_within_one_part() {
        for (name, pattern, expected) in [
            ("core", "*", true),
            ("core", "c*", true),
            ("core", "*re", true),
            ("core", "c*x", false),
            ("core", "core", true),
        ] {
            assert_eq!(is_like(name, pattern), expected, "{name} {pattern}");
        }
    }
}
