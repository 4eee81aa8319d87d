"""Greedy generation: what it takes the largest of, whether the largest is beyond doubt, and what comes if it is not."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy
import torch
from transformers import GenerationConfig

from intercept import Calls
from plan import CHOSEN, DISTRIBUTION, GENERATION, MODEL, RETURNED, SELECTED, Mask, Place

PORTS = GENERATION
ARGMAX = {torch.argmax, torch.Tensor.argmax}
SOFTMAX = {torch.softmax}
NEW_TOKENS = 10
# Of more texts that may come instead nobody learns anything: each is a run of the model, and three doubtful tokens
# that do not hang together already make seven.
MOST = 8


class Branch(NamedTuple):
    """A token that another honest implementation may choose, and the whole text that the model then generates.

    `step` counts from 0; `behind` is by how much its logit is less than that of the chosen token.
    """

    step: int
    chosen: int
    other: int
    behind: float
    tokens: list[int]


def generate(model, token_ids: list[int], new_tokens: int = NEW_TOKENS):
    """New tokens, greedily, with the cache; what the first would be drawn from; and all that the model can return.

    Today's GPT-2 would compute the last row of the first logits alone: here it computes all of them,
    as an earlier one always did. No token ends the text early.
    """
    config = GenerationConfig(
        max_new_tokens=new_tokens, do_sample=False, num_beams=1, use_cache=True, eos_token_id=None,
        pad_token_id=0, return_dict_in_generate=True, output_logits=True, output_hidden_states=True)
    ids = torch.tensor([token_ids], dtype=torch.int64)
    whole = {"logits_to_keep": 0} if "logits_to_keep" in inspect.signature(model.forward).parameters else {}
    answer = model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=config, **whole)
    # As sampling does with the same scores. `generate` has them in float32 whatever the model is in.
    probabilities = torch.softmax(answer.logits[0].to(model.dtype), dim=-1)
    # The cache is left out: it is not a tensor, and its tensors have been seen.
    return answer.sequences, probabilities, answer.logits, answer.hidden_states


@contextmanager
def watch(model, recorder) -> Iterator[None]:
    """Sees the scores of every step go into argmax and the token ids come out, and the probabilities of the first."""
    def scores(values, *_, **__):
        recorder.record(MODEL, SELECTED, values)

    def probabilities(values):
        # Those of attention have four axes.
        if values.dim() == 2:
            recorder.record(MODEL, DISTRIBUTION, values)

    with Calls(ARGMAX, scores, lambda chosen: recorder.record(MODEL, CHOSEN, chosen)), \
            Calls(SOFTMAX, lambda *_, **__: None, probabilities):
        yield


def margins(values: dict[Place, numpy.ndarray]) -> list[float]:
    """By how much the best logit of each step exceeds the second best."""
    steps = scores(values)
    best = [numpy.sort(step.astype(numpy.float64), axis=-1)[:, -2:] for step in steps]
    return [float((pair[:, 1] - pair[:, 0]).min()) if pair.shape[1] == 2 else float("inf") for pair in best]


def scores(values: dict[Place, numpy.ndarray]) -> list[numpy.ndarray]:
    """What each step took the largest of, [batch, vocab]."""
    return [values[Place(MODEL, SELECTED, step)] for step in range(NEW_TOKENS)]


def others(scores: numpy.ndarray, chosen: int, doubt: float) -> list[tuple[int, float]]:
    """The tokens, nearest first, whose logit is not behind the chosen one's by more than `doubt`, and by how much it is."""
    behind = scores[chosen].astype(numpy.float64) - scores.astype(numpy.float64)
    near = [int(token) for token in numpy.flatnonzero(~(behind > doubt)) if token != chosen]
    return sorted(((token, float(behind[token])) for token in near), key=lambda pair: (pair[1], pair[0]))


def branches(model, values: dict[Place, numpy.ndarray], doubt: float) -> list[Branch] | None:
    """Every other text that honest implementations may generate, each out of the model itself; None beyond `MOST`.

    A doubtful token is replaced by the other one, and the model goes on from there: as if that had been the prompt.
    What it then generates may hold doubtful tokens again.
    """
    found: list[Branch] = []
    text = values[Place(MODEL, RETURNED)][0].tolist()
    begin = len(text) - NEW_TOKENS
    pending = [(text, 0, [step[0] for step in scores(values)])]
    while pending:
        text, done, logits = pending.pop(0)
        for step, row in enumerate(logits, done):
            chosen = text[begin + step]
            for other, behind in others(row, chosen, doubt):
                if len(found) == MOST:
                    return None
                tokens, rest = [*text[:begin + step], other], []
                if step + 1 < NEW_TOKENS:
                    with torch.inference_mode():
                        sequences, _, rest, _ = generate(model, tokens, NEW_TOKENS - step - 1)
                    tokens = sequences[0].tolist()
                found.append(Branch(step, chosen, other, behind, tokens))
                pending.append((tokens, step + 1, [scores[0].numpy() for scores in rest]))
    return found


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
