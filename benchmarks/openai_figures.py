"""From what was asked of the API to figures, and from figures to what holds. Pure."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from benchmarks import stats
from benchmarks.figures import Bar
from benchmarks.stats import Estimate

EDGE: Final = ("edge", "again")
"""The API is asked twice in each round: against itself for the gate, its mean against the engine.
"""

DIRECT: Final = "direct"
VARIANTS: Final = (*EDGE, DIRECT)

KINDS: Final = ("speech", "transcription", "chat")
"""What is compared with the engine that does it."""

SOCKETS: Final = 200
"""The bar is for so many."""

LIMITS: Final[Mapping[str, tuple[str, float]]] = {
    **{f"{kind}_overhead_p50_ms": ("lower", 15.0) for kind in KINDS},
    f"idle_sockets_{SOCKETS}_mb": ("lower", 300.0),
    "long_file_speedup": ("higher", 1.8),
    "passages_wer_delta": ("lower", 0.5),
}

BARS_OF: Final[Mapping[str, tuple[str, ...]]] = {
    **{kind: (f"{kind}_overhead_p50_ms",) for kind in KINDS},
    "idle": (f"idle_sockets_{SOCKETS}_mb",),
    "long": ("long_file_speedup",),
    "passages": ("passages_wer_delta",),
}
"""The bars of each part."""

_MOST_FAILED: Final = 0.05
_MOST_STOLEN: Final = 0.02


class Row(Struct, frozen=True, kw_only=True):
    """One thing that was asked.

    Fields
        kind: ``speech``, ``transcription``, ``chat``, ``idle``, ``long`` or ``passages``.
        variant: ``edge``, ``again`` (the same edge once more) or ``direct``; for ``long`` the
            number of workers, for ``idle`` empty.
        round: Rows of one round and kind are compared with each other.
        place: Which one of its round it was, from 0.
        what: What was asked: a text, or the name of a recording.
        time_ms: How long it took, to the first sound, the text, or the first token; None when
            there was no answer.
        seconds: Length of the recording.
        text: What was answered.
        errors: Words that are wrong, missing or added in it.
        words: Words that were said.
        sockets: Connections that are open.
        memory_mb: Memory of the edge.
        error: Why there was no answer.
    """

    kind: str
    variant: str = ""
    round: int = 0
    place: int = 0
    what: str = ""
    time_ms: float | None = None
    seconds: float = 0.0
    text: str = ""
    errors: int = 0
    words: int = 0
    sockets: int = 0
    memory_mb: float = 0.0
    error: str = ""


def figures(rows: Sequence[Row], seed: int) -> dict[str, float]:
    """Return what the rows say; of what was not measured, nothing."""
    found: dict[str, float] = {}
    for kind in KINDS:
        of_kind = [row for row in rows if row.kind == kind]
        if of_kind:
            found |= _compared(of_kind, kind, seed)
    found |= _idle([row for row in rows if row.kind == "idle"])
    found |= _long([row for row in rows if row.kind == "long"])
    found |= _passages([row for row in rows if row.kind == "passages"])
    return found


def bars(found: Mapping[str, float]) -> tuple[Bar, ...]:
    """Return the bars of all figures that were measured."""
    made = []
    for name, (better, limit) in LIMITS.items():
        if name in found:
            holds = operator.le if better == "lower" else operator.ge
            made.append(Bar(name, found[name], limit, better, holds(found[name], limit)))
    return tuple(made)


def same_edge(rows: Sequence[Row], kind: str, seed: int) -> Estimate | None:
    """Return the median difference of the edge to itself."""
    return _difference([row for row in rows if row.kind == kind], ("edge",), "again", seed)


def missing(found: Mapping[str, float], wanted: Sequence[str]) -> list[str]:
    """Return the bars of what was to be measured that have no figure.

    Args:
        found: The figures.
        wanted: Parts of the benchmark: the names of :data:`BARS_OF`.
    """
    return [name for part in wanted for name in BARS_OF[part] if name not in found]


def void_reasons(
    rows: Sequence[Row], stolen: float, seed: int, wanted: Sequence[str] = ()
) -> list[str]:
    """Return why nothing can be said from these rows; an empty list if something can.

    Args:
        rows: What was asked.
        stolen: Which part of the time the machine was not ours.
        seed: Of the intervals.
        wanted: What was to be measured: a bar of it without a figure says nothing, and holds not.
    """
    reasons = [f"{name} was not measured" for name in missing(figures(rows, seed), wanted)]
    failed = [row for row in rows if row.error]
    if len(failed) > _MOST_FAILED * len(rows):
        reasons.append(f"{len(failed)} of {len(rows)} requests failed: {failed[0].error}")
    if stolen > _MOST_STOLEN:
        reasons.append(f"the machine was not ours for {stolen:.0%} of the time")
    for kind in KINDS:
        same = same_edge(rows, kind, seed)
        limit = LIMITS[f"{kind}_overhead_p50_ms"][1]
        if same is not None and (reason := stats.gate(same, limit)):
            reasons.append(f"{kind}: {reason}")
    lost = [row for row in rows if row.error and row.kind not in KINDS]
    reasons += [f"{row.kind} {row.variant}: {row.error}" for row in lost]  # there is one of each
    if len({row.text for row in rows if row.kind == "long" and not row.error}) > 1:
        reasons.append("the long file's text is not the same with one worker and with two")
    return reasons


def _compared(rows: Sequence[Row], kind: str, seed: int) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, variants in (("edge", EDGE), (DIRECT, (DIRECT,))):
        times = [r.time_ms for r in rows if r.variant in variants and r.time_ms is not None]
        if times:
            found[f"{kind}_{name}_p50_ms"] = stats.percentile(times, 50)
        rates = [_rtf(r) for r in rows if r.variant in variants and r.time_ms and r.seconds]
        if rates:
            found[f"{kind}_{name}_rtf"] = stats.percentile(rates, 50)
    _put(found, f"{kind}_overhead_p50_ms", _difference(rows, EDGE, DIRECT, seed))
    _put(found, f"same_edge_{kind}_p50_ms", same_edge(rows, kind, seed))
    if kind != "speech":
        found[f"{kind}_same_text_ratio"] = _same_text_ratio(rows)
    return found


def _rtf(row: Row) -> float:
    return (row.time_ms or 0.0) / 1000 / row.seconds


def _idle(rows: Sequence[Row]) -> dict[str, float]:
    before = [row.memory_mb for row in rows if not row.sockets]
    after = [row for row in rows if row.sockets and not row.error]
    if not before or not after:
        return {}
    grown = after[-1].memory_mb - before[0]
    sockets = after[-1].sockets
    return {
        "idle_edge_mb": before[0],
        f"idle_sockets_{sockets}_mb": grown,
        "idle_socket_kb": grown * 1000 / sockets,
    }


def _long(rows: Sequence[Row]) -> dict[str, float]:
    took_s = {row.variant: row.time_ms / 1000 for row in rows if row.time_ms is not None}
    found = {f"long_file_{workers}_workers_s": seconds for workers, seconds in took_s.items()}
    if rows:
        found["long_file_min"] = rows[0].seconds / 60
    if {"1", "2"} <= set(took_s):
        found["long_file_speedup"] = took_s["1"] / took_s["2"]
    return found


def _passages(rows: Sequence[Row]) -> dict[str, float]:
    rates = {
        variant: 100 * sum(row.errors for row in of) / sum(row.words for row in of)
        for variant in ("edge", DIRECT)
        if (of := [row for row in rows if row.variant == variant and row.words])
    }
    named = {"edge": "passages_wer_percent", DIRECT: "one_pass_wer_percent"}
    found = {named[variant]: rate for variant, rate in rates.items()}
    if len(rates) == len(named):
        found["passages_wer_delta"] = rates["edge"] - rates[DIRECT]
    return found


def _difference(
    rows: Sequence[Row], ours: tuple[str, ...], theirs: str, seed: int
) -> Estimate | None:
    """Return the median difference round by round: the mean of some variants, less another.

    Rounds in which one of them did not answer are left out.
    """
    rounds: dict[int, dict[str, float]] = {}
    for row in rows:
        if row.variant in {*ours, theirs} and row.time_ms is not None:
            rounds.setdefault(row.round, {})[row.variant] = row.time_ms
    whole = [rounds[n] for n in sorted(rounds) if len(rounds[n]) == len(ours) + 1]
    if not whole:
        return None
    means = [sum(times[name] for name in ours) / len(ours) for times in whole]
    return stats.median(stats.differences(means, [times[theirs] for times in whole]), seed)


def _same_text_ratio(rows: Sequence[Row]) -> float:
    """Return in which part of the rounds edge and engine answered with the same words."""
    said: dict[int, dict[str, str]] = {}
    for row in rows:
        if row.variant in {"edge", DIRECT} and not row.error:
            said.setdefault(row.round, {})[row.variant] = row.text
    pairs = [both for both in said.values() if len(both) == len({"edge", DIRECT})]
    return sum(both["edge"] == both[DIRECT] for both in pairs) / len(pairs) if pairs else 0.0


def _put(found: dict[str, float], name: str, estimate: Estimate | None) -> None:
    if estimate is not None:
        found[name] = estimate.value
        found[f"{name}_ci_low"] = estimate.low
        found[f"{name}_ci_high"] = estimate.high
