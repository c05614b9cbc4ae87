"""From turns in which every process was replaced to figures, and to what holds. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from benchmarks import failover_figures, stats
from benchmarks.failover_judgement import TurnRow
from benchmarks.figures import Bar
from benchmarks.kills import Kill

DRAIN_MS: Final = 10_000.0

_LOSSES: Final = (
    *("turns_failed", "words_lost", "words_doubled", "audio_lost_ms", "audio_doubled_ms"),
    *("said_lost_ms", "said_doubled_ms", "unrecognised_ms"),
)

LIMITS: Final[Mapping[str, float]] = {
    "sessions_dropped": 0.0,
    **dict.fromkeys(_LOSSES, 0.0),
    "drain_max_ms": DRAIN_MS,
}

_FEWEST: Final = 3
"""Turns that a kind's restarts have to touch."""


class Drain(Struct, frozen=True, kw_only=True, tag="drain"):
    """A process that was asked to go, and its successor.

    Fields
        kind: A role, ``edge``, ``supervisor`` or ``nats``.
        name: The part.
        worker: Its name on the bus.
        at_s: When it was asked, on the callers' clock.
        at_ns: The same in ns since 1970, as the streams have it.
        took_ms: How long it took from then until its process had ended.
        whole_s: How long it took until its successor was ready as well.
    """

    kind: str
    name: str
    worker: str
    at_s: float
    at_ns: int
    took_ms: float
    whole_s: float

    def as_kill(self) -> Kill:
        """Return it as what turns are judged by."""
        return Kill(
            kind=self.kind,
            name=self.name,
            worker=self.worker,
            sign="restart",
            phase="",
            caller=-1,
            at_s=self.at_s,
            at_ns=self.at_ns,
            whole_s=self.whole_s,
        )


def figures(rows: Sequence[TurnRow], drains: Sequence[Drain], returns: int) -> dict[str, float]:
    """Return what the replacements have cost.

    Args:
        rows: All turns.
        drains: How each process went.
        returns: How often callers came back over another connection.
    """
    losses = failover_figures.figures(rows, (), 1)
    touched = [row for row in rows if row.sign]
    found = {
        "sessions": float(len({row.session for row in rows})),
        "turns": float(len(rows)),
        "turns_touched": float(len(touched)),
        "restarts": float(len(drains)),
        "returns": float(returns),
        "sessions_dropped": losses["sessions_lost"],
        **{name: losses[name] for name in _LOSSES},
    }
    added = failover_figures.added(touched, failover_figures.usual_ms(rows))
    if added:
        found["added_p50_ms"] = stats.percentile(added, 50)
        found["added_p95_ms"] = stats.percentile(added, 95)
    took_ms = [drain.took_ms for drain in drains]
    if took_ms:
        found["drain_p50_ms"] = stats.percentile(took_ms, 50)
        found["drain_max_ms"] = max(took_ms)
    for kind in dict.fromkeys(drain.kind for drain in drains):
        found[f"drain_{kind}_max_ms"] = max(d.took_ms for d in drains if d.kind == kind)
    return found


def bars(found: Mapping[str, float]) -> tuple[Bar, ...]:
    """Return the figures that have a limit."""
    return tuple(
        Bar(name, found[name], limit, "lower", found[name] <= limit)
        for name, limit in LIMITS.items()
        if name in found
    )


def void_reasons(
    rows: Sequence[TurnRow], drains: Sequence[Drain], callers: int, returns: int
) -> list[str]:
    """Return why the run decides nothing; an empty list if it does.

    Args:
        rows: All turns.
        drains: How each process went.
        callers: How many were to talk.
        returns: How often callers came back over another connection.
    """
    reasons = []
    if missing := callers - len({row.caller for row in rows}):
        reasons.append(f"{missing} of {callers} callers held no turn")
    known = failover_figures.usual_ms(rows)
    if uncompared := sorted({row.recording for row in rows} - known.keys()):
        reasons.append(f"nothing to compare with: no turn with {uncompared[0]} was left untouched")
    for kind in dict.fromkeys(drain.kind for drain in drains if drain.kind != "supervisor"):
        touched = sum(kind in row.harm.split("+") for row in rows)
        if touched < _FEWEST:
            reasons.append(f"only {touched} turns were touched by the restarts of {kind}")
    if any(drain.kind == "edge" for drain in drains) and not returns:
        reasons.append("no caller had to come back to an edge")
    return reasons
