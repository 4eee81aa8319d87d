"""How large the activations of a forward are, and whether goldens made from it can show a fault."""

from __future__ import annotations

from dataclasses import dataclass

from plan import Plan
from refusal import PROGRAM, Refusal

PRE_ACTIVATIONS = "pre_activations"
ATTENTION_PROBABILITIES = "attention_probabilities"

# Exact and tanh GELU differ most between |x| of 2 and 3; below that the goldens would be blind
# to the whole upper part of the curve. Trained models go beyond 3 in every layer.
PRE_ACTIVATION_FLOOR = 3.0

# A row of attention whose largest probability is above this is one-hot: it hides what the other
# keys are. A few such rows are natural, in trained models too.
ONE_HOT = 0.99
ONE_HOT_SHARE = 0.1


@dataclass(frozen=True)
class Ranges:
    """Largest |x| that goes into a GELU, of the layer where it is smallest and of the one where it
    is largest, and the share of attention rows that are one-hot (None where every row has one key)."""

    smallest_pre_activation: float
    largest_pre_activation: float
    largest_probability: float | None
    one_hot_share: float | None

    def lines(self) -> list[str]:
        """For people, one range a line."""
        low, high = self.smallest_pre_activation, self.largest_pre_activation
        lines = [f"MLP pre-activations: |x| to {high:.2f} (layer with the least: to {low:.2f})"]
        if self.largest_probability is not None:
            lines.append(
                f"attention after the first position: probabilities to {self.largest_probability:.3f}, "
                f"{self.one_hot_share:.1%} of rows above {ONE_HOT}"
            )
        return lines


def measure(observation, plan: Plan) -> Ranges:
    """Reads the ranges off the places that the plan probes."""
    hidden = [abs(observation[place].values).max() for place in plan.probes[PRE_ACTIVATIONS]]
    # The first position sees one key only: its probability is 1 whatever the scores are.
    peaks = [observation[place].values[:, :, 1:].max(axis=-1).ravel()
             for place in plan.probes[ATTENTION_PROBABILITIES]]
    peaks = [float(peak) for layer in peaks for peak in layer]
    return Ranges(
        smallest_pre_activation=float(min(hidden)),
        largest_pre_activation=float(max(hidden)),
        largest_probability=max(peaks) if peaks else None,
        one_hot_share=sum(peak > ONE_HOT for peak in peaks) / len(peaks) if peaks else None,
    )


def require_trained_size(ranges: Ranges) -> None:
    """Refuses a seeded model whose activations are not those of a trained one."""
    reached = ranges.smallest_pre_activation
    # Written so that a NaN is refused, too.
    if not reached >= PRE_ACTIVATION_FLOOR:
        raise refuse(f"MLP pre-activations of a layer reach |x| of {reached:.3g} only, and must "
                     f"reach {PRE_ACTIVATION_FLOOR:g}")
    if ranges.one_hot_share is not None and not ranges.one_hot_share <= ONE_HOT_SHARE:
        raise refuse(f"attention is saturated: {ranges.one_hot_share:.1%} of its rows are one-hot")


def refuse(what: str) -> Refusal:
    return Refusal(
        what,
        "a larger model or a longer prompt has more elements, and so reaches further",
        "to try the sizes that are known to do",
        f'{PROGRAM} NAME --random-init --n-layer 2 --n-embd 64 --n-head 4 --prompt "24 karat"',
    )
