"""From turns to figures, and from figures to what holds. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from benchmarks import stats
from benchmarks.stats import Estimate
from benchmarks.turns import LATEST_MS, Row

SYSTEM: Final = ("system", "again")
"""The system speaks twice in each round: against itself for the gate, its mean against others."""

STAGES: Final = ("stt", "llm", "tts", "edge")

TURNS_FOR_P95: Final = 100
"""With fewer, a 95th percentile is the word of a few turns and is left out."""

_STRICTEST: Final = {"synthetic": "recording_tax_p50_ms", "real": "bus_tax_p50_ms"}
"""The difference with the smallest limit, of each kind of engines: the gate is as narrow."""

_MOST_FAILED: Final = 0.05
_MOST_LATE: Final = 0.1
_MOST_STOLEN: Final = 0.02


class Bar(Struct, frozen=True):
    """A figure and the limit that it must keep.

    Fields
        name: The figure.
        value: What was measured.
        limit: The limit.
        better: ``lower``: the value may be at most the limit.
        holds: Whether it does.
    """

    name: str
    value: float
    limit: float
    better: str
    holds: bool


LIMITS: Final[Mapping[str, float]] = {
    "bus_tax_synthetic_p50_ms": 10.0,
    "bus_tax_p50_ms": 15.0,
    "bus_tax_ratio": 0.03,
    "recording_tax_p50_ms": 2.0,
    "response_p50_ms": 1200.0,
    "ready_s": 15.0,
    "idle_cpu_ratio": 0.15,
    "memory_mb": 2048.0,
}


def bars(figures: Mapping[str, float]) -> tuple[Bar, ...]:
    """Return the bars of all figures that were measured."""
    return tuple(
        Bar(name, figures[name], limit, "lower", figures[name] <= limit)
        for name, limit in LIMITS.items()
        if name in figures
    )


def synthetic_figures(rows: Sequence[Row], seed: int) -> dict[str, float]:
    """Return what turns with synthetic engines say: the bus and the recording, and nothing else."""
    figures: dict[str, float] = {}
    if ours := _median(rows, "system", seed):
        figures["response_synthetic_p50_ms"] = ours.value
    if floor := _median(rows, "floor", seed):
        figures["floor_synthetic_p50_ms"] = floor.value
    _put(figures, "bus_tax_synthetic_p50_ms", _difference(rows, SYSTEM, "floor", seed))
    _put(figures, "recording_tax_p50_ms", _difference(rows, SYSTEM, "unrecorded", seed))
    _put(figures, "same_system_synthetic_p50_ms", same_system(rows, seed))
    return figures


def real_figures(rows: Sequence[Row], seed: int) -> dict[str, float]:
    """Return what turns with real engines say."""
    figures: dict[str, float] = {}
    ours = [row for row in rows if row.variant in SYSTEM]
    answered = [row.response_ms for row in ours if row.response_ms is not None]
    _put_spread(figures, "response", answered)
    for stage in ("hold", *STAGES):
        _put_spread(figures, stage, [row.stages[stage] for row in ours if stage in row.stages])
    if floor := _median(rows, "floor", seed):
        figures["floor_p50_ms"] = floor.value
    _put(figures, "bus_tax_p50_ms", _difference(rows, SYSTEM, "floor", seed))
    system, floor_ms = _pairs(rows, SYSTEM, "floor")
    if system:
        ratio = stats.median(stats.excesses(system, floor_ms), seed)
        _put(figures, "bus_tax_ratio", ratio)
    _put(figures, "same_system_p50_ms", same_system(rows, seed))
    return figures


def same_system(rows: Sequence[Row], seed: int) -> Estimate | None:
    """Return the median difference of the system to itself."""
    return _difference(rows, ("system",), "again", seed)


def same_reply_ratio(rows: Sequence[Row]) -> float:
    """Return in which part of the rounds system and floor answered with the same words."""
    said: dict[int, dict[str, str]] = {}
    for row in rows:
        if row.variant in {"system", "floor"}:
            said.setdefault(row.round, {})[row.variant] = row.reply
    pairs = [both for both in said.values() if len(both) == 2]
    return sum(both["system"] == both["floor"] for both in pairs) / len(pairs) if pairs else 0.0


def void_reasons(rows: Sequence[Row], stolen: float, seed: int) -> list[str]:
    """Return why nothing can be said from these turns; an empty list if something can."""
    reasons = []
    failed = [row for row in rows if row.response_ms is None]
    if len(failed) > _MOST_FAILED * len(rows):
        reasons.append(f"{len(failed)} of {len(rows)} turns were not answered: {failed[0].error}")
    late = sum(row.late for row in rows)
    if late > _MOST_LATE * len(rows):
        reasons.append(
            f"in {late} of {len(rows)} turns the caller was more than {LATEST_MS:g} ms late"
        )
    if stolen > _MOST_STOLEN:
        reasons.append(f"the machine was not ours for {stolen:.0%} of the time")
    for engines, figure in _STRICTEST.items():
        of_engines = [row for row in rows if row.engines == engines]
        same = same_system(of_engines, seed)
        if same is not None and (reason := stats.gate(same, LIMITS[figure])):
            reasons.append(f"{engines} engines: {reason}")
    return reasons


def _pairs(
    rows: Sequence[Row], ours: tuple[str, ...], theirs: str
) -> tuple[list[float], list[float]]:
    """Return responses round by round: the mean of some variants, and another's.

    Rounds in which one of them did not answer are left out.
    """
    found: dict[int, dict[str, float]] = {}
    for row in rows:
        if row.variant in {*ours, theirs} and row.response_ms is not None:
            found.setdefault(row.round, {})[row.variant] = row.response_ms
    complete = [found[n] for n in sorted(found) if len(found[n]) == len(ours) + 1]
    means = [sum(answers[name] for name in ours) / len(ours) for answers in complete]
    return means, [answers[theirs] for answers in complete]


def _difference(
    rows: Sequence[Row], ours: tuple[str, ...], theirs: str, seed: int
) -> Estimate | None:
    pairs = _pairs(rows, ours, theirs)
    return stats.median(stats.differences(*pairs), seed) if pairs[0] else None


def _median(rows: Sequence[Row], variant: str, seed: int) -> Estimate | None:
    values = [
        row.response_ms for row in rows if row.variant == variant and row.response_ms is not None
    ]
    return stats.median(values, seed) if values else None


def _put(figures: dict[str, float], name: str, estimate: Estimate | None) -> None:
    if estimate is not None:
        figures[name] = estimate.value
        figures[f"{name}_ci_low"] = estimate.low
        figures[f"{name}_ci_high"] = estimate.high


def _put_spread(figures: dict[str, float], name: str, values: Sequence[float]) -> None:
    if values:
        figures[f"{name}_p50_ms"] = stats.percentile(values, 50)
    if len(values) >= TURNS_FOR_P95:
        figures[f"{name}_p95_ms"] = stats.percentile(values, 95)
