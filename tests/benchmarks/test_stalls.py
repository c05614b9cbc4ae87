from __future__ import annotations

import pytest

from benchmarks.stalls import stalled_ms

RATE_HZ = 1000
"""Two bytes are a millisecond."""


def test_audio_that_comes_faster_than_it_is_played_never_stalls() -> None:
    """The first arrival is no stall either: that is the response."""
    assert stalled_ms([(200, 5.0), (400, 5.05), (600, 5.1)], RATE_HZ) == 0.0
    assert stalled_ms([], RATE_HZ) == 0.0


def test_what_comes_late_is_waited_for() -> None:
    """100 ms at 5.0 s, the next at 5.3 s: silence from 5.1 s on. Then from 5.5 s to 5.55 s."""
    assert stalled_ms([(200, 5.0), (400, 5.3), (600, 5.35), (800, 5.55)], RATE_HZ) == pytest.approx(
        250.0
    )
