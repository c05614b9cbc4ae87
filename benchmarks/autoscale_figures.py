"""From steps and looks to how well workers follow a load: pure."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Final

from msgspec import Struct

from benchmarks.figures import Bar

LIMITS: Final[Mapping[str, float]] = {"autoscale_step_ratio": 2.0, "autoscale_turns": 0.0}

_MOST_STOLEN: Final = 0.02
_SAID_AT_MOST: Final = 3


class Step(Struct, frozen=True, kw_only=True, tag="step"):
    """A load that doubled.

    Fields
        number: Which one.
        callers: How many call then.
        start_s: How long one worker takes to start while nothing else does.
        enough_s: From the doubling until there were as many workers as the policy wants.
        served_s: Until all callers had been heard.
        refused: How often a caller was told that all were busy.
        errors: What else callers met.
    """

    number: int
    callers: int
    start_s: float
    enough_s: float
    served_s: float
    refused: int = 0
    errors: tuple[str, ...] = ()


class Look(Struct, frozen=True, kw_only=True, tag="look"):
    """A moment of a load that varies.

    Fields
        at_s: Seconds of the run.
        callers: How many are to call.
        served: How many are heard.
        ready: Workers that are ready.
        starting: Workers that are not yet.
        draining: Workers that hand on what they hold.
        refused: How often a caller was told that all were busy, so far.
        errors: What else callers met so far.
    """

    at_s: float
    callers: int
    served: int
    ready: int
    starting: int = 0
    draining: int = 0
    refused: int = 0
    errors: tuple[str, ...] = ()

    @property
    def kept(self) -> int:
        """How many workers there are that nobody has asked to end."""
        return self.ready + self.starting


def figures(steps: Sequence[Step], looks: Sequence[Look]) -> dict[str, float]:
    """Return how soon there were enough workers, and how often their number turned."""
    found: dict[str, float] = {}
    if steps:
        found["worker_start_s"] = median(step.start_s for step in steps)
        found["step_enough_s"] = median(step.enough_s for step in steps)
        found["step_served_s"] = median(step.served_s for step in steps)
        found["autoscale_step_ratio"] = median(step.enough_s / step.start_s for step in steps)
        found["step_refused"] = float(sum(step.refused for step in steps))
    if looks:
        moves = [b.kept - a.kept for a, b in itertools.pairwise(looks) if a.kept != b.kept]
        rises = [move > 0 for move in moves]
        found["noise_minutes"] = (looks[-1].at_s - looks[0].at_s) / 60
        found["autoscale_turns"] = float(sum(a != b for a, b in itertools.pairwise(rises)))
        found["autoscale_moves"] = float(len(moves))
        found["noise_workers"] = median(look.kept for look in looks)
        found["noise_refused"] = float(looks[-1].refused - looks[0].refused)
    return found


def bars(found: Mapping[str, float]) -> tuple[Bar, ...]:
    """Return the figures that have a limit."""
    return tuple(
        Bar(name=name, value=found[name], limit=limit, better="lower", holds=found[name] <= limit)
        for name, limit in LIMITS.items()
        if name in found
    )


def void_reasons(
    steps: Sequence[Step], looks: Sequence[Look], noise_s: float, stolen_ratio: float
) -> list[str]:
    """Return why the run decides nothing; an empty list if it does."""
    reasons = []
    if not steps and not looks:
        reasons.append("nothing was measured")
    errors = [error for step in steps for error in step.errors]
    errors += looks[-1].errors if looks else ()
    if errors:
        reasons.append(f"callers met errors: {'; '.join(sorted(set(errors))[:_SAID_AT_MOST])}")
    if noise_s and (not looks or looks[-1].at_s - looks[0].at_s < 0.9 * noise_s):
        reasons.append("the noise was not watched to its end")
    if looks and len({look.callers for look in looks}) < 2:
        reasons.append("there was no noise")
    if stolen_ratio > _MOST_STOLEN:
        reasons.append(f"the machine was given to others for {stolen_ratio:.1%} of the time")
    return reasons
