from __future__ import annotations

from voicebus.waterfall import Stage, draw_waterfall

STAGES = (
    Stage(name="hold", start_ms=0, end_ms=600),
    Stage(name="stt", start_ms=600, end_ms=700),
    Stage(name="llm", start_ms=700, end_ms=800),
)


def test_waterfall_draws_every_stage_where_it_happened() -> None:
    """Bars share one time axis: a bar begins where its stage began and is as long as it took."""
    drawn = draw_waterfall(STAGES, columns=55)

    assert drawn.splitlines() == [
        "hold   " + "█" * 30 + " " * 10 + "  600 ms",
        "stt    " + " " * 30 + "█" * 5 + " " * 5 + "  100 ms",
        "llm    " + " " * 35 + "█" * 5 + "  100 ms",
        "total  " + " " * 40 + "  800 ms",
    ]


def test_waterfall_shows_what_was_done_at_the_same_time() -> None:
    """Stages that overlap lie below each other; their figures are their own and the total is the
    whole, not the sum.
    """
    stages = (
        Stage(name="hold", start_ms=0, end_ms=800),
        Stage(name="stt", start_ms=200, end_ms=400),
        Stage(name="llm", start_ms=400, end_ms=600),
    )
    drawn = draw_waterfall(stages, columns=55)

    assert drawn.splitlines() == [
        "hold   " + "█" * 40 + "  800 ms",
        "stt    " + " " * 10 + "█" * 10 + " " * 20 + "  200 ms",
        "llm    " + " " * 20 + "█" * 10 + " " * 10 + "  200 ms",
        "total  " + " " * 40 + "  800 ms",
    ]


def test_waterfall_keeps_a_short_stage_where_it_began() -> None:
    """A bar shorter than a cell is a mark at the cell next to its beginning, or in the last one."""
    stages = [
        Stage(name="hold", start_ms=0, end_ms=800),
        Stage(name="stt", start_ms=395, end_ms=396),
        Stage(name="tts", start_ms=799, end_ms=800),
    ]
    _, stt, tts, _ = draw_waterfall(stages, columns=55).splitlines()

    assert stt.index("▏") == 7 + 20
    assert tts.index("█") == 7 + 39


def test_waterfall_draws_eighths_of_a_cell() -> None:
    """Ends of bars are finer than a character: 2.5 of 40 cells are two and a half."""
    drawn = draw_waterfall([Stage(name="stt", start_ms=0, end_ms=50)], total_ms=800, columns=55)

    assert drawn.splitlines()[0].split() == ["stt", "██▌", "50", "ms"]


def test_waterfall_lines_are_equally_long_and_end_with_the_total() -> None:
    """Figures stand in one column, and the last line is the response latency that was heard."""
    lines = draw_waterfall(STAGES, total_ms=1234.4, columns=70).splitlines()

    assert {len(line) for line in lines} == {70}
    assert lines[-1].startswith("total ")
    assert lines[-1].endswith(" 1234 ms")


def test_waterfall_shows_a_stage_that_took_no_time() -> None:
    """A stage of no length is still a visible mark, also at the very end of the axis."""
    drawn = draw_waterfall([*STAGES, Stage(name="edge", start_ms=800, end_ms=800)])

    assert drawn.splitlines()[3].split() == ["edge", "█", "0", "ms"]


def test_waterfall_of_nothing_is_empty() -> None:
    """Without stages and without a total there is nothing to draw."""
    assert draw_waterfall([]) == ""


def test_waterfall_without_stages_shows_the_total() -> None:
    """What was measured at the ear is shown even if the server said nothing."""
    assert draw_waterfall([], total_ms=812.4).split() == ["total", "812", "ms"]
