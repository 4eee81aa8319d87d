"""Any torch module by name or pattern: what it is given, what it returns, and what it holds."""

from __future__ import annotations

import dataclasses
import difflib
import fnmatch
import re
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import nn

import signature
from plan import INPUT, OUTPUT, Case, Parameter, Place, Plan
from refusal import PROGRAM, Refusal, first_line, options_refusal

# The case of the model itself, which has no name of its own.
ROOT = "model"


class Call(NamedTuple):
    """One call of a chosen module: the names of its tensors, and its plain arguments."""

    module: str
    index: int
    inputs: list[str]
    outputs: list[str]
    plain: dict[str, Any]


def plan(model: nn.Module, forward: Callable[[], Any], rules: list[str], renames: dict[str, str],
         atol: float | None) -> Plan:
    """Runs the forward once to see the calls of the chosen modules; each becomes a case."""
    chosen = choose(model, rules)
    calls = discover(model, forward, list(chosen))
    missing = [name for name in chosen if name not in {call.module for call in calls}]
    if missing:
        raise Refusal(f"the forward never reached {missing[0] or 'the model'}",
                      f"{len(missing)} of {len(chosen)} chosen modules did not run",
                      "to see how modules are chosen", f"{PROGRAM} --help")
    times = Counter(call.module for call in calls)
    known = names(model)
    cases = [dataclasses.replace(
        case(model, call, chosen[call.module], times[call.module], known, renames, atol),
        level=sum(call.module.startswith(f"{outer}." if outer else "") for outer in chosen if outer != call.module),
    ) for call in calls]
    return Plan(cases, calls=None)


def choose(model: nn.Module, rules: list[str]) -> dict[str, str]:
    """The checkpoint of every module that a rule matches, in the order of the model; the first rule counts."""
    modules = dict(model.named_modules())
    split = [rule.rpartition("=") if "=" in rule else (rule, "", "") for rule in rules]
    for pattern, equals, checkpoint in split:
        if equals and not checkpoint:
            raise options_refusal(f"{pattern}{equals} is not like 'h.*.ln_1=layer_norm'", "--module")
        if not fnmatch.filter(modules, pattern):
            near = difflib.get_close_matches(pattern, modules, n=3, cutoff=0) or list(modules)[:3]
            raise options_refusal(f"no module matches {pattern!r}", f"nearest of {len(modules)}: {', '.join(near)}")
    chosen = {}
    for name, module in modules.items():
        for pattern, _, checkpoint in split:
            if name not in chosen and fnmatch.fnmatchcase(name, pattern):
                chosen[name] = checkpoint or snake(type(module).__name__)
    return chosen


def discover(model: nn.Module, forward: Callable[[], Any], chosen: list[str]) -> list[Call]:
    """The calls of the chosen modules in the order in which they begin."""
    calls: list[Call] = []
    handles = []

    def watch(name: str, module: nn.Module) -> None:
        opened: list[int] = []

        def before(_, args, kwargs):
            parts = held(name, signature.given(module, args, kwargs))
            opened.append(len(calls))
            count = sum(call.module == name for call in calls)
            calls.append(Call(name, count, list(parts.tensors), [], parts.plain))

        def after(_, args, output):
            calls[opened.pop()].outputs.extend(held(name, signature.returned(output)).tensors)

        handles.append(module.register_forward_pre_hook(before, with_kwargs=True))
        handles.append(module.register_forward_hook(after))

    try:
        for name in chosen:
            watch(name, model.get_submodule(name))
        with torch.inference_mode():
            forward()
    except (TypeError, ValueError, RuntimeError, IndexError, KeyError) as error:
        raise Refusal(f"the forward fails: {first_line(error)}", type(model).__name__,
                      "to give the model inputs of your own", f"{PROGRAM} NAME --load FILE:FUNCTION") from error
    finally:
        for handle in handles:
            handle.remove()
    return calls


def held(name: str, parts: signature.Parts) -> signature.Parts:
    """Refuses what no case can hold: a case without it would look complete."""
    if parts.others:
        raise Refusal(f"no case can hold {parts.others[0]}", f"of {name or 'the model'}",
                      "to choose other modules, such as those inside", f"{PROGRAM} --help")
    return parts


def case(model: nn.Module, call: Call, checkpoint: str, times: int, known: dict[int, str],
         renames: dict[str, str], atol: float | None) -> Case:
    """One tensor alone is `x` or `y`; several keep their names; parameters and buffers have those below the module."""
    name, module = call.module, model.get_submodule(call.module)
    inputs = {label(part, call.inputs, "x", renames): Place(name, port(INPUT, part), call.index)
              for part in call.inputs}
    outputs = {label(part, call.outputs, "y", renames): Place(name, port(OUTPUT, part), call.index)
               for part in call.outputs}
    state = {own: Parameter(known[id(tensor)]) for own, tensor in contents(module)}
    for what, number, wanted in (("inputs", len(inputs), call.inputs), ("outputs", len(outputs), call.outputs)):
        if number != len(wanted):
            raise options_refusal(f"two {what} of {name} would have one name: {', '.join(wanted)}", "--rename")
    clash = sorted(inputs.keys() & state.keys())
    if clash:
        raise options_refusal(f"{clash[0]} of {name} is both an input and a parameter; rename the input",
                              f"for instance --rename {clash[0]}=x")
    if not outputs:
        raise Refusal(f"{name or 'the model'} returns no tensor", type(module).__name__,
                      "to see how modules are chosen", f"{PROGRAM} --help")
    case_id = (name or ROOT) if times == 1 else f"{name or ROOT}/{call.index}"
    return Case(case_id, checkpoint, {**attributes(module), **call.plain}, {**inputs, **state}, outputs,
                None if atol is None else dict.fromkeys(outputs, atol))


def label(part: str, parts: list[str], alone: str, renames: dict[str, str]) -> str:
    if part in renames:
        return renames[part]
    if len(parts) == 1:
        return alone
    return f"{alone}.{part}" if part.split(".")[0].isdigit() else part


def port(kind: str, part: str) -> str:
    return f"{kind}.{part}" if part else kind


def attributes(module: nn.Module) -> dict[str, Any]:
    """A module's own settings: its public attributes that are numbers, words, or lists of them."""
    return {name: value for name, value in vars(module).items()
            if not name.startswith("_") and name != "training" and signature.plain(value)}


def contents(module: nn.Module) -> list[tuple[str, torch.Tensor]]:
    return [*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False)]


def names(model: nn.Module) -> dict[int, str]:
    """Every parameter and buffer by identity, under the first of its names."""
    return {id(tensor): name for name, tensor in [*model.named_buffers(), *model.named_parameters()]}


def snake(name: str) -> str:
    """`LayerNorm` becomes `layer_norm`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
