"""How long a loudspeaker stood still within an answer because nothing had come. Pure."""

from __future__ import annotations

from collections.abc import Sequence


def stalled_ms(arrivals: Sequence[tuple[int, float]], rate_hz: int) -> float:
    """Return how long a player waited that plays in real time from the first arrival on.

    Args:
        arrivals: How many bytes of s16le mono were there, and since when, in seconds of one clock.
        rate_hz: Sample rate.
    """
    waited_s, before, plays_until_s = 0.0, 0, 0.0
    for number, (size, at_s) in enumerate(arrivals):
        if number:
            waited_s += max(0.0, at_s - plays_until_s)
        plays_until_s = max(plays_until_s, at_s) + (size - before) / 2 / rate_hz
        before = size
    return 1000 * waited_s
