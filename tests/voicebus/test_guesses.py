"""How often somebody may try a link code."""

from __future__ import annotations

import pytest

from voicebus.errors import LimitReached
from voicebus.guesses import Guesses


def test_who_tries_too_often_waits_for_the_next_minute() -> None:
    """Others do not; the error says for how long."""
    guesses = Guesses(2)
    for now_s in (0.0, 10.0):
        guesses.take("eve", now_s)

    with pytest.raises(LimitReached) as refused:
        guesses.take("eve", 20.0)
    guesses.take("ada", 20.0)
    guesses.take("eve", 60.0)

    assert (refused.value.reason, refused.value.retry_after_s) == ("too_many_codes", 40.0)


def test_no_limit_is_no_limit() -> None:
    """0 switches it off."""
    unlimited, limited = Guesses(0), Guesses(999)
    for _ in range(999):
        unlimited.take("eve", 0.0)
        limited.take("eve", 0.0)

    unlimited.take("eve", 0.0)
    with pytest.raises(LimitReached):
        limited.take("eve", 0.0)


def test_those_who_tried_long_ago_are_forgotten() -> None:
    """A flood of names costs no memory."""
    guesses = Guesses(1)
    for number in range(20_000):
        guesses.take(f"eve{number}", 0.0)

    assert len(guesses._tries) == 10_000
