"""bfloat16, which numpy has not: two anonymous bytes an element, in arrays and in npy files."""

from __future__ import annotations

from typing import Any

import numpy
import torch

# What `case.json` calls it.
NAME = "bf16"
ANONYMOUS = numpy.dtype("V2")


def array(tensor: torch.Tensor) -> numpy.ndarray:
    """The elements of a tensor; of bfloat16 their bytes."""
    if tensor.dtype != torch.bfloat16:
        return tensor.numpy()
    return tensor.contiguous().view(torch.int16).numpy().view(ANONYMOUS)


def tensor(values: numpy.ndarray) -> torch.Tensor:
    """The tensor that `array` was given."""
    if values.dtype != ANONYMOUS:
        return torch.from_numpy(values)
    return torch.from_numpy(values.view(numpy.int16)).view(torch.bfloat16)


def numbers(values: numpy.ndarray) -> numpy.ndarray:
    """Numbers that numpy can compute with: bfloat16 in float32, which holds every one."""
    return tensor(values).float().numpy() if values.dtype == ANONYMOUS else values


def named(address: Any, values: numpy.ndarray) -> Any:
    """What `case.json` says of a file, and what its anonymous bytes are."""
    if values.dtype != ANONYMOUS:
        return address
    return {**(address if isinstance(address, dict) else {"tensor": address}), "dtype": NAME}
