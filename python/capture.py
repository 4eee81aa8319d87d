# /// script
# requires-python = ">=3.9"
# dependencies = [
#     "torch>=2.2",
#     "transformers>=4.50",
#     "huggingface_hub>=0.26",
#     "numpy>=1.24",
#     "safetensors>=0.4.3",
# ]
# ///
"""Captures a suite of goldens from a real transformers GPT-2.

Nothing is computed a second time here: every tensor written is one that the model itself
produced in a forward pass, taken by a hook. The data flow is `main`: load the model, plan the
cases, observe one forward, write the suite.

The modules that need torch are imported inside functions, so that a missing package is
reported in one line and options are checked before seconds of importing.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shlex
import sys
from pathlib import Path

from refusal import PROGRAM, Refusal

# The same list as in the header above, which only uv and its like read; a test compares them.
DEPENDENCIES = (
    "torch>=2.2",
    "transformers>=4.50",
    "huggingface_hub>=0.26",
    "numpy>=1.24",
    "safetensors>=0.4.3",
)
PACKAGES = ("torch", "transformers", "huggingface_hub", "numpy", "safetensors")

# What GPT2Config itself defaults to: `--random-init` alone is GPT-2 of 124M parameters.
SIZES = {"n_layer": 12, "n_embd": 768, "n_head": 12, "n_positions": 1024, "vocab_size": 50257}


def main(arguments: list[str] | None = None) -> int:
    """Runs the capture; 0 when a suite was written, 2 with one message when it was not."""
    try:
        capture(parse(arguments))
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def capture(options: argparse.Namespace) -> None:
    """Loads, plans, observes and writes, in this order."""
    require_packages()
    try:
        import recipes
        import suite
    except ImportError as error:
        raise install(f"a package cannot be used: {error}", "--upgrade") from error

    forced = shlex.join([*PROGRAM.split(), *options.typed, "--force"])
    target = suite.target(options.root, options.suite, options.force, forced)
    captured = recipes.capture(options)
    written = suite.write(target, captured.plan, captured.observation, captured.model,
                          {**captured.reference, "command": command(options)})
    report(written, captured, options)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Reads the options and refuses those that contradict each other."""
    parser = Parser(
        prog=PROGRAM,
        allow_abbrev=False,
        description="Captures goldens for karat from a real transformers GPT-2.",
    )
    add = parser.add_argument
    add("suite", help="name of the suite, a folder below the goldens root")
    add("--root", type=Path, default=Path("goldens"), help="goldens root (default: goldens)")
    add("--force", action="store_true", help="replace the suite if it exists")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--model", help="a model on the hub (gpt2), or a local folder")
    which.add_argument("--random-init", action="store_true", help="seeded weights")
    add("--revision", help="revision on the hub (default: main)")
    add("--seed", type=int, help="seed of --random-init (default: 0)")
    for name, size in SIZES.items():
        add(flag(name), type=int, metavar="N", help=f"size for --random-init (default: {size})")
    text = parser.add_mutually_exclusive_group()
    text.add_argument("--prompt", default="Hello.", help="text to run on (default: Hello.)")
    text.add_argument("--tokens", type=tokens, metavar="ID,ID..", help="token ids to run on")
    add("--tokenizer", choices=("model", "bytes"),
        help="what turns the prompt into token ids: the model's own tokenizer, or the prompt's "
        "UTF-8 bytes (the default of --random-init, which has no tokenizer)")
    typed = sys.argv[1:] if arguments is None else arguments
    options = parser.parse_args(typed)
    options.typed = typed
    settle(options)
    return options


def settle(options: argparse.Namespace) -> None:
    """Fills in the defaults that depend on other options; an option without effect is refused."""
    options.kind = "text"
    kind = "--random-init" if options.random_init else "--model"
    for name in ("revision",) if options.random_init else ("seed", *SIZES):
        if getattr(options, name) is not None:
            raise usage(f"{flag(name)} means nothing with {kind}")
    if options.tokenizer and options.tokens is not None:
        raise usage("--tokenizer means nothing with --tokens")
    if options.tokenizer == "model" and options.random_init:
        raise usage("a seeded model has no tokenizer of its own")
    options.tokenizer = options.tokenizer or ("bytes" if options.random_init else "model")
    if options.random_init:
        options.seed = 0 if options.seed is None else options.seed
        for name, size in SIZES.items():
            if getattr(options, name) is None:
                setattr(options, name, size)


def tokens(text: str) -> list[int]:
    """Reads `15496,13`."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of integers like 15496,13") from None


def require_packages() -> None:
    """Refuses when a package is not installed, before any of them is imported."""
    absent = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if absent:
        raise install(f"not installed: {', '.join(absent)}")


def install(what: str, *pip_options: str) -> Refusal:
    return Refusal(
        what,
        f"needed by python/capture.py, run by Python {sys.version.split()[0]}",
        "to install",
        shlex.join([sys.executable or "python3", "-m", "pip", "install", *pip_options, *DEPENDENCIES]),
    )


def command(options: argparse.Namespace) -> str:
    """The command that makes the same suite again, whatever the machine and the folder."""
    parts = [*PROGRAM.split(), options.suite]
    if options.random_init:
        parts += ["--random-init", "--seed", str(options.seed)]
        parts += [part for name in SIZES for part in (flag(name), str(getattr(options, name)))]
    else:
        # A folder's place is the machine's own; its name and the weights' sha256 stay.
        folder = Path(options.model)
        parts += ["--model", folder.resolve().name if folder.is_dir() else options.model]
        parts += ["--revision", options.revision] if options.revision else []
    if options.tokens is not None:
        parts += ["--tokens", ",".join(map(str, options.tokens))]
    else:
        parts += ["--tokenizer", options.tokenizer, "--prompt", options.prompt]
    return shlex.join(parts)


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


def flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def usage(what: str) -> Refusal:
    return Refusal(what, "on the command line", "to see the options", f"{PROGRAM} --help")


class Parser(argparse.ArgumentParser):
    """Answers bad options the way every other error is answered."""

    def error(self, message: str):
        raise usage(message)


if __name__ == "__main__":
    # Set before transformers is imported: its bars and reports would surround the one message.
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    sys.exit(main())
