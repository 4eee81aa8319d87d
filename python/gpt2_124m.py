"""GPT-2 in one command: checks what is needed, captures goldens if there are none, runs karat, and tells what was not run.

The data flow is `prove`. The model is one on the hub, a local folder, or seeded: after it is loaded all three go
the same way. Only the standard library is imported here, so that what is missing can be named.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import sys
import time
from pathlib import Path
from typing import Any

import account
import capture
import karat
import options as typed
import packages
from refusal import PROGRAM, HubRefusal, Refusal

SELF = "python3 python/gpt2_124m.py"
CHECKOUT = Path(__file__).resolve().parent.parent
# "<|endoftext|>The quick brown fox jumps over the lazy dog." to the tokenizer of GPT-2: ten different ids from all over
# the vocabulary, its first hundred and its last row among them. Ids, so that a folder without a tokenizer and
# a seeded model run on the same.
TOKENS = "50256,464,2068,7586,21831,18045,625,262,16931,3290,13"


def main(arguments: list[str] | None = None) -> int:
    """0 where all that was asked for ran and passed, 1 where something did not pass, 2 where it could not run."""
    try:
        return 0 if prove(parse(arguments)) else 1
    except Refusal as refusal:
        print(explained(refusal), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def prove(options: argparse.Namespace) -> bool:
    """Checks, captures, runs and accounts, in this order; whether everything passed."""
    say("python", packages.python())
    say("packages", ", ".join(f"{name} {version}" for name, version in packages.require().items()))
    say("cargo", karat.cargo(CHECKOUT))
    reference = goldens(options)
    seconds = karat.build(CHECKOUT, options.executors)
    say("karat", f"built in {seconds:.1f} s")

    folder = options.root / options.suite
    runs = []
    for executor in options.executors:
        runs.append(karat.run(CHECKOUT, folder, options.executors, executor))
        for line in account.cases(runs[-1]):
            print(line)
    known = {executor: karat.checkpoints(CHECKOUT, options.executors, executor) for executor in options.executors}
    others = [name for name in karat.available(CHECKOUT) if name not in options.executors]
    print()
    for line in account.ran(folder, reference, runs):
        print(line)
    print("not run:")
    for line in account.not_run(folder, reference, runs, known, others) or ["nothing that is known of"]:
        print(f"  {line}")
    passed = all(account.passed(run) for run in runs)
    print("passed" if passed else "failed")
    return passed


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Reads what is this command's own, and hands the rest to the options of the capture."""
    words = sys.argv[1:] if arguments is None else arguments
    parser = typed.Parser(
        prog=SELF, allow_abbrev=False, description="Runs every checkpoint of GPT-2 against the model in transformers.",
        epilog="Without a model it is gpt2 from the hub. The capture's options --revision, --origin, --seed, the sizes of "
        f"--random-init, --tokens, --prompt and --tokenizer may be given, too: {PROGRAM} --help")
    parser.add_argument("--executor", action="append", choices=(karat.BUILTIN, *karat.FEATURES), default=[],
                        help=f"run this one as well; may be repeated ({karat.BUILTIN} always runs)")
    parser.add_argument("--goldens", type=Path, default=CHECKOUT / "target" / "goldens", metavar="DIR",
                        help="a folder named goldens, in which those of each model have one (default: target/goldens)")
    parser.add_argument("--recapture", action="store_true", help="capture also where there are goldens")
    own, rest = parser.parse_known_args(words)
    named = any(word.split("=")[0] in ("--model", "--random-init", "--package", "--load") for word in rest)
    said = any(word.split("=")[0] in ("--prompt", "--tokens", "--tokenizer") for word in rest)
    rest = [*([] if named else ["--model", "gpt2"]), *rest, *([] if said else ["--tokens", TOKENS])]
    options = typed.parse(["NAME", "--root", str(own.goldens.absolute()), *rest])
    if options.kind != typed.TEXT or options.source not in ("model", "random_init"):
        raise Refusal("this runs a GPT-2 on a text, from --model or with --random-init", "on the command line",
                      "to capture anything else", f"{PROGRAM} --help")
    if options.root.name != "goldens":
        # By this name karat finds the root, which `from` in the cases begins at.
        raise Refusal(f"--goldens {own.goldens} has another name than goldens", "karat knows the root by its name",
                      "to have one in there", shlex.join([*SELF.split(), "--goldens", str(own.goldens / "goldens"), *rest]))
    options.suite, options.force = name(options), own.recapture
    options.words = words
    options.executors = list(dict.fromkeys([karat.BUILTIN, *own.executor]))
    return options


def name(options: argparse.Namespace) -> str:
    """The folder of this model's goldens: that of another model has another name, as far as one can tell."""
    if options.random_init:
        return f"gpt2-{options.n_layer}x{options.n_embd}-seed-{options.seed}"
    if Path(options.model).is_dir():
        return f"{slug(Path(options.model).resolve().name)}-folder"
    return slug(options.model + (f"-{options.revision}" if options.revision else ""))


def slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.") or "model"


def goldens(options: argparse.Namespace) -> dict[str, Any]:
    """Captures the goldens unless they are there, and are what was asked for; returns what they say of themselves."""
    folder = options.root / options.suite
    if os.path.lexists(folder) and not options.force:
        reference = recorded(folder)
        different = difference(reference, folder, options)
        if different:
            raise again(different, folder, options)
        say("goldens", f"there: {shown(folder)}, captured with torch {reference['versions']['torch']}, "
            f"transformers {reference['versions']['transformers']}")
    else:
        began = time.monotonic()
        say("capturing", f"{what(options)}; at full size this takes up to a minute")
        written, captured = capture.capture(options)
        print(*captured.lines, sep="\n")
        for note in captured.notes:
            say("note", note)
        reference = recorded(folder)
        say("goldens", f"captured: {shown(folder)}, {written.case_count} cases, {written.byte_count / 1e6:,.1f} MB, "
            f"in {time.monotonic() - began:.1f} s")
    absent = [case for case in planned(reference) if not (folder / case / "case.json").is_file()]
    if absent:
        raise again(f"the goldens are not whole: {absent[0]} is the first of {len(absent)} cases that are not there",
                    folder, options)
    return reference


def recorded(folder: Path) -> dict[str, Any]:
    """The provenance in `suite.json`."""
    try:
        reference = json.loads((folder / "suite.json").read_text(encoding="utf-8"))["reference"]
        return reference if reference["command"] and reference["versions"]["torch"] else {}
    except (OSError, ValueError, KeyError, TypeError):
        raise Refusal("what is there are no goldens of a capture: suite.json does not say how they were made", str(folder),
                      "to see what", f"ls -la {shlex.quote(str(folder))}") from None


def difference(reference: dict[str, Any], folder: Path, options: argparse.Namespace) -> str | None:
    """In what the goldens are not of this model and these options, or not as they were captured."""
    import origin

    if reference["command"] != typed.command(options):
        return f"the goldens there are of other options: {reference['command']}"
    if options.source == "model" and Path(options.model).is_dir() \
            and origin.in_folder(Path(options.model)).reference["files"] != reference["model"].get("files"):
        return "the goldens there are of other weights than the folder has now"
    weights = folder / reference["weights"]["file"]
    if not weights.is_file() or origin.sha256(weights) != reference["weights"]["sha256"]:
        return f"{weights.name} is not what was captured"
    return None


def planned(reference: dict[str, Any]) -> list[str]:
    """The cases that a capture of a model with this configuration makes; the model has no weights here."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    import gpt2

    with torch.device("meta"):
        model = GPT2LMHeadModel(GPT2Config(**reference["config"]))
    left_out = reference["generation"].get("not_captured", [])
    return [case.id for case in gpt2.plan(model).cases if case.id not in left_out]


def again(why: str, folder: Path, options: argparse.Namespace) -> Refusal:
    return Refusal(why, shown(folder), "to capture them again", shlex.join([*SELF.split(), *options.words, "--recapture"]))


def explained(refusal: Refusal) -> Refusal:
    """The same refusal with what to type here."""
    if isinstance(refusal, HubRefusal):
        return Refusal(refusal.what, refusal.where, "to run without the hub",
                       f"{SELF} --model DIR, with a folder that was fetched where the hub can be reached "
                       f"(hf download gpt2 --local-dir DIR); or {SELF} --random-init, the same model with seeded weights")
    if refusal.purpose == "to see the options":
        return Refusal(refusal.what, refusal.where, refusal.purpose, f"{SELF} --help")
    return Refusal(refusal.what, refusal.where, refusal.purpose, re.sub(
        re.escape(PROGRAM) + r"( NAME\b| gpt2\b)?", lambda found: SELF if found[1] else found[0], refusal.command))


def what(options: argparse.Namespace) -> str:
    return f"a model seeded with {options.seed}" if options.random_init else options.model


def shown(path: Path) -> str:
    """Relative to where the reader is, where it is below."""
    path = path.absolute()
    return str(path.relative_to(Path.cwd())) if Path.cwd() in path.parents else str(path)


def say(about: str, text: str) -> None:
    print(f"{about:<10} {text}", flush=True)


if __name__ == "__main__":
    # Set before transformers is imported: its bars and reports would surround the one message.
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    sys.exit(main())
