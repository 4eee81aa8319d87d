//! The test targets around some goldens that use `karat::Harness`: the checkpoints there are the user's, not karat's own.
//!
//! Manifests and sources are read, never run: asking cargo costs a tenth of a second, and there may be no cargo.

use std::collections::{BTreeMap, BTreeSet};
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
            let root = glob::Pattern::escape(&self.folder.to_string_lossy());
            let patterns = patterns.into_iter().flatten().filter_map(Value::as_str);
            let folders = patterns.filter_map(move |pattern| glob::glob(&format!("{root}/{pattern}")).ok());
            folders.flatten().filter_map(Result::ok)
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
        let tests = self.tests().into_iter();
        let harnesses = tests.filter(|(_, file)| !crates.is_empty() && uses_harness(&code(file), &crates));
        let target =
            |(name, _)| Target { package: self.folder.clone(), package_name: package_name.map(str::to_owned), name };
        harnesses.map(target).collect()
    }

    fn package(&self, field: &str) -> Option<&Value> {
        self.table.get("package")?.get(field)
    }

    /// The names under which the sources of the package may know karat: a workspace above may have given it another.
    fn karat_names(&self) -> Vec<String> {
        if self.table.is_empty() {
            return vec!["karat".to_owned()];
        }
        let mut names = Vec::new();
        for manifest in self.folder.ancestors().filter_map(Manifest::read) {
            add_names(&manifest.table, false, &mut names);
        }
        names
    }

    /// The test targets, by name, each with its main file: those that are declared, and those that cargo finds.
    fn tests(&self) -> BTreeMap<String, PathBuf> {
        let folder = self.folder.join("tests");
        let found =
            fs::read_dir(&folder).into_iter().flatten().take(LIMIT).filter_map(Result::ok).filter_map(|entry| {
                let path = entry.path();
                let file = if path.is_dir() { path.join("main.rs") } else { path.clone() };
                let is_target = file.extension().is_some_and(|end| end == "rs") && file.is_file();
                is_target.then_some((path.file_stem()?.to_str()?.to_owned(), file))
            });
        let mut tests: BTreeMap<String, PathBuf> = found.collect();
        let declared = self.table.get("test").and_then(Value::as_array).into_iter().flatten();
        let declared = declared.filter_map(|test| Some((test.get("name")?.as_str()?, test.get("path"))));
        let declared: BTreeMap<&str, Option<&Value>> = declared.collect();
        if self.package("autotests").and_then(Value::as_bool) == Some(false) {
            tests.retain(|name, _| declared.contains_key(&**name));
        }
        for (name, path) in declared {
            if let Some(path) = path.and_then(Value::as_str) {
                let file = self.folder.join(path);
                tests.retain(|_, known| *known != file);
                tests.insert(name.to_owned(), file);
            }
        }
        tests
    }
}

/// Adds what karat is called in the tables of dependencies in a table.
fn add_names(table: &Table, is_dependencies: bool, names: &mut Vec<String>) {
    for (key, value) in table {
        let package = value.get("package").and_then(Value::as_str).unwrap_or(key);
        if is_dependencies && package == "karat" {
            names.push(key.replace('-', "_"));
        }
        if let Some(table) = value.as_table() {
            add_names(table, key.ends_with("dependencies"), names);
        }
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
}
