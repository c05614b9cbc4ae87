from __future__ import annotations

import pytest

from benchmarks.engines import main
from benchmarks.engines_figures import (
    PartialRow,
    Piece,
    WordRow,
    bars,
    figures,
    stream_figures,
    void_reasons,
    words_shown,
)
from schemas.stt import Word


def partial(end_ms: float, lag_ms: float, text: str = "one") -> PartialRow:
    """A partial of one recording."""
    return PartialRow(recording="a", utterance=1, end_ms=end_ms, lag_ms=lag_ms, text=text)


def partials(lags_ms: list[float]) -> list[PartialRow]:
    """Partials about 100 ms each."""
    return [partial(100.0 * n, lag_ms) for n, lag_ms in enumerate(lags_ms, 1)]


def test_late_partials_do_not_hold() -> None:
    """One in ten that is late is too many."""
    in_time, late = partials([50.0] * 100), partials(([50.0] * 9 + [300.0]) * 10)

    assert figures(in_time, 1)["partials"] == 100
    assert figures(in_time, 1)["partial_lag_p50_ms"] == 50
    assert [bar.holds for bar in bars(figures(in_time, 1))] == [True]
    assert [bar.holds for bar in bars(figures(late, 1))] == [False]


def test_a_word_is_shown_where_all_before_it_are_as_in_the_end() -> None:
    """What the engine has to hear behind a word is told without the time that it takes."""
    shown = [
        partial(400, 30, "won"),
        partial(500, 30, "one"),
        partial(900, 50, "one two three"),
    ]
    words = [Word("one", 0, 300), Word("two", 350, 600), Word("four", 650, 900)]

    rows = words_shown(shown, words)

    assert rows == [WordRow(ahead_ms=200, shown_ms=230), WordRow(ahead_ms=300, shown_ms=350)]
    found = figures([*shown, *rows], 1)
    assert (found["partials"], found["words"]) == (3, 2)
    assert found["word_ahead_p50_ms"] == 250
    assert found["word_shown_p50_ms"] == 290


def test_what_the_engine_adds_is_told_by_pairs() -> None:
    """A slow piece is slow for both."""
    pieces = [Piece(n, 100.0 * n, 100.0 * n + 3) for n in range(1, 6)]
    found = stream_figures(pieces, 1)

    assert found["xtts_overhead_p50_ms"] == 3
    assert [bar.holds for bar in bars(found)] == [True]


def test_a_check_looks_at_every_bar(capsys: pytest.CaptureFixture[str]) -> None:
    """What was not measured does not hold."""
    with pytest.raises(SystemExit) as ended:
        main(["--check"])

    assert ended.value.code == 2
    assert "--xtts DIR is needed" in capsys.readouterr().err


def test_a_run_that_shows_little_decides_nothing() -> None:
    """Few partials, or a machine that others used, make a run void."""
    assert void_reasons([*partials([1.0] * 50), WordRow(ahead_ms=1, shown_ms=1)], 0.0) == [
        "50 partials are too few for a 95th percentile"
    ]
    assert "not ours for 10%" in void_reasons(partials([1.0] * 200), 0.1)[0]
    assert void_reasons(partials([1.0] * 200), 0.0) == []
