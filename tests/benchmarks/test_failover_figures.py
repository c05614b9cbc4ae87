from __future__ import annotations

from benchmarks.failover_figures import added, bars, figures, void_reasons
from tests.benchmarks.harm import kill, row


def test_delays_are_held_against_unharmed_turns_of_the_same_recording() -> None:
    """The wait and the stalls count, and the median of the others is taken off."""
    rows = [
        row(),
        row(response_ms=1100.0),
        row(response_ms=1200.0),
        row(recording="other", response_ms=3000.0),
        row(harm="stt", sign="kill", response_ms=1300.0, stalled_ms=100.0),
        row(harm="tts", sign="kill", response_ms=1200.0),
    ]
    found = figures(rows, [kill(), kill(kind="tts")], supervisors=1)

    assert found["failover_stt_added_p50_ms"] == 300.0
    assert found["failover_tts_added_p50_ms"] == 100.0
    assert found["failover_added_p50_ms"] == 200.0
    assert (found["kills"], found["turns"], found["turns_harmed"]) == (2, 6, 2)


def test_each_sort_of_harm_has_its_own_delay() -> None:
    """Stopped workers, the edge, the bus, and turns of others are not among the killed workers."""
    rows = [
        row(),
        row(harm="stt", sign="stop", response_ms=8000.0),
        row(harm="edge", sign="kill", response_ms=3000.0),
        row(harm="nats+stt", sign="kill", response_ms=5000.0),
        row(harm="beside", response_ms=1010.0),
        row(harm="llm", sign="kill", response_ms=1250.0),
    ]
    found = figures(rows, [kill()], supervisors=1)

    assert found["failover_added_p95_ms"] == 250.0
    assert found["failover_stopped_added_p50_ms"] == 7000.0
    assert found["failover_edge_added_p50_ms"] == 2000.0
    assert found["beside_added_p50_ms"] == 10.0
    assert "failover_nats_added_p50_ms" not in found


def test_without_a_supervisor_the_figure_has_another_name_and_bar() -> None:
    """Twenty seconds are allowed then."""
    rows = [row(), row(harm="stt", sign="kill", response_ms=16_000.0)]
    found = figures(rows, [kill()], supervisors=0)

    assert found["failover_unsupervised_added_p95_ms"] == 15_000.0
    assert all(bar.holds for bar in bars(found))
    assert "failover_added_p95_ms" not in found


def test_every_loss_breaks_its_bar() -> None:
    """One word, one sample, one session."""
    for name in ("words_lost", "words_doubled", "audio_lost_ms", "said_lost_ms", "unrecognised_ms"):
        found = figures([row(), row(**{name: 1})], [kill()], supervisors=1)

        assert [bar.name for bar in bars(found) if not bar.holds] == [name]
    lost = figures([row(), row(lost="it is gone", response_ms=None)], [kill()], supervisors=1)
    failed = figures([row(), row(response_ms=None)], [kill()], supervisors=1)
    assert [bar.name for bar in bars(lost) if not bar.holds] == ["sessions_lost"]
    assert [bar.name for bar in bars(failed) if not bar.holds] == ["turns_failed"]


def test_decoding_the_utterance_once_more_is_told_apart() -> None:
    """What the final took longer than usual, where the STT worker died."""
    rows = [row(), row(harm="stt", sign="kill", stt_ms=350.0), row(harm="llm", sign="kill")]

    assert figures(rows, [kill()], supervisors=1)["failover_redecoding_p50_ms"] == 300.0


def test_a_turn_without_an_answer_has_no_delay() -> None:
    """It has failed, and says so elsewhere."""
    assert added([row(response_ms=None), row(recording="unknown")], {"sentence": 1000.0}) == []


def test_a_run_that_hit_nobody_is_void() -> None:
    """Without a harmed turn, or without an unharmed one, there is nothing to say."""
    harmed = row(harm="stt", sign="kill")

    assert void_reasons([row(), harmed], [kill(), kill(kind="supervisor")], 0.0) == []
    assert void_reasons([row()], [kill()], 0.0) == ["no turn was harmed by the kills of stt"]
    assert "nothing to compare with" in void_reasons([harmed], [kill()], 0.0)[0]
    assert "ms late" in void_reasons([row(late_ms=90.0), harmed], [kill()], 0.0)[0]
    assert "not ours" in void_reasons([row(), harmed], [kill()], 0.1)[0]
