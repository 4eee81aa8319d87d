# /// script
# requires-python = ">=3.9"
# dependencies = [
#     "torch>=2.2",
#     "transformers>=4.57",
#     "huggingface_hub>=0.26",
#     "numpy>=1.24",
#     "safetensors>=0.4.3",
# ]
# ///
"""Captures a suite of goldens from a real torch model.

Nothing is computed a second time here: every tensor written is one that the model itself
produced in a forward pass, taken by a hook. The data flow is `capture`: load the model, plan
the cases, observe a forward, write the suite.

The modules that need torch are imported inside functions, so that a missing package is
reported in one line and options are checked before seconds of importing.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys

import packages
from options import SENTENCES, command, parse
from refusal import PROGRAM, Refusal


def main(arguments: list[str] | None = None) -> int:
    """Runs the capture; 0 when a suite was written, 2 with one message when it was not."""
    try:
        options = parse(arguments)
        packages.require(*([packages.FOR_SENTENCES] if options.kind == SENTENCES else []))
        report(*capture(options), options)
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def capture(options: argparse.Namespace) -> tuple:
    """Loads, plans, observes and writes, in this order; what was written, and what was captured."""
    try:
        import recipes
        import suite
    except ImportError as error:
        raise packages.install(f"a package cannot be used: {error}", "--upgrade") from error

    forced = shlex.join([*PROGRAM.split(), *options.typed, "--force"])
    target = suite.target(options.root, options.suite, options.force, forced)
    captured = recipes.capture(options)
    written = suite.write(target, captured.plan, captured.observation, captured.model,
                          {**captured.reference, "command": command(options)})
    return written, captured


def report(written, captured, options: argparse.Namespace) -> None:
    """Says what was written and what to type next."""
    print(f"captured {options.suite}: {written.case_count} cases, {written.byte_count} bytes")
    for line in captured.lines:
        print(f"  {line}")
    for note in captured.notes:
        print(f"  note: {note}", file=sys.stderr)
    for case in written.dropped:
        print(f"  dropped {case}: it was there and this capture does not make it", file=sys.stderr)
    print(f"to run it:  {shlex.join(['karat', 'run', str(options.root), '-k', options.suite])}")


if __name__ == "__main__":
    # Set before transformers is imported: its bars and reports would surround the one message.
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    sys.exit(main())
