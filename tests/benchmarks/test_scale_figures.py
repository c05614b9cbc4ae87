"""From loads to capacities."""

from __future__ import annotations

import pytest

from benchmarks.edge_capacity import EdgeRow
from benchmarks.scale_figures import bars, capacity, edge_figures, void_reasons, worker_figures
from benchmarks.worker_capacity import LoadRow

LIMIT_MS = 2_000.0


def load(callers: int, p95_ms: float, workers: int = 1, error: str = "") -> LoadRow:
    """A measured load."""
    return LoadRow(
        workers=workers,
        callers=callers,
        turns=10,
        turns_per_s=1.0,
        response_p50_ms=p95_ms / 2,
        response_p95_ms=p95_ms,
        errors=(error,) if error else (),
    )


def edge(sessions: int, p99_ms: float, late_ms: float = 1.0, lost: int = 0) -> EdgeRow:
    """A measured edge."""
    return EdgeRow(
        sessions=sessions,
        frames=1000,
        forward_p50_ms=1.0,
        forward_p99_ms=p99_ms,
        late_ms_max=late_ms,
        lost=lost,
        edge_cpu_ratio=sessions / 1000,
        bus_cpu_ratio=sessions / 2000,
        edge_memory_mb=50 + sessions / 10,
        bus_messages_s=50.0 * sessions,
        bus_bytes_s=40_000.0 * sessions,
    )


@pytest.mark.parametrize(
    ("rows", "held"),
    [
        ([load(4, 1000), load(6, 3000)], 5.0),
        ([load(4, 1000), load(5, 1500), load(6, 2000), load(7, 2500)], 6.0),
        ([load(4, 4000)], 2.0),
        ([load(4, 1000), load(5, 0, error="no answer")], 4.0),
        ([load(4, 0, error="no answer")], 0.0),
        ([load(4, 1000)], 4.0),
        ([], 0.0),
    ],
)
def test_capacity_lies_where_the_limit_is_crossed(rows: list[LoadRow], held: float) -> None:
    """Between the last load that was answered in time and the first that was not."""
    assert capacity(rows, LIMIT_MS) == pytest.approx(held)


def test_efficiency_compares_with_as_many_times_one_worker() -> None:
    """1 is a straight line."""
    rows = [load(4, 1000), load(6, 3000), load(32, 1000, 8), load(40, 3000, 8)]

    found = worker_figures(rows, LIMIT_MS)

    assert found == {"sessions_held_1": 5, "sessions_held_8": 36, "scale_efficiency_8": 0.9}
    assert [bar.holds for bar in bars(found)] == [True]


def test_an_edge_carries_what_it_forwards_in_time() -> None:
    """A size that breaks ends the ramp, whatever comes after it."""
    found = edge_figures([edge(100, 2), edge(200, 3), edge(300, 9), edge(400, 3)])

    assert (found["edge_sessions"], found["edge_forward_p99_ms"]) == (200, 3)
    assert found["edge_cpu_per_session_ms_s"] == pytest.approx(1)
    assert found["bus_messages_per_session_s"] == pytest.approx(50)
    assert found["edge_memory_per_session_kb"] == pytest.approx(100)
    assert edge_figures([EdgeRow(sessions=100, error="nobody answers")]) == {"edge_sessions": 0}
    assert [bar.holds for bar in bars(found)] == [False]


@pytest.mark.parametrize("row", [edge(100, 2, lost=1), EdgeRow(sessions=100, error="refused")])
def test_an_edge_that_loses_somebody_does_not_carry_them(row: EdgeRow) -> None:
    """However fast the rest is."""
    assert edge_figures([edge(50, 1), row])["edge_sessions"] == 50


def test_a_generator_that_is_late_itself_makes_the_run_void() -> None:
    """What was slow is not known then."""
    assert void_reasons([edge(100, 2, late_ms=50), edge(200, 9, late_ms=50)], [])
    assert not void_reasons([edge(100, 2, late_ms=50), edge(200, 9, late_ms=3)], [])
    assert void_reasons([], [load(4, 0, error="no answer")])
