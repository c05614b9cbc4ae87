"""What is a sign of life on a line."""

from __future__ import annotations

import pytest

from edge.telephony.vigil import Vigil


@pytest.mark.parametrize("apart_s", [0.02, 10.0])
def test_a_tenth_of_a_second_of_audio_is_a_sign(apart_s: float) -> None:
    """In pieces of 20 ms, however far apart they come."""
    vigil = Vigil(0.0)

    for number in range(1, 5):
        vigil.hear(20.0, number * apart_s)
    before_s = vigil.seen_s
    vigil.hear(20.0, 5 * apart_s)

    assert before_s == 0.0
    assert vigil.seen_s == 5 * apart_s


def test_audio_counts_once() -> None:
    """What was a sign is none again with the next sample."""
    vigil = Vigil(0.0)

    vigil.hear(200.0, 1.0)
    vigil.hear(0.125, 2.0)

    assert vigil.seen_s == 1.0


def test_a_sample_a_minute_is_no_sign() -> None:
    """For hours on end."""
    vigil = Vigil(0.0)

    for minute in range(1, 600):
        vigil.hear(0.125, 60.0 * minute)

    assert vigil.seen_s == 0.0


def test_a_key_is_a_sign() -> None:
    """At once; and audio from before it does not count towards the next one."""
    vigil = Vigil(0.0)

    vigil.hear(90.0, 1.0)
    vigil.see(2.0)
    vigil.hear(90.0, 3.0)

    assert vigil.seen_s == 2.0
