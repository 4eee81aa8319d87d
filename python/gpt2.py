"""Which tensors of a transformers GPT-2 become which cases."""

from __future__ import annotations

from activations import ATTENTION_PROBABILITIES, PRE_ACTIVATIONS
from plan import INPUT, KEY, OUTPUT, PROBABILITIES, QUERY, VALUE, Case, Parameter, Place, Plan

LAYER_NORM_ATOL = 1e-6
QKV_ATOL = 1e-5


def plan(model) -> Plan:
    """LayerNorms and QKV of every layer, in the order of the forward, and the final norm."""
    cases, hidden, attention = [], [], []
    for layer in range(model.config.n_layer):
        block = f"transformer.h.{layer}"
        cases += [
            layer_norm(model, f"h.{layer}/ln_1", f"{block}.ln_1"),
            qkv(model, f"h.{layer}/qkv", f"{block}.attn"),
            layer_norm(model, f"h.{layer}/ln_2", f"{block}.ln_2"),
        ]
        hidden.append(Place(f"{block}.mlp.c_fc", OUTPUT))
        attention.append(Place(f"{block}.attn", PROBABILITIES))
    cases.append(layer_norm(model, "ln_f", "transformer.ln_f"))
    return Plan(cases, {PRE_ACTIVATIONS: hidden, ATTENTION_PROBABILITIES: attention})


def layer_norm(model, case_id: str, name: str) -> Case:
    return Case(
        id=case_id,
        checkpoint="layer_norm",
        params={"eps": model.get_submodule(name).eps},
        inputs={"x": Place(name, INPUT), **weight_and_bias(name)},
        outputs={"y": Place(name, OUTPUT)},
        atol=LAYER_NORM_ATOL,
    )


def qkv(model, case_id: str, name: str) -> Case:
    """From the input of `c_attn` to what the attention function receives.

    The weight is a Conv1D's, [in, out]; q, k and v are [batch, heads, seq, head_dim].
    """
    return Case(
        id=case_id,
        checkpoint="qkv",
        params={"n_head": model.get_submodule(name).num_heads},
        inputs={"x": Place(f"{name}.c_attn", INPUT), **weight_and_bias(f"{name}.c_attn")},
        outputs={"q": Place(name, QUERY), "k": Place(name, KEY), "v": Place(name, VALUE)},
        atol=QKV_ATOL,
    )


def weight_and_bias(name: str) -> dict[str, Parameter]:
    return {"weight": Parameter(f"{name}.weight"), "bias": Parameter(f"{name}.bias")}
