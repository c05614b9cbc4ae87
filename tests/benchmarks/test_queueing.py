"""The queueing model, held against what is known of closed networks."""

from __future__ import annotations

import pytest

from benchmarks import stats
from benchmarks.capacity_figures import (
    SizeRow,
    bars,
    bus_figures,
    cell_figures,
    cpu_figures,
    model_figures,
    services_s,
)
from benchmarks.queueing import Stage, places_for, simulate


def row(sessions: int, p50_ms: float, turns_per_s: float = 0.4) -> SizeRow:
    """A measured size."""
    return SizeRow(
        engines="synthetic",
        sessions=sessions,
        turns=100,
        turns_per_s=turns_per_s,
        response_p50_ms=p50_ms,
        response_p95_ms=p50_ms,
    )


def test_who_finds_a_place_does_not_wait() -> None:
    """As many places as sessions; a turn comes round after its thinking and its work."""
    found = simulate(10, 2.0, (Stage(10, 0.5), Stage(10, 0.5)), 300.0)

    assert max(found.waits_s) == 0.0
    assert found.turns_per_s == pytest.approx(10 / 3.0, rel=0.05)


def test_a_full_stage_serves_what_its_places_can() -> None:
    """And the rest of the time of a round is waiting: sessions x service / places - thinking."""
    found = simulate(40, 2.0, (Stage(4, 0.5),), 600.0)

    assert found.turns_per_s == pytest.approx(4 / 0.5, rel=0.02)
    assert stats.percentile(found.waits_s, 50) == pytest.approx(40 * 0.5 / 4 - 2.0 - 0.5, abs=0.3)


def test_places_leave_a_part_of_them_free() -> None:
    """Rounded up, and one at least."""
    assert places_for(5_000, 8.0, (1.0, 0.6, 0.001), 0.7) == [744, 447, 1]


def test_the_same_seed_gives_the_same_simulation() -> None:
    """A figure in a document can be computed anew."""
    stages = (Stage(2, 0.5, 0.5),)

    assert simulate(9, 1.0, stages, 60.0, 3) == simulate(9, 1.0, stages, 60.0, 3)
    assert simulate(9, 1.0, stages, 60.0, 3) != simulate(9, 1.0, stages, 60.0, 4)


def test_the_model_is_judged_by_what_was_measured() -> None:
    """A measured point that it misses by a half makes the bar fail."""
    stage = Stage(4, 0.5)
    alone = row(1, 800.0)
    right = model_figures([alone, row(5, 800.0), row(40, 800.0 + 2500.0)], "synthetic", stage)
    wrong = model_figures([alone, row(5, 1600.0)], "synthetic", stage)

    assert right["synthetic_model_error_ratio"] < 0.15
    assert [bar.holds for bar in bars(right)] == [True]
    assert wrong["synthetic_model_error_ratio"] == pytest.approx(0.5, abs=0.05)
    assert [bar.holds for bar in bars(wrong)] == [False]


def real(sessions: int) -> SizeRow:
    """Conversations on real engines, each with some work of every part."""
    used = {"stt": 50, "turn": 2, "llm": 10, "llama": 40, "tts": 20, "edge": 10, "nats": 5}
    return SizeRow(
        engines="real",
        sessions=sessions,
        turns=10,
        turns_per_s=0.1 * sessions,
        response_p50_ms=900.0,
        response_p95_ms=900.0,
        cpu_s={part: sessions * cpu_ms / 1000 for part, cpu_ms in used.items()},
    )


def test_an_hour_costs_what_its_cores_cost() -> None:
    """A core, of which seven tenths are in use, has five conversations of 0.137 cores."""
    found = cpu_figures(real(2))

    assert found["cpu_cores_per_session"] == pytest.approx(0.137)
    assert found["conversations_per_core"] == pytest.approx(5.11, abs=0.01)
    assert found["core_hours_per_hour"] == pytest.approx(0.196, abs=0.001)


def test_the_model_server_s_time_is_the_language_model_s() -> None:
    """A turn's work, stage by stage."""
    assert services_s(real(1)) == pytest.approx([0.5, 0.02, 0.5, 0.2])


@pytest.mark.slow
def test_a_cell_has_cores_for_its_stages_its_edges_and_its_bus() -> None:
    """Five thousand conversations at seven tenths of the load."""
    found = cell_figures(real(1))

    assert found["cells_70_edge_cores_per_cell"] == pytest.approx(5_000 * 0.01 / 0.7)
    assert found["cells_70_nats_cores_per_cell"] == pytest.approx(5_000 * 0.005 / 0.7)
    stages = 5_000 * (0.05 + 0.002 + 0.05 + 0.02) / 0.7
    assert found["cells_70_cores_per_cell"] == pytest.approx(stages, rel=0.01)
    assert found["cells_70_wait_p50_ms"] < found["cells_90_tenth_lost_wait_p50_ms"]


def test_callers_who_all_speak_fill_a_bus() -> None:
    """A chunk of each in 20 ms."""
    assert bus_figures(100_000.0)["bus_callers"] == 2_000
