"""Which tensors of a transformers GPT-2 become which cases."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy

import generation
from activations import ATTENTION_PROBABILITIES, PRE_ACTIVATIONS
from masks import attended, hidden
from plan import (CHOSEN, DISTRIBUTION, INPUT, KEY, MODEL, NEW_KEY, NEW_VALUE, OUTPUT, PAST_KEY, PAST_VALUE, PROBABILITIES, QUERY,
                  RETURNED, SCORES, SELECTED, VALUE, WEIGHTS, Case, First, Parameter, Place, Plan)
from refusal import PROGRAM, Refusal
from tolerance import Relative, limits

# Absolute. At most what the first port of GPT-2 to Rust held itself to, and four times or more what float32 differs
# from float64 in the model in this repository, mostly ten: the capture prints both.
LAYER_NORM, QKV, SCORES_ATOL, SOFTMAX, ATTENTION, MLP, BLOCK, LOGITS = 5e-6, 1e-5, 1e-5, 1e-6, 1e-5, 1e-5, 1e-5, 5e-5
RESIDUAL = 1e-6
EXACT = 0.0
# Of 50257 probabilities most are 1e-5, where the tolerance of attention's softmax would see nothing. One that adds them
# up in float32, one after the other, is off by 2^-16 of each, as candle is.
PROBABILITIES_SHARE = Relative(2.0**-15, most=SOFTMAX)

# What the first port of GPT-2 to Rust held itself to, by checkpoint: no noise makes a tolerance larger.
CEILINGS = {"layer_norm": 1e-5, "qkv": 1e-4, "attention_scores": 1e-4, "softmax": 1e-6, "attention_output": 1e-4,
            "mlp": 1e-4, "block": 1e-4, "logits": 1e-3}

# The level of cases that are made of those of level 0.
WHOLE = 1

# The functions that `gelu` names, by what config.json calls them.
GELU = {"gelu_new": "tanh", "gelu_pytorch_tanh": "tanh", "gelu": "exact"}

BLOCK_PARAMETERS = ("ln_1.weight", "ln_1.bias", "attn.c_attn.weight", "attn.c_attn.bias", "attn.c_proj.weight",
                    "attn.c_proj.bias", "ln_2.weight", "ln_2.bias", "mlp.c_fc.weight", "mlp.c_fc.bias",
                    "mlp.c_proj.weight", "mlp.c_proj.bias")


def plan(model) -> Plan:
    """The first forward of a generation, the cache and the positions of the second, and the text."""
    require_plain(model)
    layers = range(model.config.n_layer)
    cases = [embeddings("embeddings", 0)]
    for layer in layers:
        cases += block(model, layer)
    cases += head(model)
    cases.append(embeddings("step/embeddings", 1))
    for layer in layers:
        cases += step(layer)
    cases.append(generate(model))
    return Plan(cases, calls=generation.NEW_TOKENS, probes={
        PRE_ACTIVATIONS: [Place(f"transformer.h.{layer}.mlp.c_fc", OUTPUT) for layer in layers],
        ATTENTION_PROBABILITIES: [Place(f"transformer.h.{layer}.attn", PROBABILITIES) for layer in layers],
        SELECTED: [Place(MODEL, SELECTED, call) for call in range(generation.NEW_TOKENS)],
    })


def require_plain(model) -> None:
    """Refuses a GPT-2 that computes something else than the checkpoints of these names mean."""
    config = model.config
    for wrong, what in (
        (config.activation_function not in GELU, f"activation_function {config.activation_function}"),
        (not config.scale_attn_weights, "scale_attn_weights false"),
        (config.scale_attn_by_inverse_layer_idx, "scale_attn_by_inverse_layer_idx true"),
        (config.add_cross_attention, "add_cross_attention true"),
    ):
        if wrong:
            raise Refusal(f"no checkpoint is known for {what}", "in the config of the model",
                          "to take its modules as they are", f"{PROGRAM} NAME --model DIR --module 'h.*'")


def embeddings(case_id: str, call: int) -> Case:
    ids, positions = Place("transformer.wte", INPUT, call), Place("transformer.wpe", INPUT, call)
    return Case(
        id=case_id,
        checkpoint="embeddings",
        params={"offset": First(positions)},
        inputs={"ids": ids, **parameters("transformer", "wte.weight", "wpe.weight")},
        outputs={"y": Place("transformer.drop", OUTPUT, call)},
        tolerance={"y": RESIDUAL},
    )


def block(model, layer: int) -> list[Case]:
    """One layer, operation by operation, and whole."""
    case, name = f"h.{layer}", f"transformer.h.{layer}"
    attn, middle = f"{name}.attn", Place(f"{name}.ln_2", INPUT)
    x, y = Place(name, INPUT), Place(name, OUTPUT)
    return [
        layer_norm(model, f"{case}/ln_1", f"{name}.ln_1"),
        qkv(model, f"{case}/qkv", attn),
        attention_scores(f"{case}/attention_scores", attn, 0),
        attention_mask(f"{case}/attention_mask", attn),
        Case(f"{case}/softmax", "softmax", {}, {"x": Place(attn, SCORES)}, {"y": Place(attn, PROBABILITIES)},
             {"y": SOFTMAX}),
        Case(f"{case}/attention_output", "attention_output", {},
             {"probabilities": Place(attn, WEIGHTS), "v": Place(attn, VALUE),
              **parameters(f"{attn}.c_proj", "weight", "bias")},
             {"y": Place(attn, OUTPUT)}, {"y": ATTENTION}),
        residual(f"{case}/residual_1", x, Place(attn, OUTPUT), middle),
        layer_norm(model, f"{case}/ln_2", f"{name}.ln_2"),
        Case(f"{case}/mlp", "mlp", gelu(model),
             {"x": Place(f"{name}.mlp", INPUT),
              **parameters(f"{name}.mlp", "c_fc.weight", "c_fc.bias", "c_proj.weight", "c_proj.bias")},
             {"y": Place(f"{name}.mlp", OUTPUT)}, {"y": MLP}),
        residual(f"{case}/residual_2", middle, Place(f"{name}.mlp", OUTPUT), y),
        Case(f"{case}/block", "block", shape(model), {"x": x, **parameters(name, *BLOCK_PARAMETERS)}, {"y": y},
             {"y": BLOCK}, level=WHOLE),
    ]


def head(model) -> list[Case]:
    """From the last layer to the token."""
    logits, selected = Place("lm_head", OUTPUT), Place(MODEL, SELECTED)
    return [
        layer_norm(model, "ln_f", "transformer.ln_f"),
        Case("logits", "logits", {}, {"x": Place("lm_head", INPUT), "weight": Parameter(head_weight(model))},
             {"y": logits}, {"y": LOGITS}),
        Case("selected_logits", "selected_logits", {}, {"x": logits}, {"y": selected}, {"y": EXACT}),
        Case("probabilities", "softmax", {}, {"x": selected}, {"y": Place(MODEL, DISTRIBUTION)},
             {"y": PROBABILITIES_SHARE}),
        Case("argmax", "argmax", {}, {"x": selected}, {"y": Place(MODEL, CHOSEN)}, {"y": EXACT}),
    ]


def step(layer: int) -> list[Case]:
    """The second forward, of one token: what the cache does, and where the token may look."""
    attn = f"transformer.h.{layer}.attn"
    return [
        Case(f"step/h.{layer}/kv_cache", "kv_cache", {},
             {"past_k": Place(attn, PAST_KEY), "past_v": Place(attn, PAST_VALUE),
              "new_k": Place(attn, NEW_KEY), "new_v": Place(attn, NEW_VALUE)},
             {"k": Place(attn, KEY, 1), "v": Place(attn, VALUE, 1)}, {"k": EXACT, "v": EXACT}),
        attention_scores(f"step/h.{layer}/attention_scores", attn, 1),
    ]


def generate(model) -> Case:
    names = {name.removeprefix("transformer."): Parameter(name) for name, _ in model.named_parameters()}
    return Case("generate", "generate", {"new_tokens": generation.NEW_TOKENS, **shape(model)},
                {"ids": Place("transformer.wte", INPUT), **names}, {"tokens": Place(MODEL, RETURNED)},
                {"tokens": EXACT}, level=WHOLE)


def layer_norm(model, case_id: str, name: str) -> Case:
    return Case(
        id=case_id,
        checkpoint="layer_norm",
        params={"eps": model.get_submodule(name).eps},
        inputs={"x": Place(name, INPUT), **parameters(name, "weight", "bias")},
        outputs={"y": Place(name, OUTPUT)},
        tolerance={"y": LAYER_NORM},
    )


def qkv(model, case_id: str, name: str) -> Case:
    """From the input of `c_attn` to what the attention function receives.

    The weight is a Conv1D's, [in, out]; q, k and v are [batch, heads, seq, head_dim].
    """
    return Case(
        id=case_id,
        checkpoint="qkv",
        params={"n_head": model.get_submodule(name).num_heads},
        inputs={"x": Place(f"{name}.c_attn", INPUT), **parameters(f"{name}.c_attn", "weight", "bias")},
        outputs={"q": Place(name, QUERY), "k": Place(name, KEY), "v": Place(name, VALUE)},
        tolerance={"q": QKV, "k": QKV, "v": QKV},
    )


def attention_scores(case_id: str, attn: str, call: int) -> Case:
    scores = Place(attn, SCORES, call)
    return Case(case_id, "attention_scores", {"causal": True},
                {"q": Place(attn, QUERY, call), "k": Place(attn, KEY, call)}, {"y": scores},
                {"y": SCORES_ATOL}, where={"y": attended(scores)})


def attention_mask(case_id: str, attn: str) -> Case:
    """The scores that `attention_scores` leaves out: what is hidden must be hidden, and by the same number."""
    scores = Place(attn, SCORES)
    return Case(case_id, "attention_scores", {"causal": True}, {"q": Place(attn, QUERY), "k": Place(attn, KEY)},
                {"y": scores}, {"y": EXACT}, where={"y": hidden(scores)})


def residual(case_id: str, x: Place, update: Place, y: Place) -> Case:
    return Case(case_id, "residual", {}, {"x": x, "update": update}, {"y": y}, {"y": RESIDUAL})


def parameters(module: str, *names: str) -> dict[str, Parameter]:
    """Parameters below a module, under the names that they have there."""
    return {name: Parameter(f"{module}.{name}") for name in names}


def shape(model) -> dict:
    return {"eps": model.config.layer_norm_epsilon, "n_head": model.config.n_head, **gelu(model)}


def gelu(model) -> dict:
    return {"gelu": GELU[model.config.activation_function]}


def head_weight(model) -> str:
    """The name of the last projection's weight: as a rule the token embedding's, which it is tied to."""
    return next(name for name, parameter in model.named_parameters() if parameter is model.lm_head.weight)


def doubt(cases: Plan, values: dict[Place, numpy.ndarray]) -> float:
    """Two logits that are closer than this may change places where both are off by their whole tolerance."""
    logits = next(case for case in cases.cases if case.checkpoint == "logits")
    y = values[logits.outputs["y"]]
    allowed = limits(logits.tolerance["y"], y, None)
    return 2 * (allowed.atol + allowed.rtol * float(abs(y).max()))


class Settled(NamedTuple):
    """The plan with what may come instead of each token, words about it, and what `reference` says."""

    plan: Plan
    notes: list[str]
    reference: dict[str, Any]


def settle(cases: Plan, values: dict[Place, numpy.ndarray], model) -> Settled:
    """Lets `argmax` and `generate` accept either token where two are in doubt.

    Where there are too many, `argmax` is not captured, and `generate` up to the first of them.
    """
    limit = doubt(cases, values)
    margins = generation.margins(values)
    doubtful = [step for step, margin in enumerate(margins) if not margin > limit]
    if not doubtful:
        return Settled(cases, [], {})
    chosen = values[Place(MODEL, CHOSEN)]
    others = [token for token, _ in generation.others(generation.scores(values)[0][0], int(chosen[0]), limit)]
    branches = generation.branches(model, values, limit)

    def either(case: Case) -> Case | None:
        """The case with what may come instead; None where there is nothing left to compare."""
        if case.checkpoint == "argmax":
            instead = [numpy.array([other], chosen.dtype) for other in others]
            return dataclasses.replace(case, alternatives={"y": instead}) if len(others) <= generation.MOST else None
        if case.checkpoint != "generate":
            return case
        if branches is None:
            return dataclasses.replace(case, where={"tokens": generation.settled(limit)}) if doubtful[0] > 0 else None
        return dataclasses.replace(case, alternatives={"tokens": [numpy.array([b.tokens], chosen.dtype) for b in branches]})

    kept = [case for case in map(either, cases.cases) if case is not None]
    absent = [case.id for case in cases.cases if case.id not in {case.id for case in kept}]
    notes, reference = told(doubtful[0], margins, branches, limit, absent)
    return Settled(dataclasses.replace(cases, cases=kept), notes, reference)


def told(first: int, margins: list[float], branches: list[generation.Branch] | None, limit: float,
         absent: list[str]) -> tuple[list[str], dict[str, Any]]:
    """What people are told of doubtful tokens, and what `reference` says; alternatives in the order of their files."""
    reference: dict[str, Any] = {"doubt": limit}
    if branches is None:
        notes = [f"the two best logits of token {first + 1} are {margins[first]:.3g} apart, and may be off by "
                 f"{limit / 2:g} each; more than {generation.MOST} texts may come: `generate` is compared up to the token before"]
        reference["compared_tokens"] = first
    else:
        notes = [f"the logits of {branch.chosen} and {branch.other} for token {branch.step + 1} are {branch.behind:.3g} apart, "
                 f"and may be off by {limit / 2:g} each: either is accepted, and what the model generates after it"
                 for branch in branches]
        reference["alternatives"] = [{"token": branch.step + 1, "instead_of": branch.chosen, "is": branch.other,
                                      "behind": branch.behind} for branch in branches]
    # A token may be in doubt after either of two others.
    notes = list(dict.fromkeys(notes))
    if absent:
        notes.append(f"not captured: {', '.join(absent)}")
        reference["not_captured"] = absent
    return notes, reference
