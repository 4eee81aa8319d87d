"""Where the model comes from: the hub, a local folder, a Python package, or a seed."""

from __future__ import annotations

import argparse
import json
import platform
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import huggingface_hub
import numpy
import safetensors
import torch
import transformers
from huggingface_hub import errors as hub_errors
from safetensors import SafetensorError
from transformers import GPT2LMHeadModel

import seeded
from refusal import PROGRAM, Refusal, first_line, options_refusal

# The one implementation that is a Python function and can be wrapped.
ATTENTION = "eager"
ARCHITECTURE = "gpt2"

WEIGHTS = ("model.safetensors", "model.safetensors.index.json",
           "pytorch_model.bin", "pytorch_model.bin.index.json")


class Loaded(NamedTuple):
    """A model ready to run; where its tokenizer is; and what `suite.json` says about it."""

    model: GPT2LMHeadModel
    place: dict[str, Any]
    reference: dict[str, Any]


def load(options: argparse.Namespace) -> Loaded:
    """Loads the model that the options name, in float32, on the CPU, in evaluation mode."""
    transformers.logging.set_verbosity(transformers.logging.CRITICAL)
    transformers.logging.disable_progress_bar()
    huggingface_hub.logging.set_verbosity(transformers.logging.CRITICAL)
    # Bits do not depend on the number of threads today; with one they cannot.
    torch.set_num_threads(1)
    if options.random_init:
        model, place, reference = seeded_model(options), {}, seeded_reference(options)
    elif Path(options.model).is_dir():
        model, place, reference = from_folder(Path(options.model))
    else:
        model, place, reference = from_hub(options.model, options.revision)
    model = model.to(torch.float32).eval()
    about = {"framework": "transformers", "dtype": "float32", "attn_implementation": ATTENTION, "config": config(model)}
    return Loaded(model, place, {**about, **reference})


def config(model) -> dict[str, Any]:
    """The architecture's own settings, without what tells where the model lay."""
    settings = json.loads(model.config.to_json_string(use_diff=True))
    return {
        name: value for name, value in settings.items()
        if not name.startswith("_") and name != "transformers_version"
        and not (isinstance(value, str) and Path(value).is_absolute())
    }


def seeded_model(options: argparse.Namespace) -> GPT2LMHeadModel:
    sizes = {name: getattr(options, name) for name in
             ("n_layer", "n_embd", "n_head", "n_positions", "vocab_size")}
    wrong = [name for name, size in sizes.items() if size < 1]
    if wrong or not 0 <= options.seed < 2**63:
        name = wrong[0] if wrong else "seed"
        raise options_refusal(f"{name} {getattr(options, name)} is out of range")
    if sizes["n_embd"] % sizes["n_head"]:
        raise options_refusal(f"n_embd {sizes['n_embd']} is not a multiple of n_head {sizes['n_head']}")
    return seeded.model(sizes, options.seed, ATTENTION)


def seeded_reference(options: argparse.Namespace) -> dict[str, Any]:
    return {"model": {"source": "seeded", "architecture": "GPT2LMHeadModel"},
            "seed": options.seed, "seeded": seeded.recipe()}


def from_folder(folder: Path) -> tuple:
    """Loads the layout of `save_pretrained`; looks for each file first, to name the absent one."""
    place = {"pretrained_model_name_or_path": str(folder), "local_files_only": True}
    for kind, names in (("config", ("config.json",)), ("weights", WEIGHTS)):
        if not any((folder / name).is_file() for name in names):
            raise Refusal(
                f"no {kind}: {names[0]} is missing",
                f"in {folder}",
                "to fetch a whole GPT-2 into that folder",
                shlex.join(["hf", "download", "gpt2", "--local-dir", str(folder)]),
            )
    name = folder.resolve().name
    return pretrained(place, f"folder {folder}"), place, {"model": {"source": "folder", "path": name}}


def from_hub(name: str, revision: str | None) -> tuple:
    """Loads from the hub or its local cache, everything at the one commit `revision` stands for."""
    try:
        config = huggingface_hub.hf_hub_download(name, "config.json", revision=revision)
    except (OSError, ValueError, hub_errors.HfHubHTTPError) as error:
        raise hub_refusal(name, revision, error) from error
    # A cached file lies in a folder named by its commit.
    commit = Path(config).parent.name
    place = {"pretrained_model_name_or_path": name, "revision": commit}
    reference = {"model": {"source": "hub", "name": name, "revision": commit}}
    return pretrained(place, f"{name} on the hub, revision {commit}"), place, reference


def pretrained(place: dict[str, Any], where: str) -> GPT2LMHeadModel:
    """`from_pretrained`, refusing what it would only warn about: weights it had to invent."""
    try:
        kind = transformers.AutoConfig.from_pretrained(**place).model_type
        if kind != ARCHITECTURE:
            raise weights_refusal(f"the model is a {kind}, not a {ARCHITECTURE}", where)
        model, info = GPT2LMHeadModel.from_pretrained(
            **place, attn_implementation=ATTENTION, output_loading_info=True, ignore_mismatched_sizes=True)
    except (OSError, ValueError, RuntimeError, SafetensorError, hub_errors.HfHubHTTPError) as error:
        raise weights_refusal(f"the model cannot be loaded: {first_line(error)}", where) from error
    absent = sorted(info["missing_keys"])
    if absent:
        raise weights_refusal(f"missing weights: {absent[0]} is the first of {len(absent)}", where)
    other = sorted(info["mismatched_keys"])
    if other:
        name, stored, wanted = other[0]
        raise weights_refusal(f"{name} has shape {list(stored)}, and config.json wants {list(wanted)}", where)
    return model


def versions() -> dict[str, Any]:
    """The versions that decide bits."""
    return {"versions": {
        "numpy": numpy.__version__,
        "python": platform.python_version(),
        "safetensors": safetensors.__version__,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }}


def hub_refusal(name: str, revision: str | None, error: Exception) -> Refusal:
    """Tells a model that does not exist from a hub that does not answer."""
    wanted = name if revision is None else f"{name} at revision {revision}"
    if isinstance(error, hub_errors.LocalEntryNotFoundError):
        what = "the model hub cannot be reached, and the model is not in its local cache"
    elif isinstance(error, (hub_errors.RepositoryNotFoundError, hub_errors.HFValidationError)):
        what = "no such local folder, and no such model on the hub"
    else:
        what = f"the hub does not give the model: {first_line(error)}"
    return Refusal(
        what,
        f"--model {wanted}",
        "to capture from a local folder, fetched where the hub can be reached",
        shlex.join(["hf", "download", name, "--local-dir", "DIR"]) + f" && {PROGRAM} NAME --model DIR",
    )


def weights_refusal(what: str, where: str) -> Refusal:
    return Refusal(what, where, "to capture from the published GPT-2", f"{PROGRAM} gpt2 --model gpt2")
