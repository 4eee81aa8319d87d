"""Crates that depend on karat, or on a peer, as a user's would."""

from __future__ import annotations

import shutil
from pathlib import Path

from . import bench as home
from . import process

MANIFEST = """\
[package]
name = "speed"
version = "0.0.0"
edition = "2024"
publish = false

[dev-dependencies]
{dependency}

[workspace]
"""
TARGET = """
[[test]]
name = "goldens"
harness = false
"""
TEST = """\
fn main() -> std::process::ExitCode {
    karat::Harness::new("goldens").executor(karat::executors::gpt2::executor()).main()
}
"""


def on_karat(features: str = "") -> str:
    """The dependency on this karat, with those features and no default ones."""
    return f'karat = {{ path = "{home.ROOT}", default-features = false, features = [{features}] }}'


def write(folder: Path, dependency: str = on_karat('"gpt2"'), test: str = TEST) -> None:
    """A crate with a test target of its own main where there is a text for it."""
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "lib.rs").write_text("")
    (folder / "Cargo.toml").write_text(MANIFEST.format(dependency=dependency) + (TARGET if test else ""))
    # What is there is taken in the same versions as karat's own build takes it.
    shutil.copyfile(home.ROOT / "Cargo.lock", folder / "Cargo.lock")
    if test:
        (folder / "tests").mkdir()
        (folder / "tests" / "goldens.rs").write_text(test)


def test_binary(folder: Path) -> Path:
    """The goldens test of a crate, built for release, in a folder that the next run of the benchmark reuses."""
    command = ["cargo", "test", "--release", "--no-run", "--quiet", "--message-format=json-render-diagnostics"]
    return Path(home.executable(process.output(command, folder, CARGO_TARGET_DIR=str(home.HOME / "harness")), "goldens"))
