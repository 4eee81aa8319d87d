"""Two large files: `karat diff` against `cat`, numpy and torch, and the memory that it takes."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Iterator, Optional

from . import bench as home
from . import peers, process
from .rows import Bar, Row, at_most, below, duration, mebibytes, ratio, times

BYTES = 512 << 20
HUGE_BYTES = 6 << 30
ROUNDS = 7
# The peers take seconds where karat takes a fraction of one.
SLOW_ROUNDS = 3
ANONYMOUS, RESIDENT = below(64), below(128)
FORMATS = {
    "npy": "npy",
    "stored": "npz, stored",
    "big-endian": "npy, big-endian",
}
NOTE = """\
Files: pairs of f32 that are nearly equal, in the page cache, at torch's default tolerance. karat and `cat` are timed as whole
processes, from outside; numpy and torch from inside, without their start and imports. numpy loads both, calls
`numpy.testing.assert_allclose` and takes min, max, mean and std of both; torch loads both and calls `torch.testing.assert_close`.
Either may `np.load` or map the files: the faster is taken. Memory is the most that `karat diff` had: anonymous by a look at
`/proc` some thousand times a second, all of it as the system counts it."""


def rows(bench: home.Bench) -> list[Row]:
    """The speed on npy, and the memory on every format."""
    karat = home.karat()
    return [*speed(bench, karat), *(row for kind in FORMATS for row in memory(bench, karat, kind)), *huge(bench, karat)]


def speed(bench: home.Bench, karat: Path) -> Iterator[Row]:
    folder, size = pair(bench, "npy")
    files = [str(folder / "a.npy"), str(folder / "b.npy")]
    what = f"files, 2 × {size >> 20} MiB npy"

    def ours() -> float:
        return process.seconds([str(karat), "diff", *files], folder)

    karats, cats = process.in_turn(ROUNDS, ours, lambda: process.seconds(["cat", *files], folder))
    yield row(f"{what}: `cat`", karats, cats, ratio(karats, cats), at_most(1.2))
    for name in ("numpy", "torch"):
        peer = peers.start("holds.py", name, *files)
        karats, theirs = process.in_turn(SLOW_ROUNDS, ours, lambda: float(peer.ask("run")))
        peer.close()
        yield row(f"{what}: {name}", karats, theirs, ratio(theirs, karats))


def row(what: str, karats: list[float], theirs: list[float], value: float, bar: Optional[Bar] = None) -> Row:
    return Row(what, duration(statistics.median(karats)), duration(statistics.median(theirs)), value, times, bar)


def memory(bench: home.Bench, karat: Path, kind: str) -> Iterator[Row]:
    folder, size = pair(bench, kind)
    files = sorted(folder.iterdir())
    yield from watched(karat, folder, [str(file) for file in files], f"files, 2 × {size >> 20} MiB {FORMATS[kind]}")
    for file in files:
        file.unlink()


def huge(bench: home.Bench, karat: Path) -> Iterator[Row]:
    size = bench.size(HUGE_BYTES, 4 << 20)
    folder = bench.empty("huge")
    bench.make("arrays.py", "huge", folder, size)
    files = sorted(folder.iterdir())
    yield from watched(karat, folder, [str(file) for file in files], f"files, 2 × {size >> 20} MiB npy")
    for file in files:
        file.unlink()


def watched(karat: Path, folder: Path, files: list[str], what: str) -> Iterator[Row]:
    most = process.watch([str(karat), "diff", *files], folder)
    for name, value, bar in (("anonymous", most.anonymous, ANONYMOUS), ("resident", most.resident, RESIDENT)):
        yield Row(f"{what}: {name} memory", mebibytes(value), "", value, mebibytes, bar)


def pair(bench: home.Bench, kind: str) -> tuple[Path, int]:
    """A folder with two files of that kind, and the size of the tensor in each."""
    size = bench.size(BYTES, 4 << 20)
    folder = bench.empty("pair")
    bench.make("arrays.py", kind, folder, size)
    return folder, size
