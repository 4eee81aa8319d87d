"""Writes a suite: all of it or nothing, and the same bytes for the same observation."""

from __future__ import annotations

import itertools
import json
import os
import posixpath
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy
import torch
from safetensors.torch import save

import bfloat16
from observer import Observation, Seen, same_bits
from origin import sha256
from plan import Case, First, Parameter, Place, Plan
from refusal import PROGRAM, Refusal
from tolerance import limits

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
            present = {name: value for name, value in reference.items() if value is not None}
            if plan.parameters():
                write_weights(folder / WEIGHTS, model, plan)
                present["weights"] = {"file": WEIGHTS, "sha256": sha256(folder / WEIGHTS)}
            files: Files = {}
            for case in plan.cases:
                write_case(folder, target.id, case, plan, observation, files)
            write_json(folder / "suite.json", {"karat": FORMAT, "reference": present})
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


class File(NamedTuple):
    """A tensor that a case before this one holds: its file, and its id where it is an output."""

    seen: Seen
    file: str
    id: str | None
    level: int


# By where a tensor of the forward lies in memory, in the order in which the cases were written.
Files = dict[tuple, list[File]]


def write_case(folder: Path, suite_id: str, case: Case, plan: Plan, observation: Observation, files: Files) -> None:
    """Writes one case; an input that an earlier case holds refers to that one's file.

    `files` grows by this case's own.
    """
    home = folder / case.id
    home.mkdir(parents=True)
    values = {place: seen.values for place, seen in observation.items()}
    inputs = {name: write_input(home, case, name, tensor, plan, observation, files)
              for name, tensor in case.inputs.items()}
    outputs, tolerances = {}, {}
    for name, place in case.outputs.items():
        seen = observation[place]
        # An input may have the same name, and then it has the file.
        file = f"{name}.npy" if name not in case.inputs else f"{name}.output.npy"
        write_tensor(home / file, seen.values, place)
        where = case.where[name](values, seen.values.shape) if name in case.where else None
        said = output(file, write_mask(home, case, name, where), write_alternatives(home, case, name))
        outputs[name] = bfloat16.named(said, seen.values)
        if case.tolerance is not None:
            tolerances[name] = limits(case.tolerance[name], bfloat16.numbers(seen.values), where)._asdict()
        remember(files, File(seen, f"{case.id}/{file}", f"{suite_id}/{case.id}:{name}", case.level))
    fields = {
        "karat": FORMAT,
        "checkpoint": case.checkpoint,
        "params": {name: int(values[param.place].flat[0]) if isinstance(param, First) else param
                   for name, param in case.params.items()},
        "inputs": inputs,
        "outputs": outputs,
    }
    if tolerances:
        fields["tolerance"] = tolerances
    write_json(home / "case.json", fields)


def write_input(home: Path, case: Case, name: str, tensor: Place | Parameter,
                plan: Plan, observation: Observation, files: Files) -> Any:
    """Refers to a weight or to an earlier case's file, or writes the tensor; returns what `case.json` says."""
    if isinstance(tensor, Parameter):
        return f"{posixpath.relpath(WEIGHTS, case.id)}#{tensor.name.removeprefix(plan.prefix)}"
    seen = observation[tensor]
    # The same tensor, but changed in place since, is no longer that output.
    known = [file for file in files.get(memory(seen.source), []) if same_bits(file.seen.values, seen.values)]
    # A linked one first; among these the one of this case's own level.
    known.sort(key=lambda file: (file.id is None, file.level != case.level))
    if known:
        path = posixpath.relpath(known[0].file, case.id)
        return bfloat16.named({"tensor": path, "from": known[0].id} if known[0].id else path, seen.values)
    write_tensor(home / f"{name}.npy", seen.values, tensor)
    remember(files, File(seen, f"{case.id}/{name}.npy", None, case.level))
    return bfloat16.named(f"{name}.npy", seen.values)


def output(file: str, mask: str | None, alternatives: list[str]) -> Any:
    """What `case.json` says of an output: its file, or an object where there is more to say."""
    more = {**({"where": mask} if mask else {}), **({"or": alternatives} if alternatives else {})}
    return {"tensor": file, **more} if more else file


def write_alternatives(home: Path, case: Case, name: str) -> list[str]:
    """Writes what an output may be instead; returns the files."""
    files = []
    for number, values in enumerate(case.alternatives.get(name, []), 1):
        files.append(f"{name}.or.npy" if len(case.alternatives[name]) == 1 else f"{name}.or.{number}.npy")
        write_tensor(home / files[-1], values, case.outputs[name])
    return files


def write_mask(home: Path, case: Case, name: str, mask: numpy.ndarray | None) -> str | None:
    """Writes where an output is compared, if not everywhere; returns the file."""
    if mask is None:
        return None
    if not mask.any():
        raise Refusal(f"no element of {name} of {case.id} would be compared", "its mask is false everywhere",
                      "to capture another input", f"{PROGRAM} --help")
    with (home / f"{name}.where.npy").open("xb") as opened:
        numpy.save(opened, numpy.ascontiguousarray(mask), allow_pickle=False)
    return f"{name}.where.npy"


def remember(files: Files, file: File) -> None:
    files.setdefault(memory(file.seen.source), []).append(file)


def memory(tensor: torch.Tensor) -> tuple:
    """Equal for two names of one tensor, such as a dropout's input and output when it drops nothing."""
    return tensor.data_ptr(), tuple(tensor.shape), tensor.stride(), tensor.dtype


def write_tensor(path: Path, values: numpy.ndarray, place: Place) -> None:
    """Writes an npy file in C order; NaN in a reference would make it worthless."""
    numbers = bfloat16.numbers(values)
    if numbers.dtype.kind in "fc" and numpy.isnan(numbers).any():
        raise Refusal(f"{place} holds NaN", "computed by the model itself",
                      "to capture another model", f"{PROGRAM} --help")
    with path.open("xb") as file:
        numpy.save(file, values, allow_pickle=False)


def write_weights(path: Path, model, plan: Plan) -> None:
    """Every parameter and buffer that a case uses, once: a tied head is not there twice."""
    used = plan.parameters()
    named = itertools.chain(model.named_parameters(), model.named_buffers())
    tensors = {name.removeprefix(plan.prefix): tensor.detach().contiguous() for name, tensor in named if name in used}
    # `save_file` would make a file that only its owner can read.
    with path.open("xb") as file:
        file.write(save(tensors))


def write_json(path: Path, value: dict[str, Any]) -> None:
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    with path.open("x", encoding="utf-8", newline="\n") as file:
        file.write(text + "\n")


def case_ids(folder: Path) -> set[str]:
    return {path.parent.relative_to(folder).as_posix() for path in folder.rglob("case.json")}
