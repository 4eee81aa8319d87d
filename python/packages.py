"""The Python and the packages that a capture needs: the one list of them, and whether they are there."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import shlex
import sys

from refusal import Refusal

PYTHON = (3, 9)
# The same as in the header of capture.py, which only uv and its like read; a test compares them.
DEPENDENCIES = (
    "torch>=2.2",
    "transformers>=4.57",
    "huggingface_hub>=0.26",
    "numpy>=1.24",
    "safetensors>=0.4.3",
)
# Needed by `--sentence` only, and heavy.
FOR_SENTENCES = "sentence-transformers>=3"


def require(*others: str) -> dict[str, str]:
    """The version of every package, none of which is imported; refuses a Python or packages that are absent or too old."""
    if sys.version_info[:2] < PYTHON:
        raise Refusal(f"Python {python()} is too old: {dotted(PYTHON)} or later is needed", sys.executable,
                      "to see what there is", "ls /usr/bin/python3*")
    wanted = dict(map(split, (*DEPENDENCIES, *others)))
    found = {name: version(name) for name in wanted}
    absent = [name for name in wanted if found[name] is None]
    if absent:
        raise install(f"not installed: {', '.join(absent)}", *others)
    old = [f"{name} {found[name]} (needs {least})" for name, least in wanted.items()
           if numbers(found[name]) < numbers(least)]
    if old:
        raise install(f"too old: {', '.join(old)}", *others)
    return found


def install(what: str, *pip_arguments: str) -> Refusal:
    return Refusal(
        what,
        f"needed by python/capture.py, run by Python {python()}",
        "to install",
        shlex.join([sys.executable or "python3", "-m", "pip", "install", *pip_arguments, *DEPENDENCIES]),
    )


def version(name: str) -> str | None:
    """The version of a distribution that can be imported."""
    if importlib.util.find_spec(name.replace("-", "_")) is None:
        return None
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def split(requirement: str) -> tuple[str, str]:
    name, _, least = requirement.partition(">=")
    return name, least


def numbers(text: str) -> tuple[int, ...]:
    """`2.15.0+cu132` is (2, 15, 0): what comes after the numbers decides nothing here."""
    return tuple(map(int, re.match(r"\d+(\.\d+)*", text)[0].split(".")))


def python() -> str:
    return sys.version.split()[0]


def dotted(parts: tuple[int, ...]) -> str:
    return ".".join(map(str, parts))
