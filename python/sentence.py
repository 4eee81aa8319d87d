"""Which tensors of a BERT that embeds sentences become which cases."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn
from transformers import BertModel

from masks import attended, both, hidden, tokens
from plan import (INPUT, KEY, OUTPUT, PROBABILITIES, QUERY, SCORES, VALUE, WEIGHTS, Case, Parameter, Place, Plan)
from refusal import PROGRAM, Refusal

# Absolute, and at least ten times what float32 differs from float64 on MiniLM: the capture prints both.
LAYER_NORM, QKV, ATTENTION_SCORES, SOFTMAX, CONTEXT = 5e-6, 2e-5, 2e-5, 1e-6, 2e-6
DENSE_RESIDUAL_NORM, INTERMEDIATE, POOLING, NORMALIZE = 2e-5, 1e-5, 1e-6, 1e-7
EXACT = 0.0

# torch.nn.functional.normalize divides by no less than this, and the pipeline does not say otherwise.
NORMALIZE_EPS = 1e-12

GELU = {"gelu": "exact", "gelu_new": "tanh", "gelu_pytorch_tanh": "tanh"}


def plan(model: nn.Module, layer: int | None) -> Plan:
    """The first norm, one layer whole (the last, unless told), and the way from the last layer to the embedding of a sentence."""
    name = bert(model)
    config = model.get_submodule(name).config
    layer = config.num_hidden_layers - 1 if layer is None else layer
    if not 0 <= layer < config.num_hidden_layers:
        raise unknown(f"there is no layer {layer}: the model has {config.num_hidden_layers}", "--layer")
    if config.hidden_act not in GELU:
        raise unknown(f"no checkpoint is known for hidden_act {config.hidden_act}", "in the config of the model")
    # The pipeline calls the BERT's forward past its hooks, so the mask is taken where the first stage gets it.
    stage = next(stage for stage, _ in model.named_children())
    mask = Place(stage, f"{INPUT}.features.attention_mask")
    cases = [layer_norm(model, "embeddings/layer_norm", f"{name}.embeddings.LayerNorm")]
    cases += layer_cases(f"layer.{layer}", f"{name}.encoder.layer.{layer}", mask, config)
    cases += pooling(model)
    return Plan(cases, prefix=f"{name}.")


def bert(model: nn.Module) -> str:
    """The name of the one BERT inside the pipeline."""
    names = [name for name, module in model.named_modules() if isinstance(module, BertModel)]
    if len(names) != 1:
        raise unknown(f"the pipeline holds {len(names)} models of the class BertModel, and one is known", "")
    return names[0]


def layer_cases(case: str, name: str, mask: Place, config) -> list[Case]:
    attn = f"{name}.attention.self"
    scores, context = Place(attn, SCORES), Place(attn, OUTPUT)
    return [
        Case(f"{case}/qkv", "bert_qkv", {"n_head": config.num_attention_heads},
             {"x": Place(f"{attn}.query", INPUT),
              **parameters(attn, "query.weight", "query.bias", "key.weight", "key.bias", "value.weight", "value.bias")},
             {"q": Place(attn, QUERY), "k": Place(attn, KEY), "v": Place(attn, VALUE)},
             {"q": QKV, "k": QKV, "v": QKV}),
        Case(f"{case}/attention_scores", "attention_scores", {"causal": False},
             {"q": Place(attn, QUERY), "k": Place(attn, KEY), "mask": mask}, {"y": scores},
             {"y": ATTENTION_SCORES}, where={"y": both(attended(scores), tokens(mask, 2))}),
        Case(f"{case}/attention_mask", "attention_scores", {"causal": False},
             {"q": Place(attn, QUERY), "k": Place(attn, KEY), "mask": mask}, {"y": scores},
             {"y": EXACT}, where={"y": hidden(scores)}),
        Case(f"{case}/softmax", "softmax", {}, {"x": scores}, {"y": Place(attn, PROBABILITIES)},
             {"y": SOFTMAX}, where={"y": tokens(mask, 2)}),
        Case(f"{case}/attention_context", "attention_context", {},
             {"probabilities": Place(attn, WEIGHTS), "v": Place(attn, VALUE)}, {"y": context},
             {"y": CONTEXT}, where={"y": tokens(mask, 1)}),
        dense_residual_norm(f"{case}/attention_output", f"{name}.attention.output", mask, config),
        Case(f"{case}/intermediate", "dense_gelu", {"gelu": GELU[config.hidden_act]},
             {"x": Place(f"{name}.intermediate", INPUT),
              **parameters(f"{name}.intermediate", "dense.weight", "dense.bias")},
             {"y": Place(f"{name}.intermediate", OUTPUT)}, {"y": INTERMEDIATE}, where={"y": tokens(mask, 1)}),
        dense_residual_norm(f"{case}/output", f"{name}.output", mask, config),
    ]


def dense_residual_norm(case_id: str, name: str, mask: Place, config) -> Case:
    return Case(case_id, "dense_residual_norm", {"eps": config.layer_norm_eps},
                {"x": Place(name, f"{INPUT}.hidden_states"), "residual": Place(name, f"{INPUT}.input_tensor"),
                 **parameters(name, "dense.weight", "dense.bias", "LayerNorm.weight", "LayerNorm.bias")},
                {"y": Place(name, OUTPUT)}, {"y": DENSE_RESIDUAL_NORM}, where={"y": tokens(mask, 1)})


def layer_norm(model: nn.Module, case_id: str, name: str) -> Case:
    return Case(case_id, "layer_norm", {"eps": model.get_submodule(name).eps},
                {"x": Place(name, INPUT), **parameters(name, "weight", "bias")},
                {"y": Place(name, OUTPUT)}, {"y": LAYER_NORM})


def pooling(model: nn.Module) -> Iterator[Case]:
    """The stages of the pipeline after the BERT: the mean of the tokens, and its normalisation if there is one."""
    for name, module in list(model.named_children())[1:]:
        kind = type(module).__name__
        if kind == "Pooling" and mode(module) == "mean":
            yield Case("mean_pooling", "mean_pooling", {},
                       {"x": Place(name, f"{INPUT}.features.token_embeddings"),
                        "mask": Place(name, f"{INPUT}.features.attention_mask")},
                       {"y": Place(name, f"{OUTPUT}.sentence_embedding")}, {"y": POOLING})
        elif kind == "Normalize":
            yield Case("normalize", "normalize", {"eps": NORMALIZE_EPS},
                       {"x": Place(name, f"{INPUT}.features.sentence_embedding")},
                       {"y": Place(name, f"{OUTPUT}.sentence_embedding")}, {"y": NORMALIZE})
        else:
            raise unknown(f"no checkpoint is known for {kind} with these settings", f"stage {name} of the pipeline")


def mode(module: nn.Module) -> str:
    """How it pools; earlier versions have a method for what later ones have as an attribute."""
    pooled = getattr(module, "pooling_mode", None) or module.get_pooling_mode_str()
    return pooled if isinstance(pooled, str) else "+".join(pooled)


def parameters(module: str, *names: str) -> dict[str, Parameter]:
    """Parameters below a module, under the names that they have there."""
    return {name: Parameter(f"{module}.{name}") for name in names}


def unknown(what: str, where: str) -> Refusal:
    return Refusal(what, where, "to take its modules as they are", f"{PROGRAM} NAME --model DIR --module 'PATTERN'")
