"""Builds karat out of this checkout and runs it, and reads what it says of itself."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from refusal import Refusal

BUILTIN = "builtin"
# The feature that an executor needs; the built-in one needs none.
FEATURES = {"candle": "candle"}


def cargo(checkout: Path) -> str:
    """The version of cargo."""
    if shutil.which("cargo") is None:
        raise Refusal("cargo, which builds karat, is not installed", "in the PATH", "to install Rust", "see https://rustup.rs")
    ran = subprocess.run(["cargo", "--version"], cwd=checkout, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise Refusal(f"cargo does not run: {ran.stderr.strip()}", "in the PATH", "to see why", "cargo --version")
    return ran.stdout.split()[1]


def available(checkout: Path) -> list[str]:
    """The executors that this checkout can be built with."""
    manifest = (checkout / "Cargo.toml").read_text(encoding="utf-8")
    return [BUILTIN, *(name for name, feature in FEATURES.items()
                       if re.search(rf"^{re.escape(feature)} *=", manifest, re.MULTILINE))]


def build(checkout: Path, executors: list[str]) -> float:
    """Builds karat with everything that these executors need; the seconds it took."""
    began = time.monotonic()
    words = command("build", executors)
    if subprocess.run(words, cwd=checkout, check=False).returncode != 0:
        raise Refusal("karat does not build", "cargo says why, above", "to see it again", shlex.join(words))
    return time.monotonic() - began


def run(checkout: Path, goldens: Path, executors: list[str], executor: str) -> dict[str, Any]:
    """Runs the cases below `goldens` with one executor against their references alone: what `--json` says."""
    words = [*command("run", executors), "--quiet", "--", "run", str(goldens), "--accuracy-only",
             *([] if executor == BUILTIN else ["--executor", executor])]
    ran = subprocess.run([*words, "--json"], cwd=checkout, stdout=subprocess.PIPE, check=False)
    try:
        outcome = json.loads(ran.stdout) if ran.returncode in (0, 1) else None
    except ValueError:
        outcome = None
    if outcome is None:
        raise Refusal(f"karat could not run {executor}", "it says why, above", "to see it again", shlex.join(words))
    if (outcome["executor"], outcome["gates"]) != (executor, "accuracy"):
        raise Refusal(f"karat ran {outcome['executor']} where {executor} was asked for, and held it to {outcome['gates']}",
                      str(goldens), "to see it again", shlex.join(words))
    # It names paths as they are seen from the checkout.
    return {**outcome, "snapshots": str(checkout / outcome["snapshots"])}


def checkpoints(checkout: Path, executors: list[str], executor: str) -> list[str]:
    """Every checkpoint that an executor has: it lists them when asked for an unknown one."""
    with tempfile.TemporaryDirectory() as folder:
        case = Path(folder) / "goldens" / "which" / "case.json"
        case.parent.mkdir(parents=True)
        case.write_text('{"karat": 1, "checkpoint": "?", "outputs": {"y": "y.npy"}}')
        outcome = run(checkout, case.parent.parent, executors, executor)
    problems = [problem for case in outcome["cases"] for problem in case["problems"]]
    return next((problem["known"] for problem in problems if problem["kind"] == "unknown_checkpoint"), [])


def command(verb: str, executors: list[str]) -> list[str]:
    features = [FEATURES[name] for name in executors if name in FEATURES]
    return ["cargo", verb, "--release", "--locked", *(["--features", ",".join(features)] if features else [])]
