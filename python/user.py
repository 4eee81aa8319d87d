"""A torch module of the user's own, made by a function in a Python file."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from origin import sha256
from refusal import PROGRAM, Refusal, first_line


class Own(NamedTuple):
    """The module, one forward of it or of its copy in another dtype, and what `reference` says."""

    model: nn.Module
    forward: Callable[[nn.Module], Any]
    reference: dict[str, Any]


def load(options: argparse.Namespace) -> Own:
    """Calls the function, seeded, for a module and its inputs: a tensor, a tuple, or a dict of keywords."""
    file, _, function = options.load.rpartition(":")
    path = Path(file)
    if not path.is_file() or not function.isidentifier():
        raise refuse(f"no such file and function: {options.load}", "--load")
    torch.set_num_threads(1)
    try:
        made = getattr(imported(path), function)
        torch.manual_seed(options.seed)
        model, inputs = made()
    except Exception as error:  # The file is the user's, and may raise anything.
        raise refuse(f"{function} fails: {type(error).__name__}: {first_line(error)}", str(path)) from error
    if not isinstance(model, nn.Module):
        raise refuse(f"{function} returns a {type(model).__name__} where a torch module is wanted", str(path))
    model.eval()

    def forward(runner: nn.Module):
        given = inputs if runner is model else cast(inputs, torch.float64)
        if isinstance(given, dict):
            return runner(**given)
        return runner(*given) if isinstance(given, (tuple, list)) else runner(given)

    dtypes = sorted({str(p.dtype).removeprefix("torch.") for p in model.parameters()})
    reference = {
        "framework": "torch",
        "model": {"source": "file", "file": f"{path.name}:{function}", "class": type(model).__name__,
                  "sha256": sha256(path), **({"origin": options.origin} if options.origin else {})},
        "dtype": ", ".join(dtypes) or None,
        "seed": options.seed,
    }
    return Own(model, forward, reference)


def imported(path: Path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    # Where a class in the file looks for itself, for instance to be copied; and files beside it, to be imported.
    sys.modules.setdefault(path.stem, module)
    sys.path.append(str(path.resolve().parent))
    spec.loader.exec_module(module)
    return module


def cast(value, dtype: torch.dtype):
    """The same inputs with their floats in another dtype."""
    if isinstance(value, torch.Tensor):
        return value.to(dtype) if value.is_floating_point() else value
    if isinstance(value, dict):
        return {key: cast(part, dtype) for key, part in value.items()}
    return type(value)(cast(part, dtype) for part in value) if isinstance(value, (tuple, list)) else value


def refuse(what: str, where: str) -> Refusal:
    return Refusal(what, where, "to see how a function is named", f"{PROGRAM} --help")
