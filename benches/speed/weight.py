"""What karat weighs: as a dev-dependency against candle-core, as a binary, and to start."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Callable, Iterator, Optional

from . import bench as home
from . import crate, peers, process
from .rows import Bar, Row, at_most, below, duration, megabytes, ratio, times

ROUNDS = 2
STARTS = 500
BYTES = 10e6
NOTE = """\
Weight: `cargo test --no-run` of a crate whose one dev-dependency is karat, or candle-core without features, or whose two are insta
and approx, from an empty target folder, offline, after `cargo fetch`. A start is a process from its start to its end, whose
output is not read."""


def rows(bench: home.Bench) -> Iterator[Row]:
    yield from builds(bench)
    karat = home.karat()
    size = karat.stat().st_size
    yield Row("weight, the release binary", megabytes(size / 1e6), "", size / 1e6, megabytes, below(BYTES / 1e6))
    version, true = process.in_turn(bench.size(STARTS, 50), starts(str(karat), "--version"), starts("true"))
    yield Row("weight, `karat --version`; `true`", duration(statistics.median(version)), duration(statistics.median(true)),
              ratio(version, true), times, at_most(3))


def builds(bench: home.Bench) -> Iterator[Row]:
    """A build takes a minute or more, and there are no smaller ones: where sizes are reduced each is made once."""
    version = peers.candle()
    candle_core = f"candle-core {version}"
    bare, harness, candle, insta = (
        fetched(bench, name, dependency)
        for name, dependency in (
            ("bare", crate.on_karat()),
            ("harness", crate.on_karat('"harness"')),
            ("candle", f'candle-core = {{ version = "={version}", default-features = false }}'),
            ("insta", 'insta = "1"\napprox = "0.5"'),
        )
    )
    rounds = ROUNDS if bench.reduce == 1 else 1
    seconds = [[build(it) for it in (bare, harness, candle, insta)] for _ in range(rounds)]
    ours, tested, theirs, light = (list(column) for column in zip(*seconds))
    yield row("no features, dev profile", candle_core, ours, theirs, at_most(0.65))
    yield row('features = ["harness"], dev profile', candle_core, tested, theirs, at_most(0.75))
    yield row("no features, dev profile", "insta and approx", ours, light)
    yield row('features = ["harness"], dev profile', "insta and approx", tested, light)
    if bench.reduce == 1:
        yield row("no features, release profile", candle_core, [build(bare, "--release")], [build(candle, "--release")])


def row(what: str, peer: str, ours: list[float], theirs: list[float], bar: Optional[Bar] = None) -> Row:
    return Row(f"weight, a clean build, {what}; {peer}", duration(statistics.median(ours)),
               duration(statistics.median(theirs)), ratio(ours, theirs), times, bar)


def fetched(bench: home.Bench, name: str, dependency: str) -> Path:
    """A crate whose dependencies are all downloaded."""
    folder = bench.empty(f"weight-{name}") / "crate"
    crate.write(folder, dependency, test="")
    process.output(["cargo", "fetch", "--quiet"], folder)
    return folder


def build(folder: Path, *profile: str) -> float:
    """The seconds of a build from nothing."""
    target = folder.parent / "target"
    seconds = process.seconds(["cargo", "test", "--no-run", "--offline", "--locked", *profile], folder,
                              CARGO_TARGET_DIR=str(target))
    home.remove(target)
    return seconds


def starts(*command: str) -> Callable[[], float]:
    """How long a program takes that does next to nothing."""
    return lambda: process.start(command)
