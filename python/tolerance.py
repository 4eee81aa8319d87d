"""How much an output may differ: what its checkpoint is held to, or what its size asks for."""

from __future__ import annotations

import math

import numpy

# Half the spacing of float32 at 1 is 2^-24. Four times that, of the largest value: sums of numbers of that size cannot
# be asked to agree better, and trained models hold a few that are a thousand times the others.
SHARE = 2.0**-22

# What float32 differs from float64 takes a third of a tolerance at most: an implementation that is as far off on the
# other side then still has a third to spare.
ROOM = 3
# Sixteen times half the spacing of float32 at the largest value: a sum of numbers of that size rounds a few times, and
# no more than this is ever given to it.
LARGEST = 2.0**-20


class Relative(float):
    """A tolerance as a share of the largest value, in place of a number, and the most that it may be."""

    most: float

    def __new__(cls, share: float, most: float = math.inf) -> Relative:
        self = super().__new__(cls, share)
        self.most = most
        return self


def scaled(atol: float, values: numpy.ndarray, where: numpy.ndarray | None) -> float:
    """The checkpoint's `atol`, or more where the output is too large for it; exact stays exact."""
    compared = values if where is None else values[where]
    if atol == 0 or values.dtype.kind != "f" or compared.size == 0:
        return atol
    largest = float(abs(compared.astype(numpy.float64)).max())
    if isinstance(atol, Relative):
        return min(round_up(largest * atol), atol.most)
    return max(atol, round_up(largest * SHARE))


def roomy(atol: float, noise: float, ceiling: float) -> float:
    """The checkpoint's `atol`, or more where `noise` would take more than its part, up to `ceiling`."""
    return max(atol, min(round_up(ROOM * noise), ceiling))


def round_up(number: float) -> float:
    """To the next of 1, 2 or 5 times a power of ten."""
    if number == 0:
        return 0.0
    exponent = math.floor(math.log10(number))
    return next(float(f"{digit}e{exponent}") for digit in (1, 2, 5, 10) if float(f"{digit}e{exponent}") >= number)
