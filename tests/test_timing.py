"""What tests say of times, they say of most of them and of each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from tests.timing import expect_within


@pytest.mark.parametrize("slow", [{2}, {0, 4, 6}])
async def test_a_few_that_others_delay_are_within_a_bound(slow: set[int]) -> None:
    """A machine that does something else meanwhile is no fault of what is measured."""
    await expect_within(0.05, taking(slow, 0.2))


@pytest.mark.parametrize(("slow", "taken_s"), [({0, 1, 2, 3}, 0.06), ({6}, 1.5)])
async def test_most_above_the_bound_or_one_far_above_are_told(
    slow: set[int], taken_s: float
) -> None:
    """One that is short among many that are not shows nothing, and nobody waits for seconds."""
    with pytest.raises(AssertionError):
        await expect_within(0.05, taking(slow, taken_s))


def taking(slow: set[int], taken_s: float) -> Callable[[], Awaitable[float]]:
    """Measure 10 ms, and in some of the runs another time."""
    runs = iter(range(100))

    async def measure() -> float:
        return taken_s if next(runs) in slow else 0.01

    return measure
