"""What an attention function receives, softmaxes and returns.

Scores and probabilities belong to no module. The function that computes them is a Python function of the
model's own source file: it is wrapped, and the softmax that it calls is seen while it is called.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch

from intercept import Calls
from plan import ATTENTION, KEY, PROBABILITIES, QUERY, SCORES, VALUE, WEIGHTS
from refusal import PROGRAM, Refusal

PORTS = ATTENTION
FUNCTION = "eager_attention_forward"
SOFTMAX = {torch.softmax, torch.Tensor.softmax, torch.nn.functional.softmax}


@contextmanager
def watch(model, recorder) -> Iterator[None]:
    """Wraps the attention function where the watched modules look it up, by name."""
    names = {model.get_submodule(name): name for name in recorder.modules(PORTS)}
    homes = {type(module).__module__: None for module in names}
    with ExitStack() as wrappers:
        for home in homes:
            wrappers.enter_context(wrapped(sys.modules[home], names, recorder))
        yield


@contextmanager
def wrapped(home, names: dict, recorder) -> Iterator[None]:
    original = getattr(home, FUNCTION, None)
    if original is None:
        raise Refusal(
            f"this transformers has no {FUNCTION} to take q, k and v from",
            f"in {home.__name__}",
            "to get a newer one",
            f"{sys.executable} -m pip install --upgrade transformers",
        )

    def wrapper(module, query, key, value, *args, **kwargs):
        name = names.get(module)
        if name is None:
            return original(module, query, key, value, *args, **kwargs)
        for port, tensor in ((QUERY, query), (KEY, key), (VALUE, value)):
            recorder.record(name, port, tensor)
        count = recorder.count(name, SCORES)
        with Calls(SOFTMAX, lambda scores, *_, **__: recorder.record(name, SCORES, scores),
                   lambda probabilities: recorder.record(name, PROBABILITIES, probabilities)):
            result = original(module, query, key, value, *args, **kwargs)
        if recorder.count(name, SCORES) != count + 1:
            raise Refusal(
                f"{FUNCTION} calls softmax {recorder.count(name, SCORES) - count} times, and is known with one call",
                f"in {home.__name__}, for {name}",
                "to see what can be captured",
                f"{PROGRAM} --help",
            )
        recorder.record(name, WEIGHTS, result[1])
        return result

    setattr(home, FUNCTION, wrapper)
    try:
        yield
    finally:
        setattr(home, FUNCTION, original)
