"""Counters that somebody waits for, at 0 from the start.

Prometheus sees an increase between two samples. A counter that appears with its first event has
none: the first dead letter of a process would wake nobody.
"""

from __future__ import annotations

from typing import Final

from subjects.streams import ROLES
from voicebus import metrics

_CLAIMS: Final = ("done", "failed", "fenced", "handed_on", "poisoned")
_TAKEOVERS: Final = ("continued", "anew", "cut", "done")
_GAPS: Final = ("repaired", "lost")
_TURNS: Final = ("completed", "interrupted", "failed")
_SPECULATIONS: Final = ("begun", "used", "wasted")
_INTERRUPTIONS: Final = ("confirmed", "false")
_REFUSALS: Final = ("busy", "no_worker")
_UNSTORED: Final = ("bus", "bus_timeout", "bus_unavailable", "storage_full")
_SIGNS: Final = ("disconnected", "silent")


def worker(role: str) -> None:
    """Begin the counters of a worker.

    Args:
        role: What it offers.
    """
    metrics.BUSY.labels(role).set(0)
    metrics.DEAD_LETTERS.labels(role)
    for outcome in _CLAIMS:
        metrics.CLAIMS.labels(role, outcome)
    for outcome in _TAKEOVERS:
        metrics.TAKEOVERS.labels(role, outcome)
    for outcome in _GAPS:
        metrics.AUDIO_GAPS.labels(outcome)
    if role == "turn":
        for outcome in _TURNS:
            metrics.TURNS.labels(outcome)
        for outcome in _SPECULATIONS:
            metrics.SPECULATIONS.labels(outcome)
        for outcome in _INTERRUPTIONS:
            metrics.INTERRUPTIONS.labels(outcome)


def edge(kind: str) -> None:
    """Begin the counters of an edge or a bridge.

    Args:
        kind: Of its clients.
    """
    metrics.SESSIONS.labels(kind)
    clients(kind)


def clients(*kinds: str) -> None:
    """Begin the counters of what clients are told; an edge may serve several kinds of them."""
    for kind in kinds:
        for code in _REFUSALS:
            metrics.CLIENT_ERRORS.labels(kind, code)


def stream(name: str) -> None:
    """Begin the counters of a stream that a process writes to.

    Args:
        name: Its name; empty: nothing is recorded.
    """
    if name:
        metrics.BUS_SENT_AGAIN.labels(name)
        for code in _UNSTORED:
            metrics.BUS_ACK_FAILURES.labels(name, code)


def supervisor() -> None:
    """Begin the counters of a supervisor."""
    for role in ROLES:
        for sign in _SIGNS:
            metrics.HANDOVERS.labels(role, sign)
