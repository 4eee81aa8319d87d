"""What may be typed, what it means together, and the command that says the same on any machine."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from refusal import PROGRAM, Refusal

# What GPT2Config itself defaults to: `--random-init` alone is GPT-2 of 124M parameters.
SIZES = {"n_layer": 12, "n_embd": 768, "n_head": 12, "n_positions": 1024, "vocab_size": 50257}

# The three kinds of capture, and what each may be given besides where its model is.
TEXT, SENTENCES, MODULES = "text", "sentences", "modules"
OF_KIND = {
    TEXT: ("prompt", "tokens", "tokenizer"),
    SENTENCES: ("sentence", "layer"),
    MODULES: ("module", "prompt", "tokens", "tokenizer", "model_class", "attention", "rename", "atol"),
}
# Where the model is, and what each may be given besides.
OF_SOURCE = {
    "model": ("revision", "origin"),
    "package": ("origin",),
    "random_init": ("seed", *SIZES),
    "load": ("seed", "origin"),
}
SPELLING = {"model_class": "--class"}


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Reads the options and refuses those that contradict each other."""
    typed = sys.argv[1:] if arguments is None else arguments
    options = parser().parse_args(typed)
    options.typed = typed
    settle(options)
    return options


def parser() -> argparse.ArgumentParser:
    built = Parser(prog=PROGRAM, allow_abbrev=False,
                   description="Captures goldens for karat from a real torch model.")
    add = built.add_argument
    add("suite", help="name of the suite, a folder below the goldens root")
    add("--root", type=Path, default=Path("goldens"), help="goldens root (default: goldens)")
    add("--force", action="store_true", help="replace the suite if it exists")

    model = built.add_argument_group("the model (one of them)")
    which = model.add_mutually_exclusive_group(required=True)
    which.add_argument("--model", help="on the hub (gpt2), or a local folder")
    which.add_argument("--package", help="an installed Python package that carries a model")
    which.add_argument("--random-init", action="store_true", help="a GPT-2 with seeded weights")
    which.add_argument("--load", metavar="FILE:FUNCTION",
                       help="a Python function that returns a torch module and its inputs")
    model.add_argument("--revision", help="revision on the hub (default: main)")
    model.add_argument("--origin", metavar="URL", help="where the weights are published, to be recorded")
    model.add_argument("--seed", type=int, help="seed of --random-init, or set before --load (default: 0)")
    for name, size in SIZES.items():
        model.add_argument(flag(name), type=int, metavar="N", help=f"size for --random-init (default: {size})")

    text = built.add_argument_group("GPT-2 and a text (the default)")
    prompt = text.add_mutually_exclusive_group()
    prompt.add_argument("--prompt", help="text to run on (default: Hello.)")
    prompt.add_argument("--tokens", type=tokens, metavar="ID,ID..", help="token ids to run on")
    text.add_argument("--tokenizer", choices=("model", "bytes"),
                      help="what turns the prompt into token ids: the model's own tokenizer, or the prompt's "
                      "UTF-8 bytes (the default of --random-init, which has no tokenizer)")

    sentences = built.add_argument_group("BERT and sentences")
    sentences.add_argument("--sentence", action="append", help="a sentence of the batch; give it once for each")
    sentences.add_argument("--layer", type=int, help="the layer to capture (default: the last)")

    modules = built.add_argument_group("modules of any model")
    modules.add_argument("--module", action="append", metavar="PATTERN[=CHECKPOINT]",
                         help="modules by name, * and ? allowed, and the checkpoint that each becomes "
                         "(default: the name of its class); may be repeated, the first that matches counts")
    modules.add_argument("--class", dest="model_class", metavar="CLASS",
                         help="the class of transformers that loads --model (default: AutoModel)")
    modules.add_argument("--attention", help="the attention implementation (default: eager)")
    modules.add_argument("--rename", action="append", metavar="OLD=NEW", type=pair,
                         help="another name for an input or output; may be repeated")
    modules.add_argument("--atol", type=float, help="absolute tolerance of every case (default: the dtype's)")
    return built


def settle(options: argparse.Namespace) -> None:
    """Fills in the defaults that depend on other options; an option without effect is refused."""
    options.kind = SENTENCES if options.sentence else MODULES if options.module else TEXT
    options.source = next(name for name in OF_SOURCE if getattr(options, name))
    what = {TEXT: "without --sentence or --module", SENTENCES: "with --sentence", MODULES: "with --module"}[options.kind]
    for allowed, known, why in ((OF_KIND[options.kind], OF_KIND, what),
                                (OF_SOURCE[options.source], OF_SOURCE, f"with {flag(options.source)}")):
        for name in sorted({name for names in known.values() for name in names} - {*allowed}):
            if getattr(options, name) is not None:
                raise usage(f"{flag(name)} means nothing {why}")
    if options.source == "load" and options.kind != MODULES:
        raise usage("--load needs --module: which modules, and the checkpoints that they become")
    if options.source == "random_init" and options.kind == SENTENCES:
        raise usage("--random-init makes a GPT-2, which embeds no sentences")
    if options.source == "load":
        for name in ("prompt", "tokens", "tokenizer", "model_class", "attention"):
            if getattr(options, name) is not None:
                raise usage(f"{flag(name)} means nothing with --load")
    if options.tokenizer and options.tokens is not None:
        raise usage("--tokenizer means nothing with --tokens")
    if options.tokenizer == "model" and options.random_init:
        raise usage("a seeded model has no tokenizer of its own")
    fill(options)


def fill(options: argparse.Namespace) -> None:
    """The defaults of what has a meaning here."""
    if options.source in ("random_init", "load") and options.seed is None:
        options.seed = 0
    if options.random_init:
        for name, size in SIZES.items():
            if getattr(options, name) is None:
                setattr(options, name, size)
    if options.kind != SENTENCES and options.source != "load":
        options.tokenizer = options.tokenizer or ("bytes" if options.random_init else "model")
        options.prompt = "Hello." if options.prompt is None else options.prompt
    if options.kind == MODULES and options.source in ("model", "package"):
        options.model_class = options.model_class or "AutoModel"
        options.attention = options.attention or "eager"


def command(options: argparse.Namespace) -> str:
    """The command that makes the same suite again, whatever the machine and the folder."""
    parts = [*PROGRAM.split(), options.suite]
    if options.random_init:
        parts += ["--random-init"]
    else:
        parts += [flag(options.source), anywhere(getattr(options, options.source))]
    names = ("revision", "origin", "seed", *SIZES)
    if options.tokens is not None:
        names += ("tokens",)
    else:
        names += ("tokenizer", "prompt")
    for name in (*names, "sentence", "layer", "module", "model_class", "attention", "rename", "atol"):
        value = getattr(options, name)
        if value is None:
            continue
        if name == "tokens":
            value = ",".join(map(str, value))
        for one in value if isinstance(value, list) else [value]:
            parts += [flag(name), "=".join(one) if isinstance(one, tuple) else str(one)]
    return shlex.join(parts)


def anywhere(source: str) -> str:
    """A folder's or a file's place is the machine's own; its name and the hashes stay."""
    path, colon, function = source.rpartition(":") if ":" in source else (source, "", "")
    return f"{Path(path).resolve().name}{colon}{function}" if Path(path).exists() else source


def tokens(text: str) -> list[int]:
    """Reads `15496,13`."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of integers like 15496,13") from None


def pair(text: str) -> tuple[str, str]:
    """Reads `OLD=NEW`."""
    old, _, new = text.partition("=")
    if not old or not new:
        raise argparse.ArgumentTypeError(f"{text!r} is not like hidden_states=x")
    return old, new


def flag(name: str) -> str:
    return SPELLING.get(name, "--" + name.replace("_", "-"))


def usage(what: str) -> Refusal:
    return Refusal(what, "on the command line", "to see the options", f"{PROGRAM} --help")


class Parser(argparse.ArgumentParser):
    """Answers bad options the way every other error is answered."""

    def error(self, message: str):
        raise usage(message)
