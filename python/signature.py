"""The tensors that a module is given and returns, by name."""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple

import torch
from torch import nn


class Parts(NamedTuple):
    """What arguments or results are made of: tensors, plain values, and the names of all else."""

    tensors: dict[str, torch.Tensor]
    plain: dict[str, Any]
    others: list[str]


def given(module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> Parts:
    """What a module is called with, by the names of its `forward`; `name.0` and `name.key` inside a container."""
    parts = Parts({}, {}, [])
    for name, value in named(module, args, kwargs).items():
        add(parts, name, value)
    return parts


def returned(output) -> Parts:
    """What a module returns: one tensor has the empty name, others their index or key."""
    parts = Parts({}, {}, [])
    add(parts, "", output)
    return parts


def named(module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Every argument, also those that are left to their defaults."""
    try:
        signature = inspect.signature(module.forward)
        bound = signature.bind(*args, **kwargs)
    except (TypeError, ValueError):
        return {**{str(index): value for index, value in enumerate(args)}, **kwargs}
    bound.apply_defaults()
    values = {}
    for name, value in bound.arguments.items():
        if signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
            values.update(value)
        else:
            values[name] = value
    return values


def add(parts: Parts, name: str, value) -> None:
    if value is None:
        return
    if isinstance(value, torch.Tensor):
        parts.tensors[name] = value
    elif plain(value):
        parts.plain[name] = value
    elif isinstance(value, dict):
        for key, part in value.items():
            add(parts, inside(name, key), part)
    elif isinstance(value, (tuple, list)):
        for index, part in enumerate(value):
            add(parts, inside(name, index), part)
    else:
        parts.others.append(f"{name or 'its result'} ({type(value).__name__})")


def plain(value) -> bool:
    """Whether JSON can hold the value; an empty container says nothing."""
    if isinstance(value, (tuple, list)):
        return bool(value) and all(map(plain, value))
    return isinstance(value, (bool, int, float, str))


def inside(name: str, key) -> str:
    return f"{name}.{key}" if name else str(key)
