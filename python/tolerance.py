"""How much an output may differ: the tolerance of its checkpoint, or one that follows from its size."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy

# Half the spacing of float32 at 1 is 2^-24. Where four times that, of the largest value, is more than the tolerance, sums of
# numbers of that size cannot be asked to agree so well: trained models hold a few that are a thousand times the others.
SHARE = 2.0**-22

# What float32 differs from float64 takes a third of a tolerance at most: an implementation that is as far off on the
# other side then still has a third to spare.
ROOM = 3
# Then every element may differ by sixteen times half its own spacing besides: a sum rounds a few times. What is small
# beside the few is held as closely as ever.
RTOL = 2.0**-20


class Relative(float):
    """A tolerance as a share of the largest value, in place of a number, and the most that it may be."""

    most: float

    def __new__(cls, share: float, most: float = math.inf) -> Relative:
        self = super().__new__(cls, share)
        self.most = most
        return self


class Limits(NamedTuple):
    """What karat allows: |actual - reference| <= atol + rtol * |reference|."""

    atol: float
    rtol: float


def limits(atol: float, values: numpy.ndarray, where: numpy.ndarray | None) -> Limits:
    """The checkpoint's `atol`, and beside it an rtol where the output is too large for that alone; exact stays exact."""
    compared = values if where is None else values[where]
    if atol == 0 or values.dtype.kind != "f" or compared.size == 0:
        return Limits(atol, 0)
    largest = float(abs(compared.astype(numpy.float64)).max())
    if isinstance(atol, Relative):
        return Limits(min(round_up(largest * atol), atol.most), 0)
    return Limits(atol, RTOL if largest * SHARE > atol else 0)


def roomy(atol: float, noise: float, ceiling: float) -> float:
    """The checkpoint's `atol`, or more where `noise` would take more than its part, up to `ceiling`."""
    return max(atol, min(round_up(ROOM * noise), ceiling))


def round_up(number: float) -> float:
    """To the next of 1, 2 or 5 times a power of ten."""
    if number == 0:
        return 0.0
    exponent = math.floor(math.log10(number))
    return next(float(f"{digit}e{exponent}") for digit in (1, 2, 5, 10) if float(f"{digit}e{exponent}") >= number)
