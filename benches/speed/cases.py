"""Many small cases: `karat run` against pytest-regressions, ten times as many, `karat list` against `find`, and the harness."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Callable, Iterator

from . import bench as home
from . import crate, peers, process
from .rows import Row, at_least, at_most, duration, ratio, times

Timed = Callable[[], float]

MANY, MOST, PEER = 10_000, 100_000, 1_000
ROUNDS = 3
NOTE = """\
Cases: LayerNorm of 8 × 64, `y` by numpy in f64; snapshots accepted; whole processes timed from outside, started for each
time. Of pytest it is what a session of 1,000 `ndarrays_regression` tests takes longer than one of a single such test, so that
neither its start nor its imports count, nor the loading of the inputs, which are in memory there; of karat everything counts. The harness is the test
binary of a crate that depends on karat, release profile, on the same goldens and with the same checkpoint."""
TEST = """\
import numpy
import pytest

arrays = dict(numpy.load({arrays!r}))


@pytest.mark.parametrize("case", range({count}))
def test_layer_norm(case, ndarrays_regression):
    x = arrays["x"][case].astype(numpy.float64)
    x = (x - x.mean(-1, keepdims=True)) / numpy.sqrt(x.var(-1, keepdims=True) + 1e-5)
    y = (x * arrays["weight"][case] + arrays["bias"][case]).astype(numpy.float32)
    ndarrays_regression.check({{"y": y}}, default_tolerance=dict(atol=1e-5, rtol=1.3e-6))
"""


def rows(bench: home.Bench) -> Iterator[Row]:
    karat, many, count = home.karat(), tree(bench, MANY), bench.size(MANY, 100)

    def run() -> float:
        return process.seconds([str(karat), "run"], many)

    yield from against_pytest(bench, run, count)
    yield from against_harness(many, run, count)
    yield from against_more(bench, karat, run, count)


def against_pytest(bench: home.Bench, run: Timed, count: int) -> Iterator[Row]:
    tests = bench.size(PEER, 50)
    folder = bench.empty("pytest")
    bench.make("trees.py", "stacked", folder, tests)
    command = [str(peers.PYTHON), "-m", "pytest", "-q"]
    for name, number in (("test_norms.py", tests), ("test_one.py", 1)):
        (folder / name).write_text(TEST.format(arrays=str(folder / "arrays.npz"), count=number))
        # The first run writes the references of the tests, and fails.
        process.run([*command, "--force-regen", name], folder)
    karats, theirs, one = process.in_turn(
        ROUNDS,
        run,
        lambda: process.seconds([*command, "test_norms.py"], folder),
        lambda: process.seconds([*command, "test_one.py"], folder),
    )
    karats = [seconds / count for seconds in karats]
    theirs = [(all_ - first) / (tests - 1) for all_, first in zip(theirs, one)]
    yield Row(f"cases, {count:,}: `karat run`, per case; pytest-regressions", duration(statistics.median(karats)),
              duration(statistics.median(theirs)), ratio(theirs, karats), times, at_least(25))


def against_harness(many: Path, run: Timed, count: int) -> Iterator[Row]:
    binary = str(crate.test_binary(many))
    karats, tests = process.in_turn(ROUNDS, run, lambda: process.seconds([binary], many, CARGO_MANIFEST_DIR=str(many)))
    yield Row(f"cases, {count:,}: rate as a cargo test, of that of `karat run`", duration(statistics.median(tests)),
              f"`karat run` {duration(statistics.median(karats))}", ratio(karats, tests), times, at_least(0.5))


def against_more(bench: home.Bench, karat: Path, run: Timed, count: int) -> Iterator[Row]:
    most, more = tree(bench, MOST), bench.size(MOST, 1000)
    few, all_, lists, finds = process.in_turn(
        ROUNDS,
        run,
        lambda: process.seconds([str(karat), "run"], most),
        lambda: process.seconds([str(karat), "list"], most),
        lambda: process.seconds(["find", "goldens", "-name", "case.json"], most),
    )
    yield Row(f"cases, {more:,}: `karat run`, of that of {count:,}", duration(statistics.median(all_)),
              f"{count:,} {duration(statistics.median(few))}", ratio(all_, few), times, at_most(11))
    yield Row(f"cases, {more:,}: `karat list`; `find`", duration(statistics.median(lists)),
              duration(statistics.median(finds)), ratio(lists, finds), times, at_most(3))


def tree(bench: home.Bench, full: int) -> Path:
    """A crate with that many cases, or fewer where sizes are reduced, and their snapshots, accepted."""
    return bench.once(f"tree {full}", lambda: grown(bench, bench.size(full, full // 100)))


def grown(bench: home.Bench, count: int) -> Path:
    folder = bench.empty(f"cases-{count}")
    crate.write(folder)
    bench.make("trees.py", "cases", folder / "goldens", count)
    karat = str(home.karat())
    # The first run records what is pending, and fails.
    process.run([karat, "run", "-q"], folder)
    process.output([karat, "accept", "--all"], folder)
    process.output([karat, "run", "-q"], folder)
    return folder
