from __future__ import annotations

import pytest

from benchmarks.engines_figures import Piece, Row, bars, figures, stream_figures, void_reasons


def answers(lags_ms: list[float]) -> list[Row]:
    """Answers about 100 ms each, every second of which says something new."""
    return [
        Row("one", 100.0 * (n + 1), lag_ms, 30.0, n // 2, changed=bool(n % 2))
        for n, lag_ms in enumerate(lags_ms)
    ]


def test_a_partial_is_what_says_something_new() -> None:
    """Answers that a client never sees do not make partials look quicker."""
    found = figures(answers([1.0, 50.0] * 100), 1)

    assert found["partials"] == 100
    assert found["answers"] == 200
    assert found["partial_lag_p50_ms"] == found["partial_lag_p95_ms"] == 50
    assert found["rtf"] == pytest.approx(0.3)
    assert [bar.holds for bar in bars(found)] == [True]


def test_partials_behind_the_limit_do_not_hold() -> None:
    """One in ten that is late is too many."""
    found = figures(answers(([1.0, 50.0] * 9 + [1.0, 300.0]) * 10), 1)

    assert [bar.holds for bar in bars(found)] == [False]


def test_several_speakers_are_so_much_more_audio() -> None:
    """Each begins anew, and what was computed is set against all that was heard."""
    found = figures([*answers([1.0] * 10), *answers([1.0] * 10)], 1)

    assert found["rtf"] == pytest.approx(0.3)


def test_what_the_engine_adds_is_told_by_pairs() -> None:
    """A slow piece is slow for both."""
    pieces = [Piece(n, 100.0 * n, 100.0 * n + 3) for n in range(1, 6)]
    found = stream_figures(pieces, 1)

    assert found["xtts_overhead_p50_ms"] == 3
    assert [bar.holds for bar in bars(found)] == [True]


def test_a_run_that_shows_little_decides_nothing() -> None:
    """Few partials, or a machine that others used, make a run void."""
    assert void_reasons(answers([1.0] * 100), 0.0) == [
        "50 partials are too few for a 95th percentile"
    ]
    assert "not ours for 10%" in void_reasons(answers([1.0] * 400), 0.1)[0]
    assert void_reasons(answers([1.0] * 400), 0.0) == []
