from __future__ import annotations

import numpy as np

from benchmarks.alignment import Found, Harm
from benchmarks.failover_judgement import judged, measures
from benchmarks.failover_turns import Turn
from benchmarks.rolling_figures import Drain, bars, figures, void_reasons
from tests.benchmarks.harm import row

TYPED = "What of the sea?"
NOWHERE = Found(0, 0, Harm())


def drain(kind: str = "stt", took_ms: float = 900.0) -> Drain:
    """A process that went."""
    return Drain(
        kind=kind,
        name=f"{kind}-0",
        worker="host-1",
        at_s=11.0,
        at_ns=11_000,
        took_ms=took_ms,
        whole_s=2.0,
    )


def typed(transcript: str, reply: str) -> Turn:
    """A turn that was typed, and its answer."""
    return Turn(
        caller=0,
        recording=TYPED,
        begun_s=1.0,
        transcript=transcript,
        told=reply,
        reply=reply,
        spoken=[reply],
        audio=np.ones(10, np.int16),
        rate_hz=24_000,
        response_ms=500.0,
    )


def test_every_loss_and_a_long_drain_break_their_bars() -> None:
    """One session, one word, one sample, one drain of more than ten seconds."""
    for name in ("words_lost", "words_doubled", "audio_lost_ms", "said_lost_ms", "unrecognised_ms"):
        found = figures([row(), row(**{name: 1})], [drain()], 1)

        assert [bar.name for bar in bars(found) if not bar.holds] == [name]
    dropped = figures([row(), row(lost="it is gone", response_ms=None)], [drain()], 1)
    failed = figures([row(), row(errors=("bus_unavailable",))], [drain()], 1)
    late = figures([row()], [drain(), drain("nats", 10_001.0)], 1)
    assert [bar.name for bar in bars(dropped) if not bar.holds] == ["sessions_dropped"]
    assert [bar.name for bar in bars(failed) if not bar.holds] == ["turns_failed"]
    assert [bar.name for bar in bars(late) if not bar.holds] == ["drain_max_ms"]
    assert all(bar.holds for bar in bars(figures([row()], [drain(took_ms=10_000.0)], 1)))


def test_drains_are_told_apart_by_what_went() -> None:
    """The longest of each kind, and what turns that were touched took longer than others."""
    rows = [row(), row(), row(harm="tts", sign="restart", response_ms=1250.0)]
    found = figures(rows, [drain("tts", 500.0), drain("tts", 700.0), drain("edge", 3000.0)], 4)

    assert (found["drain_p50_ms"], found["drain_max_ms"]) == (700.0, 3000.0)
    assert (found["drain_tts_max_ms"], found["drain_edge_max_ms"]) == (700.0, 3000.0)
    assert found["added_p50_ms"] == 250.0
    assert (found["turns"], found["turns_touched"], found["restarts"]) == (3, 1, 3)
    assert found["returns"] == 4


def test_a_run_in_which_nobody_noticed_because_nobody_was_there_is_void() -> None:
    """Callers who did not talk, restarts that met no turn, and no turn to compare with."""
    touched = row(harm="stt+edge", sign="restart")
    drains = [drain("supervisor"), drain("stt"), drain("edge")]

    assert void_reasons([row(), touched, touched, touched], drains, 1, 3) == []
    assert "1 of 2 callers" in void_reasons([row(), *[touched] * 3], drains, 2, 3)[0]
    assert "restarts of stt" in void_reasons([row(), touched], drains, 1, 3)[0]
    assert "nothing to compare with" in void_reasons([touched] * 3, drains, 1, 3)[0]
    assert "come back" in void_reasons([row(), *[touched] * 3], drains, 1, 0)[0]


def test_typed_turns_are_held_against_typed_turns() -> None:
    """They lie nowhere in the audio; their words and those of the reply are compared all the
    same.
    """
    samples = {TYPED: np.empty(0, np.int16)}
    known = measures([typed(TYPED, "one two three")], [NOWHERE], samples, "one two three")
    whole = judged(typed(TYPED, "one two three"), NOWHERE, known[TYPED], (), ())
    broken = judged(typed("What of sea?", "one three"), NOWHERE, known[TYPED], (), ())
    doubled = judged(typed(TYPED, "one two two three"), NOWHERE, known[TYPED], (), ())

    assert (whole.words_lost, whole.words_doubled, whole.unrecognised_ms) == (0, 0, 0)
    assert (broken.words_lost, broken.words_doubled) == (2, 0)
    assert (doubled.words_lost, doubled.words_doubled) == (0, 1)


def test_a_turn_says_that_a_restart_touched_it() -> None:
    """By the kind of what was replaced."""
    samples = {TYPED: np.empty(0, np.int16)}
    turn = typed(TYPED, "one")
    known = measures([turn], [NOWHERE], samples, "one")
    restart = drain("llm").as_kill()
    found = judged(turn, NOWHERE, known[TYPED], (restart,), (restart,))

    assert (found.harm, found.sign) == ("llm", "restart")
