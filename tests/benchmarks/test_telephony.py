"""What the telephony benchmark makes of what was heard."""

from __future__ import annotations

import pytest

from benchmarks.telephony_figures import (
    CallRow,
    SpeechRow,
    bars,
    call_figures,
    jitter,
    speech_figures,
    told,
    void_reasons,
)

EVEN = [0.0, 0.0, 0.0, *(20.0 * beat for beat in range(1, 100))]


def row(calls: int = 50, **fields: object) -> CallRow:
    """A call."""
    given = {"frames": 100, "audible": 100, "jitter_ms": (1.0,), "late_ms": 0.0, **fields}
    return CallRow(calls=calls, **given)  # type: ignore[arg-type]


def test_frames_on_the_grid_have_no_jitter() -> None:
    """Three at once, then one every 20 ms, in each stretch of speech."""
    later = [5_007.0 + at_ms for at_ms in EVEN]

    assert max(jitter([*EVEN, *later])) == pytest.approx(0)
    assert jitter([]) == []


def test_a_frame_that_is_a_period_late_counts_as_that() -> None:
    """It does not hide behind the next place of the grid."""
    late = [*EVEN]
    late[50] += 20

    assert max(jitter(late)) == pytest.approx(20)
    assert sorted(jitter(late))[-2] == pytest.approx(0)


def test_a_stretch_that_ran_dry_is_late_by_as_much() -> None:
    """Once; what follows stands on the grid again."""
    cut = [*EVEN[:50], *(at_ms + 100 for at_ms in EVEN[50:])]

    found = jitter(cut)

    assert max(found) == pytest.approx(60)
    assert sum(ms > 1 for ms in found) == 2  # it begins with one frame, and not with three


def test_a_clock_that_drifts_is_seen() -> None:
    """A tenth of a percent is 20 ms in 20 s."""
    assert max(jitter([at_ms * 1.001 for at_ms in EVEN * 1])) > 0.9


def test_figures_and_bars() -> None:
    """Jitter of the smaller load, processor of the larger one, and each way's first audio."""
    rows = [row(50), row(100, jitter_ms=(9.0,))]
    spoken = [
        SpeechRow(over=over, ttfa_ms=ms, first_ms=1, seconds=3)
        for over, ms in (("http", 100.0), ("ws", 160.0))
    ]
    figures = {**call_figures(rows, {50: 0.4, 100: 0.8}), **speech_figures(spoken)}

    assert figures["telephony_jitter_p99_ms"] == 1.0
    assert figures["telephony_jitter_100_calls_p99_ms"] == 9.0
    assert figures["telephony_edge_cpu_ratio"] == 0.8
    assert {bar.name: bar.holds for bar in bars(figures)} == {
        "telephony_jitter_p99_ms": True,
        "telephony_edge_cpu_ratio": True,
        "tts_stream_http_ttfa_p50_ms": True,
        "tts_stream_ws_ttfa_p50_ms": False,
    }


def test_a_report_has_a_few_figures_of_each_call() -> None:
    """Median, 90th and 99th percentile, and the worst."""
    assert told(row(jitter_ms=tuple(map(float, range(101))))).jitter_ms == (50, 90, 99, 100)
    assert told(row(jitter_ms=())).jitter_ms == ()


def test_a_run_in_which_callers_hear_nothing_is_void() -> None:
    """Silence has the best jitter of all."""
    assert void_reasons([row()]) == []
    assert "heard nothing" in void_reasons([row(audible=3)])[0]
    assert "heard nothing" in void_reasons([row(frames=0, audible=0)])[0]
    assert "ended early" in void_reasons([row(error="closed: 1008")])[0]
    assert "late" in void_reasons([row(late_ms=500.0)])[0]
