"""Times that are not to depend on what else a machine does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable


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
