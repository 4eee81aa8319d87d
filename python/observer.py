"""Takes tensors out of a running forward without touching what it computes."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, NamedTuple

import numpy
import torch

import attention
import bfloat16
import cache
import generation
import signature
from plan import ATTENTION, INPUT, MODEL, OUTPUT, RETURNED, Place, Plan
from refusal import PROGRAM, Refusal, first_line


class Seen(NamedTuple):
    """A tensor of the forward, and its values at the moment it was seen.

    `source` is kept alive so that its memory says, after the forward, that one module's output
    was another one's input. It may have been changed in place since; `values` has not.
    """

    source: torch.Tensor
    values: numpy.ndarray


Observation = dict[Place, Seen]


class Recorder:
    """Keeps the tensors of the wanted places, and counts the calls of all of them."""

    def __init__(self, places: set[Place]):
        self.seen: Observation = {}
        self.calls: Counter[tuple[str, str]] = Counter()
        self.wanted = {(place.module, place.port) for place in places}
        self.places = places

    def ports(self, module: str) -> list[str]:
        """What is wanted of that module."""
        return sorted(port for name, port in self.wanted if name == module)

    def modules(self, ports: frozenset[str] | None = None) -> list[str]:
        """The modules of which one of these ports is wanted, or anything."""
        return sorted({module for module, port in self.wanted if ports is None or port in ports})

    def count(self, module: str, port: str) -> int:
        """How often that tensor came by."""
        return self.calls[module, port]

    def record(self, module: str, port: str, tensor: torch.Tensor) -> None:
        """Keeps a tensor. Returns nothing: what a hook returns would replace the model's tensor."""
        place = Place(module, port, self.calls[module, port])
        self.calls[module, port] += 1
        if place in self.places:
            self.seen[place] = Seen(tensor, copy(tensor))


def observe(model, forward: Callable[[], Any], plan: Plan) -> Observation:
    """Observes the places of a plan in one `forward` of `model`."""
    recorder = Recorder(plan.places())
    result = same(forward, watch(model, recorder))
    recorder.record(MODEL, RETURNED, next(leaves(result)))
    require_calls(recorder, plan.calls)
    require_all(recorder.seen, recorder.places)
    return recorder.seen


def same(forward: Callable[[], Any], watching: AbstractContextManager) -> Any:
    """Runs `forward` untouched, then watched, and refuses unless both agree bit for bit."""
    with torch.inference_mode():
        clean = [copy(leaf) for leaf in leaves(forward())]
        with watching:
            result = forward()
    watched = [copy(leaf) for leaf in leaves(result)]
    if not clean:
        raise Refusal("the forward gives no tensor, so nothing can be checked", "of what the model returned",
                      "to see what can be captured", f"{PROGRAM} --help")
    for index, pair in enumerate(zip(clean, watched)):
        if not same_bits(*pair):
            raise different(index, *pair)
    if len(clean) != len(watched):
        raise different(min(len(clean), len(watched)), numpy.empty(0), numpy.empty(0))
    return result


def different(index: int, clean: numpy.ndarray, watched: numpy.ndarray) -> Refusal:
    count = int((clean != watched).sum()) if clean.shape == watched.shape else clean.size
    return Refusal(
        "the watched forward differs from the clean one, so nothing seen in it counts",
        f"{count} of {clean.size} elements of result {index} differ",
        "to try another version",
        f"{sys.executable} -m pip install --upgrade torch transformers",
    )


@contextmanager
def watch(model, recorder: Recorder) -> Iterator[None]:
    """Sets hooks and takes every one of them away again, also after an exception."""
    with ExitStack() as hooks:
        for name in recorder.modules():
            for handle in module_hooks(model.get_submodule(name), name, recorder):
                hooks.callback(handle.remove)
        for watcher in (attention, cache, generation):
            if recorder.modules(watcher.PORTS):
                hooks.enter_context(watcher.watch(model, recorder))
        yield


def module_hooks(module, name: str, recorder: Recorder) -> list:
    """Hooks for a module's input and output.

    The input is taken before the module runs: a module may work in place.
    """
    inputs = [port for port in recorder.ports(name) if port.split(".")[0] == INPUT]
    outputs = [port for port in recorder.ports(name) if port.split(".")[0] == OUTPUT]

    def before(_, args, kwargs):
        take(inputs, signature.given(module, args, kwargs))

    def after(_, args, output):
        take(outputs, signature.returned(output))

    def take(ports, parts):
        for port in ports:
            _, _, part = port.partition(".")
            tensor = parts.tensors.get(part) if part else next(iter(parts.tensors.values()), None)
            if tensor is not None:
                recorder.record(name, port, tensor)

    handles = []
    if inputs:
        handles.append(module.register_forward_pre_hook(before, with_kwargs=True))
    if outputs:
        handles.append(module.register_forward_hook(after))
    return handles


def leaves(value) -> Iterator[torch.Tensor]:
    """Every tensor inside tuples, lists and dicts, in order."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from leaves(part)
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from leaves(part)


def require_calls(recorder: Recorder, calls: int | None) -> None:
    """Refuses a module that ran more often than the forward as a whole: its tensors are not one."""
    if calls is None:
        return
    for (module, port), count in sorted(recorder.calls.items()):
        if (module, port) in recorder.wanted and count > calls:
            raise Refusal(
                f"{module or 'the model'} runs more than once in a forward",
                f"so its {port} is not one tensor",
                "to see what can be captured",
                f"{PROGRAM} --help",
            )


def require_all(seen: Observation, places: set[Place]) -> None:
    """Refuses when a place was never reached: a golden that is not there must not look captured."""
    absent = sorted(places - seen.keys())
    if absent:
        why = "; a model with reorder_and_upcast_attn calls no attention function"
        raise Refusal(
            f"the forward never reached {absent[0]}",
            f"{len(absent)} of {len(places)} places were not seen{why if absent[0].port in ATTENTION else ''}",
            "to see what can be captured",
            f"{PROGRAM} --help",
        )


def copy(tensor: torch.Tensor) -> numpy.ndarray:
    """The values as they are now, in C order."""
    try:
        return numpy.array(bfloat16.array(tensor.detach().cpu()), order="C", copy=True)
    except (TypeError, RuntimeError) as error:
        raise Refusal(f"a tensor cannot be written: {first_line(error)}", f"its dtype is {tensor.dtype}",
                      "to see what can be captured", f"{PROGRAM} --help") from error


def same_bits(a: numpy.ndarray, b: numpy.ndarray) -> bool:
    """Equality that tells -0 from 0 and takes a NaN for itself."""
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()
