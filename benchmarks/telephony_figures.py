"""From what telephones heard to figures, and what of them has to hold. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from msgspec import Struct, structs

from benchmarks import stats
from benchmarks.figures import Bar

FRAME_MS: Final = 20.0
LEAD_FRAMES: Final = 3
"""A stretch of speech begins with as many frames at once."""

BREAK_MS: Final = 500.0
"""A silence that is as long is between two replies, and nobody's fault."""

LIMITS: Final[Mapping[str, float]] = {
    "telephony_jitter_p99_ms": 5.0,
    "telephony_edge_cpu_ratio": 1.0,
    "tts_stream_http_ttfa_p50_ms": 150.0,
    "tts_stream_ws_ttfa_p50_ms": 150.0,
}

TOLD: Final = (50, 90, 99, 100)
"""Percentiles of a call's jitter."""

_MOST_LATE_MS: Final = 100.0
_LEAST_AUDIBLE: Final = 0.5


class CallRow(Struct, frozen=True, kw_only=True):
    """One call.

    Fields
        calls: How many there were at once.
        frames: Frames of audio that it heard.
        audible: How many of them were no silence.
        jitter_ms: How far from the grid each of them was; in a report :data:`TOLD` of it.
        late_ms: How late the latest frame left its caller.
        error: Why it ended early; empty if it did not.
    """

    calls: int
    frames: int
    audible: int
    jitter_ms: tuple[float, ...]
    late_ms: float
    error: str = ""


class SpeechRow(Struct, frozen=True, kw_only=True):
    """One text that was spoken.

    Fields
        over: ``http`` or ``ws``.
        ttfa_ms: From the request to the first audible sample.
        first_ms: From the request to the first audio.
        seconds: Length of all of it.
    """

    over: str
    ttfa_ms: float
    first_ms: float
    seconds: float


def jitter(at_ms: Sequence[float]) -> list[float]:
    """Return how far from the 20 ms grid each frame came.

    An exchange plays what it gets. While it has something, frames are one stretch, whose grid is
    where they are in the middle: no frame is its own measure, and one that is a whole period late
    counts as such. The first frame after it ran dry is as late as it was dry.

    Args:
        at_ms: When frames came.
    """
    found: list[float] = []
    stretch: list[float] = []
    dry_ms = 0.0
    until_ms = -math.inf
    for now_ms in at_ms:
        if now_ms > until_ms:
            found += _off_grid(stretch, dry_ms)
            stretch = []
            dry_ms = now_ms - until_ms if now_ms - until_ms < BREAK_MS else 0.0
        stretch.append(now_ms)
        until_ms = max(until_ms, now_ms) + FRAME_MS
    return found + _off_grid(stretch, dry_ms)


def _off_grid(stretch: Sequence[float], dry_ms: float) -> list[float]:
    if not stretch:
        return []
    beats = np.maximum(0, np.arange(len(stretch)) - (LEAD_FRAMES - 1))
    off_ms = np.asarray(stretch) - beats * FRAME_MS
    found = np.abs(off_ms - np.median(off_ms))
    found[0] = max(found[0], dry_ms)
    return [float(ms) for ms in found]


def call_figures(rows: Sequence[CallRow], cpu: Mapping[int, float]) -> dict[str, float]:
    """Return what calls say; the smallest number of them is for the jitter, the largest for load.

    Args:
        rows: The calls.
        cpu: Of each number of calls, the edge's processor time over time.
    """
    figures: dict[str, float] = {}
    sizes = sorted(cpu)
    for size in sizes:
        found = [ms for row in rows if row.calls == size for ms in row.jitter_ms]
        named = "telephony_jitter" if size == sizes[0] else f"telephony_jitter_{size}_calls"
        if found:
            figures[f"{named}_p50_ms"] = stats.percentile(found, 50)
            figures[f"{named}_p99_ms"] = stats.percentile(found, 99)
    if sizes:
        figures["telephony_calls"] = float(sizes[-1])
        figures["telephony_edge_cpu_ratio"] = cpu[sizes[-1]]
    return figures


def told(row: CallRow) -> CallRow:
    """Return a call as a report has it: thousands of frames are a few figures there."""
    if not row.jitter_ms:
        return row
    few = tuple(round(stats.percentile(row.jitter_ms, percent), 3) for percent in TOLD)
    return structs.replace(row, jitter_ms=few)


def speech_figures(rows: Sequence[SpeechRow]) -> dict[str, float]:
    """Return what texts say that were spoken."""
    figures: dict[str, float] = {}
    for over in ("http", "ws"):
        ttfa_ms = [row.ttfa_ms for row in rows if row.over == over]
        if ttfa_ms:
            figures[f"tts_stream_{over}_ttfa_p50_ms"] = stats.percentile(ttfa_ms, 50)
            figures[f"tts_stream_{over}_ttfa_p95_ms"] = stats.percentile(ttfa_ms, 95)
    return figures


def bars(figures: Mapping[str, float]) -> tuple[Bar, ...]:
    """Return the bars of all figures that were measured."""
    return tuple(
        Bar(name, figures[name], limit, "lower", figures[name] <= limit)
        for name, limit in LIMITS.items()
        if name in figures
    )


def void_reasons(calls: Sequence[CallRow]) -> list[str]:
    """Return why the run decides nothing."""
    reasons = sorted({f"a call ended early: {row.error}" for row in calls if row.error})
    deaf = sum(row.audible < _LEAST_AUDIBLE * max(1, row.frames) for row in calls)
    if deaf:
        reasons.append(f"{deaf} of {len(calls)} callers heard nothing, or little")
    late_ms = max((row.late_ms for row in calls), default=0.0)
    if late_ms > _MOST_LATE_MS:
        reasons.append(f"the callers themselves were late, by {late_ms:.0f} ms")
    return reasons
