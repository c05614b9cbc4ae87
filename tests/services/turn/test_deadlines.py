"""Named points in time."""

from __future__ import annotations

from services.turn.deadlines import Deadlines


def test_the_earliest_is_taken_first_and_only_when_due() -> None:
    """Each once."""
    deadlines = Deadlines()
    deadlines.set("late", 20)
    deadlines.set("early", 10)

    assert deadlines.next_ms == 10
    assert deadlines.take_due(9) is None
    assert [deadlines.take_due(25) for _ in range(3)] == ["early", "late", None]
    assert deadlines.next_ms is None


def test_setting_one_anew_moves_it() -> None:
    """There is one of each name."""
    deadlines = Deadlines()
    deadlines.set("it", 10)
    deadlines.set("it", 30)

    assert "it" in deadlines
    assert deadlines.take_due(20) is None
    deadlines.drop("it", "another")
    assert "it" not in deadlines
