"""From instant answers to figures, and from figures to what holds. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from benchmarks.figures import Bar
from benchmarks.stats import percentile

LIMITS: Final[Mapping[str, float]] = {
    "exact_decided_p95_ms": 20.0,
    "fuzzy_decided_p95_ms": 20.0,
    "exact_first_audio_p95_ms": 80.0,
    "fuzzy_first_audio_p95_ms": 80.0,
    "phrase_first_chunk_p95_ms": 5.0,
}

KINDS: Final = ("exact", "fuzzy")
"""Of questions, whose answers are held against the limits."""

_LARGE: Final = 100_000
_ENOUGH: Final = 50
_MOST_STOLEN: Final = 0.02


class Row(Struct, frozen=True, kw_only=True):
    """A question that was answered.

    Fields
        how: ``exact`` for one that stands in the book, ``fuzzy`` for one with a slip; ``made`` for
            one whose answer the voice had to make, in the first sessions.
        decided_ms: From the question to the answer's words, at the client.
        first_ms: From the question to the first audible sample, at the client.
    """

    how: str
    decided_ms: float
    first_ms: float


class PhraseRow(Struct, frozen=True, kw_only=True):
    """A phrase that was kept, as an edge hears it on the bus.

    Fields
        claimed_ms: From the worker's claim to the first chunk.
        asked_ms: From the request to the first chunk.
    """

    claimed_ms: float
    asked_ms: float


def figures(rows: Sequence[Row], phrases: Sequence[PhraseRow]) -> dict[str, float]:
    """Return what is told of the turns."""
    found = {"turns": float(sum(row.how in KINDS for row in rows)), "phrases": float(len(phrases))}
    for how in (*KINDS, "made"):
        of_kind = [row for row in rows if row.how == how]
        found |= _spread(f"{how}_decided", [row.decided_ms for row in of_kind])
        found |= _spread(f"{how}_first_audio", [row.first_ms for row in of_kind])
    found |= _spread("phrase_first_chunk", [row.claimed_ms for row in phrases])
    return found | _spread("phrase_asked", [row.asked_ms for row in phrases])


def bars(found: Mapping[str, float]) -> tuple[Bar, ...]:
    """Return the figures that have a limit: nearly all answers keep it, not half of them."""
    return tuple(
        Bar(name, found[name], limit, "lower", found[name] <= limit)
        for name, limit in LIMITS.items()
        if name in found
    )


def void_reasons(
    rows: Sequence[Row], phrases: Sequence[PhraseRow], questions: int, stolen: float
) -> list[str]:
    """Return why a run decides nothing; an empty list if it does.

    Args:
        rows: The answers.
        phrases: The phrases.
        questions: In the book.
        stolen: Part of the time that a hypervisor has given to others.
    """
    reasons = []
    if questions < _LARGE:
        reasons.append(f"a book of {questions} questions is not large: {_LARGE} are")
    counted = {how: sum(row.how == how for row in rows) for how in KINDS}
    for how, count in {**counted, "phrase": len(phrases)}.items():
        if count < _ENOUGH:
            reasons.append(f"{count} of {how} are too few for a 95th percentile")
    if stolen > _MOST_STOLEN:
        reasons.append(f"the machine was not ours for {stolen:.0%} of the time")
    return reasons


def _spread(name: str, values_ms: Sequence[float]) -> dict[str, float]:
    if not values_ms:
        return {}
    return {f"{name}_p{part}_ms": percentile(values_ms, part) for part in (50, 95)}
