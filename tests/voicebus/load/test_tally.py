"""What became of the callers of a load."""

from __future__ import annotations

import msgspec
import pytest

from voicebus.exchange import Exchange, TurnHeard
from voicebus.load.tally import Tally, percentiles
from voicebus.waterfall import Stage


def heard(response_ms: float | None, lag_ms: float = 1.0) -> TurnHeard:
    """A turn."""
    return msgspec.structs.replace(
        Exchange().heard("s-1"),
        response_ms=response_ms,
        send_lag_ms_max=lag_ms,
        server_stages=(Stage("hold", 0.0, 500.0), Stage("stt", 500.0, 600.0)),
    )


def test_turns_after_the_ramp_count() -> None:
    """Those before it met a system with fewer callers than it was to be measured with."""
    tally = Tally(counted_s=10.0)
    tally.heard(heard(900.0), 9.0, 11.0)
    for response_ms in (700.0, 800.0, 1000.0):
        tally.heard(heard(response_ms), 10.0, 12.0)
    report = tally.report("talk", 3, 40.0, 10.0)

    assert (report.turns, report.turns_per_s) == (3, 0.1)
    assert (report.response.p50_ms, report.response.max_ms) == (800.0, 1000.0)
    assert {name: found.p50_ms for name, found in report.stages.items()} == {
        "hold": 500.0,
        "stt": 100.0,
    }
    assert report.void == ()


def test_what_went_wrong_is_counted_by_its_code() -> None:
    """And a turn without a sound is none that was answered."""
    tally = Tally(0.0)
    for code in ("busy", "engine_timeout", "busy"):
        tally.told({"type": "error", "code": code, "message": "said"})
    tally.told({"type": "final", "text": "hello"})
    tally.failed("busy")  # the same, as the error that ended the session
    tally.failed("bus_unavailable")
    tally.heard(heard(None), 1.0, 2.0)
    report = tally.report("talk", 1, 10.0, 0.0)

    assert report.errors == {"bus_unavailable": 1, "busy": 2, "engine_timeout": 1}
    assert (report.turns, report.unheard) == (0, 1)


@pytest.mark.parametrize(("late", "is_void"), [(1, False), (2, True)])
def test_a_late_generator_says_so(late: int, is_void: bool) -> None:
    """Of a hundred turns two had a frame that left late: no figure of this run means anything."""
    tally = Tally(0.0)
    for number in range(100):
        tally.heard(heard(700.0, 35.0 if number < late else 2.0), 1.0, 2.0)
    report = tally.report("talk", 1, 10.0, 0.0)

    assert bool(report.void) is is_void
    assert report.send_lag.max_ms == 35.0


def test_the_last_seconds_are_shown_alone() -> None:
    """Who watches sees what is, not what was."""
    tally = Tally(0.0)
    tally.heard(heard(2000.0), 1.0, 5.0)
    tally.heard(heard(600.0), 12.0, 13.0)

    assert tally.recent(20.0).p50_ms == 600.0
    assert tally.recent(40.0).count == 0


def test_nothing_has_no_percentiles() -> None:
    """Zeros and a count of none, not an error."""
    assert percentiles([]).count == 0
    assert percentiles([5.0]).p99_ms == 5.0
