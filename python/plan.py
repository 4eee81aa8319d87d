"""What is to be captured, before anything runs: cases, and the places their tensors come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

INPUT, OUTPUT = "input", "output"
QUERY, KEY, VALUE, PROBABILITIES = "query", "key", "value", "probabilities"
ATTENTION = (QUERY, KEY, VALUE, PROBABILITIES)


class Place(NamedTuple):
    """A tensor of the forward: a module's name, and what of it.

    `input` and `output` are the module's own; the four of `ATTENTION` are what the attention
    function receives and returns when that module calls it.
    """

    module: str
    port: str


class Parameter(NamedTuple):
    """A parameter by its name in the model's state dict."""

    name: str


@dataclass(frozen=True)
class Case:
    """A case to be written; `id` is its path below the suite."""

    id: str
    checkpoint: str
    params: dict[str, Any]
    inputs: dict[str, Place | Parameter]
    outputs: dict[str, Place]
    atol: float


@dataclass(frozen=True)
class Plan:
    """All cases of a suite, and places that are only looked at, by what they show."""

    cases: list[Case]
    probes: dict[str, list[Place]] = field(default_factory=dict)

    def places(self) -> set[Place]:
        """Every place that has to be observed."""
        tensors = [t for case in self.cases for t in (*case.inputs.values(), *case.outputs.values())]
        tensors += [place for places in self.probes.values() for place in places]
        return {tensor for tensor in tensors if isinstance(tensor, Place)}
