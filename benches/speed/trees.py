"""Makes cases of LayerNorm: a tree of goldens, or the same arrays stacked in one file.

    python benches/speed/trees.py cases|stacked FOLDER COUNT

Needs numpy.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy

ROWS, WIDTH, EPS = 8, 64, 1e-5
# Cases in a folder.
EACH = 100
SUITE = {
    "karat": 1,
    "checkpoint": "layer_norm",
    "params": {"eps": EPS},
    "tolerance": {"y": {"atol": 1e-5, "rtol": 1.3e-6}},
    "reference": {"framework": "numpy", "dtype": "float64, rounded to float32", "seed": 0},
}
CASE = {"karat": 1, "inputs": {name: f"{name}.npy" for name in ("x", "weight", "bias")}, "outputs": {"y": "y.npy"}}


def arrays(count: int) -> dict[str, numpy.ndarray]:
    dice = numpy.random.default_rng(0)
    x = dice.normal(0.5, 2, (count, ROWS, WIDTH)).astype(numpy.float32)
    weight = dice.normal(1, 0.2, (count, WIDTH)).astype(numpy.float32)
    bias = dice.normal(0, 0.2, (count, WIDTH)).astype(numpy.float32)
    wide = x.astype(numpy.float64)
    wide = (wide - wide.mean(-1, keepdims=True)) / numpy.sqrt(wide.var(-1, keepdims=True) + EPS)
    y = (wide * weight[:, None] + bias[:, None]).astype(numpy.float32)
    return {"x": x, "weight": weight, "bias": bias, "y": y}


def cases(goldens: Path, count: int) -> None:
    suite = goldens / "norms"
    suite.mkdir(parents=True)
    (suite / "suite.json").write_text(json.dumps(SUITE, indent=2) + "\n")
    text = json.dumps(CASE, indent=2) + "\n"
    made = arrays(count)
    for place in range(count):
        folder = suite / f"{place // EACH:04}" / f"{place % EACH:02}"
        folder.mkdir(parents=True)
        (folder / "case.json").write_text(text)
        for name, array in made.items():
            numpy.save(folder / f"{name}.npy", array[place])


def stacked(folder: Path, count: int) -> None:
    numpy.savez(folder / "arrays.npz", **arrays(count))


if __name__ == "__main__":
    {"cases": cases, "stacked": stacked}[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]))
