"""Takes tensors out of a running forward without touching what it computes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import numpy
import torch

from plan import ATTENTION, INPUT, KEY, OUTPUT, PROBABILITIES, QUERY, VALUE, Place
from refusal import PROGRAM, Refusal

ATTENTION_FUNCTION = "eager_attention_forward"


class Seen(NamedTuple):
    """A tensor of the forward, and its values at the moment it was seen.

    `source` is kept alive so that its identity says, after the forward, that one module's
    output was another one's input. It may have been changed in place since; `values` has not.
    """

    source: torch.Tensor
    values: numpy.ndarray


Observation = dict[Place, Seen]


def observe_tokens(model, token_ids: list[int], places: set[Place]) -> Observation:
    """Observes one forward of a language model on a batch of one sequence, without a cache."""
    ids = torch.tensor([token_ids], dtype=torch.int64)
    return observe(model, lambda: model(input_ids=ids, use_cache=False).logits, places)


def observe(model, forward: Callable[[], torch.Tensor], places: set[Place]) -> Observation:
    """Runs `forward` untouched, then watched, and refuses unless both agree bit for bit."""
    with torch.inference_mode():
        clean = copy(forward())
        with watch(model, places) as seen:
            watched = copy(forward())
    if not same_bits(clean, watched):
        raise Refusal(
            "the watched forward differs from the clean one, so nothing seen in it counts",
            f"{int((clean != watched).sum())} of {clean.size} logits differ",
            "to try another version",
            f"{sys.executable} -m pip install --upgrade torch transformers",
        )
    require_all(seen, places)
    return seen


@contextmanager
def watch(model, places: set[Place]) -> Iterator[Observation]:
    """Sets hooks for `places` and takes every one of them away again, also after an exception."""
    seen: Observation = {}
    with ExitStack() as hooks:
        for name in sorted({place.module for place in places}):
            for handle in module_hooks(model.get_submodule(name), name, places, seen):
                hooks.callback(handle.remove)
        if any(place.port in ATTENTION for place in places):
            hooks.enter_context(attention_hook(model, places, seen))
        yield seen


def module_hooks(module, name: str, places: set[Place], seen: Observation) -> list:
    """Hooks for a module's first positional input and its (first) output.

    The input is taken before the module runs: a module may work in place.
    """
    handles = []
    if Place(name, INPUT) in places:
        handles.append(module.register_forward_pre_hook(
            lambda _, inputs: record(seen, Place(name, INPUT), inputs[0])))
    if Place(name, OUTPUT) in places:
        handles.append(module.register_forward_hook(
            lambda _, inputs, output: record(seen, Place(name, OUTPUT), first(output))))
    return handles


@contextmanager
def attention_hook(model, places: set[Place], seen: Observation) -> Iterator[None]:
    """Wraps the attention function of the model's own source file, which looks it up by name."""
    home = sys.modules[type(model).__module__]
    original = getattr(home, ATTENTION_FUNCTION, None)
    if original is None:
        raise Refusal(
            f"this transformers has no {ATTENTION_FUNCTION} to take q, k and v from",
            f"in {home.__name__}",
            "to get a newer one",
            f"{sys.executable} -m pip install --upgrade transformers",
        )
    names = {module: name for name, module in model.named_modules()}

    def wrapper(module, query, key, value, *args, **kwargs):
        name = names[module]
        tensors = {QUERY: query, KEY: key, VALUE: value}
        for port, tensor in tensors.items():
            if Place(name, port) in places:
                record(seen, Place(name, port), tensor)
        result = original(module, query, key, value, *args, **kwargs)
        if Place(name, PROBABILITIES) in places:
            record(seen, Place(name, PROBABILITIES), result[1])
        return result

    setattr(home, ATTENTION_FUNCTION, wrapper)
    try:
        yield
    finally:
        setattr(home, ATTENTION_FUNCTION, original)


def record(seen: Observation, place: Place, tensor: torch.Tensor) -> None:
    """Keeps a tensor. Returns nothing: what a hook returns would replace the model's tensor."""
    if place in seen:
        raise Refusal(
            f"{place.module} runs more than once in a forward",
            f"so its {place.port} is not one tensor",
            "to see what can be captured",
            f"{PROGRAM} --help",
        )
    seen[place] = Seen(tensor, copy(tensor))


def require_all(seen: Observation, places: set[Place]) -> None:
    """Refuses when a place was never reached: a golden that is not there must not look captured."""
    absent = sorted(places - seen.keys())
    if absent:
        raise Refusal(
            f"the forward never reached {absent[0].port} of {absent[0].module}",
            f"{len(absent)} of {len(places)} places were not seen; a model with "
            "reorder_and_upcast_attn calls no attention function",
            "to capture a model that does",
            f"{PROGRAM} gpt2 --model gpt2",
        )


def copy(tensor: torch.Tensor) -> numpy.ndarray:
    """The values as they are now, in C order."""
    return numpy.array(tensor.detach().cpu().numpy(), order="C", copy=True)


def same_bits(a: numpy.ndarray, b: numpy.ndarray) -> bool:
    """Equality that tells -0 from 0 and takes a NaN for itself."""
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def first(output):
    return output[0] if isinstance(output, tuple) else output
