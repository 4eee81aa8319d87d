"""What was run and what was not, in words, out of what karat and the goldens say themselves."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LAYER = re.compile(r"(?:^|/)h\.(\d+)/")


def passed(run: dict[str, Any]) -> bool:
    """Whether every case that there is ran and passed: a skipped one did not, and one that was filtered out neither."""
    return run["failed"] == run["filtered_out"] == 0 < run["total"] == run["counts"]["pass"]


def cases(run: dict[str, Any]) -> Iterator[str]:
    """A line a case, and under one that did not pass karat's own messages."""
    width = max((len(case["id"]) for case in run["cases"]), default=0)
    for case in run["cases"]:
        yield f"{case['verdict']:<10} {case['id']:<{width}}  {distance(case)}".rstrip()
        if case["verdict"] == "pass":
            continue
        for part in (case, *case["outputs"]):
            for problem in part["problems"]:
                named = f"{part['name']}: " if part is not case else ""
                yield from (f"           {line}" for line in f"{named}{problem['message']}".split("\n"))
            if part.get("kept"):
                yield f"           actual saved to {part['kept']}"


def distance(case: dict[str, Any]) -> str:
    """How close the output came that uses most of its tolerance."""
    compared = [output for output in case["outputs"] if output["comparison"]]
    if not compared:
        return ""
    worst = max(compared, key=share)
    either = f"; either of {len(worst['or']) + 1} references" if worst["or"] else ""
    if not worst["comparison"]["differing"]:
        return "equal" + either
    return f"off by {largest(worst):.2g}, {share(worst):.0%} of the tolerance{either}"


def share(output: dict[str, Any]) -> float:
    used = output["comparison"]["tolerance_used"]
    return used if isinstance(used, (int, float)) else float("inf" if used else 0)


def largest(output: dict[str, Any]) -> float:
    difference = output["comparison"]["max_abs_diff"]
    return float(difference["value"] if isinstance(difference, dict) else difference or 0)


def ran(folder: Path, reference: dict[str, Any], runs: list[dict[str, Any]]) -> Iterator[str]:
    """The model, and how every executor did."""
    config, versions = reference["config"], reference["versions"]
    yield (f"model:     GPT-2, {config['n_layer']} layers, {config['n_embd']} wide, {config['n_head']} heads, "
           f"{config['vocab_size']} tokens, {parameters(folder / reference['weights']['file']):,} parameters; {weights(reference)}")
    yield (f"reference: transformers {versions['transformers']} on torch {versions['torch']}, {reference['dtype']}, "
           f"{reference['attn_implementation']} attention")
    for run in runs:
        counts = ", ".join(f"{count} {verdict}" for verdict, count in run["counts"].items() if count)
        closest = max((case for case in run["cases"] if any(output["comparison"] for output in case["outputs"])),
                      key=lambda case: max(share(o) for o in case["outputs"] if o["comparison"]), default=None)
        most = f"; nearest to its tolerance: {closest['id']}, {distance(closest)}" if closest else ""
        yield f"{run['executor'] + ':':<10} {run['total']} cases in {run['elapsed_seconds']:.1f} s: {counts}{most}"


def not_run(folder: Path, reference: dict[str, Any], runs: list[dict[str, Any]], known: dict[str, list[str]],
            others: list[str]) -> list[str]:
    """Everything that a reader could take for run and that was not."""
    lines = []
    if "seed" in reference:
        lines.append(f"trained weights: the model was seeded ({reference['seed']}); to run them say --model gpt2 or --model DIR")
    lines += [f"{name}: to run it say --executor {name}" for name in others]
    snapshots = {run["snapshots"] for run in runs if run["gates"] == "accuracy"}
    if snapshots:
        accepted = any((Path(place) / folder.name).rglob("*.snap") for place in snapshots if Path(place).is_dir())
        why = "outputs were held against their references alone" if accepted else "there are no accepted snapshots for these goldens"
        lines.append(f"drift: {why}")
    for run in runs:
        met = {case["checkpoint"] for case in run["cases"]}
        unmet = [name for name in known[run["executor"]] if name not in met]
        if unmet:
            lines.append(f"checkpoints of {run['executor']} that no case here has: {', '.join(unmet)}")
        stopped = [case["id"] for case in run["cases"] if case["verdict"] in ("skipped", "broken", "missing")]
        if stopped:
            lines.append(f"{run['executor']}: {len(stopped)} cases were not executed to the end, first {stopped[0]}")
        if run["filtered_out"]:
            lines.append(f"{run['executor']}: {run['filtered_out']} cases were filtered out")
    met = {int(found[1]) for run in runs for case in run["cases"] if (found := LAYER.search(case["id"]))}
    layers = [str(layer) for layer in range(reference["config"]["n_layer"]) if layer not in met]
    if layers:
        lines.append(f"layers that no case has: {', '.join(layers)}")
    return lines + of_the_text(reference)


def of_the_text(reference: dict[str, Any]) -> list[str]:
    """What the text, and doubt about its tokens, leave out."""
    told, lines = reference["generation"], []
    if told.get("not_captured"):
        lines.append(f"not captured, since the first token is in doubt: {', '.join(told['not_captured'])}")
    elif "compared_tokens" in told:
        lines.append(f"generated tokens after the first {told['compared_tokens']}: the next is in doubt")
    # The last token that is generated goes into no forward.
    positions = len(reference["token_ids"]) + told["new_tokens"] - 1
    if positions < reference["config"]["n_positions"]:
        lines.append(f"positions from {positions} on, of {reference['config']['n_positions']}; more than one text at a time")
    return lines


def weights(reference: dict[str, Any]) -> str:
    """Whose weights they are, as far as the goldens know."""
    model = reference["model"]
    if "seed" in reference:
        return f"weights seeded with {reference['seed']}, not trained"
    if model["source"] == "hub":
        return f"weights of {model['name']} on the hub, commit {model['revision']}"
    return f"weights of the folder {model['path']}, as they are there, trained or not"


def parameters(file: Path) -> int:
    """How many numbers a safetensors file holds."""
    with file.open("rb") as opened:
        (size,) = struct.unpack("<Q", opened.read(8))
        header = json.loads(opened.read(size))
    count = 0
    for name, tensor in header.items():
        if name != "__metadata__":
            elements = 1
            for length in tensor["shape"]:
                elements *= length
            count += elements
    return count
