"""A pair in memory: everything that is measured of it, against the sum of both arrays by the same threads."""

from __future__ import annotations

import json
import statistics

from . import bench as home
from . import process
from .refusal import Refusal
from .rows import Row, at_least, duration, percent, rate, ratio

ELEMENTS = 1 << 27
ROUNDS = 7
SHARES = {"near": 0.50, "outliers": 0.35, "unrelated": 0.30}
# How much of the share above is asked of a dtype; of 64-bit integers, which are held exactly, none.
OF_SHARE = {"f32": 1.0, "f64": 1.0, "f16": 0.5, "bf16": 0.5, "i32": 0.5, "i64": None}
NAMES = {"near": "nearly equal", "outliers": "5% outside", "unrelated": "unrelated"}
NOTE = """\
Kernel: `compare::compare` on a pair in memory, all cores; the peer is the sum of both arrays by the same threads, which is the
rate at which memory gives them (of 16-bit floats their bits are added, without a conversion). The ratio is that of the rates.
4096 elements are in the cache, and one thread has them."""


def rows(bench: home.Bench) -> list[Row]:
    """A row for each dtype and kind of data, and for the small pair."""
    lines = measured(bench)
    return [large(line) for line in lines if line["what"] == "large"] + [small(line) for line in lines if line["what"] == "small"]


def measured(bench: home.Bench) -> list[dict]:
    """The lines of benches/kernel, which two sections read."""
    sizes = ["--elements", str(bench.size(ELEMENTS)), "--rounds", str(ROUNDS)]
    return bench.once("kernel", lambda: parse(process.output([str(home.kernel()), "--bench", *sizes])))


def parse(said: str) -> list[dict]:
    """The lines, whose data must be what their names say."""
    lines = [json.loads(line) for line in said.splitlines()]
    for line in lines:
        low, high = {"near": (0, 0), "outliers": (0.045, 0.055), "unrelated": (0.9, 1)}.get(line.get("data"), (0, 1))
        if not low <= line.get("outside", 0) <= high:
            raise Refusal(f"of the data that is {line['data']} {percent(line['outside'])} is outside, {line['dtype']}",
                          f"between {percent(low)} and {percent(high)} should be: see benches/kernel/data.rs")
    return lines


def large(line: dict) -> Row:
    share, part = SHARES[line["data"]], OF_SHARE[line["dtype"]]
    return Row(
        what=f"kernel, {line['dtype']}, {NAMES[line['data']]}, {line['elements'] / 2**20:g} Mi elements",
        karat=rate(line["bytes"], statistics.median(line["measure_seconds"])),
        peer=f"sum {rate(line['bytes'], statistics.median(line['sum_seconds']))}",
        value=ratio(line["sum_seconds"], line["measure_seconds"]),
        show=percent,
        bar=at_least(share * part) if part else None,
    )


def small(line: dict) -> Row:
    return Row(
        what=f"kernel, {line['dtype']}, nearly equal, {line['elements']} elements",
        karat=duration(statistics.median(line["measure_seconds"])),
        peer=f"sum {duration(statistics.median(line['sum_seconds']))}",
        value=ratio(line["sum_seconds"], line["measure_seconds"]),
        show=percent,
    )
