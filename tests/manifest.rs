//! What `Cargo.toml` promises.

use std::process::Command;

use serde_json::Value;

/// What cargo says when it is run here with those arguments.
fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    let output = output.expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cargo prints UTF-8")
}

/// `1.88` and `1.88.0` as numbers.
fn version(text: &str) -> Vec<u32> {
    let mut parts: Vec<u32> = text.split('.').map(|part| part.parse().expect("a number")).collect();
    parts.resize(3, 0);
    parts
}

/// Clippy's `incompatible_msrv` holds karat's own code to the same version.
#[test]
fn no_dependency_needs_a_later_rust_than_karat_promises() {
    // The packages of other platforms are on no machine that has only built and tested karat.
    let about = cargo(&["--version", "--verbose"]);
    let host = about.lines().find_map(|line| line.strip_prefix("host: ")).expect("cargo names its host");
    let metadata = cargo(&["metadata", "--format-version=1", "--locked", "--filter-platform", host]);
    let metadata: Value = serde_json::from_str(&metadata).expect("cargo prints JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let promised = packages.iter().find(|package| package["name"] == "karat").expect("karat itself");
    let promised = version(promised["rust_version"].as_str().expect("rust-version is set"));
    for package in packages {
        if let Some(needed) = package["rust_version"].as_str() {
            assert!(version(needed) <= promised, "{} needs Rust {needed}", package["name"]);
        }
    }
}

#[test]
fn the_package_holds_sources_and_licences_and_nothing_else() {
    let list = cargo(&["package", "--list", "--allow-dirty"]).replace('\\', "/");
    for file in ["LICENSE-APACHE", "LICENSE-MIT", "README.md", "CHANGELOG.md", "src/lib.rs"] {
        assert!(list.lines().any(|line| line == file), "{file} is not in the package");
    }
    for line in list.lines().filter(|line| line.contains('/')) {
        assert!(line.starts_with("src/"), "{line} is in the package");
    }
}
