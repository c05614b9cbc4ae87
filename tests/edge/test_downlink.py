"""From the bus to the client: who is told what, and what is dropped."""

from __future__ import annotations

from edge.timeline import AudioClock
from edge.wire import Medium
from schemas.claim import Claimed
from schemas.failure import Failure
from schemas.llm import ClauseReady, GenerationDone
from schemas.stt import (
    SpeechStarted,
    TranscriptFinal,
    TranscriptPartial,
)
from schemas.tts import SpeechDone
from schemas.turn import (
    NothingHeard,
    TurnCancelled,
    TurnEnded,
    TurnStarted,
)
from tests.edge.views import chunk, downlink, kinds, token, told


def test_a_turn_is_told_in_the_words_of_the_protocol() -> None:
    """Each message becomes the client's, the first audio with its start and the latency."""
    view = downlink()
    messages = told(
        view,
        Claimed(role="turn", worker="w"),
        SpeechStarted(start_ms=100),
        TranscriptPartial(utterance=1, text="he", start_ms=100, end_ms=200),
        TranscriptFinal(utterance=1, text="hello", start_ms=100, end_ms=400, end_offset=6400),
        TurnStarted(turn=1, text="hello", speech_end_ms=400),
        token(1, 0),
        ClauseReady(turn=1, text="1.0"),
        chunk(1, 0),
        chunk(1, 1),
        GenerationDone(turn=1, text="1.0"),
        SpeechDone(turn=1, samples=2, rate_hz=24_000, synthetic=True),
        TurnEnded(turn=1, outcome="completed"),
    )

    assert kinds(messages) == [
        *("ready", "speech_started", "partial", "final", "turn_started", "reply_text"),
        *("audio_start", "audio", "latency", "audio", "reply_done", "audio_complete"),
        "turn_ended",
    ]
    by_kind = {m["type"]: m for m in messages if isinstance(m, dict)}
    assert by_kind["audio_complete"]["synthetic"] is True
    assert "synthetic" not in by_kind["reply_done"]


def test_ready_is_said_once() -> None:
    """A takeover is not the client's business, and other roles' claims are not either."""
    messages = told(
        downlink(),
        Claimed(role="stt", worker="a"),
        Claimed(role="turn", worker="a", epoch=3),
        Claimed(role="turn", worker="b", epoch=9, delivery=2),
    )

    assert kinds(messages) == ["ready"]


def test_an_older_epoch_is_dropped() -> None:
    """A worker that lost the session, or the job, says nothing to the client any more."""
    view = downlink()
    told(view, TurnStarted(turn=1, text="x", epoch=3), token(1, 0, epoch=5))

    assert told(view, token(1, 1, epoch=4), TurnEnded(turn=1, outcome="failed", epoch=2)) == []
    assert kinds(told(view, token(1, 1, epoch=6))) == ["reply_text"]


def test_each_attempt_has_an_owner_of_its_own() -> None:
    """Jobs are claimed in any order: a later epoch of one turn outdates no other turn, and the
    voice of a turn without a model is no older than the model of another.
    """
    view = downlink()
    told(view, token(2, 0, epoch=90), TurnStarted(turn=1, text="", said="Hello."))

    assert kinds(told(view, chunk(1, 0, epoch=40))) == ["audio_start", "audio"]
    told(view, token(2, 0, revision=1, epoch=80), TurnEnded(turn=1, outcome="completed"))
    late = told(view, TurnStarted(turn=2, revision=1, text="x"), token(2, 1, revision=1, epoch=80))
    assert kinds(late) == ["turn_started", "reply_text", "reply_text"]


def test_nothing_of_a_turn_that_is_over_is_told() -> None:
    """After flush come neither words nor audio of that turn; the next turn is told."""
    view = downlink()
    told(view, TurnStarted(turn=1, text="x"), token(1, 0), chunk(1, 0))

    late = told(
        view,
        TurnCancelled(turn=1),
        token(1, 1),
        chunk(1, 1),
        SpeechDone(turn=1, samples=2, rate_hz=24_000),
        TurnCancelled(turn=1),
        TurnEnded(turn=1, outcome="interrupted"),
        TurnStarted(turn=2, text="y"),
        token(2, 0),
    )

    assert kinds(late) == ["flush", "turn_ended", "turn_started", "reply_text"]


def test_a_message_that_came_before_is_dropped() -> None:
    """What a second worker repeats is not told twice, whether it was held or not."""
    view = downlink()
    told(view, token(1, 0), token(1, 1), token(1, 0, epoch=2))

    begun = told(view, TurnStarted(turn=1, text="x"), token(1, 1, epoch=2))
    assert kinds(begun) == ["turn_started", "reply_text", "reply_text"]
    assert told(view, token(1, 1, epoch=2)) == []
    assert kinds(told(view, token(1, 2, epoch=2))) == ["reply_text"]


def test_another_attempt_waits_until_it_is_the_answer() -> None:
    """A higher revision is not heard before the turn has begun with it."""
    view = downlink()
    told(view, TurnStarted(turn=1, text="x"), token(1, 0))

    assert told(view, token(1, 0, revision=1)) == []
    begun = told(view, TurnStarted(turn=1, revision=1, text="x"))
    assert kinds(begun) == ["turn_started", "reply_text"]


def test_a_spoken_turns_latency_begins_with_the_last_speech_sample() -> None:
    """The edge's own clock of arrival counts, not the moment of the final."""
    clock = AudioClock()
    clock.note(16_000, 50.0)
    clock.note(32_000, 51.0)
    view = downlink(clock=clock)
    final = TranscriptFinal(
        utterance=1, text="x", start_ms=0, end_ms=1_000, end_offset=16_000, compute_ms=100.0
    )
    view.take(final, 50.7)
    view.take(TurnStarted(turn=1, text="x", speech_end_ms=1_000), 50.71)
    view.take(ClauseReady(turn=1, text="a"), 50.8)

    messages = view.take(chunk(1, 0), 50.9)

    latency = messages[-1]
    assert isinstance(latency, dict)
    assert latency["response_ms"] == 900.0
    assert [(s["name"], s["end_ms"]) for s in latency["stages"]] == [
        ("hold", 600.0),
        ("stt", 700.0),
        ("llm", 800.0),
        ("tts", 900.0),
        ("edge", 900.0),
    ]


def test_a_files_latency_begins_with_its_end() -> None:
    """Of a file the end of the stream counts; an end without audio is forgotten again."""
    view = downlink()
    view.audio_ended(10.0)
    view.nothing_sent()
    view.audio_ended(20.0)
    view.take(TurnStarted(turn=1, text="x", speech_end_ms=5), 20.5)

    latency = view.take(chunk(1, 0), 21.0)[-1]

    assert isinstance(latency, dict)
    assert latency["response_ms"] == 1000.0
    view.audio_ended(30.0)
    view.nothing_sent()
    view.take(TurnStarted(turn=2, text="x", speech_end_ms=5), 40.0)
    latency = view.take(chunk(2, 0), 40.25)[-1]
    assert isinstance(latency, dict)
    assert latency["response_ms"] == 250.0


def test_a_session_in_writing_gets_its_latency_with_the_first_words() -> None:
    """Without audio the first piece of text is what the user waited for."""
    view = downlink(Medium.WRITING)
    view.typed(3.0)
    view.take(TurnStarted(turn=1, text="x", typed=True), 3.1)

    first = view.take(token(1, 0), 3.5)
    second = view.take(token(1, 1), 3.6)

    assert kinds(first) == ["reply_text", "latency"]
    assert isinstance(first[1], dict)
    assert first[1]["response_ms"] == 500.0
    assert kinds(second) == ["reply_text"]


def test_a_failure_is_told_with_its_turn() -> None:
    """A stage's failure becomes the client's error; without a turn it has no such field."""
    failure = Failure(stage="llm", code="engine_timeout", message="It hangs.", retryable=True)
    started, own = TurnStarted(turn=2, text="x"), Failure(stage="t", code="c", message="m", turn=2)
    plain, _, of_turn = told(downlink(), failure, started, own)

    assert plain == {
        "type": "error",
        "code": "engine_timeout",
        "message": "It hangs.",
        "stage": "llm",
        "retryable": True,
    }
    assert isinstance(of_turn, dict)
    assert of_turn["turn"] == 2


def test_nothing_heard_is_told() -> None:
    """An end of stream without words has its own answer."""
    assert told(downlink(), NothingHeard()) == [{"type": "nothing_heard"}]


def test_a_reply_that_begins_anew_says_so() -> None:
    """The client drops what it has of it; otherwise the field is not there."""
    view = downlink()
    told(view, TurnStarted(turn=1, text="x"))

    assert told(view, token(1, 0), token(1, 1, anew=True), token(1, 2)) == [
        {"type": "reply_text", "turn": 1, "text": "1.0 "},
        {"type": "reply_text", "turn": 1, "text": "1.1 ", "anew": True},
        {"type": "reply_text", "turn": 1, "text": "1.2 "},
    ]
