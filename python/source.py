"""Loads a model: float32, on the CPU, in evaluation mode, with all of its weights and no other."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import huggingface_hub
import numpy
import safetensors
import torch
import transformers
from huggingface_hub import errors as hub_errors
from safetensors import SafetensorError
from torch import nn
from transformers import GPT2LMHeadModel

import origin
import seeded
from options import SIZES
from origin import Origin
from refusal import PROGRAM, Refusal, first_line, options_refusal

# The one implementation that is a Python function and can be wrapped.
ATTENTION = "eager"
ARCHITECTURE = "gpt2"

UNLOADABLE = (OSError, ValueError, RuntimeError, SafetensorError, hub_errors.HfHubHTTPError)


class Loaded(NamedTuple):
    """A model ready to run; where its tokenizer is; and what `suite.json` says about it."""

    model: nn.Module
    place: dict[str, Any]
    reference: dict[str, Any]


def quiet() -> None:
    """Silences the libraries: what they warn of is checked, and refused in one message."""
    transformers.logging.set_verbosity(transformers.logging.CRITICAL)
    transformers.logging.disable_progress_bar()
    huggingface_hub.logging.set_verbosity(transformers.logging.CRITICAL)
    # Bits do not depend on the number of threads today; with one they cannot.
    torch.set_num_threads(1)


def gpt2(options: argparse.Namespace) -> Loaded:
    """A GPT-2 with its head: seeded, or pretrained."""
    quiet()
    if options.random_init:
        return loaded(seeded_model(options), {}, {"source": "seeded", "architecture": "GPT2LMHeadModel"},
                      {"seed": options.seed, "seeded": seeded.recipe()})
    found = origin.find(options)
    return loaded(pretrained(GPT2LMHeadModel, found, ATTENTION, ARCHITECTURE), found.place, found.reference)


def any_class(options: argparse.Namespace) -> Loaded:
    """A model by the class of transformers that `--class` names."""
    quiet()
    if options.random_init:
        return gpt2(options)
    kind = getattr(transformers, options.model_class, None)
    if not hasattr(kind, "from_pretrained"):
        raise options_refusal(f"transformers has no class {options.model_class} that loads models", "--class")
    found = origin.find(options)
    return loaded(pretrained(kind, found, options.attention), found.place, found.reference)


def sentence_transformer(options: argparse.Namespace) -> Loaded:
    """The pipeline of sentence-transformers around a BERT; transformers checks the weights first."""
    import sentence_transformers

    quiet()
    found = origin.find(options)
    bert = pretrained(transformers.AutoModel, found, ATTENTION, "bert")
    keywords = {key: value for key, value in found.place.items() if key != "pretrained_model_name_or_path"}
    try:
        model = sentence_transformers.SentenceTransformer(
            found.place["pretrained_model_name_or_path"], device="cpu", **keywords,
            model_kwargs={"attn_implementation": ATTENTION})
    except UNLOADABLE as error:
        raise weights_refusal(f"the model cannot be loaded: {first_line(error)}", found.where) from error
    about = {"framework": "sentence-transformers, transformers", "config": config(bert)}
    return loaded(model, found.place, found.reference, about)


def loaded(model: nn.Module, place: dict[str, Any], reference: dict[str, Any],
           about: dict[str, Any] | None = None) -> Loaded:
    model = model.to(torch.float32).eval()
    settings = {"config": config(model)} if hasattr(model, "config") else {}
    attention = getattr(getattr(model, "config", None), "_attn_implementation", ATTENTION)
    return Loaded(model, place, {"framework": "transformers", "dtype": "float32", "attn_implementation": attention,
                                 "model": reference, **settings, **(about or {})})


def config(model) -> dict[str, Any]:
    """The architecture's own settings, without what tells where the model lay."""
    settings = json.loads(model.config.to_json_string(use_diff=True))
    return {
        name: value for name, value in settings.items()
        if not name.startswith("_") and name != "transformers_version"
        and not (isinstance(value, str) and Path(value).is_absolute())
    }


def seeded_model(options: argparse.Namespace) -> GPT2LMHeadModel:
    sizes = {name: getattr(options, name) for name in SIZES}
    wrong = [name for name, size in sizes.items() if size < 1]
    if wrong or not 0 <= options.seed < 2**63:
        name = wrong[0] if wrong else "seed"
        raise options_refusal(f"{name} {getattr(options, name)} is out of range")
    if sizes["n_embd"] % sizes["n_head"]:
        raise options_refusal(f"n_embd {sizes['n_embd']} is not a multiple of n_head {sizes['n_head']}")
    return seeded.model(sizes, options.seed, ATTENTION)


def pretrained(cls: type, found: Origin, attention: str, architecture: str | None = None) -> nn.Module:
    """`from_pretrained`, refusing what it would only warn about: weights it had to invent."""
    try:
        kind = transformers.AutoConfig.from_pretrained(**found.place).model_type
        if architecture not in (None, kind):
            raise weights_refusal(f"the model is a {kind}, not a {architecture}", found.where, architecture)
        model, info = cls.from_pretrained(
            **found.place, attn_implementation=attention, output_loading_info=True, ignore_mismatched_sizes=True)
    except UNLOADABLE as error:
        raise weights_refusal(f"the model cannot be loaded: {first_line(error)}", found.where) from error
    absent = sorted(info["missing_keys"])
    if absent:
        raise weights_refusal(f"missing weights: {absent[0]} is the first of {len(absent)}", found.where)
    other = sorted(info["mismatched_keys"])
    if other:
        # Earlier versions give the name alone.
        name, *shapes = other[0] if isinstance(other[0], (tuple, list)) else other
        told = f": {list(shapes[0])} for {list(shapes[1])}" if len(shapes) == 2 else ""
        raise weights_refusal(f"{name} has another shape than config.json wants{told}", found.where)
    return model


def versions(others: Sequence[str] = ()) -> dict[str, Any]:
    """The versions that decide bits."""
    return {"versions": {
        "numpy": numpy.__version__,
        "python": platform.python_version(),
        "safetensors": safetensors.__version__,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        **{name: importlib.metadata.version(name) for name in others},
    }}


def weights_refusal(what: str, where: str, architecture: str | None = ARCHITECTURE) -> Refusal:
    if architecture == "bert":
        return Refusal(what, where, "to capture modules of any model", f"{PROGRAM} NAME --model DIR --module 'PATTERN'")
    return Refusal(what, where, "to capture from the published GPT-2", f"{PROGRAM} gpt2 --model gpt2")
