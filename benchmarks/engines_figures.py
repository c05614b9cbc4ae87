"""From what a streaming engine answered to figures, and from figures to what holds. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from benchmarks import stats
from benchmarks.figures import Bar

LIMITS: Final[Mapping[str, float]] = {
    "partial_lag_p95_ms": 200.0,
    "xtts_overhead_p50_ms": 10.0,
}

_ENOUGH: Final = 100
_MOST_STOLEN: Final = 0.02


class Row(Struct, frozen=True):
    """One answer.

    Fields
        recording: What was spoken.
        end_ms: Up to where the audio was heard, from its beginning.
        lag_ms: How much later than the end of that audio the answer was there.
        compute_ms: How long the engine worked for it.
        words: How many words it has.
        changed: Whether it is another text than the one before: a partial for the client.
    """

    recording: str
    end_ms: float
    lag_ms: float
    compute_ms: float
    words: int
    changed: bool


class Piece(Struct, frozen=True):
    """One piece of a text that XTTS spoke twice.

    Fields
        number: Its place in the text.
        library_ms: How long the library's own stream took for it.
        engine_ms: How long the engine took.
    """

    number: int
    library_ms: float
    engine_ms: float


def stream_figures(pieces: Sequence[Piece], seed: int) -> dict[str, float]:
    """Return what the engine adds to the library's own stream, for each piece."""
    more = stats.median([piece.engine_ms - piece.library_ms for piece in pieces], seed)
    return {
        "xtts_overhead_p50_ms": more.value,
        "xtts_overhead_p50_ms_ci_low": more.low,
        "xtts_overhead_p50_ms_ci_high": more.high,
        "xtts_piece_p50_ms": stats.median([piece.library_ms for piece in pieces], seed).value,
        "xtts_pieces": float(len(pieces)),
    }


def figures(rows: Sequence[Row], seed: int) -> dict[str, float]:
    """Return how far partials are behind speech, and what they cost."""
    shown = [row.lag_ms for row in rows if row.changed]
    found: dict[str, float] = {"partials": float(len(shown)), "answers": float(len(rows))}
    if shown:
        middle = stats.median(shown, seed)
        found["partial_lag_p50_ms"] = middle.value
        found["partial_lag_p50_ms_ci_low"] = middle.low
        found["partial_lag_p50_ms_ci_high"] = middle.high
        found["partial_lag_p95_ms"] = stats.percentile(shown, 95)
        found["partial_lag_max_ms"] = max(shown)
    if rows:
        found["answer_lag_p95_ms"] = stats.percentile([row.lag_ms for row in rows], 95)
        found["compute_p50_ms"] = stats.percentile([row.compute_ms for row in rows], 50)
        found["rtf"] = sum(row.compute_ms for row in rows) / _heard_ms(rows)
    return found


def bars(found: Mapping[str, float]) -> tuple[Bar, ...]:
    """Return the bars of what was measured."""
    return tuple(
        Bar(name, found[name], limit, "lower", found[name] <= limit)
        for name, limit in LIMITS.items()
        if name in found
    )


def void_reasons(rows: Sequence[Row], stolen: float) -> list[str]:
    """Return why nothing can be said from these answers; an empty list if something can."""
    reasons = []
    shown = sum(row.changed for row in rows)
    if shown < _ENOUGH:
        reasons.append(f"{shown} partials are too few for a 95th percentile")
    if stolen > _MOST_STOLEN:
        reasons.append(f"the machine was not ours for {stolen:.0%} of the time")
    return reasons


def _heard_ms(rows: Sequence[Row]) -> float:
    """Return how much audio was heard: each answer is about what came since the one before."""
    total, before = 0.0, 0.0
    for row in rows:
        total += row.end_ms - (before if row.end_ms > before else 0.0)
        before = row.end_ms
    return max(total, 1.0)
