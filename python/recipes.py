"""Three kinds of capture: a text that GPT-2 continues, sentences that BERT embeds, modules by name.

Each loads a model, says what one forward is, plans the cases and observes them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, NamedTuple

from torch import nn

import activations
import generation
import gpt2
import noise
import observer
import source
import tokens
from plan import Plan


class Captured(NamedTuple):
    """What the suite is made of, and what people should know of it."""

    model: nn.Module
    plan: Plan
    observation: observer.Observation
    reference: dict[str, Any]
    lines: list[str]
    notes: list[str]


def capture(options: argparse.Namespace) -> Captured:
    """The capture that the options ask for."""
    return KINDS[options.kind](options)


def text(options: argparse.Namespace) -> Captured:
    """GPT-2 and a prompt: everything on the way to ten tokens."""
    loaded = source.load(options)
    token_ids = tokens.ids(options, loaded, room=generation.NEW_TOKENS - 1)
    forward = lambda model: generation.generate(model, token_ids)
    plan = gpt2.plan(loaded.model)
    observation = observer.observe(loaded.model, lambda: forward(loaded.model), plan)
    ranges = activations.measure(observation, plan)
    if options.random_init:
        activations.require_trained_size(ranges)
    values = {place: seen.values for place, seen in observation.items()}
    plan, notes = gpt2.without_doubt(plan, values)
    margin = min(generation.margins(values))
    reference = {
        **loaded.reference,
        **source.versions(),
        **tokens.provenance(options, token_ids),
        "generation": {"new_tokens": generation.NEW_TOKENS, "smallest_margin": margin},
    }
    lines = [*ranges.lines(), f"greedy tokens: the best logit is ahead by {margin:.3g} or more"]
    return Captured(loaded.model, plan, observation, reference,
                    lines + measured(loaded.model, forward, plan, observation), notes)


def measured(model: nn.Module, forward: Callable, plan: Plan, observation: observer.Observation) -> list[str]:
    return noise.lines(noise.measure(model, forward, plan, observation))


KINDS = {"text": text}
