"""The command: reads the options, sees that every peer is there, measures section by section, and prints the table."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from typing import Optional, Sequence

from . import bench as home
from . import cases, cores, files, kernel, peers, process, rows, weight
from .refusal import Refusal

SECTIONS = {"kernel": kernel, "files": files, "cases": cases, "cores": cores, "weight": weight}
MET, NOT_MET, REFUSED = 0, 1, 2


def main(arguments: Optional[Sequence[str]] = None) -> int:
    options = parse(arguments)
    # The files that it made are removed then too.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        return measure(options)
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return REFUSED
    except KeyboardInterrupt:
        return 130


def parse(arguments: Optional[Sequence[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python3 benches/speed.py",
        description="Holds karat's speed and weight against what they should be, and prints one table.",
        epilog="Exit status: 0 every bar is met, 1 one is not, 2 it could not be measured.",
    )
    parser.add_argument("--only", metavar="SECTIONS", type=sections, default=list(SECTIONS),
                        help=f"some of {','.join(SECTIONS)}")
    parser.add_argument("--reduce", metavar="N", type=divisor, default=1,
                        help="make all sizes N times smaller, to try the benchmark: the bars hold for the full ones")
    parser.add_argument("--no-install", dest="install", action="store_false",
                        help="install nothing: a package that is absent stops the benchmark")
    return parser.parse_args(arguments)


def sections(text: str) -> list[str]:
    """The sections of those names, in the order of the table."""
    names = text.split(",")
    for name in names:
        if name not in SECTIONS:
            raise argparse.ArgumentTypeError(f"{name!r} is no section; there are {', '.join(SECTIONS)}")
    return [name for name in SECTIONS if name in names]


def divisor(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of 1 or more")
    return int(text)


def measure(options: argparse.Namespace) -> int:
    """Measures those sections, prints them, and says whether every bar is met."""
    if not sys.platform.startswith("linux"):
        raise Refusal(f"{sys.platform} has no /proc", "run it on Linux")
    if (os.cpu_count() or 1) < 2:
        raise Refusal("there is one core", "run it where there are two or more")
    versions = peers.check(options.only, options.install)
    with home.scratch() as folder:
        bench = home.Bench(peers.PYTHON, options.reduce, home.Path(folder))
        found: list[rows.Row] = []
        for name in options.only:
            started = time.perf_counter()
            found += SECTIONS[name].rows(bench)
            print(f"{name}: measured in {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    print(page(options, versions, found))
    return MET if all(row.is_met() for row in found) else NOT_MET


def page(options: argparse.Namespace, versions: dict[str, str], found: list[rows.Row]) -> str:
    """The table and what belongs to it."""
    barred = [row for row in found if row.bar]
    unmet = sum(not row.is_met() for row in barred)
    packages = [f"{name} {version}" for name, version in versions.items()]
    reduced = f"**Sizes are reduced by {options.reduce}: the bars hold for the full ones.**"
    parts = [
        ", ".join([home.machine(), process.output(["rustc", "--version"]).split(" (")[0], *packages]),
        *([reduced] if options.reduce > 1 else []),
        rows.table(found),
        *(SECTIONS[name].NOTE for name in options.only),
        f"{len(barred) - unmet} of {len(barred)} bars are met." if unmet else f"All {len(barred)} bars are met.",
    ]
    return "\n\n".join(parts)
