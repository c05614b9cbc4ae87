"""From steps and looks to figures."""

from __future__ import annotations

import pytest

from benchmarks import autoscale_figures
from benchmarks.autoscale_figures import Look, Step


def step(enough_s: float, start_s: float = 2.0, **fields: tuple[str, ...]) -> Step:
    """A load that doubled."""
    return Step(
        number=0, callers=10, start_s=start_s, enough_s=enough_s, served_s=9.0, refused=2, **fields
    )


def looks(*workers: int, callers: tuple[int, ...] = (9, 12)) -> list[Look]:
    """Looks, a second apart."""
    return [
        Look(at_s=float(at_s), callers=callers[at_s % len(callers)], served=9, ready=ready)
        for at_s, ready in enumerate(workers)
    ]


def test_a_step_is_told_in_starts_of_a_worker() -> None:
    """Each round against the start that was timed beside it."""
    found = autoscale_figures.figures([step(3.0), step(8.0), step(3.0, start_s=1.0)], [])

    assert found["autoscale_step_ratio"] == 3.0
    assert found["step_refused"] == 6
    assert [bar.holds for bar in autoscale_figures.bars(found)] == [False]


@pytest.mark.parametrize(
    ("workers", "turns", "moves"),
    [((5, 5, 5), 0, 0), ((4, 5, 5), 0, 1), ((4, 5, 6, 6), 0, 2), ((5, 4, 5), 1, 2)],
)
def test_a_turn_is_a_change_against_the_one_before(
    workers: tuple[int, ...], turns: int, moves: int
) -> None:
    """To grow twice is none; to end a worker and start another is."""
    found = autoscale_figures.figures([], looks(*workers))

    assert (found["autoscale_turns"], found["autoscale_moves"]) == (turns, moves)
    assert [bar.holds for bar in autoscale_figures.bars(found)] == [not turns]


def test_workers_that_start_count_and_those_that_drain_do_not() -> None:
    """A worker that is started in the place of one that goes is a turn, whoever is ready."""
    seen = [
        Look(at_s=0.0, callers=9, served=9, ready=3),
        Look(at_s=1.0, callers=9, served=9, ready=2, draining=1),
        Look(at_s=2.0, callers=9, served=9, ready=2, starting=1, draining=1),
    ]

    assert autoscale_figures.figures([], seen)["autoscale_turns"] == 1


def test_a_run_that_says_nothing_is_void() -> None:
    """Errors, no noise, an end too soon, a machine that was away."""
    broken = step(3.0, errors=("no_worker: nobody",))

    assert autoscale_figures.void_reasons([step(3.0)], looks(5, 5, 5), 2.0, 0.0) == []
    assert autoscale_figures.void_reasons([], [], 0.0, 0.0)
    assert autoscale_figures.void_reasons([broken], [], 0.0, 0.0)
    assert autoscale_figures.void_reasons([], looks(5, 5, 5), 600.0, 0.0)
    assert autoscale_figures.void_reasons([], looks(5, 5, 5, callers=(9,)), 2.0, 0.0)
    assert autoscale_figures.void_reasons([step(3.0)], [], 0.0, 0.5)
