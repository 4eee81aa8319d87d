"""Times karat's explain on a pair of large tensors against numpy's assert_allclose on the same pair, in turn.

For each of several faults: the seconds of both, their ratio, and what karat says. Only a mismatch is explained, so numpy is
held to a tolerance of 0, which fails and says by how much; the time in which it passes under a wide one stands beside.

    python3 benches/explain.py [--elements 16777216] [--rounds 3] [--threads 2]

Needs cargo and numpy, and 2 GB of memory.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

try:
    import numpy
except ImportError as error:
    print(f"{error}; to install what this needs:  {sys.executable} -m pip install numpy", file=sys.stderr)
    sys.exit(2)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--elements", type=int, default=1 << 24)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()

    rows = 1 << (options.elements.bit_length() // 2 - 1)
    shape = (4, rows // 4, options.elements // rows)
    dice = numpy.random.default_rng(0)
    reference = dice.standard_normal(shape, dtype=numpy.float32)
    print(f"{reference.size:,} f32 elements {list(shape)}, {options.threads} threads, numpy {numpy.__version__}")
    print(f"{'fault':<10} {'numpy fails':>12} {'karat':>9} {'ratio':>6}   {'numpy passes':>12}")
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, name) for name in ("actual.npy", "reference.npy")]
        numpy.save(files[1], reference)
        karat = Karat(options.threads, files[1])
        for name, fault in FAULTS.items():
            actual = numpy.ascontiguousarray(fault(reference, dice), dtype=numpy.float32)
            numpy.save(files[0], actual)
            times = []
            for _ in range(options.rounds):
                ours, said = karat.explain(files[0])
                times.append((held(actual, reference, 1e30), held(actual, reference, 0.0), ours))
            passes, fails, ours = (statistics.median(column) for column in zip(*times))
            worst = max(worst, ours / fails)
            print(f"{name:<10} {fails:>10.3f} s {ours:>7.3f} s {ours / fails:>6.2f}   {passes:>10.3f} s   {said}")
    print(f"at worst {worst:.2f} of the time in which numpy fails")
    return 0


FAULTS = {
    "noise": lambda x, dice: x * (1 + 1e-7 * dice.standard_normal(x.shape)),
    "scale": lambda x, dice: x * 8,
    "bias": lambda x, dice: x + dice.standard_normal(x.shape[-1]),
    "transpose": lambda x, dice: x.swapaxes(-1, -2).reshape(x.shape),
    "shift": lambda x, dice: numpy.roll(x, 1, axis=1),
    "outliers": lambda x, dice: numpy.where(dice.random(x.shape) < 1e-5, x + 100, x),
    "nan": lambda x, dice: numpy.where(numpy.arange(x.shape[1])[:, None] == 7, numpy.nan, x),
    "stale": lambda x, dice: numpy.where(numpy.arange(x.shape[1])[:, None] >= x.shape[1] // 2, -2 * x + 1, x),
    "bf16": lambda x, dice: (x.view(numpy.uint32) & 0xFFFF0000).view(numpy.float32),
    "another": lambda x, dice: dice.standard_normal(x.shape),
}


def held(actual, reference, tolerance: float) -> float:
    """The seconds that numpy takes to compare, whether it passes or not."""
    started = time.perf_counter()
    try:
        numpy.testing.assert_allclose(actual, reference, rtol=0, atol=tolerance)
    except AssertionError:
        pass
    return time.perf_counter() - started


class Karat:
    """The program of explain/main.rs, which answers a file on stdin with a line on stdout."""

    def __init__(self, threads: int, reference: Path):
        self.process = subprocess.Popen(
            ["cargo", "bench", "--quiet", "--bench", "explain", "--", "serve", str(reference)],
            cwd=Path(__file__).parent.parent,
            env={**os.environ, "RAYON_NUM_THREADS": str(threads)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def explain(self, actual: Path) -> tuple[float, str]:
        self.process.stdin.write(f"{actual}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        if not answer:
            raise SystemExit("the program of benches/explain ended; what it said is above")
        seconds, said = answer.split(" ", 1)
        return float(seconds), said


if __name__ == "__main__":
    sys.exit(main())
