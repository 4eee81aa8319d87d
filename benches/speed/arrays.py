"""Makes pairs of tensor files, `a` and its reference `b`, that are equal within a few units in the last place.

    python benches/speed/arrays.py npy|stored|deflated|fortran|big-endian|huge FOLDER BYTES

Needs numpy.
"""

from __future__ import annotations

import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy

# Of the huge files it is repeated, since zeros would be a hole and no data.
BLOCK_BYTES = 64 << 20
COLUMNS = 8192


def main(kind: str, folder: Path, size: int) -> None:
    with ThreadPoolExecutor(2) as pool:
        if kind == "huge":
            repeats = -(-size // BLOCK_BYTES)
            arrays = zip("ab", pair(min(size, BLOCK_BYTES) // 4))
            list(pool.map(lambda it: repeat(folder / f"{it[0]}.npy", it[1], repeats), arrays))
        else:
            list(pool.map(lambda it: WRITERS[kind](folder, *it), zip("ab", pair(size // 4))))


def pair(elements: int) -> tuple[numpy.ndarray, numpy.ndarray]:
    dice = numpy.random.default_rng(0)
    reference = dice.standard_normal(elements, dtype=numpy.float32)
    steps = dice.integers(-3, 4, elements, dtype=numpy.int8).astype(numpy.float32)
    steps *= numpy.finfo(numpy.float32).eps
    steps += 1
    steps *= reference
    return steps, reference


def repeat(path: Path, block: numpy.ndarray, repeats: int) -> None:
    with path.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (block.size * repeats,)}
        numpy.lib.format.write_array_header_1_0(file, header)
        for _ in range(repeats):
            file.write(block.data)


def member(path: Path, array: numpy.ndarray, method: int) -> None:
    # The level says how long the packing takes; the unpacking is the same.
    with zipfile.ZipFile(path, "w", method, compresslevel=1) as archive:
        with archive.open("x.npy", "w", force_zip64=True) as file:
            numpy.lib.format.write_array(file, array)


WRITERS = {
    "npy": lambda folder, name, x: numpy.save(folder / f"{name}.npy", x),
    "stored": lambda folder, name, x: member(folder / f"{name}.npz", x, zipfile.ZIP_STORED),
    "deflated": lambda folder, name, x: member(folder / f"{name}.npz", x, zipfile.ZIP_DEFLATED),
    "fortran": lambda folder, name, x: numpy.save(folder / f"{name}.npy", numpy.asfortranarray(x.reshape(-1, COLUMNS))),
    "big-endian": lambda folder, name, x: numpy.save(folder / f"{name}.npy", x.astype(">f4")),
}

if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
