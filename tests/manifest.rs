//! What `Cargo.toml` promises.

use std::process::Command;

use serde_json::Value;

fn metadata() -> Value {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version=1", "--locked", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo prints JSON")
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
    let metadata = metadata();
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
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["package", "--list", "--allow-dirty", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let list = String::from_utf8(output.stdout).expect("paths are UTF-8").replace('\\', "/");
    for file in ["LICENSE-APACHE", "LICENSE-MIT", "README.md", "CHANGELOG.md", "src/lib.rs"] {
        assert!(list.lines().any(|line| line == file), "{file} is not in the package");
    }
    for line in list.lines().filter(|line| line.contains('/')) {
        assert!(line.starts_with("src/"), "{line} is in the package");
    }
}
