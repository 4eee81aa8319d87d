"""The rows of the table: figures, the bars they are compared with, and their format."""

from __future__ import annotations

import dataclasses
import statistics
from typing import Callable, Optional, Sequence

HEAD = ("", "karat", "peer", "ratio", "bar", "")


@dataclasses.dataclass(frozen=True)
class Bar:
    """What a value must be: at least a limit, at most one, or below one."""

    relation: str
    limit: float

    def is_met(self, value: float) -> bool:
        return {"≥": value >= self.limit, "≤": value <= self.limit, "<": value < self.limit}[self.relation]


@dataclasses.dataclass(frozen=True)
class Row:
    """What was measured, in the unit of `show`, and its bar if it has one."""

    what: str
    karat: str
    peer: str
    value: float
    show: Callable[[float], str]
    bar: Optional[Bar] = None

    def is_met(self) -> bool:
        return self.bar is None or self.bar.is_met(self.value)

    def cells(self) -> tuple[str, ...]:
        ratio = self.show(self.value) if self.peer else ""
        bar = f"{self.bar.relation} {self.show(self.bar.limit)}" if self.bar else ""
        verdict = ("met" if self.is_met() else "**not met**") if self.bar else ""
        return (self.what, self.karat, self.peer, ratio, bar, verdict)


def at_least(limit: float) -> Bar:
    return Bar("≥", limit)


def at_most(limit: float) -> Bar:
    return Bar("≤", limit)


def below(limit: float) -> Bar:
    return Bar("<", limit)


def table(rows: Sequence[Row]) -> str:
    """The rows in Markdown."""
    lines = [HEAD, ("---",) * len(HEAD), *(row.cells() for row in rows)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def ratio(over: Sequence[float], under: Sequence[float]) -> float:
    """The median of the ratios of what was measured in turn: a moment at which the machine was busy slows both."""
    return statistics.median(one / other for one, other in zip(over, under))


def percent(value: float) -> str:
    return f"{100 * value:.1f}%"


def times(value: float) -> str:
    return f"{value:.0f}×" if value >= 100 else f"{value:.2f}×"


def mebibytes(value: float) -> str:
    return f"{value:.1f} MiB"


def megabytes(value: float) -> str:
    return f"{value:.2f} MB"


def rate(bytes_: float, seconds: float) -> str:
    return f"{bytes_ / seconds / 1e9:.1f} GB/s"


def duration(seconds: float) -> str:
    """Three digits, in the unit that suits."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.{digits(seconds / size)}f} {unit}"
    return f"{seconds / 1e-9:.{digits(seconds / 1e-9)}f} ns"


def digits(value: float) -> int:
    return 2 if value < 10 else 1 if value < 100 else 0
