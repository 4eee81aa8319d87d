"""Two threads against one."""

from __future__ import annotations

import statistics
from typing import Callable, Iterator, Optional

from . import bench as home
from . import cases, files, kernel, process
from .rows import Bar, Row, at_least, duration, ratio, times

ROUNDS = 5
ENOUGH = at_least(1.7)
NOTE = """\
Cores: the ratio is by how much two threads are faster than one. Where memory is the limit the sum of both arrays, in the row
below, gains no more either."""


def rows(bench: home.Bench) -> Iterator[Row]:
    yield from large(kernel.measured(bench))
    yield from small(bench)
    yield from diff(bench)


def large(lines: list[dict]) -> Iterator[Row]:
    one, two = [line for line in lines if line["what"] == "scaling"]
    what = f"cores, one pair of {one['elements'] / 2**20:g} Mi f32 in memory"
    yield scaling(f"{what}: `measure`", one["measure_seconds"], two["measure_seconds"], ENOUGH)
    yield scaling(f"{what}: the sum", one["sum_seconds"], two["sum_seconds"])


def small(bench: home.Bench) -> Iterator[Row]:
    karat, folder, count = str(home.karat()), cases.tree(bench, cases.MANY), bench.size(cases.MANY, 100)

    def run(threads: int) -> Callable[[], float]:
        return lambda: process.seconds([karat, "run", "-j", str(threads)], folder, RAYON_NUM_THREADS=str(threads))

    one, two = process.in_turn(ROUNDS, run(1), run(2))
    yield scaling(f"cores, {count:,} cases: `karat run -j`, and RAYON_NUM_THREADS", one, two, ENOUGH)


def diff(bench: home.Bench) -> Iterator[Row]:
    folder, size = files.pair(bench, "npy")

    def run(threads: int) -> Callable[[], float]:
        return lambda: process.seconds([str(home.karat()), "diff", "a.npy", "b.npy"], folder, RAYON_NUM_THREADS=str(threads))

    one, two = process.in_turn(ROUNDS, run(1), run(2))
    yield scaling(f"cores, 2 × {size >> 20} MiB npy: `karat diff`, RAYON_NUM_THREADS", one, two)


def scaling(what: str, one: list[float], two: list[float], bar: Optional[Bar] = None) -> Row:
    return Row(what, f"two {duration(statistics.median(two))}", f"one {duration(statistics.median(one))}", ratio(one, two),
               times, bar)
