"""From loads to capacities: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from benchmarks.edge_capacity import EdgeRow
from benchmarks.figures import Bar
from benchmarks.worker_capacity import LoadRow

FORWARD_LIMIT_MS: Final = 5.0
"""Of the 99th percentile of the time from a caller to a worker."""

LATE_MS: Final = 15.0
"""When the callers' own frames leave later than this, a step that fails says nothing."""

AT_LEAST: Final[Mapping[str, float]] = {"scale_efficiency_8": 0.9, "edge_sessions": 300.0}


def capacity(rows: Sequence[LoadRow], limit_ms: float) -> float:
    """Return how many callers are answered in time: between two loads, by interpolation.

    Args:
        rows: Of one number of workers, in the order of their callers; the last breaks the limit.
        limit_ms: Of the 95th percentile of the response.
    """
    before: LoadRow | None = None
    for row in rows:
        if row.errors:
            return float(before.callers) if before else 0.0
        if row.response_p95_ms > limit_ms:
            if before is None:
                return row.callers * limit_ms / row.response_p95_ms
            share = (limit_ms - before.response_p95_ms) / (
                row.response_p95_ms - before.response_p95_ms
            )
            return before.callers + share * (row.callers - before.callers)
        before = row
    return float(before.callers) if before else 0.0


def worker_figures(rows: Sequence[LoadRow], limit_ms: float) -> dict[str, float]:
    """Return the capacities, and how near to a straight line they lie."""
    found: dict[str, float] = {}
    alone = 0.0
    for workers in sorted({row.workers for row in rows}):
        held = capacity([row for row in rows if row.workers == workers], limit_ms)
        found[f"sessions_held_{workers}"] = held
        if workers == 1:
            alone = held
        elif alone:
            found[f"scale_efficiency_{workers}"] = held / (workers * alone)
    return found


def edge_figures(rows: Sequence[EdgeRow]) -> dict[str, float]:
    """Return how many sessions an edge carries, and what one costs."""
    found: dict[str, float] = {"edge_sessions": 0.0}
    for row in rows:
        if row.error or row.lost or row.forward_p99_ms > FORWARD_LIMIT_MS:
            break
        found |= {
            "edge_sessions": float(row.sessions),
            "edge_forward_p50_ms": row.forward_p50_ms,
            "edge_forward_p99_ms": row.forward_p99_ms,
        }
    carried = sorted((row for row in rows if not row.error), key=lambda row: row.sessions)
    if carried:
        first, most = carried[0], carried[-1]
        found |= {
            "edge_cpu_per_session_ms_s": 1000 * most.edge_cpu_ratio / most.sessions,
            "bus_cpu_per_session_ms_s": 1000 * most.bus_cpu_ratio / most.sessions,
            "bus_messages_per_session_s": most.bus_messages_s / most.sessions,
            "bus_per_session_kb_s": most.bus_bytes_s / most.sessions / 1000,
        }
        if most.sessions > first.sessions:
            grown_mb = most.edge_memory_mb - first.edge_memory_mb
            more = most.sessions - first.sessions
            found["edge_memory_per_session_kb"] = 1000 * grown_mb / more
    return found


def bars(figures: Mapping[str, float]) -> tuple[Bar, ...]:
    """Return the figures that have a limit."""
    return tuple(
        Bar(name, figures[name], limit, "higher", figures[name] >= limit)
        for name, limit in AT_LEAST.items()
        if name in figures
    )


def void_reasons(edge: Sequence[EdgeRow], workers: Sequence[LoadRow]) -> list[str]:
    """Return why the run decides nothing."""
    reasons = []
    broken = next((row for row in edge if row.forward_p99_ms > FORWARD_LIMIT_MS), None)
    if broken is not None and broken.late_ms_max > LATE_MS:
        reasons.append(
            f"with {broken.sessions} callers their own frames left {broken.late_ms_max:.0f} ms late"
        )
    failed = {error for row in workers for error in row.errors}
    reasons += [f"turns failed: {error}" for error in sorted(failed)]
    return reasons
