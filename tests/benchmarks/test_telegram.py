"""What the benchmark of Telegram makes of messages, also of those that went wrong."""

from __future__ import annotations

import pytest

from benchmarks.telegram import Row, bars, figures


def rows(*added_ms: float, burst: tuple[float, ...] = ()) -> list[Row]:
    """Messages that took so much longer than at the edge, and a burst with such waits."""
    slow = [
        Row(part="overhead", number=n, telegram_ms=900 + ms, direct_ms=900)
        for n, ms in enumerate(added_ms)
    ]
    return slow + [Row(part="burst", number=n, telegram_ms=ms) for n, ms in enumerate(burst)]


def held(found: dict[str, float], burst: int) -> dict[str, bool]:
    """Which bars hold."""
    return {bar.name: bar.holds for bar in bars(found, burst)}


def test_what_the_bridge_adds_is_the_median_of_the_differences() -> None:
    """One slow message does not spoil it, and the burst is no part of it."""
    found = figures(rows(20, 30, 4_000, burst=(9_000, 3_000)), 2, 0, seed=1)

    assert found["bridge_overhead_p50_ms"] == pytest.approx(30)
    assert found["burst_last_answer_s"] == 9
    assert set(held(found, 2).values()) == {True}


def test_half_of_the_messages_too_slow_break_the_bar() -> None:
    """At 50 ms it holds, above it does not."""
    assert held(figures(rows(50, 50, 50), 0, 0, seed=1), 0)["bridge_overhead_p50_ms"]
    assert not held(figures(rows(20, 51, 51), 0, 0, seed=1), 0)["bridge_overhead_p50_ms"]


def test_a_message_without_an_answer_breaks_the_bar() -> None:
    """It has no row: one less than were sent, or none at all."""
    for answered in ((), (1_000.0,) * 29):
        found = figures(rows(20, burst=answered), 30, 0, seed=1)

        assert found["burst_unanswered_count"] == 30 - len(answered)
        assert not held(found, 30)["burst_unanswered_count"]
    assert figures(rows(20), 30, 0, seed=1)["burst_last_answer_s"] == 0


def test_one_call_that_telegram_refuses_breaks_the_bar() -> None:
    """However quick and whole the answers are."""
    found = figures(rows(20, burst=(1_000.0,)), 1, 1, seed=1)

    assert [name for name, holds in held(found, 1).items() if not holds] == [
        "limits_exceeded_count"
    ]


def test_a_run_without_a_burst_has_no_bar_for_it() -> None:
    """Nothing was sent, and nothing is unanswered."""
    assert "burst_unanswered_count" not in held(figures(rows(20), 0, 0, seed=1), 0)
