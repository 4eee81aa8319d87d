//! cargo-insta and cargo-nextest, which some tests drive: one pinned version of each, built on first use into `target/tools`.

use std::env::consts::EXE_SUFFIX;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// The packages, and the versions that the tests are written for.
const VERSIONS: [(&str, &str); 2] = [("cargo-insta", "1.49.0"), ("cargo-nextest", "0.9.143")];

/// A `PATH` on which cargo finds the pinned versions of these packages, whatever else is installed.
pub(crate) fn path_with(packages: &[&str]) -> OsString {
    let pinned = VERSIONS.iter().filter(|(package, _)| packages.contains(package));
    pinned.for_each(|(package, version)| install(package, version));
    let old = std::env::var_os("PATH").unwrap_or_default();
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(std::env::home_dir()?.join(".cargo")));
    // Cargo and rustup put the folder of cargo's home first unless it is on the path already.
    let last = home.map(|home| home.join("bin"));
    let folders = [folder().join("bin")].into_iter().chain(std::env::split_paths(&old)).chain(last);
    std::env::join_paths(folders).expect("each comes from a path")
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it is in the target folder").join("tools")
}

/// Installs a package unless it exists. Skipping the test instead would hide that nothing was tested.
fn install(package: &str, version: &str) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _thread = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let folder = folder();
    let stamp = folder.join(format!("{package}-{version}"));
    let is_there = || stamp.is_file() && folder.join("bin").join(format!("{package}{EXE_SUFFIX}")).is_file();
    if is_there() {
        return;
    }
    fs::create_dir_all(&folder).expect("the target folder can be written");
    let _process = lock(&folder);
    if is_there() {
        return;
    }
    // Not `eprintln`, which the test harness captures: this takes minutes.
    let note = format!("\na test drives {package}: installing {package} {version} into {}\n", folder.display());
    std::io::stderr().write_all(note.as_bytes()).ok();
    let build = folder.join("build");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["install", package, "--version", version, "--locked", "--force", "--debug", "--root"]).arg(&folder);
    if package == "cargo-nextest" {
        // Without the part that updates itself from the network, which has cryptography in C and takes as long as the rest.
        cargo.args(["--no-default-features", "--features", "default-no-update"]);
    }
    // Built as fast as can be: the tests do not wait for the tools.
    cargo.arg("--target-dir").arg(&build).env("CARGO_PROFILE_DEV_DEBUG", "0");
    let status = cargo.current_dir(&folder).status().expect("there is a cargo");
    assert!(status.success(), "{package} {version} cannot be installed into {}; cargo says why", folder.display());
    fs::remove_dir_all(build).ok();
    fs::write(stamp, "").expect("a file can be written");
}

/// Waits until no other process installs; another one may until the file is closed.
fn lock(folder: &Path) -> File {
    let file = File::create(folder.join("lock")).expect("a file can be written");
    // Elsewhere cargo itself keeps two builds in one folder apart.
    #[cfg(unix)]
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).expect("the file system knows locks");
    file
}
