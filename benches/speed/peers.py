"""The packages, the crate and the programs that karat is compared with. A missing one is reported; nothing is
measured without it."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Sequence

from . import process
from .bench import CARGO_REMEDY, HERE, HOME, ROOT
from .refusal import Refusal

REQUIREMENTS = HERE / "requirements.txt"
PYTHON = HOME / "python" / "bin" / "python"
# What each section needs of Python's packages: the modules by which they are imported.
MODULES = {
    "kernel": [],
    "files": ["numpy", "torch"],
    "cases": ["numpy", "pytest", "pytest_regressions"],
    "cores": ["numpy"],
    "weight": [],
}
PROGRAMS = {
    "kernel": ["cargo"],
    "files": ["cargo", "cat"],
    "cases": ["cargo", "find"],
    "cores": ["cargo"],
    "weight": ["cargo", "true"],
}
# In the packages' own words: a module that is there and cannot be imported is as good as absent.
LOOK = """
import importlib, importlib.metadata, json, sys
said = {}
for module in sys.argv[1:]:
    try:
        importlib.import_module(module)
        said[module] = importlib.metadata.version(module)
    except Exception as error:
        said[module] = f"error: {type(error).__name__}: {error}".splitlines()[0]
print(json.dumps(said))
"""


def check(sections: Sequence[str], install: bool) -> dict[str, str]:
    """The versions of all peers of those sections, which are installed where they are not there, if that is wanted."""
    for program in sorted({program for section in sections for program in PROGRAMS[section]}):
        if shutil.which(program) is None:
            raise Refusal(f"there is no `{program}`", CARGO_REMEDY if program == "cargo" else "it comes with coreutils and findutils")
    modules = sorted({module for section in sections for module in MODULES[section]})
    if not modules:
        return {}
    wanted = pinned(REQUIREMENTS.read_text())
    found = look(modules)
    if install and wrong(found, wanted):
        fetch()
        found = look(modules)
    lacking = wrong(found, wanted)
    if lacking:
        raise Refusal(f"a peer is absent: {', '.join(lacking)}", f"to install it:  {shlex.join(map(str, commands()[-1]))}"
                      if PYTHON.exists() else f"to install all:  {' && '.join(shlex.join(map(str, it)) for it in commands())}")
    return found


def wrong(found: dict[str, str], wanted: dict[str, str]) -> list[str]:
    """The packages that are not there in the version that is wanted, and what is there instead."""
    lacking = []
    for module, version in found.items():
        name = module.replace("_", "-")
        if version.split("+")[0] != wanted[name]:
            lacking.append(f"{name} {wanted[name]} ({version})")
    return lacking


def pinned(requirements: str) -> dict[str, str]:
    """The version that the file asks for of each package."""
    return dict(re.findall(r"^([\w-]+)==([\w.]+)$", requirements, re.MULTILINE))


def look(modules: Sequence[str]) -> dict[str, str]:
    """The version of each module, or why it cannot be had."""
    if not PYTHON.exists():
        return dict.fromkeys(modules, "not installed")
    return json.loads(process.output([str(PYTHON), "-c", LOOK, *modules]))


def commands() -> list[list[object]]:
    """What a person would type to install the packages."""
    folder = PYTHON.parent.parent.relative_to(ROOT)
    python, requirements = PYTHON.relative_to(ROOT), REQUIREMENTS.relative_to(ROOT)
    return [[sys.executable, "-m", "venv", folder], [python, "-m", "pip", "install", "-r", requirements]]


def fetch() -> None:
    """Installs the packages."""
    for command in commands():
        print(f"installing: {shlex.join(map(str, command))}", file=sys.stderr, flush=True)
        ended = subprocess.run(list(map(str, command)), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if ended.returncode != 0:
            print(ended.stderr.strip(), file=sys.stderr)
            return


def candle() -> str:
    """The version of candle-core that karat's second executor is built with."""
    found = re.search(r'name = "candle-core"\nversion = "([\d.]+)"', (ROOT / "Cargo.lock").read_text())
    if found is None:
        raise Refusal("there is no candle-core in Cargo.lock", "it is the peer of the section `weight`: put its version there")
    return found[1]


def python_environment() -> dict[str, str]:
    """An environment in which numpy chooses the fastest kernels for the processor by itself."""
    environment = process.clean()
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
        environment.pop(name, None)
    return environment


def start(script: str, *arguments: object) -> process.Server:
    """One of the scripts beside this file, which answers lines."""
    return process.Server([str(PYTHON), str(HERE / script), *map(str, arguments)], python_environment())
