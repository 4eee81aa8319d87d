"""What is to be captured, before anything runs: cases, and the places their tensors come from."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy

INPUT, OUTPUT = "input", "output"
# What the attention function receives and returns, and what it softmaxes on the way.
QUERY, KEY, VALUE, SCORES, PROBABILITIES, WEIGHTS = "query", "key", "value", "scores", "probabilities", "weights"
ATTENTION = frozenset({QUERY, KEY, VALUE, SCORES, PROBABILITIES, WEIGHTS})
# What a cache joins when an attention module appends to it.
PAST_KEY, NEW_KEY, PAST_VALUE, NEW_VALUE = "past_key", "new_key", "past_value", "new_value"
CACHE = frozenset({PAST_KEY, NEW_KEY, PAST_VALUE, NEW_VALUE})
# What a greedy generation takes the largest of, where it is, and the probabilities that sampling would draw from.
SELECTED, CHOSEN, DISTRIBUTION = "selected", "chosen", "distribution"
GENERATION = frozenset({SELECTED, CHOSEN, DISTRIBUTION})

# The model itself, as `named_modules` has it, and what the whole run returned, which may be many forwards.
MODEL = ""
RETURNED = "returned"


class Place(NamedTuple):
    """A tensor of a forward: a module's name, what of it, and in which of its calls.

    `input` is the first tensor that a module is given and `output` the first that it returns;
    `input.NAME` and `output.NAME` are one by its name (see `signature.py`).
    """

    module: str
    port: str
    call: int = 0

    def __str__(self) -> str:
        return f"{self.port} of {self.module or 'the model'}"


class Parameter(NamedTuple):
    """A parameter or a buffer by its name in the model."""

    name: str


class First(NamedTuple):
    """A param that is the first element of an integer tensor of the forward."""

    place: Place


# From the values seen, and the shape of the output, to where it is compared; None is everywhere.
Mask = Callable[[dict[Place, numpy.ndarray], tuple[int, ...]], "numpy.ndarray | None"]


@dataclass(frozen=True)
class Case:
    """A case to be written; `id` is its path below the suite. Without a tolerance it has its dtype's.

    Cases of one `level` are not made of each other. An input comes from a case of the same level,
    if one has it: so there is a chain of wholes beside the chain of parts. `alternatives` are what
    an output may be instead, as a whole.
    """

    id: str
    checkpoint: str
    params: dict[str, Any]
    inputs: dict[str, Place | Parameter]
    outputs: dict[str, Place]
    tolerance: dict[str, float] | None
    where: dict[str, Mask] = field(default_factory=dict)
    level: int = 0
    alternatives: dict[str, list[numpy.ndarray]] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """All cases of a suite; places that are only looked at, by what they show; how often a module runs
    (None is any number).

    `prefix` is what the names of parameters begin with and the weights file leaves out.
    """

    cases: list[Case]
    probes: dict[str, list[Place]] = field(default_factory=dict)
    calls: int | None = 1
    prefix: str = ""

    def places(self) -> set[Place]:
        """Every place that has to be observed."""
        tensors = [t for case in self.cases for t in (*case.inputs.values(), *case.outputs.values())]
        tensors += [p.place for case in self.cases for p in case.params.values() if isinstance(p, First)]
        tensors += [place for places in self.probes.values() for place in places]
        return {tensor for tensor in tensors if isinstance(tensor, Place)}

    def compared(self, values: dict[Place, numpy.ndarray]) -> Plan:
        """The same without the cases that would compare no element."""
        def selects(case: Case, name: str) -> bool:
            where = case.where[name](values, values[case.outputs[name]].shape)
            return where is None or bool(where.any())

        kept = [case for case in self.cases if not case.where or any(selects(case, name) for name in case.where)]
        return dataclasses.replace(self, cases=kept)

    def parameters(self) -> set[str]:
        """The names of every parameter and buffer that a case uses."""
        return {t.name for case in self.cases for t in case.inputs.values() if isinstance(t, Parameter)}
