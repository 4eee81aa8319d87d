"""Which elements of an output count: the others hold fill values or unused results."""

from __future__ import annotations

import numpy

from plan import Mask, Place


def attended(scores: Place) -> Mask:
    """True where attention scores are not masked, None where none is.

    A masked score is the lowest number of its dtype, or -inf: adding a score to it changes nothing.
    """
    def where(values, shape):
        mask = values[scores] > numpy.finfo(values[scores].dtype).min / 2
        return None if mask.all() else mask

    return where


def hidden(scores: Place) -> Mask:
    """True where attention scores are masked by the lowest number of their dtype.

    Where they are masked by -inf, as earlier versions of transformers do, nothing is true.
    """
    def where(values, shape):
        return values[scores] == numpy.finfo(values[scores].dtype).min

    return where


def tokens(mask: Place, axis: int) -> Mask:
    """True in the rows of real tokens, None where there is no padding.

    The mask is [batch, seq], 1 at a token; `axis` is the output's axis of rows.
    """
    def where(values, shape):
        real = values[mask] != 0
        spread = real.reshape([n if i in (0, axis) else 1 for i, n in enumerate(shape)])
        return None if real.all() else numpy.broadcast_to(spread, shape)

    return where


def both(first: Mask, second: Mask) -> Mask:
    def where(values, shape):
        masks = [mask for mask in (first(values, shape), second(values, shape)) if mask is not None]
        return numpy.logical_and.reduce(masks) if masks else None

    return where
