"""From recognised utterances to figures. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from msgspec import Struct

from benchmarks import stats
from benchmarks.figures import Bar

OURS: Final = ("ours", "again")
"""Every utterance is recognised twice by us: against itself for the gate."""

DEFAULT: Final = "default"
PACED: Final = "paced"
_MOST_NOISE: Final = 0.1
_MOST_STOLEN: Final = 0.02


class Row(Struct, frozen=True, kw_only=True):
    """One recognition of one utterance, or of several at once.

    Fields
        variant: ``ours``, ``again`` (ours once more), ``default`` (the library as it is called by
            a user), ``paced`` (ours, heard at the pace of speech), ``together`` (ours, several at
            once), ``queue`` (the library, one after the other).
        round: Rows of one round are of the same utterances.
        language: ISO 639-1 code that was told; ``detect`` if none was.
        file: Which utterance; several are separated by spaces.
        seconds: How long it is.
        time_ms: From all of it being there to its text; paced: from the decision that it is over.
        cpu_ms: Processor time that this process used meanwhile.
        text: What was understood.
        errors: Wrong, missing and added words.
        words: Words that were said.
    """

    variant: str
    round: int
    language: str
    file: str
    seconds: float
    time_ms: float
    cpu_ms: float
    text: str = ""
    errors: int = 0
    words: int = 0


LIMITS: Final[Mapping[str, tuple[str, float]]] = {
    "stt_time_ratio": ("lower", 0.4),
    "stt_wer_delta": ("lower", 0.5),
    "stt_batch_gain": ("higher", 3.0),
}


def bars(found: Mapping[str, float]) -> tuple[Bar, ...]:
    """Return the bars of all figures that were measured."""
    return tuple(
        Bar(name, found[name], limit, better, _holds(found[name], limit, better))
        for name, (better, limit) in LIMITS.items()
        if name in found
    )


def figures(rows: Sequence[Row], seed: int) -> dict[str, float]:
    """Return what the rows say."""
    found: dict[str, float] = {}
    ours, default = _of(rows, OURS[0]), _of(rows, DEFAULT)
    for name, chosen in (("stt", ours), ("default", default), ("stt_paced", _of(rows, PACED))):
        _put_times(found, name, chosen)
        for language in sorted({row.language for row in chosen}):
            of_language = [row for row in chosen if row.language == language]
            found[f"{name}_wer_{language}_percent"] = _wer_percent(of_language)
    if ours and default:
        _put_ratio(found, "stt_time_ratio", _pairs(rows, "time_ms"), seed)
        _put_ratio(found, "stt_cpu_ratio", _pairs(rows, "cpu_ms"), seed)
        deltas = {
            language: found[f"stt_wer_{language}_percent"] - _wer_percent(of_language)
            for language in sorted({row.language for row in default})
            for of_language in [[row for row in default if row.language == language]]
        }
        for language, delta in deltas.items():
            found[f"stt_wer_{language}_delta"] = delta
        found["stt_wer_delta"] = max(deltas.values())
    _put_gain(found, rows, seed)
    return found


def void_reasons(rows: Sequence[Row], stolen: float, seed: int) -> list[str]:
    """Return why nothing can be said about times from these rows."""
    reasons = []
    if stolen > _MOST_STOLEN:
        reasons.append(f"the machine was not ours for {stolen:.0%} of the time")
    first = {row.round: row.time_ms for row in _of(rows, OURS[0])}
    pairs = [(row.time_ms, first[row.round]) for row in _of(rows, OURS[1]) if row.round in first]
    if pairs:
        same = stats.median([again / before - 1 for again, before in pairs], seed)
        if max(-same.low, same.high) > _MOST_NOISE:
            reasons.append(
                f"the same recognition takes {same.low:+.0%} to {same.high:+.0%} of its own time"
            )
    return reasons


def _holds(value: float, limit: float, better: str) -> bool:
    return value <= limit if better == "lower" else value >= limit


def _of(rows: Sequence[Row], variant: str) -> list[Row]:
    return [row for row in rows if row.variant == variant]


def _wer_percent(rows: Sequence[Row]) -> float:
    return 100 * sum(row.errors for row in rows) / max(1, sum(row.words for row in rows))


def _put_times(found: dict[str, float], name: str, rows: Sequence[Row]) -> None:
    if not rows:
        return
    times = [row.time_ms for row in rows]
    found[f"{name}_final_p50_ms"] = stats.percentile(times, 50)
    found[f"{name}_final_p95_ms"] = stats.percentile(times, 95)
    if name != "stt_paced":
        found[f"{name}_rtf"] = sum(times) / 1000 / sum(row.seconds for row in rows)


def _pairs(rows: Sequence[Row], what: str) -> list[tuple[float, float]]:
    """Return (ours, default) of each round that has both."""
    values: dict[int, dict[str, float]] = {}
    for row in rows:
        if row.variant in {OURS[0], DEFAULT}:
            values.setdefault(row.round, {})[row.variant] = getattr(row, what)
    return [(both[OURS[0]], both[DEFAULT]) for both in values.values() if len(both) == 2]


def _put_ratio(
    found: dict[str, float], name: str, pairs: Sequence[tuple[float, float]], seed: int
) -> None:
    """Put the ratio of the medians with its bootstrap interval; pairs are drawn together."""
    observed = np.asarray(pairs, np.float64)
    drawn = np.random.default_rng(seed).integers(0, len(observed), (1_000, len(observed)))
    medians = np.median(observed[drawn], axis=1)
    ours, default = np.median(observed, axis=0)
    found[name] = float(ours / default)
    low, high = np.percentile(medians[:, 0] / medians[:, 1], (2.5, 97.5))
    found[f"{name}_ci_low"], found[f"{name}_ci_high"] = float(low), float(high)


def _put_gain(found: dict[str, float], rows: Sequence[Row], seed: int) -> None:
    queue = {row.round: row.time_ms for row in _of(rows, "queue")}
    gains = [queue[row.round] / row.time_ms for row in _of(rows, "together") if row.round in queue]
    if not gains:
        return
    gain = stats.median(gains, seed)
    found["stt_batch_gain"] = gain.value
    found["stt_batch_gain_ci_low"], found["stt_batch_gain_ci_high"] = gain.low, gain.high
