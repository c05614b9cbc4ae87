"""One recording and what answers it: messages with their times, without a connection."""

from __future__ import annotations

from typing import Any

import pytest

from voicebus.exchange import SETTLE_S, Exchange

RATE_HZ = 8_000
SECOND = b"\1\1" * RATE_HZ


def exchange(*messages: tuple[float, dict[str, Any] | bytes]) -> Exchange:
    """One that was sent at 0 s and has taken these messages."""
    taken = Exchange()
    taken.sent_at = taken.last_word_at = 0.0
    for at, message in messages:
        taken.take(message, at)
    return taken


def say(kind: str, turn: int = 1, **fields: Any) -> dict[str, Any]:
    """A message about a turn."""
    return {"type": kind, "turn": turn, **fields}


BEGUN = ((1.0, say("turn_started", text="x")), (1.0, say("audio_start", sample_rate=RATE_HZ)))


@pytest.mark.parametrize(
    ("holds", "flushed_at", "heard_s"),
    [
        ((), 1.5, 0.5),
        (((1.2, "pause"),), 5.0, 0.2),
        (((1.2, "pause"), (1.3, "pause")), 5.0, 0.2),
        (((1.2, "pause"), (3.2, "resume")), 3.5, 0.5),
        (((1.2, "pause"), (2.2, "resume"), (2.3, "pause")), 9.0, 0.3),
        (((1.1, "resume"),), 1.4, 0.4),
        (((1.0, "pause"),), 1.0, 0.0),
        ((), 99.0, 3.0),
    ],
)
def test_a_flush_leaves_what_was_played(
    holds: tuple[tuple[float, str], ...], flushed_at: float, heard_s: float
) -> None:
    """Audio plays from when it came; between pause and resume it stands still."""
    taken = exchange(
        *BEGUN,
        (1.0, SECOND * 3),
        *((at, say(kind)) for at, kind in holds),
        (flushed_at, say("flush")),
    )

    assert taken.turns[1].audio_ms == pytest.approx(heard_s * 1000, abs=1)
    assert taken.heard("s").audio_seconds == pytest.approx(heard_s, abs=0.001)


def test_a_flush_without_audio_is_nothing() -> None:
    """A reply that was given up before its first sound leaves none."""
    taken = exchange((1.0, say("turn_started", text="x")), (1.0, say("pause")), (1.1, say("flush")))

    assert taken.turns[1].audio_ms == 0


def test_a_turn_is_over_at_its_end_and_a_completed_one_when_its_audio_is() -> None:
    """The end is the last that comes of a turn; of a completed one all audio has come before."""
    taken = exchange(*BEGUN, (1.0, SECOND), (1.1, say("turn_ended", outcome="completed")))
    assert not taken.is_over(9.0)
    taken.take(say("audio_complete", audio_seconds=1.0), 1.2)
    assert taken.is_over(9.0)

    cut = exchange(*BEGUN, (1.0, SECOND), (1.1, say("turn_ended", outcome="interrupted")))
    assert cut.is_over(9.0)
    assert not exchange(*BEGUN, (1.0, say("audio_complete", audio_seconds=0))).is_over(9.0)


def test_an_error_of_an_earlier_turn_is_not_waited_for() -> None:
    """It may come late, and neither its turn's end nor its audio comes with it."""
    late = {"type": "error", "turn": 1, "code": "bus_unavailable", "message": "lost"}
    taken = exchange((1.0, {"type": "speech_started", "start_ms": 0}), (1.1, late))
    assert taken.is_open
    answer = {"turn": 2, "text": "x", "outcome": "failed"}
    taken.take({"type": "turn_started", **answer}, 1.2)
    taken.take({"type": "turn_ended", **answer}, 1.3)

    assert taken.is_over(9.0)
    assert taken.errors == ["lost"]
    assert taken.heard("s").turns == 1


def test_what_the_assistant_says_by_itself_answers_nothing() -> None:
    """A greeting neither ends the wait for the answer, nor stands for the words that are open."""
    greeted = exchange(
        (0.1, say("turn_started", text="", said="Welcome.")),
        (0.1, say("audio_start", sample_rate=RATE_HZ)),
        (0.1, SECOND),
        (0.2, say("audio_complete", audio_seconds=1.0)),
        (0.3, say("turn_ended", outcome="completed")),
    )
    assert not greeted.has_sign_of_speech
    assert not greeted.is_over(SETTLE_S + 1)

    greeted.take({"type": "final", "text": "hi"}, 0.4)
    greeted.take(say("turn_started", 2, text="", said="Are you there?"), 0.5)
    assert greeted.is_open
    greeted.take(say("turn_started", 3, text="hi"), 0.6)
    assert not greeted.is_open
    heard = greeted.heard("s")
    assert (heard.turns, heard.transcript, heard.audio) == (1, "hi", b"")


def test_an_answer_that_is_known_at_once_is_an_answer() -> None:
    """It was asked for, though no language model was: whoever waits for one has it."""
    answered = exchange(
        (0.1, say("turn_started", text="When?", said="At nine.")),
        (0.1, say("reply_done", text="At nine.")),
        (0.1, say("audio_start", sample_rate=RATE_HZ)),
        (0.2, SECOND),
        (0.2, say("audio_complete", audio_seconds=1.0)),
        (0.3, say("turn_ended", outcome="completed")),
    )

    assert answered.is_over(SETTLE_S + 1)
    heard = answered.heard("s")
    assert (heard.turns, heard.transcript, heard.reply) == (1, "When?", "At nine.")
    assert heard.audio_seconds == 1.0


def test_where_the_words_are_is_not_a_word() -> None:
    """The positions of spoken words change neither the reply nor its audio."""
    where = say("spoken", text="Oh", start_ms=0, end_ms=9, word_ends_ms=[9])
    taken = exchange(*BEGUN, (1.0, say("reply_text", text="Oh.")), (1.0, where), (1.1, SECOND))

    assert (taken.turns[1].reply, taken.turns[1].audio_ms) == ("Oh.", 1_000)


def test_it_says_when_audio_came() -> None:
    """How much was there and since when; what was flushed is left out, and turns are joined."""
    taken = exchange(
        *BEGUN,
        (1.0, SECOND),
        (1.5, SECOND),
        (1.5, say("flush")),
        (1.6, say("turn_ended", outcome="interrupted")),
        (2.0, say("turn_started", turn=2, text="y")),
        (2.0, say("audio_start", turn=2, sample_rate=RATE_HZ)),
        (2.5, SECOND),
    )

    heard = taken.heard("session")
    assert len(heard.audio) == len(SECOND) + len(SECOND) // 2
    assert heard.arrivals == ((len(SECOND) // 2, 1.0), (len(heard.audio), 2.5))


def test_a_reply_that_begins_anew_is_the_new_one() -> None:
    """Nothing of the words before is left, even where nobody says at the end what it was."""
    pieces = (say("reply_text", text="Oh"), say("reply_text", text="Yes", anew=True))
    taken = exchange(*((1.0, piece) for piece in (*pieces, say("reply_text", text="."))))

    assert taken.turns[1].reply == "Yes."
