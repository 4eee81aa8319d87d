"""Writes what numpy, torch and exact arithmetic say of small random tensors, for tests/numeric.rs to agree with.

    pip install numpy torch
    python generate.py > reference.json

Tensors are the hexadecimal of their little-endian bytes. Statistics are taken in exact rationals and rounded once.
"""

import json
import math
from fractions import Fraction

import numpy as np
import torch

RANDOM = np.random.default_rng(20240229)
COUNT = 20

FLOATS = {
    "f16": (torch.float16, torch.int16),
    "bf16": (torch.bfloat16, torch.int16),
    "f32": (torch.float32, torch.int32),
    "f64": (torch.float64, torch.int64),
    "f8_e4m3": (torch.float8_e4m3fn, torch.int8),
    "f8_e5m2": (torch.float8_e5m2, torch.int8),
}
INTEGERS = {
    "bool": (torch.bool, 0, 1),
    "i8": (torch.int8, -128, 127),
    "i16": (torch.int16, -(2**15), 2**15 - 1),
    "i32": (torch.int32, -(2**31), 2**31 - 1),
    "i64": (torch.int64, -(2**63), 2**63 - 1),
    "u8": (torch.uint8, 0, 255),
}
COMPLEX = {"c64": torch.complex64, "c128": torch.complex128}
SPECIAL = [0.0, -0.0, 1.0, math.inf, -math.inf, math.nan]


def code(tensor):
    return tensor.contiguous().view(torch.uint8).numpy().tobytes().hex()


def close_columns(kind):
    """Two columns close to each other, with zeros; of the wild kind, also with what is not finite."""
    reference = RANDOM.standard_normal(COUNT) * 10.0 ** RANDOM.integers(-2, 3)
    actual = reference * (1 + RANDOM.standard_normal(COUNT) * 10.0 ** RANDOM.uniform(-8, -1, COUNT))
    if kind == "offset":
        return 1e3 * actual + 1e8, 1e3 * reference + 1e8
    if kind == "huge":
        return actual * 1e300, reference * 1e300
    special = SPECIAL if kind == "wild" else SPECIAL[:3]
    for _ in range(3):
        place = RANDOM.integers(COUNT)
        actual[place] = reference[place] = special[RANDOM.integers(len(special))]
    for column in (actual, reference):
        if RANDOM.random() < 0.5:
            column[RANDOM.integers(COUNT)] = special[RANDOM.integers(len(special))]
    return actual, reference


def make_pair(name, kind):
    if name in FLOATS:
        return [torch.tensor(column).to(FLOATS[name][0]) for column in close_columns(kind)]
    if name in COMPLEX:
        actual, reference = close_columns(kind)
        # Specials stand in both components: a number that is half NaN is where karat is stricter than numpy.
        return [torch.tensor(column * (1 + 1j * 0.5)).to(COMPLEX[name]) for column in (actual, reference)]
    dtype, low, high = INTEGERS[name]
    reference = [int(x) for x in RANDOM.integers(low, high, COUNT, dtype=np.int64, endpoint=True)]
    steps = [int(x) for x in RANDOM.integers(-3, 4, COUNT)]
    actual = [min(max(x + step, low), high) for x, step in zip(reference, steps)]
    return torch.tensor(actual, dtype=dtype), torch.tensor(reference, dtype=dtype)


def wide(tensor):
    """The elements as Python numbers, exactly."""
    if tensor.dtype.is_complex:
        return tensor.to(torch.complex128).tolist()
    if tensor.dtype.is_floating_point:
        return tensor.to(torch.float64).tolist()
    return [int(x) for x in tensor.tolist()]


def is_finite(x):
    return math.isfinite(x.real) and math.isfinite(x.imag)


def parts(x):
    return [Fraction(x.real), Fraction(x.imag)]


def root(x):
    """The root of a rational, from an integer root of 200 bits or more."""
    shift = max(0, 400 - 2 * (x.numerator.bit_length() // 2 - x.denominator.bit_length() // 2))
    return Fraction(math.isqrt((x.numerator << (2 * shift)) // x.denominator), 1 << shift)


def modulus(x):
    return root(sum(part**2 for part in parts(x)))


def as_float(x):
    try:
        return float(x)
    except OverflowError:
        return "inf"


def outside(actual, reference, atol, rtol, equal_nan):
    if isinstance(reference[0], int):
        # numpy would take the difference of 64-bit integers in 64 bits and the bound in doubles.
        return sum(abs(a - r) > Fraction(atol) + Fraction(rtol) * abs(r) for a, r in zip(actual, reference))
    close = np.isclose(np.array(actual), np.array(reference), rtol=rtol, atol=atol, equal_nan=equal_nan)
    return int(COUNT - close.sum())


def torch_passes(actual, reference, atol, rtol, equal_nan):
    if actual.element_size() == 1 and actual.dtype.is_floating_point:
        actual, reference = actual.to(torch.float64), reference.to(torch.float64)
    try:
        torch.testing.assert_close(actual, reference, rtol=rtol, atol=atol, equal_nan=equal_nan)
    except AssertionError:
        return False
    return True


def ulps(name, actual, reference):
    if name not in FLOATS:
        return None
    integer = FLOATS[name][1]
    sign = 1 << (8 * actual.element_size() - 1)

    def order(tensor):
        return [-(x + sign) if x < 0 else x for x in tensor.view(integer).tolist()]

    finite = [is_finite(a) and is_finite(r) for a, r in zip(wide(actual), wide(reference))]
    return max(abs(a - r) for a, r, keep in zip(order(actual), order(reference), finite) if keep)


def statistics(actual, reference, atol, rtol):
    pairs = [(a, r) for a, r in zip(actual, reference) if is_finite(a) and is_finite(r)]
    differences = [[x - y for x, y in zip(parts(a), parts(r))] for a, r in pairs]
    distances = [root(sum(part**2 for part in difference)) for difference in differences]
    count = len(pairs)

    def dot(left, right):
        return sum(x * y for a, r in zip(left, right) for x, y in zip(parts(a), parts(r)))

    left, right = [a for a, _ in pairs], [r for _, r in pairs]
    squares = sum(part**2 for difference in differences for part in difference)
    bias = [sum(difference[i] for difference in differences) / count for i in range(2)]
    allowed = [Fraction(atol) + Fraction(rtol) * modulus(r) for _, r in pairs]
    return {
        "max_abs_diff": as_float(max(distances)),
        "max_rel_diff": as_float(max(d / modulus(r) for d, (_, r) in zip(distances, pairs) if r != 0)),
        "mean_abs_diff": as_float(sum(distances) / count),
        "rmse": as_float(root(squares / count)),
        "rel_rms": as_float(root(squares / dot(right, right))),
        "bias": as_float(root(bias[0] ** 2 + bias[1] ** 2)) if isinstance(actual[0], complex) else as_float(bias[0]),
        "scale": as_float(dot(left, right) / dot(right, right)),
        "cosine": as_float(dot(left, right) / (root(dot(left, left)) * root(dot(right, right)))),
        "worst": as_float(max(d / bound for d, bound in zip(distances, allowed))) if min(allowed) > 0 else None,
        "smallest_atol": as_float(
            max(max(d - Fraction(rtol) * modulus(r), Fraction(0)) for d, (_, r) in zip(distances, pairs))
        ),
    }


def summary(elements):
    finite = [x for x in elements if is_finite(x)]
    values = [modulus(x) if isinstance(x, complex) else Fraction(x) for x in finite]
    mean = sum(values) / len(values)
    return {
        "nan": sum(math.isnan(x.real) or math.isnan(x.imag) for x in elements),
        "finite": len(finite),
        "min": as_float(min(values)),
        "max": as_float(max(values)),
        "mean": as_float(mean),
        "std": as_float(root(sum((x - mean) ** 2 for x in values) / len(values))),
        "l2": as_float(root(sum(x**2 for x in values))),
    }


def case(name, kind):
    actual, reference = make_pair(name, kind)
    rtol = 10.0 ** RANDOM.integers(-5, -1)
    atol = 0.5 + RANDOM.integers(0, 3) if name in INTEGERS else 10.0 ** RANDOM.integers(-6, -2)
    if name == "i64":
        rtol = 0.0
    left, right = wide(actual), wide(reference)
    return {
        "name": f"{name} {kind}",
        "dtype": name,
        "actual": code(actual),
        "reference": code(reference),
        "atol": atol,
        "rtol": rtol,
        "outside": [outside(left, right, atol, rtol, equal_nan) for equal_nan in (False, True)],
        "torch_passes": [torch_passes(actual, reference, atol, rtol, equal_nan) for equal_nan in (False, True)],
        "ulps": ulps(name, actual, reference),
        "comparison": statistics(left, right, atol, rtol),
        "summary": summary(left),
    }


def main():
    names = [*FLOATS, *INTEGERS, *COMPLEX]
    kinds = {name: ["tame"] if name in INTEGERS else ["tame", "wild", "wild"] for name in names}
    kinds["f32"].append("offset")
    kinds["f64"] += ["offset", "huge"]
    kinds["c128"].append("huge")
    codes = torch.arange(256, dtype=torch.int16).to(torch.uint8)
    print("{")
    for name in ("f8_e4m3", "f8_e5m2"):
        print(f'"{name}": "{code(codes.view(FLOATS[name][0]).to(torch.float32))}",')
    print('"cases": [')
    print(",\n".join(json.dumps(case(name, kind)) for name in names for kind in kinds[name]))
    print("]}")


main()
