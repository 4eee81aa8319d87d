"""Writes a suite: all of it or nothing, and the same bytes for the same observation."""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy
from safetensors.torch import save

from observer import Observation, Seen, same_bits
from plan import Case, Parameter, Place, Plan
from refusal import PROGRAM, Refusal

FORMAT = 1
WEIGHTS = "weights.safetensors"


class Target(NamedTuple):
    """Where the suite goes, and its id, which the ids of its cases begin with."""

    folder: Path
    id: str


class Written(NamedTuple):
    """What was written; `dropped` are the cases that were there before and are not any more."""

    case_count: int
    byte_count: int
    dropped: list[str]


def target(root: Path, name: str, force: bool, forced: str) -> Target:
    """Refuses, before anything is loaded, a place where no suite may be written.

    `forced` is the command that would replace a suite.
    """
    if not name or PurePosixPath(name).is_absolute() or {".", ".."} & set(name.split("/")) \
            or posixpath.normpath(name) != name or "\\" in name:
        raise Refusal(f"{name!r} is no name of a suite", "it is a folder below the goldens root, like gpt2-tiny",
                      "to see the options", f"{PROGRAM} --help")
    folder = root / name
    if not os.path.lexists(folder):
        return Target(folder, name)
    if not (folder / "suite.json").is_file() or folder.is_symlink():
        raise Refusal("something other than a suite is there", str(folder),
                      "to see what", f"ls -la {folder}")
    if not force:
        raise Refusal("the suite exists, and goldens are not overwritten unasked", str(folder),
                      "to replace it", forced)
    return Target(folder, name)


def write(target: Target, plan: Plan, observation: Observation, model, reference: dict[str, Any]) -> Written:
    """Writes weights, cases and `suite.json` beside the target, then moves them there."""
    try:
        before = case_ids(target.folder)
        with staged(target.folder) as folder:
            write_weights(folder / WEIGHTS, model)
            weights = {"file": WEIGHTS, "sha256": sha256(folder / WEIGHTS)}
            outputs: dict[int, Output] = {}
            for case in plan.cases:
                write_case(folder, target.id, case, observation, outputs)
            present = {name: value for name, value in reference.items() if value is not None}
            write_json(folder / "suite.json", {"karat": FORMAT, "reference": {**present, "weights": weights}})
        after = case_ids(target.folder)
        size = sum(path.stat().st_size for path in target.folder.rglob("*") if path.is_file())
    except OSError as error:
        raise Refusal(f"the suite cannot be written: {error.strerror or error}", str(error.filename or target.folder),
                      "to write to another place", f"{PROGRAM} {target.id} --root DIR") from error
    return Written(len(after), size, sorted(f"{target.id}/{case}" for case in before - after))


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """Gives an empty folder that takes the name of `folder` at the end, or goes away.

    The old folder is moved aside first, and back if the new one cannot take its place.
    """
    new = folder.parent / f".{folder.name}.new-{os.getpid()}"
    old = folder.parent / f".{folder.name}.old-{os.getpid()}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    new.mkdir()
    try:
        yield new
        if folder.exists():
            folder.rename(old)
        try:
            new.rename(folder)
        except OSError:
            if old.exists():
                old.rename(folder)
            raise
    finally:
        shutil.rmtree(new, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)


class Output(NamedTuple):
    """An output that a case before this one holds, by id and by file."""

    seen: Seen
    id: str
    file: str


def write_case(folder: Path, suite_id: str, case: Case, observation: Observation, outputs: dict[int, Output]) -> None:
    """Writes one case; an input that is an earlier case's output refers to that one's file.

    `outputs` is keyed by the identity of the tensor in the forward and grows by this case's own.
    """
    home = folder / case.id
    home.mkdir(parents=True)
    inputs = {name: write_input(home, case, name, tensor, observation, outputs)
              for name, tensor in case.inputs.items()}
    for name, place in case.outputs.items():
        seen = observation[place]
        write_tensor(home / f"{name}.npy", seen.values, place)
        outputs.setdefault(id(seen.source), Output(seen, f"{suite_id}/{case.id}:{name}", f"{case.id}/{name}.npy"))
    write_json(home / "case.json", {
        "karat": FORMAT,
        "checkpoint": case.checkpoint,
        "params": case.params,
        "inputs": inputs,
        "outputs": {name: f"{name}.npy" for name in case.outputs},
        "tolerance": {name: {"atol": case.atol, "rtol": 0} for name in case.outputs},
    })


def write_input(home: Path, case: Case, name: str, tensor: Place | Parameter,
                observation: Observation, outputs: dict[int, Output]) -> Any:
    """Refers to a weight or to an earlier output, or writes the tensor; returns what `case.json` says."""
    if isinstance(tensor, Parameter):
        return f"{posixpath.relpath(WEIGHTS, case.id)}#{tensor.name}"
    seen = observation[tensor]
    output = outputs.get(id(seen.source))
    # The same tensor, but changed in place since: then it is no longer that output.
    if output and same_bits(output.seen.values, seen.values):
        return {"tensor": posixpath.relpath(output.file, case.id), "from": output.id}
    write_tensor(home / f"{name}.npy", seen.values, tensor)
    return f"{name}.npy"


def write_tensor(path: Path, values: numpy.ndarray, place: Place) -> None:
    """Writes an npy file in C order; NaN in a reference would make it worthless."""
    if values.dtype.kind in "fc" and numpy.isnan(values).any():
        raise Refusal(f"{place.port} of {place.module} holds NaN", "computed by the model itself",
                      "to capture another model", f"{PROGRAM} --help")
    with path.open("xb") as file:
        numpy.save(file, values, allow_pickle=False)


def write_weights(path: Path, model) -> None:
    """Every parameter once under its first name: no buffers, and a tied head is not there twice."""
    # `save_file` would make a file that only its owner can read.
    with path.open("xb") as file:
        file.write(save({name: tensor.detach().contiguous() for name, tensor in model.named_parameters()}))


def write_json(path: Path, value: dict[str, Any]) -> None:
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    with path.open("x", encoding="utf-8", newline="\n") as file:
        file.write(text + "\n")


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def case_ids(folder: Path) -> set[str]:
    return {path.parent.relative_to(folder).as_posix() for path in folder.rglob("case.json")}
