"""Times that are not to depend on what else a machine does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from statistics import median


async def shortest_s(
    measure: Callable[[], Awaitable[float]], enough_s: float, times: int = 5
) -> float:
    """Return the shortest of several measured times: others at work only make one longer.

    Args:
        measure: Does it once, and returns its seconds.
        enough_s: After a time as short as this no more are taken.
        times: How many are taken at most.
    """
    shortest = float("inf")
    for _ in range(times):
        shortest = min(shortest, await measure())
        if shortest < enough_s:
            break
    return shortest


async def expect_within(
    bound_s: float,
    measure: Callable[[], Awaitable[float]],
    longest_s: float = 1.0,
    times: int = 7,
) -> None:
    """Assert that something is done in its time as a rule, and never takes much longer.

    Others at work may make one of them longer, but neither most of them nor one by seconds.

    Args:
        bound_s: What the median is below.
        measure: Does it once, and returns its seconds.
        longest_s: What each of them is below.
        times: How often it is done.
    """
    taken_s = [await measure() for _ in range(times)]

    assert median(taken_s) < bound_s, taken_s
    assert max(taken_s) < longest_s, taken_s
