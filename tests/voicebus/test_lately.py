"""What answers took lately."""

from __future__ import annotations

from voicebus.lately import Lately


def test_nothing_was_measured() -> None:
    """Nobody says."""
    assert Lately().quantiles() == (0.0, 0.0)


def test_one_measurement_is_both() -> None:
    """There is no other."""
    lately = Lately()
    lately.note(7.0)

    assert lately.quantiles() == (7.0, 7.0)


def test_half_and_nearly_all_took_no_longer() -> None:
    """By the nearest rank: each is a value that was measured."""
    lately = Lately()
    for value in reversed(range(1, 101)):
        lately.note(float(value))

    assert lately.quantiles() == (50.0, 99.0)


def test_what_was_long_ago_does_not_count() -> None:
    """A worker that was slow once is not slow for ever."""
    lately = Lately()
    for value in [1_000.0] * 10 + [1.0] * 256:
        lately.note(value)

    assert lately.quantiles() == (1.0, 1.0)
