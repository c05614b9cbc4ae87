"""From processor time to what observing costs. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from benchmarks import stats
from benchmarks.figures import Bar

VARIANTS: Final = ("bare", "measured", "again", "traced", "floor")

LIMITS: Final[Mapping[str, float]] = {"observing_cpu_ratio": 0.02, "tracing_cpu_ratio": 0.05}

ROUNDS_FOR_BARS: Final = 5

_MOST_STOLEN: Final = 0.02


class Row(Struct, frozen=True, kw_only=True):
    """One variant in one round.

    Fields
        round: Its number, from 0.
        variant: ``bare``, ``measured``, ``again``, ``traced`` or ``floor``.
        callers: At once, each in a session of its own.
        seconds: How long.
        turns: How many were answered.
        cpu_s: Processor time of all its processes.
        errors: Turns that were not answered, by what was said.
    """

    round: int
    variant: str
    callers: int
    seconds: float
    turns: int
    cpu_s: float
    errors: tuple[str, ...] = ()

    @property
    def cpu_ms(self) -> float:
        """Processor time in ms for each second of each session."""
        return self.cpu_s * 1000 / (self.callers * self.seconds)


def figures(rows: Sequence[Row], seed: int) -> dict[str, float]:
    """Return what a session takes in each variant, and by how much they differ.

    Differences are taken round by round, and held against the bus tax: what the bare system takes
    more than the same engines in one process without a bus.
    """
    found: dict[str, float] = {}
    rounds = _rounds(rows)
    if not rounds:
        return found
    for variant in VARIANTS:
        taken = stats.median([cpu_ms[variant] for cpu_ms in rounds], seed)
        _put(found, f"{variant}_cpu_per_session_s_ms", taken)
    tax = stats.median([cpu_ms["bare"] - cpu_ms["floor"] for cpu_ms in rounds], seed)
    _put(found, "bus_tax_cpu_per_session_s_ms", tax)
    if tax.value <= 0:
        return found
    for name, ours, theirs in (
        ("observing_cpu_ratio", ("measured", "again"), ("bare",)),
        ("tracing_cpu_ratio", ("traced",), ("measured", "again")),
        ("same_system_cpu_ratio", ("measured",), ("again",)),
    ):
        more = [(_mean(cpu_ms, ours) - _mean(cpu_ms, theirs)) / tax.value for cpu_ms in rounds]
        _put(found, name, stats.median(more, seed))
    return found


def bars(found: Mapping[str, float]) -> tuple[Bar, ...]:
    """Return the bars, which the upper ends of the intervals are held against.

    A median below a bar says nothing where it could as well lie above.
    """
    highest = {name: f"{name}_ci_high" for name in LIMITS if name in found}
    return tuple(
        Bar(high, found[high], LIMITS[name], "lower", found[high] <= LIMITS[name])
        for name, high in highest.items()
    )


def void_reasons(rows: Sequence[Row], found: Mapping[str, float], stolen: float) -> list[str]:
    """Return why nothing can be said from these rounds; an empty list if something can."""
    reasons = [f"round {row.round}, {row.variant}: {row.errors[0]}" for row in rows if row.errors][
        :1
    ]
    if len(_rounds(rows)) < ROUNDS_FOR_BARS:
        reasons.append(f"fewer than {ROUNDS_FOR_BARS} rounds")
    if stolen > _MOST_STOLEN:
        reasons.append(f"the machine was not ours for {stolen:.0%} of the time")
    if "observing_cpu_ratio" not in found:
        reasons.append("the system takes no more than the floor: there is nothing to compare with")
    else:
        low = found["same_system_cpu_ratio_ci_low"]
        high = found["same_system_cpu_ratio_ci_high"]
        if max(-low, high) >= min(LIMITS.values()):
            reasons.append(f"two systems of one kind differ by {low:.1%} to {high:.1%} of the tax")
    return reasons


def _rounds(rows: Sequence[Row]) -> list[dict[str, float]]:
    """Return the complete rounds: processor time by variant."""
    found: dict[int, dict[str, float]] = {}
    for row in rows:
        if not row.errors:
            found.setdefault(row.round, {})[row.variant] = row.cpu_ms
    return [found[number] for number in sorted(found) if len(found[number]) == len(VARIANTS)]


def _mean(cpu_ms: Mapping[str, float], variants: Sequence[str]) -> float:
    return sum(cpu_ms[variant] for variant in variants) / len(variants)


def _put(found: dict[str, float], name: str, estimate: stats.Estimate) -> None:
    found[name] = estimate.value
    found[f"{name}_ci_low"] = estimate.low
    found[f"{name}_ci_high"] = estimate.high
