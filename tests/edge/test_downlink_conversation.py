"""Speculation, interruptions and what the assistant says by itself, as a client is told of them."""

from __future__ import annotations

import pytest

from edge.timeline import AudioClock
from schemas.claim import Claimed
from schemas.event import Event
from schemas.llm import ClauseReady
from schemas.stt import (
    SpeechStarted,
    TranscriptDraft,
    TranscriptFinal,
    TranscriptPartial,
    Word,
)
from schemas.tts import ClauseSpoken
from schemas.turn import (
    HangUp,
    ReplyPaused,
    ReplyResumed,
    TurnCancelled,
    TurnEnded,
    TurnStarted,
)
from tests.edge.views import chunk, downlink, kinds, token, told
from tests.metered import Growth
from voicebus import metrics


def test_speculation_is_told_at_once_and_with_its_true_times() -> None:
    """What was made within the hold waits for the decision; the stages say when it was made."""
    clock = AudioClock()
    clock.note(16_000, 50.0)
    view = downlink(clock=clock)
    draft = TranscriptDraft(utterance=1, text="x", end_ms=1_000, compute_ms=100.0)
    early: list[tuple[float, Event]] = [
        (50.3, draft),
        (50.4, token(1, 0)),
        (50.45, ClauseReady(turn=1, text="a")),
        (50.5, ClauseSpoken(turn=1, text="a", start_ms=0, end_ms=1, word_ends_ms=(1,))),
        (50.6, chunk(1, 0)),
    ]
    assert [view.take(event, at_s) for at_s, event in early] == [[]] * 5

    messages = view.take(TurnStarted(turn=1, text="x", speech_end_ms=1_000, speculated=True), 50.8)

    assert kinds(messages) == [
        *("turn_started", "reply_text", "spoken", "audio_start", "audio", "latency"),
    ]
    latency = messages[-1]
    assert isinstance(latency, dict)
    assert latency["response_ms"] == 800.0
    assert [(s["name"], s["start_ms"], s["end_ms"]) for s in latency["stages"]] == [
        ("hold", 0.0, 800.0),
        ("stt", 200.0, 300.0),
        ("llm", 300.0, 450.0),
        ("tts", 450.0, 600.0),
        ("edge", 800.0, 800.0),
    ]


def test_a_draft_that_is_dropped_is_not_heard_of() -> None:
    """A caller who goes on costs nothing audible; no flush is needed for what nobody heard."""
    view = downlink()

    assert told(view, token(1, 0), chunk(1, 0), TurnCancelled(turn=1)) == []
    assert kinds(told(view, TurnStarted(turn=1, revision=1, text="x"))) == ["turn_started"]


def test_an_interruption_is_told_with_what_was_heard() -> None:
    """Pause, then flush, then the end with the words that stay in the history."""
    view = downlink()
    told(view, TurnStarted(turn=1, text="x"), chunk(1, 0))

    messages = told(
        view,
        ReplyPaused(turn=1),
        TurnCancelled(turn=1),
        ReplyResumed(turn=1),
        TurnEnded(turn=1, outcome="interrupted", reply="Plenty,", heard_ms=640),
    )

    assert messages == [
        {"type": "pause", "turn": 1},
        {"type": "flush", "turn": 1},
        {
            "type": "turn_ended",
            "turn": 1,
            "outcome": "interrupted",
            "reply": "Plenty,",
            "heard_ms": 640,
        },
    ]


def test_a_pause_that_was_no_interruption_is_resumed_once() -> None:
    """Whoever is told to stop is told to go on, and neither of it twice."""
    view = downlink()
    told(view, TurnStarted(turn=1, text="x"))

    messages = told(
        view,
        ReplyResumed(turn=1),
        *(ReplyPaused(turn=1), ReplyPaused(turn=1)),
        *(ReplyResumed(turn=1), ReplyResumed(turn=1)),
    )

    assert messages == [{"type": "pause", "turn": 1}, {"type": "resume", "turn": 1}]


def test_a_turn_that_ends_paused_does_not_leave_the_client_so() -> None:
    """The caller spoke within its last samples: nobody would say any more that it goes on."""
    view = downlink()
    told(view, TurnStarted(turn=1, text="x"), ReplyPaused(turn=1))

    first, second = told(view, TurnEnded(turn=1, outcome="completed"))

    assert first == {"type": "resume", "turn": 1}
    assert isinstance(second, dict)
    assert second["type"] == "turn_ended"


def test_who_takes_over_finds_no_reply_paused() -> None:
    """The worker that paused it is gone, and nobody else knows of it: the client goes on."""
    view = downlink()
    told(view, Claimed(role="turn", worker="a"), TurnStarted(turn=1, text="x"))
    told(view, ReplyPaused(turn=1))

    taken_over = Claimed(role="turn", worker="b", delivery=2, epoch=9)
    assert told(view, taken_over, taken_over) == [{"type": "resume", "turn": 1}]


def test_what_the_assistant_says_by_itself_has_its_words_and_no_latency() -> None:
    """Captions work as for any reply; nobody asked, so nobody waited."""
    view = downlink()

    messages = told(view, TurnStarted(turn=1, text="", said="Hello."), chunk(1, 0))

    assert messages[:3] == [
        {"type": "turn_started", "turn": 1, "text": "", "said": "Hello."},
        {"type": "reply_text", "turn": 1, "text": "Hello."},
        {"type": "reply_done", "turn": 1, "text": "Hello."},
    ]
    assert kinds(messages[3:]) == ["audio_start", "audio"]


def test_a_final_has_its_words_and_its_completion_when_there_are_any() -> None:
    """Word times as asked for, and how complete the turn sounded."""
    final = TranscriptFinal(
        utterance=1,
        text="Go on.",
        start_ms=0,
        end_ms=400,
        end_offset=1,
        completion=0.98765,
        words=(Word("Go", 0, 150), Word("on.", 160, 400)),
    )
    partial = TranscriptPartial(utterance=1, text="Go o", start_ms=0, end_ms=300, stable=2)
    messages = told(downlink(), partial, final)

    assert isinstance(messages[0], dict)
    assert isinstance(messages[1], dict)
    assert messages[0]["stable"] == 2
    assert messages[1]["completion"] == 0.988
    assert messages[1]["words"] == [
        {"text": "Go", "start_ms": 0, "end_ms": 150},
        {"text": "on.", "start_ms": 160, "end_ms": 400},
    ]


def test_hanging_up_is_told_with_its_reason() -> None:
    """The client knows why the connection will be closed."""
    assert told(downlink(), HangUp(reason="silence")) == [{"type": "hang_up", "reason": "silence"}]


def test_ten_interruptions_in_a_row_are_ten_turns() -> None:
    """Each is paused, flushed and ended once, whatever still comes of the ones before."""
    view = downlink()
    for turn in range(1, 11):
        messages = told(
            view,
            TurnStarted(turn=turn, text="x"),
            *(chunk(turn, 0), chunk(turn - 1, 1), token(turn - 1, 5)),
            *(ReplyPaused(turn=turn), TurnCancelled(turn=turn - 1), TurnCancelled(turn=turn)),
            TurnEnded(turn=turn, outcome="interrupted"),
        )
        assert [kind for kind in kinds(messages) if kind != "latency"] == [
            *("turn_started", "audio_start", "audio", "pause", "flush", "turn_ended"),
        ]


def test_how_long_a_caller_who_interrupts_waits_for_silence_is_measured() -> None:
    """From the first sample's arrival to the order to stop; a pause that follows none is not."""
    clock = AudioClock()
    clock.note(16_000, 50.0)
    view = downlink(clock=clock)
    stops = metrics.BARGE_IN_STOP_SECONDS.labels("test")
    before = stops._sum.get()

    for event in (TurnStarted(turn=1, text="x"), SpeechStarted(start_ms=900)):
        view.take(event, 49.0)
    view.take(ReplyPaused(turn=1), 50.3)
    view.take(ReplyResumed(turn=1), 50.4)
    view.take(ReplyPaused(turn=1), 60.0)

    assert stops._sum.get() - before == pytest.approx(0.3)


def test_audio_for_the_client_is_counted_in_seconds() -> None:
    """By its samples and their rate; what is held back is not sent."""
    growth, down = Growth(), {"edge": "test", "direction": "down"}
    view = downlink()
    told(view, chunk(1, 0))
    assert growth.of("voicebus_edge_audio_seconds_total", **down) == 0

    sent = told(view, TurnStarted(turn=1, text="x"), chunk(1, 1))

    audio_s = sum(len(one) / 2 / 24_000 for one in sent if isinstance(one, bytes))
    assert growth.of("voicebus_edge_audio_seconds_total", **down) == pytest.approx(audio_s)
    assert audio_s > 0
