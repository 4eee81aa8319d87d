"""A GPT-2 with seeded weights whose activations have the size of a trained model's.

As transformers initialises it, every bias is 0 and every LayerNorm weight 1, so that a missing
bias or swapped parameters change nothing; and weights are so small that every GELU works where
it is a straight line and every attention row is an average. `widen` mends both.
"""

from __future__ import annotations

import torch
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel
from transformers.pytorch_utils import Conv1D

# Standard deviation of a weight matrix times the root of its inputs: what an input with RMS 1
# comes out with (after these LayerNorms it is 0.6). Chosen so that pre-activations reach 4 to 7,
# from 64 wide to 768, and attention stays soft.
GAINS = {
    "attn.c_attn": 2.0,
    "attn.c_proj": 0.6,
    "mlp.c_fc": 2.3,
    "mlp.c_proj": 0.6,
}
# Standard deviations of the embeddings, about those of the trained 124M model.
EMBEDDINGS = {"wte": 0.14, "wpe": 0.1}
BIAS = 0.2
# Uniform between these two, as most of a trained model's are. Around 1 the outputs would be so
# large that float32 rounding alone takes most of a LayerNorm's tolerance of 1e-6.
LAYER_NORM_WEIGHT = (0.2, 0.9)

# Sets the redrawn numbers apart from transformers' own draws from the same seed.
STREAM = 0x6B61726174


def model(sizes: dict[str, int], seed: int, attention: str) -> GPT2LMHeadModel:
    """Builds a GPT-2, initialised by transformers from `seed` and then widened."""
    last = sizes["vocab_size"] - 1
    # transformers warns of special tokens outside the vocabulary.
    special = {"bos_token_id": min(50256, last), "eos_token_id": min(50256, last)}
    config = GPT2Config(**sizes, **special, attn_implementation=attention)
    torch.manual_seed(seed)
    built = GPT2LMHeadModel(config)
    widen(built, seed)
    return built


def widen(model: nn.Module, seed: int) -> None:
    """Redraws every bias and LayerNorm weight, and scales every weight matrix to its gain.

    Draws come in the order of the model's own modules, from a generator of its own.
    """
    generator = torch.Generator().manual_seed(seed ^ STREAM)
    with torch.no_grad():
        for name, module in model.named_modules():
            if isinstance(module, nn.LayerNorm):
                module.weight.uniform_(*LAYER_NORM_WEIGHT, generator=generator)
                module.bias.normal_(0.0, BIAS, generator=generator)
            elif isinstance(module, Conv1D):
                inputs = module.weight.shape[0]
                rescale(module.weight, GAINS[suffix(name, 2)] / inputs**0.5)
                module.bias.normal_(0.0, BIAS, generator=generator)
            elif isinstance(module, nn.Embedding):
                rescale(module.weight, EMBEDDINGS[suffix(name, 1)])


def rescale(weight: torch.Tensor, std: float) -> None:
    weight.mul_(std / weight.std())


def suffix(name: str, parts: int) -> str:
    return ".".join(name.split(".")[-parts:])


def recipe() -> dict:
    """What `widen` did, for the suite's `reference`."""
    return {"gains": GAINS, "embeddings_std": EMBEDDINGS, "bias_std": BIAS,
            "layer_norm_weight": list(LAYER_NORM_WEIGHT)}
