"""How far float32 itself is from float64: what no implementation can be asked to be closer than."""

from __future__ import annotations

import copy as copying
import dataclasses
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy
import torch

import bfloat16
from observer import Observation, Recorder, watch
from plan import Case, Plan
from tolerance import ROOM, Relative, limits, roomy


class Noise(NamedTuple):
    """Of an output: the largest difference beyond what its rtol allows, the largest value, the tolerance, what the plan said of it, and of which case."""

    checkpoint: str
    output: str
    largest_difference: float
    largest_value: float
    atol: float | None
    planned: float | None = None
    case: str = ""


class Substitute(Recorder):
    """Keeps what float64 makes of a place, then puts the float32 values there.

    So every operation gets the inputs that its case holds, and its noise is its own.
    """

    def __init__(self, plan: Plan, observation: Observation):
        super().__init__(plan.places())
        self.golden = observation

    def record(self, module: str, port: str, tensor: torch.Tensor) -> None:
        place = (module, port, self.count(module, port))
        super().record(module, port, tensor)
        # An expanded tensor has one place in memory for many elements.
        if place in self.golden and tensor.is_floating_point() and 0 not in tensor.stride():
            tensor.copy_(bfloat16.tensor(self.golden[place].values))


def measure(model, forward: Callable, plan: Plan, observation: Observation) -> list[Noise]:
    """Runs the same forward in float64 and compares every output, where it is compared at all."""
    wide = copying.deepcopy(model).to(torch.float64)
    rows: list[Noise] = []
    # Of a case that is made of others only the inputs may be substituted, not what is inside it.
    for level in sorted({case.level for case in plan.cases}):
        cases = [case for case in plan.cases if case.level == level]
        recorder = Substitute(dataclasses.replace(plan, cases=cases, probes={}), observation)
        with torch.inference_mode(), watch(wide, recorder):
            forward(wide)
        for case in cases:
            rows += noise(case, observation, recorder.seen)
    return rows


def worst(rows: list[Noise]) -> list[Noise]:
    """Of each output of a checkpoint the case that takes most of its tolerance."""
    groups: dict[tuple, list[Noise]] = {}
    for row in rows:
        groups.setdefault((row.checkpoint, row.output, isinstance(row.planned, Relative)), []).append(row)
    return [max(group, key=share) for group in groups.values()]


def with_room(plan: Plan, rows: list[Noise], ceilings: Mapping[str, float]) -> tuple[Plan, list[Noise]]:
    """The plan, and the rows, with every tolerance that the noise leaves too little of made larger."""
    larger, told = {}, []
    for row in rows:
        atol = row.planned
        if row.checkpoint in ceilings and atol and not isinstance(atol, Relative) and share(row) > 1 / ROOM:
            atol = roomy(row.atol, row.largest_difference, ceilings[row.checkpoint])
        larger[row.case, row.output] = atol
        told.append(row if atol == row.planned else row._replace(atol=atol, planned=atol))
    cases = [case if case.tolerance is None else dataclasses.replace(case, tolerance={
        name: larger.get((case.id, name), atol) for name, atol in case.tolerance.items()})
        for case in plan.cases]
    return dataclasses.replace(plan, cases=cases), told


def noise(case: Case, single: Observation, double: Observation) -> list[Noise]:
    values = {place: seen.values for place, seen in single.items()}
    found = []
    for name, place in case.outputs.items():
        reference = bfloat16.numbers(values[place])
        if reference.dtype.kind != "f" or place not in double or case.tolerance and case.tolerance[name] == 0:
            continue
        where = case.where[name](values, reference.shape) if name in case.where else None
        planned = case.tolerance and case.tolerance[name]
        atol, rtol = limits(planned, reference, where) if planned else (planned, 0)
        compared = slice(None) if where is None else where
        # What is masked may be -inf, and has no difference.
        reference, exact = reference[compared], bfloat16.numbers(double[place].values)[compared]
        # What rtol allows is none of atol's business.
        beyond = numpy.maximum(abs(reference - exact) - rtol * abs(reference), 0)
        found.append(Noise(case.checkpoint, name, float(beyond.max()), float(abs(reference).max()), atol, planned, case.id))
    return found


def share(row: Noise) -> float:
    """How much of the tolerance the noise takes; the noise itself where there is none."""
    return row.largest_difference / (row.atol or 1.0)


def lines(rows: list[Noise]) -> list[str]:
    """For people: a table, and a mark where the noise takes more than a third of the tolerance."""
    table = ["what the model computed against float64 on the same inputs; of each checkpoint the case that takes most of its tolerance:",
             f"  {'checkpoint':<20} {'output':<8} {'|x| to':>10} {'noise':>10} {'atol':>10} {'of atol':>10}"]
    for row in worst(rows):
        line = f"  {row.checkpoint:<20} {row.output:<8} {row.largest_value:>10.4g} {row.largest_difference:>10.2e}"
        if row.atol is not None:
            line += f" {row.atol:>10.0e} {share(row):>10.1%}" + ("  too tight" if share(row) > 1 / ROOM else "")
        table.append(line)
    return table
