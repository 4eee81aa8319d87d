"""What all sections have: sizes, folders, and karat itself."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, Callable

from . import process

ROOT = Path(__file__).resolve().parent.parent.parent
HERE = Path(__file__).resolve().parent
HOME = ROOT / "target" / "speed"
CARGO_REMEDY = "install Rust: https://rustup.rs"


@dataclasses.dataclass(frozen=True)
class Bench:
    """One run of the benchmark."""

    python: Path
    reduce: int
    folder: Path
    made: dict[str, Any] = dataclasses.field(default_factory=dict)

    def size(self, full: int, least: int = 1) -> int:
        """As many as there are at full size, or fewer where sizes are reduced."""
        return max(full // self.reduce, least)

    def empty(self, name: str) -> Path:
        """A folder of that name with nothing in it."""
        folder = self.folder / name
        remove(folder)
        folder.mkdir(parents=True)
        return folder

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """What several sections need, made by the first."""
        if name not in self.made:
            self.made[name] = make()
        return self.made[name]

    def make(self, script: str, *arguments: object) -> None:
        """Runs a script of this folder that needs the packages."""
        process.output([str(self.python), str(HERE / script), *map(str, arguments)])


def remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def scratch() -> "tempfile.TemporaryDirectory[str]":
    """A folder that is removed at the end, also of a run that is interrupted; those of runs that were killed go first."""
    HOME.mkdir(parents=True, exist_ok=True)
    for left in HOME.glob("run-*"):
        if not is_alive(left.name.split("-")[1]):
            remove(left)
    return tempfile.TemporaryDirectory(prefix=f"run-{os.getpid()}-", dir=HOME)


def is_alive(pid: str) -> bool:
    return Path("/proc", pid).exists()


def karat() -> Path:
    """The release binary, built."""
    return built("build", "--bin", "karat")


def kernel() -> Path:
    """The program of benches/kernel, built."""
    return built("bench", "--no-run", "--bench", "kernel")


def built(*arguments: str) -> Path:
    """The executable that a cargo command makes."""
    release = ["--release"] if arguments[0] == "build" else []
    command = ["cargo", *arguments, *release, "--locked", "--quiet", "--message-format=json-render-diagnostics"]
    return Path(executable(process.output(command, ROOT, CARGO_REMEDY), arguments[-1]))


def executable(said: str, name: str) -> str:
    """The file that cargo names in its messages for the target of that name."""
    messages = (json.loads(line) for line in said.splitlines() if line.startswith("{"))
    files = [message["executable"] for message in messages
             if message["reason"] == "compiler-artifact" and message["target"]["name"] == name and message["executable"]]
    return files[-1]


def machine() -> str:
    """The processor, its cores and the memory."""
    models = [line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
              if line.startswith("model name")]
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return f"{models[0] if models else 'unknown processor'}, {os.cpu_count()} cores, {pages / 2**30:.0f} GiB"
