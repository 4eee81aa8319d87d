//! Finding the test targets that are a `karat::Harness`, by reading `Cargo.toml` files.
//!
//! These are the targets with `harness = false` in packages that depend on karat. Asking cargo would take a tenth of a second, and
//! cargo may not be installed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::fs::{Lookup, TEXT_LIMIT, read_regular};

/// The maximum number of workspace members that are read.
const LIMIT: usize = 1000;

/// A test target that is a `karat::Harness`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Target {
    /// The folder of its package.
    pub(super) package: PathBuf,
    /// The name of its package, if the manifest has one.
    pub(super) package_name: Option<String>,
    /// The name of the target.
    pub(super) name: String,
}

/// Returns the harnesses of the packages that contain `places`, and of all workspace members if such a package is a workspace root.
///
/// A manifest that cannot be read has no targets: cargo could not build it either.
pub(super) fn find_harnesses(places: &[PathBuf]) -> BTreeSet<Target> {
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
    /// Reads the manifest of a folder, if it exists. Invalid TOML counts as an empty manifest.
    fn read(folder: &Path) -> Option<Manifest> {
        let Ok(Lookup::File(bytes)) = read_regular(&folder.join("Cargo.toml"), TEXT_LIMIT) else { return None };
        let table = String::from_utf8_lossy(&bytes).parse().unwrap_or_default();
        Some(Manifest { folder: folder.to_path_buf(), table })
    }

    /// Returns the manifests of the workspace members, if this is a workspace root.
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

    /// Returns the test targets with `harness = false`, if the package depends on karat. karat's own tests are excluded.
    fn harnesses(&self) -> Vec<Target> {
        let package_name = self.table.get("package").and_then(|package| package.get("name")?.as_str());
        // A parent workspace may rename karat.
        let depends = self.folder.ancestors().filter_map(Manifest::read).any(|above| names_karat(&above.table, false));
        if package_name == Some("karat") || !depends {
            return Vec::new();
        }
        let tests = self.table.get("test").and_then(Value::as_array).into_iter().flatten();
        let harnesses = tests.filter(|test| test.get("harness").and_then(Value::as_bool) == Some(false));
        let names = harnesses.filter_map(|test| test.get("name")?.as_str());
        let target = |name: &str| Target {
            package: self.folder.clone(),
            package_name: package_name.map(str::to_owned),
            name: name.to_owned(),
        };
        names.map(target).collect()
    }
}

/// Whether any table of dependencies contains karat, under any name.
fn names_karat(table: &Table, is_dependencies: bool) -> bool {
    table.iter().any(|(key, value)| {
        let package = value.get("package").and_then(Value::as_str).unwrap_or(key);
        is_dependencies && package == "karat"
            || value.as_table().is_some_and(|table| names_karat(table, key.ends_with("dependencies")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKAGE: &str = "[package]\nname = \"port\"\n[dev-dependencies]\nkarat = \"0.1\"\n";

    fn test(name: &str) -> String {
        format!("[[test]]\nname = \"{name}\"\nharness = false\n")
    }

    /// Returns the names of the harnesses found for `place` in a folder with those manifests.
    fn names(manifests: &[(&str, String)], place: &str) -> Vec<String> {
        let root = tempfile::tempdir().expect("a folder");
        for (folder, text) in manifests {
            let folder = root.path().join(folder);
            std::fs::create_dir_all(&folder).expect("a folder");
            std::fs::write(folder.join("Cargo.toml"), text).expect("a file");
        }
        find_harnesses(&[root.path().join(place)]).into_iter().map(|target| target.name).collect()
    }

    #[test]
    fn a_test_without_libtest_in_a_package_with_karat_is_a_harness() {
        let none: [&str; 0] = [];
        assert_eq!(names(&[("", PACKAGE.to_owned() + &test("goldens"))], "goldens/suite"), ["goldens"]);
        assert_eq!(names(&[("", PACKAGE.to_owned() + "[[test]]\nname = \"goldens\"\n")], ""), none);
        assert_eq!(names(&[("", "[package]\nname = \"port\"\n".to_owned() + &test("goldens"))], ""), none);
        assert_eq!(names(&[("", PACKAGE.replace("port", "karat") + &test("goldens"))], ""), none);
        assert_eq!(names(&[("", "not TOML".to_owned())], ""), none);
    }

    #[test]
    fn karat_may_be_renamed() {
        for (manifest, root) in [
            ("[dev-dependencies]\nnumeric-goldens = { package = \"karat\", version = \"1\" }\n", ""),
            ("[dependencies.numeric-goldens]\npackage = \"karat\"\n", ""),
            ("[target.'cfg(unix)'.dev-dependencies]\nnumeric-goldens = { package = \"karat\" }\n", ""),
            (
                "[dev-dependencies]\nnumeric-goldens.workspace = true\n",
                "[workspace]\nmembers = [\"port\"]\n[workspace.dependencies]\nnumeric-goldens = { package = \"karat\" }\n",
            ),
        ] {
            let manifests = [("", root.to_owned()), ("port", manifest.to_owned() + &test("goldens"))];
            assert_eq!(names(&manifests, "port"), ["goldens"], "{manifest}");
        }
    }

    #[test]
    fn a_workspace_root_has_the_targets_of_its_members_and_a_member_only_its_own() {
        let root = "[workspace]\nmembers = [\"crates/*\", \"port\"]\nexclude = [\"crates/out\"]\n".to_owned();
        let member = |name: &str| PACKAGE.to_owned() + &test(name);
        let manifests = [
            ("", root),
            ("crates/a", member("c")),
            ("crates/out", member("x")),
            ("port", member("p")),
            ("other", member("o")),
        ];
        assert_eq!(names(&manifests, "goldens"), ["c", "p"]);
        assert_eq!(names(&manifests, "port/goldens"), ["p"]);
        assert_eq!(names(&manifests, "other"), ["o"]);
    }
}
