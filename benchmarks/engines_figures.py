"""From what a streaming engine answered to figures, and from figures to what holds. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from benchmarks import stats
from benchmarks.figures import Bar
from schemas.stt import Word

LIMITS: Final[Mapping[str, float]] = {
    "partial_lag_p95_ms": 200.0,
    "xtts_overhead_p50_ms": 10.0,
}

_ENOUGH: Final = 100
_MOST_STOLEN: Final = 0.02


class PartialRow(Struct, frozen=True, kw_only=True, tag="partial"):
    """One partial, as it arrives from the bus.

    Fields
        recording: What was spoken.
        utterance: Its number in the session.
        end_ms: Up to where the audio was heard, from its beginning.
        lag_ms: How much later than the end of that audio was spoken the partial was there.
        text: What it says.
    """

    recording: str
    utterance: int
    end_ms: float
    lag_ms: float
    text: str


class WordRow(Struct, frozen=True, kw_only=True, tag="word"):
    """When a word was first shown.

    Fields
        ahead_ms: How much audio behind the word's end had been heard then: what the engine needs to
            hear of what follows, however fast it is.
        shown_ms: How much later than its end was spoken that was.
    """

    ahead_ms: float
    shown_ms: float


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


def words_shown(partials: Sequence[PartialRow], words: Sequence[Word]) -> list[WordRow]:
    """Return when the words of a final were shown in the partials before it.

    A word is shown where a partial has it in its place, and all before it as they are in the end;
    those that only the final has are left out.

    Args:
        partials: Of one utterance, in their order.
        words: Of its final, with times.
    """
    said = [word.text for word in words]
    rows = []
    for number, word in enumerate(words, 1):
        first = next((row for row in partials if row.text.split()[:number] == said[:number]), None)
        if first is not None:
            ahead_ms = first.end_ms - word.end_ms
            rows.append(WordRow(ahead_ms=ahead_ms, shown_ms=round(ahead_ms + first.lag_ms, 3)))
    return rows


def figures(rows: Sequence[PartialRow | WordRow], seed: int) -> dict[str, float]:
    """Return how far partials are behind speech, and words behind their ends."""
    lags_ms = [row.lag_ms for row in rows if isinstance(row, PartialRow)]
    words = [row for row in rows if isinstance(row, WordRow)]
    found: dict[str, float] = {"partials": float(len(lags_ms)), "words": float(len(words))}
    if lags_ms:
        middle = stats.median(lags_ms, seed)
        found["partial_lag_p50_ms"] = middle.value
        found["partial_lag_p50_ms_ci_low"] = middle.low
        found["partial_lag_p50_ms_ci_high"] = middle.high
        found["partial_lag_p95_ms"] = stats.percentile(lags_ms, 95)
        found["partial_lag_max_ms"] = max(lags_ms)
    if words:
        found["word_ahead_p50_ms"] = stats.median([row.ahead_ms for row in words], seed).value
        found["word_shown_p50_ms"] = stats.median([row.shown_ms for row in words], seed).value
        found["word_shown_p95_ms"] = stats.percentile([row.shown_ms for row in words], 95)
    return found


def bars(found: Mapping[str, float]) -> tuple[Bar, ...]:
    """Return the bars of what was measured."""
    return tuple(
        Bar(name, found[name], limit, "lower", found[name] <= limit)
        for name, limit in LIMITS.items()
        if name in found
    )


def void_reasons(rows: Sequence[PartialRow | WordRow], stolen: float) -> list[str]:
    """Return why nothing can be said from these rows; an empty list if something can."""
    reasons = []
    shown = sum(isinstance(row, PartialRow) for row in rows)
    if shown < _ENOUGH:
        reasons.append(f"{shown} partials are too few for a 95th percentile")
    if stolen > _MOST_STOLEN:
        reasons.append(f"the machine was not ours for {stolen:.0%} of the time")
    return reasons
