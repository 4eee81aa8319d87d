"""Token ids to run on: given, the bytes of a prompt, or what the model's own tokenizer makes of it."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import Any

from huggingface_hub import errors as hub_errors
from transformers import AutoTokenizer

from refusal import PROGRAM, Refusal, first_line, options_refusal

TOKENIZERS = (("tokenizer.json",), ("vocab.json", "merges.txt"), ("vocab.txt",))


def ids(options: argparse.Namespace, loaded, room: int = 0) -> list[int]:
    """The ids, all of the vocabulary, and few enough to leave `room` for more positions."""
    if options.tokens is not None:
        found, origin = options.tokens, "--tokens"
    elif options.tokenizer == "bytes":
        found, origin = utf8(options.prompt), f"the UTF-8 bytes of {options.prompt!r}"
    else:
        found, origin = tokenize(options.prompt, loaded), f"the tokens of {options.prompt!r}"
    vocabulary = getattr(loaded.model.config, "vocab_size", None)
    positions = getattr(loaded.model.config, "max_position_embeddings", None)
    outside = [i for i in found if not 0 <= i < (vocabulary or i + 1)]
    if not found:
        raise options_refusal("no token ids: the prompt is empty", origin)
    if outside:
        raise options_refusal(f"token id {outside[0]} is outside 0..{vocabulary - 1}", origin)
    if positions and len(found) + room > positions:
        more = f" and {room} that are generated" if room else ""
        raise options_refusal(f"{len(found)} token ids{more}, and the model has {positions} positions", origin)
    return found


def provenance(options: argparse.Namespace, token_ids: list[int]) -> dict[str, Any]:
    """What `reference` says about the ids; None is left out there."""
    prompted = options.tokens is None
    return {"token_ids": token_ids, "tokenizer": options.tokenizer if prompted else None,
            "prompt": options.prompt if prompted else None}


def utf8(prompt: str) -> list[int]:
    try:
        return list(prompt.encode("utf-8"))
    except UnicodeEncodeError:
        raise options_refusal("the prompt is not UTF-8", repr(prompt)) from None


def tokenize(prompt: str, loaded) -> list[int]:
    """Asks the model's own tokenizer, if there is one.

    Without its files transformers builds an empty one, which turns every prompt into nothing.
    """
    where = loaded.place["pretrained_model_name_or_path"]
    folder = Path(where)
    instead = f"{PROGRAM} NAME --model {shlex.quote(where)} --tokens 15496,13"
    if folder.is_dir() and not any(all((folder / f).is_file() for f in files) for files in TOKENIZERS):
        raise Refusal("no tokenizer: tokenizer.json is missing", f"in {where}", "to run on token ids instead", instead)
    try:
        return list(AutoTokenizer.from_pretrained(**loaded.place)(prompt)["input_ids"])
    except (OSError, ValueError, hub_errors.HfHubHTTPError) as error:
        raise Refusal(f"the tokenizer cannot be loaded: {first_line(error)}", where,
                      "to run on token ids instead", instead) from error
