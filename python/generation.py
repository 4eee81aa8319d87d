"""Greedy generation: what it takes the largest of, and whether the largest is beyond doubt."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager

import numpy
import torch
from transformers import GenerationConfig

from intercept import Calls
from plan import CHOSEN, GENERATION, MODEL, SELECTED, Mask, Place

PORTS = GENERATION
ARGMAX = {torch.argmax, torch.Tensor.argmax}
NEW_TOKENS = 10


def generate(model, token_ids: list[int]):
    """Ten tokens, greedily, with the cache; and all that the model can return besides.

    Today's GPT-2 would compute the last row of the first logits alone: here it computes all of them,
    as an earlier one always did. No token ends the text early.
    """
    config = GenerationConfig(
        max_new_tokens=NEW_TOKENS, do_sample=False, num_beams=1, use_cache=True, eos_token_id=None,
        pad_token_id=0, return_dict_in_generate=True, output_logits=True, output_hidden_states=True)
    ids = torch.tensor([token_ids], dtype=torch.int64)
    whole = {"logits_to_keep": 0} if "logits_to_keep" in inspect.signature(model.forward).parameters else {}
    answer = model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=config, **whole)
    # The cache is left out: it is not a tensor, and its tensors have been seen.
    return answer.sequences, answer.logits, answer.hidden_states


@contextmanager
def watch(model, recorder) -> Iterator[None]:
    """Sees the scores of every step go into argmax and the token ids come out."""
    def scores(values, *_, **__):
        recorder.record(MODEL, SELECTED, values)

    with Calls(ARGMAX, scores, lambda chosen: recorder.record(MODEL, CHOSEN, chosen)):
        yield


def margins(values: dict[Place, numpy.ndarray]) -> list[float]:
    """By how much the best logit of each step exceeds the second best."""
    steps = [values[Place(MODEL, SELECTED, step)] for step in range(NEW_TOKENS)]
    best = [numpy.sort(step.astype(numpy.float64), axis=-1)[:, -2:] for step in steps]
    return [float((pair[:, 1] - pair[:, 0]).min()) if pair.shape[1] == 2 else float("inf") for pair in best]


def settled(doubt: float) -> Mask:
    """True up to the first token that another honest implementation may choose differently.

    What follows such a token follows from it, so it is left out, too.
    """
    def where(values, shape):
        doubtful = [step for step, margin in enumerate(margins(values)) if not margin > doubt]
        if not doubtful:
            return None
        mask = numpy.ones(shape, dtype=bool)
        mask[:, shape[1] - NEW_TOKENS + doubtful[0]:] = False
        return mask

    return where
