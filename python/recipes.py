"""Three kinds of capture: a text that GPT-2 continues, sentences that BERT embeds, modules by name.

Each loads a model, says what one forward is, plans the cases and observes them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import nn

import activations
import generation
import gpt2
import modules as chosen
import noise
import observer
import sentence
import source
import tokens
import user
from options import MODULES, SENTENCES, TEXT
from plan import Plan
from refusal import first_line, options_refusal


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
    loaded = source.gpt2(options)
    token_ids = tokens.ids(options, loaded, room=generation.NEW_TOKENS - 1)
    forward = lambda model: generation.generate(model, token_ids)
    plan = gpt2.plan(loaded.model)
    observation = observer.observe(loaded.model, lambda: forward(loaded.model), plan)
    ranges = activations.measure(observation, plan)
    if options.random_init:
        activations.require_trained_size(ranges)
    values = {place: seen.values for place, seen in observation.items()}
    plan, table = measured(loaded.model, forward, plan.compared(values), observation, gpt2.CEILINGS)
    plan, notes, doubts = gpt2.settle(plan, values, loaded.model)
    margin = min(generation.margins(values))
    reference = {
        **loaded.reference,
        **source.versions(),
        **tokens.provenance(options, token_ids),
        "generation": {"new_tokens": generation.NEW_TOKENS, "smallest_margin": margin, **doubts},
    }
    lines = [*ranges.lines(), f"greedy tokens: the best logit is ahead by {margin:.3g} or more", *table]
    return Captured(loaded.model, plan, observation, reference, lines, notes)


def sentences(options: argparse.Namespace) -> Captured:
    """A BERT and a padded batch of sentences: one layer, and the embedding of each."""
    loaded = source.sentence_transformer(options)
    features = batch(loaded.model, options.sentence)

    def forward(model):
        # Every stage adds to the dict that it is given.
        return {name: value for name, value in model(dict(features)).items() if isinstance(value, torch.Tensor)}

    plan = sentence.plan(loaded.model, options.layer)
    observation = observer.observe(loaded.model, lambda: forward(loaded.model), plan)
    reference = {
        **loaded.reference,
        **source.versions(["sentence-transformers"]),
        "sentences": options.sentence,
        "token_ids": features["input_ids"].tolist(),
    }
    values = {place: seen.values for place, seen in observation.items()}
    plan, table = measured(loaded.model, forward, plan.compared(values), observation)
    lines = [f"tokens of each sentence: {features['attention_mask'].sum(dim=1).tolist()}", *table]
    return Captured(loaded.model, plan, observation, reference, lines, [])


def batch(model: nn.Module, texts: list[str]) -> dict[str, Any]:
    """The sentences as the pipeline itself prepares them; it had another name for that before."""
    prepare = getattr(model, "preprocess", None) or model.tokenize
    try:
        features = prepare(texts)
    except UnicodeEncodeError:
        raise options_refusal("a sentence is not UTF-8", "--sentence") from None
    if not bool(features["attention_mask"].any()):
        raise options_refusal("no tokens: the sentences are empty", "--sentence")
    return features


def modules(options: argparse.Namespace) -> Captured:
    """Modules of any model by name: a model of transformers and a text, or a function's module and inputs."""
    if options.source == "load":
        model, forward, reference = user.load(options)
    else:
        loaded = source.any_class(options)
        token_ids = tokens.ids(options, loaded)
        model = loaded.model
        keywords = {"use_cache": False} if hasattr(model.config, "use_cache") else {}
        forward = lambda runner: runner(input_ids=torch.tensor([token_ids]), **keywords)
        reference = {**loaded.reference, **tokens.provenance(options, token_ids)}
    plan = chosen.plan(model, lambda: forward(model), options.module, dict(options.rename or []), options.atol)
    observation = observer.observe(model, lambda: forward(model), plan)
    try:
        plan, table = measured(model, forward, plan, observation)
    except Exception as error:  # The model may be anybody's, and may raise anything.
        table = [f"float64: not measured: {type(error).__name__}: {first_line(error)}"]
    return Captured(model, plan, observation, {**reference, **source.versions()}, table, [])


def measured(model: nn.Module, forward: Callable, plan: Plan, observation: observer.Observation,
             ceilings: Mapping[str, float] = MappingProxyType({})) -> tuple[Plan, list[str]]:
    """The plan with room for the noise, and its table. Not every module can be copied and run in float64."""
    rows = noise.measure(model, forward, plan, observation)
    plan, rows = noise.with_room(plan, rows, ceilings)
    return plan, noise.lines(rows)


KINDS = {TEXT: text, SENTENCES: sentences, MODULES: modules}
