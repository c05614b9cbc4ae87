from __future__ import annotations

import pytest

from benchmarks.conversation_figures import bars, figures, void_reasons, waste
from benchmarks.judge import MoveRow


def row(number: int = 0, **fields: object) -> MoveRow:
    """A move that went well."""
    given = {"system": "ours", "kind": "complete", "response_ms": 500.0, **fields}
    return MoveRow(dialogue=f"d{number}", place=0, recordings=(), **given)  # type: ignore[arg-type]


def paused(number: int, pause_ms: float, *, cut_off: bool, system: str = "ours") -> MoveRow:
    """A sentence with a pause in it."""
    return row(
        number,
        **{"system": system, "kind": "paused", "pause_ms": pause_ms, "cut_off": cut_off},
        cut_off_heard=cut_off,
    )


def test_cut_offs_count_in_short_pauses_and_by_length() -> None:
    """Beyond 800 ms a pause may be taken for an end; it is told, and not held against anybody."""
    rows = [
        *(paused(n, 350, cut_off=n == 0) for n in range(4)),
        *(paused(10 + n, 750, cut_off=False) for n in range(4)),
        *(paused(20 + n, 1050, cut_off=True) for n in range(2)),
    ]

    found = figures(rows, ("ours",))

    assert found["false_cutoff_ratio"] == 1 / 8
    assert found["false_cutoff_300_400_ratio"] == 1 / 4
    assert found["false_cutoff_1000_1100_ratio"] == 1.0
    assert "false_cutoff_500_600_ratio" not in found


def test_who_was_cut_off_is_not_counted_as_answered_fast() -> None:
    """Response latency is taken over those who could finish."""
    rows = [row(0), paused(1, 400, cut_off=True), row(2, kind="interruption", response_ms=9.0)]
    rows[1] = paused(1, 400, cut_off=True)

    assert figures(rows, ("ours",))["response_p50_ms"] == 500.0


def test_a_tail_needs_enough_answers() -> None:
    """The 95th percentile of a few is one of them."""
    few, many = [row(n) for n in range(59)], [row(n) for n in range(60)]

    assert "response_p95_ms" not in figures(few, ("ours",))
    assert figures(many, ("ours",))["response_p95_ms"] == 500.0


def test_unanswered_callers_are_missed_ends() -> None:
    """Silence and backchannels need no answer."""
    rows = [row(0), row(1, response_ms=None), row(2, kind="silence", response_ms=None)]

    assert figures(rows, ("ours",))["missed_end_ratio"] == 0.5


def test_interruptions_give_their_figures() -> None:
    """Heard text is exact when it is the same words, every time."""
    rows = [
        row(0, kind="interruption", stop_ms=200.0, decision_ms=20.0, heard="a b", kept="a b"),
        row(1, kind="interruption", stop_ms=300.0, decision_ms=30.0, heard="a", kept="a b"),
        row(2, kind="interruption", not_stopped=True),
        row(3, kind="backchannel", went_on=True, response_ms=None),
        row(4, kind="noise", false_start=True, response_ms=None),
    ]

    found = figures(rows, ("ours",))

    assert found["bargein_stop_p50_ms"] == 250.0
    assert found["bargein_decision_p50_ms"] == 25.0
    assert found["heard_exact_ratio"] == 0.5
    assert found["bargein_ignored_ratio"] == pytest.approx(1 / 3)
    assert found["false_interruption_resumed_ratio"] == 1.0
    assert found["false_start_ratio"] == 1.0


def test_waste_is_a_part_of_what_was_made() -> None:
    """Per turn of the caller, and by the reason."""
    rows = [
        row(0, waste={"llm_tokens": 20.0, "llm_wasted_tokens:speculative": 5.0}),
        row(1, waste={"llm_tokens": 20.0, "tts_audio_seconds": 4.0, "speculations:begun": 2.0}),
        row(2, waste={"tts_wasted_seconds:interrupted": 1.0, "speculations:used": 1.0}),
        row(3, kind="silence"),
    ]

    found = waste(rows)

    assert found["llm_wasted_speculative_per_turn_tokens"] == pytest.approx(5 / 3)
    assert found["llm_wasted_speculative_ratio"] == 5 / 40
    assert found["tts_wasted_interrupted_ratio"] == 0.25
    assert found["speculation_used_ratio"] == 0.5


def test_a_peer_is_compared_over_what_both_answered() -> None:
    """Its variant that is nearest to us, or ahead of us, decides."""
    rows = []
    for n in range(3):
        rows += [
            row(n, response_ms=400.0),
            row(n, system="pipecat_default", response_ms=800.0),
            row(n, system="pipecat_best", response_ms=500.0),
        ]
    rows += [row(9, response_ms=5000.0), row(9, system="pipecat_best", response_ms=None)]
    rows += [paused(20, 400, cut_off=False), paused(21, 400, cut_off=True)]
    for peer in ("pipecat_default", "pipecat_best"):
        rows += [paused(n, 400, cut_off=True, system=peer) for n in (20, 21)]

    found = figures(rows, ("ours", "pipecat_default", "pipecat_best"))
    held = {bar.name: bar.holds for bar in bars(found)}

    assert found["pipecat_default_response_p50_ratio"] == 0.5
    assert found["pipecat_response_p50_ratio"] == 0.8
    assert found["pipecat_false_cutoff_excess_ratio"] == -0.5
    assert held["pipecat_response_p50_ratio"]
    assert held["pipecat_false_cutoff_excess_ratio"]
    assert "pipecat_response_p95_ratio" not in found


@pytest.mark.parametrize(
    ("name", "value", "holds"),
    [
        ("response_p50_ms", 600.0, True),
        ("response_p50_ms", 600.1, False),
        ("heard_exact_ratio", 1.0, True),
        ("heard_exact_ratio", 0.99, False),
        ("pipecat_response_p50_ratio", 1.0, False),
    ],
)
def test_bars_hold_at_their_limit(name: str, value: float, holds: bool) -> None:
    """A limit may be reached; a peer must be beaten."""
    (bar,) = bars({name: value})

    assert bar.holds is holds


def test_a_run_with_a_late_caller_is_void() -> None:
    """A caller who stutters measures itself."""
    late = [row(n, lag_ms_p99=6.0 if n < 2 else 0.5) for n in range(20)]

    assert void_reasons([row(n) for n in range(20)], 0.0) == []
    assert "ms late" in void_reasons(late, 0.0)[0]
    assert "not ours" in void_reasons([row(n) for n in range(20)], 0.5)[0]
    assert "broke" in void_reasons([row(0, error="it broke"), row(1)], 0.0)[0]
    assert void_reasons([], 0.0)
