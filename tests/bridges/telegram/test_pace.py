"""How often a growing text is shown."""

from __future__ import annotations

from bridges.telegram.pace import Pace


def test_the_first_words_are_shown_at_once() -> None:
    """Nothing was shown before."""
    assert Pace(1.0).due_s("Well", 10.0) == 0.0


def test_more_words_wait_for_their_time() -> None:
    """And are shown together."""
    pace = Pace(1.0)
    pace.shown("Well", 10.0)

    assert pace.due_s("Well, the sea", 10.25) == 0.75
    assert pace.due_s("Well, the sea is", 11.0) == 0.0


def test_what_is_shown_is_not_shown_again() -> None:
    """Telegram refuses an edit that changes nothing."""
    pace = Pace(1.0)
    pace.shown("Well", 10.0)

    assert pace.due_s("Well", 20.0) is None


def test_a_first_showing_may_be_worth_some_words() -> None:
    """A message that begins with one word is a poor one."""
    pace = Pace(1.0, least=10)

    assert pace.due_s("Well", 10.0) is None
    assert pace.due_s("Well, the sea", 10.0) == 0.0
