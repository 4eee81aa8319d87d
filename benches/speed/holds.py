"""Holds two npy files against each other by numpy or torch: for every line on stdin, the seconds that it took.

    python benches/speed/holds.py numpy|torch ACTUAL REFERENCE

Both ways to load the files are tried first, and the faster is kept.
"""

from __future__ import annotations

import sys
import time
import warnings
from typing import Callable

import numpy

RTOL, ATOL = 1.3e-6, 1e-5


def by_numpy(load: Callable) -> None:
    actual, reference = load()
    numpy.testing.assert_allclose(actual, reference, rtol=RTOL, atol=ATOL)
    for array in (actual, reference):
        array.min(), array.max(), array.mean(), array.std()


def by_torch(load: Callable) -> None:
    actual, reference = (torch.from_numpy(array) for array in load())
    torch.testing.assert_close(actual, reference, rtol=RTOL, atol=ATOL)


def seconds(hold: Callable, load: Callable) -> float:
    started = time.perf_counter()
    hold(load)
    return time.perf_counter() - started


def main(name: str, *files: str) -> None:
    hold = {"numpy": by_numpy, "torch": by_torch}[name]
    loads = [lambda mode=mode: [numpy.load(file, mmap_mode=mode) for file in files] for mode in (None, "c")]
    for load in loads:
        seconds(hold, load)
    best = min(loads, key=lambda load: seconds(hold, load))
    for _ in sys.stdin:
        print(seconds(hold, best), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "torch":
        import torch
    warnings.simplefilter("error")
    main(*sys.argv[1:])
