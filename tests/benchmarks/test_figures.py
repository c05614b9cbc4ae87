from __future__ import annotations

import msgspec
import pytest

from benchmarks.figures import (
    TURNS_FOR_P95,
    bars,
    real_figures,
    same_reply_ratio,
    synthetic_figures,
    void_reasons,
)
from benchmarks.turns import plan
from tests.benchmarks.rows import row, run

QUIET = {"system": 730.0, "again": 732.0, "floor": 725.0, "unrecorded": 729.5}


def test_the_bus_tax_is_the_system_less_the_floor() -> None:
    """The mean of the system's two turns of a round, minus the floor's turn."""
    figures = synthetic_figures(run(10, **QUIET), seed=1)

    assert figures["bus_tax_synthetic_p50_ms"] == pytest.approx(6.0)
    assert figures["recording_tax_p50_ms"] == pytest.approx(1.5)
    assert figures["same_system_synthetic_p50_ms"] == pytest.approx(-2.0)
    assert figures["bus_tax_synthetic_p50_ms_ci_low"] == pytest.approx(6.0)


def test_the_ratio_is_of_the_floor() -> None:
    """Nine milliseconds on 900 are one per cent."""
    figures = real_figures(run(10, system=909.0, again=909.0, floor=900.0), seed=1)

    assert figures["bus_tax_ratio"] == pytest.approx(0.01)
    assert figures["hold_p50_ms"] == 600.0
    assert figures["response_p50_ms"] == 909.0


def test_a_round_without_an_answer_is_left_out_of_the_pairs() -> None:
    """One failed turn takes its round out of the difference, and nothing else."""
    rows = [*run(9, **QUIET), row(9, "system", None), row(9, "again", 1.0), row(9, "floor", 5000.0)]

    assert synthetic_figures(rows, seed=1)["bus_tax_synthetic_p50_ms"] == pytest.approx(6.0)


def test_a_tail_needs_many_turns() -> None:
    """A 95th percentile of a few turns is not shown."""
    few = real_figures(run(TURNS_FOR_P95 // 2 - 1, system=900.0, again=910.0), seed=1)
    many = real_figures(run(TURNS_FOR_P95 // 2, system=900.0, again=910.0), seed=1)

    assert "response_p95_ms" not in few
    assert many["response_p95_ms"] == pytest.approx(910.0)


def test_a_bar_holds_up_to_its_limit() -> None:
    """The limit itself is allowed, and what was not measured has no bar."""
    found = {bar.name: bar.holds for bar in bars({"ready_s": 15.0, "memory_mb": 2048.1, "x": 1})}

    assert found == {"ready_s": True, "memory_mb": False}


def test_a_quiet_run_is_not_void() -> None:
    """Nothing is wrong with turns that were answered, in time, the same way."""
    assert void_reasons(run(20, system=730.0, again=730.0, floor=725.0), 0.0, seed=1) == []


def test_a_run_is_void_when_the_caller_was_late() -> None:
    """A load generator that cannot keep pace measures itself."""
    rows = [msgspec.structs.replace(r, send_lag_ms_max=9.0) for r in run(20, floor=725.0)]

    assert "20 of 20 turns the caller was more than 5 ms late" in void_reasons(rows, 0.0, 1)[0]


def test_a_run_is_void_when_turns_failed_or_time_was_stolen() -> None:
    """What went wrong is named."""
    rows = [*run(9, floor=725.0), row(9, "floor", None)]

    reasons = void_reasons(rows, 0.05, seed=1)

    assert "1 of 10 turns were not answered: it broke" in reasons[0]
    assert "5%" in reasons[1]


def test_a_run_is_void_when_the_system_is_not_like_itself() -> None:
    """The gate stands before the figures."""
    reasons = void_reasons(run(20, system=730.0, again=760.0, floor=725.0), 0.0, seed=1)

    assert reasons == ["synthetic engines: the system differs from itself by -30.0 to -30.0 ms"]


def test_answers_are_compared_word_by_word() -> None:
    """A difference in words would be a difference in work."""
    rows = run(4, system=730.0, floor=725.0)
    rows[0] = msgspec.structs.replace(rows[0], reply="another answer")

    assert same_reply_ratio(rows) == 0.75


def test_the_order_of_turns_is_by_chance_and_mirrored() -> None:
    """Each round speaks to all variants; every second one is its forerunner's mirror image."""
    rounds = plan(20, 2, ("system", "again", "floor"), seed=3)

    assert rounds == plan(20, 2, ("system", "again", "floor"), seed=3)
    assert rounds != plan(20, 2, ("system", "again", "floor"), seed=4)
    assert {tuple(sorted(planned.order)) for planned in rounds} == {("again", "floor", "system")}
    assert all(rounds[n + 1].order == rounds[n].order[::-1] for n in range(0, 20, 2))
    assert all(rounds[n + 1].recording == rounds[n].recording for n in range(0, 20, 2))
    assert {planned.recording for planned in rounds} == {0, 1}
