# /// script
# requires-python = ">=3.10"
# dependencies = ["numpy>=2", "torch>=2.7", "safetensors>=0.5", "ml_dtypes>=0.5"]
# ///
"""Makes the tensor files that `tests/files.rs` reads, by the libraries whose formats they are.

Run it in this folder. Every file holds the same values, written down once in `expected.json`:
integers as they are, floats as the shortest digits that read back the same, what is not a number as a word, complex
numbers as pairs.
"""

import io
import json
import pathlib
import zipfile

import ml_dtypes
import numpy as np
import safetensors.numpy
import safetensors.torch
import torch

SHAPE = (2, 3, 2)
NAN, INF = float("nan"), float("inf")
FLOATS = [0.0, -0.0, 1.0, -1.5, 0.1, 1e-7, 100.0, -448.0, NAN, INF, -INF, 3.0]
FINITE = [0.0, -0.0, 1.0, -1.5, 0.125, 2.0**-6, 100.0, -448.0, NAN, 8.0, 0.3, 3.0]


def integers(dtype):
    low, high = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    return [low, high, high - 1, 0, 1, 2, 3, 4, 5, 6, 7, 100]


VALUES = {
    "bool": (np.bool_, [True, False, False, True, True, True, False, False, True, False, True, False]),
    **{f"i{8 * n}": (f"i{n}", integers(f"i{n}")) for n in (1, 2, 4, 8)},
    **{f"u{8 * n}": (f"u{n}", integers(f"u{n}")) for n in (1, 2, 4, 8)},
    "f16": ("f2", FLOATS),
    "f32": ("f4", FLOATS),
    "f64": ("f8", FLOATS),
    "c64": ("c8", [complex(a, b) for a, b in zip(FLOATS, reversed(FLOATS))]),
    "c128": ("c16", [complex(a, b) for a, b in zip(FLOATS, reversed(FLOATS))]),
}
# Their dtypes have no name in npy.
NAMELESS = {
    "bf16": (ml_dtypes.bfloat16, torch.bfloat16, FLOATS),
    "f8_e4m3": (ml_dtypes.float8_e4m3fn, torch.float8_e4m3fn, FINITE),
    "f8_e5m2": (ml_dtypes.float8_e5m2, torch.float8_e5m2, FLOATS),
}


def word(x):
    """What `expected.json` says of one element."""
    if isinstance(x, complex):
        return [word(x.real), word(x.imag)]
    if isinstance(x, float) and not np.isfinite(x):
        return str(x)
    return x


def header(shape):
    """What `numpy.save` writes before the elements of bytes of that shape."""
    file = io.BytesIO()
    np.save(file, np.zeros(shape, np.uint8))
    return file.getvalue()[10 : -int(np.prod(shape))].decode()


def main():
    here = pathlib.Path(__file__).parent
    expected = {}
    arrays = {}
    for name, (dtype, values) in VALUES.items():
        array = np.array(values, dtype).reshape(SHAPE)
        expected[name] = [word(x) for x in array.ravel().tolist()]
        for order, endian in [("<", "little"), (">", "big")]:
            if array.dtype.itemsize == 1 and order == ">":
                continue
            typed = array.astype(array.dtype.newbyteorder(order))
            arrays[f"{name}-{endian}-c"] = np.ascontiguousarray(typed)
            arrays[f"{name}-{endian}-fortran"] = np.asfortranarray(typed)
    for name, (dtype, _, values) in NAMELESS.items():
        array = np.array(values, np.float32).astype(dtype).reshape(SHAPE)
        expected[name] = [word(float(x)) for x in array.ravel()]
        arrays[f"{name}-little-c"] = array
        arrays[f"{name}-little-fortran"] = np.asfortranarray(array)

    (here / "npy").mkdir(exist_ok=True)
    for name, array in arrays.items():
        np.save(here / "npy" / f"{name}.npy", array)
    np.savez(here / "stored.npz", **arrays)
    np.savez_compressed(here / "deflated.npz", **arrays)

    shapes = here / "shapes"
    shapes.mkdir(exist_ok=True)
    count = np.arange(6, dtype=np.float32)
    np.save(shapes / "scalar.npy", np.float32(7))
    np.save(shapes / "one-axis.npy", count)
    np.save(shapes / "empty.npy", np.zeros((0, 3), np.float32))
    for version in [(2, 0), (3, 0)]:
        with open(shapes / f"version-{version[0]}.npy", "wb") as file:
            np.lib.format.write_array(file, count.reshape(2, 3), version)
    np.savez(shapes / "one.npz", x=count)
    with zipfile.ZipFile(shapes / "zip64.npz", "w", zipfile.ZIP_DEFLATED) as file:
        with file.open("x.npy", "w", force_zip64=True) as member:
            np.save(member, count)

    with open(here / "headers.json", "w") as file:
        # How the padding falls depends on the length, so take every length up to three lines.
        headers = [[shape, header(shape)] for axes in range(36) for shape in [(1,) * axes, (10,) + (1,) * axes]]
        file.write("[\n" + ",\n".join(f"  {json.dumps(entry)}" for entry in headers) + "\n]\n")

    refused = here / "refused"
    refused.mkdir(exist_ok=True)
    np.save(refused / "object.npy", np.array([{}, None], dtype=object))
    np.save(refused / "records.npy", np.zeros(2, [("a", "<f4"), ("b", "<i4", (2,))]))
    np.save(refused / "text.npy", np.array(["a", "bc"]))
    np.save(refused / "bytes.npy", np.array([b"a", b"bc"]))
    np.save(refused / "dates.npy", np.array(["2020-01-01"], "M8[D]"))
    np.save(refused / "longdouble.npy", np.zeros(2, np.longdouble))
    np.save(refused / "raw.npy", np.zeros(2, "V3"))
    with zipfile.ZipFile(refused / "bzip2.npz", "w", zipfile.ZIP_BZIP2) as file:
        with file.open("x.npy", "w") as member:
            np.save(member, count)

    tensors = {}
    for name, (dtype, values) in VALUES.items():
        if name != "c128":
            tensors[name] = torch.from_numpy(np.array(values, dtype).reshape(SHAPE))
    for name, (_, dtype, values) in NAMELESS.items():
        tensors[name] = torch.tensor(values).to(dtype).reshape(SHAPE)
    safetensors.torch.save_file(tensors, here / "torch.safetensors", metadata={"made": "by torch"})
    plain = {name: np.array(values, dtype).reshape(SHAPE) for name, (dtype, values) in VALUES.items() if name[0] != "c"}
    plain["scalar"] = np.array(7, np.float32)
    plain["empty"] = np.zeros((0, 3), np.float32)
    safetensors.numpy.save_file(plain, here / "numpy.safetensors")
    safetensors.numpy.save_file({"x": count}, shapes / "one.safetensors")
    safetensors.torch.save_file({"x": torch.zeros(2, dtype=torch.float8_e8m0fnu)}, refused / "e8m0.safetensors")

    with open(here / "expected.json", "w") as file:
        file.write("{\n" + ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in expected.items()) + "\n}\n")


if __name__ == "__main__":
    main()
