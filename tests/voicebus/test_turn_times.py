"""Where the time of a past turn went, as the log has it."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from schemas.audio import AudioChunk
from schemas.claim import Claimed
from schemas.event import Event
from schemas.failure import Failure
from schemas.llm import ClauseReady, GenerationDone, TokenDelta
from schemas.session import UserText
from schemas.stt import TranscriptFinal
from schemas.tts import ReplyChunk, SpeechDone
from schemas.turn import ReplyPaused, TurnCancelled, TurnEnded, TurnStarted
from voicebus.bus.replay import Recorded
from voicebus.turn_page import render
from voicebus.turn_times import Bar, Log, Mark, past_turns

TRACE = "0af7651916cd43dd8448eb211c80319c"


def log(*said: tuple[float, Event], trace: str = "") -> Log:
    """A log with what was said when, in ms."""
    return [
        (Recorded("s", number, int(at_ms * 1e6), b"", trace=trace), event)
        for number, (at_ms, event) in enumerate(said, 1)
    ]


def chunk(seq: int, turn: int = 1) -> ReplyChunk:
    """A slice of a reply."""
    return ReplyChunk(turn=turn, seq=seq, pcm=b"\1\0", rate_hz=24_000, offset=seq)


SPOKEN = (
    (900.0, AudioChunk(pcm=bytes(3_200), offset=12_800)),
    (1_000.0, AudioChunk(pcm=bytes(3_200), offset=14_400)),
    (1_100.0, AudioChunk(pcm=bytes(3_200), offset=16_000)),
    (
        1_650.0,
        TranscriptFinal(
            utterance=1,
            text="how much is it",
            start_ms=100,
            end_ms=1_000,
            end_offset=16_000,
            hold_ms=550,
            compute_ms=50.0,
        ),
    ),
    (1_655.0, TurnStarted(turn=1, text="how much is it", speech_end_ms=1_000)),
    (1_656.0, Claimed(turn=1, role="llm", worker="a")),
    (1_657.0, Claimed(turn=1, role="tts", worker="b", delivery=2)),
    (1_700.0, TokenDelta(turn=1, text="Ten <b>")),
    (1_750.0, ClauseReady(turn=1, text="Ten <b>")),
    (1_800.0, chunk(0)),
    (1_850.0, chunk(1)),
    (1_860.0, GenerationDone(turn=1, text="Ten", model="m", ttft_ms=1, duration_ms=200, tokens=4)),
    (1_900.0, SpeechDone(turn=1, samples=48_000, rate_hz=24_000)),
    (2_000.0, ReplyPaused(turn=1)),
    (2_200.0, TurnCancelled(turn=1)),
    (2_250.0, TurnEnded(turn=1, outcome="interrupted", reply="Ten", heard_ms=400)),
)


def test_a_spoken_turn_has_its_stages_from_the_last_speech_sample_on() -> None:
    """Which is known by the chunk of audio that brought it."""
    (turn,) = past_turns(log(*SPOKEN, trace=f"00-{TRACE}-b7ad6b7169203331-01"))

    assert (turn.outcome, turn.asked, turn.reply) == ("interrupted", "how much is it", "Ten")
    assert turn.trace_id == TRACE
    assert turn.response_ms == 800
    assert turn.bars == (
        Bar("hold", 0, 600, 600),
        Bar("stt", 600, 650, 650),
        Bar("turn", 650, 655, 655),
        Bar("llm", 656, 750, 860),
        Bar("tts", 750, 800, 900),
        Bar("heard", 800, 800, 1_250),
    )
    assert Mark(657, "tts taken over by b") in turn.marks
    assert Mark(1_000, "paused: the caller speaks") in turn.marks
    assert Mark(1_200, "cancelled") in turn.marks
    assert Mark(1_250, "interrupted, 0.40 s heard") in turn.marks


def test_without_the_audio_the_final_says_when_the_caller_stopped() -> None:
    """Audio is kept for a shorter time than words."""
    (turn,) = past_turns(log(*SPOKEN[3:]))

    assert turn.bars[0] == Bar("hold", 0, 550, 550)


def test_an_answer_that_was_made_early_waits_for_the_turn() -> None:
    """Its first audio is heard when the turn begins, and not before."""
    (turn,) = past_turns(
        log(
            (1_000, AudioChunk(pcm=bytes(32_000), offset=0)),
            (1_100, Claimed(turn=1, role="llm", worker="a")),
            (1_150, ClauseReady(turn=1, text="Yes.")),
            (1_200, chunk(0)),
            (1_500, TurnStarted(turn=1, text="x", speech_end_ms=1_000, speculated=True)),
        )
    )

    assert turn.response_ms == 500
    assert turn.outcome == ""
    assert [(bar.name, bar.start_ms, bar.ready_ms) for bar in turn.bars] == [("llm", 100, 150)]


def test_a_typed_turn_begins_with_its_text_and_a_greeting_with_itself() -> None:
    """There is no speech to wait for."""
    typed, greeting = past_turns(
        log(
            (100, UserText(text="x", seq=3)),
            (130, TurnStarted(turn=1, text="x", typed=True, control=3)),
            (150, Failure(turn=1, stage="llm", code="engine_timeout", message="m")),
            (500, TurnStarted(turn=2, text="", said="Hello.")),
            (600, chunk(0, turn=2)),
        )
    )

    assert Mark(30, "the turn begins") in typed.marks
    assert Mark(50, "llm failed: engine_timeout") in typed.marks
    assert typed.response_ms is None
    assert (greeting.response_ms, greeting.reply) == (100, "Hello.")


class Page(HTMLParser):
    """What a page refers to, and its tags."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.references: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep it."""
        self.tags.append(tag)
        self.references += [value or "" for name, value in attrs if name in ("src", "href")]


def test_the_page_needs_nothing_else_and_takes_no_orders_from_words() -> None:
    """It may be sent to somebody; what was said is text, whatever it looks like."""
    spoken = [(at, event) for at, event in SPOKEN if not isinstance(event, TurnEnded)]
    evil = TurnEnded(turn=1, outcome="completed", reply="<script>alert(1)</script>")
    page = render("s<1>", past_turns(log(*spoken, (2_300.0, evil))))

    found = Page()
    found.feed(page)

    assert found.references == []
    assert {"script", "b"}.isdisjoint(found.tags)
    assert found.tags.count("span") > 6 * 3
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize("missing", range(len(SPOKEN)))
def test_whatever_is_missing_the_rest_is_shown(missing: int) -> None:
    """Streams drop what is old, each by its own age."""
    left = [said for number, said in enumerate(SPOKEN) if number != missing]

    for turn in past_turns(log(*left)):
        assert all(bar.start_ms <= bar.ready_ms <= bar.end_ms for bar in turn.bars)
        assert render("s", [turn])
