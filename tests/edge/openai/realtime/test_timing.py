"""How long Realtime clients wait, by the edge's clock."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from prometheus_client import REGISTRY

from edge.measuring import Measuring
from edge.openai.realtime.timing import Timing
from edge.timeline import AudioClock
from schemas.event import Event
from schemas.llm import ClauseReady, TokenDelta
from schemas.stt import SpeechStarted, TranscriptDraft, TranscriptFinal
from schemas.tts import ReplyChunk
from schemas.turn import TurnStarted

CREATED = {"type": "response.created"}
SOUND = {"type": "response.output_audio.delta", "delta": ""}
WORD = {"type": "response.output_text.delta"}
KIND = "timing-test"
CLAUSE = ClauseReady(turn=1, text="Yes.")
CHUNK = ReplyChunk(turn=1, pcm=b"\0\0", rate_hz=24_000, offset=0)
FINAL = TranscriptFinal(
    utterance=1, text="x", start_ms=0, end_ms=1_000, end_offset=1, hold_ms=500, compute_ms=100.0
)
DRAFT = TranscriptDraft(utterance=1, text="x", end_ms=1_000, compute_ms=80.0)


class Client:
    """One, whose last spoken sample of the first second reached the edge at 10 s."""

    def __init__(self) -> None:
        self.responses: list[dict[str, float]] = []
        clock = AudioClock()
        clock.note(14_000, 9.8)
        clock.note(16_000, 10.0)
        self.timing = Timing(clock, Measuring(clock, KIND, self._responded))

    def _responded(self, _: TurnStarted, stages: Mapping[str, tuple[float, float]]) -> None:
        self.responses.append({name: end_ms - ms for name, (ms, end_ms) in stages.items()})

    def hears(self, *events: tuple[Event, float]) -> None:
        """Workers say something."""
        for event, at_s in events:
            self.timing.heard(event, at_s)

    def answered(self, asked_s: float | None = None) -> None:
        """It is answered: at 10.7 s the turn begins, at 11.5 s there is sound."""
        self.timing.told(CREATED, 10.65, asked_s)
        self.timing.ordered(0)
        self.hears((TurnStarted(turn=1, text="x", typed=True, control=0), 10.7))
        self.hears((CLAUSE, 11.0), (CHUNK, 11.4))
        self.timing.told(SOUND, 11.5)
        self.timing.told(SOUND, 11.6)


def stops() -> float:
    """The sum of the waits for silence."""
    return REGISTRY.get_sample_value("voicebus_barge_in_stop_seconds_sum", {"edge": KIND}) or 0.0


def test_an_answer_to_what_was_said_counts_from_the_last_sample() -> None:
    """Once, at its first sound, with its stages."""
    client = Client()
    client.hears((FINAL, 10.6))
    client.answered()

    (response,) = client.responses
    assert response == {
        "": pytest.approx(1_500),
        "hold": pytest.approx(500),
        "stt": pytest.approx(100),
        "llm": pytest.approx(400),
        "tts": pytest.approx(400),
        "edge": pytest.approx(100),
    }


def test_an_answer_that_the_client_asks_for_counts_from_its_asking() -> None:
    """What was said long before has nothing to do with it."""
    client = Client()
    client.hears((FINAL, 10.2))
    client.answered(asked_s=10.5)

    (response,) = client.responses
    assert response[""] == pytest.approx(1_000)
    assert "hold" not in response


def test_words_that_were_still_due_when_it_asked_are_a_part_of_its_wait() -> None:
    """A client that ends turns itself commits, asks, and waits for the recogniser, too."""
    client = Client()
    client.hears((FINAL, 10.6))
    client.answered(asked_s=10.1)

    (response,) = client.responses
    assert response[""] == pytest.approx(1_400)
    assert response["hold"] == pytest.approx(400)


def test_what_was_made_before_it_was_certain_counts_when_it_came() -> None:
    """Nobody waits for it again; another attempt's sound is not its sound."""
    client = Client()
    client.hears((DRAFT, 10.2), (ReplyChunk(turn=1, revision=7, pcm=b"", rate_hz=1, offset=0), 1.0))
    client.hears((CLAUSE, 10.3), (CHUNK, 10.4), (FINAL, 10.6))
    client.timing.told(CREATED, 10.6)
    client.timing.ordered(1)
    started = TurnStarted(turn=1, text="x", typed=True, control=1, speculated=True)
    client.hears((started, 10.62))
    client.timing.told(SOUND, 10.63)

    (response,) = client.responses
    assert response[""] == pytest.approx(630)
    assert response["llm"] == pytest.approx(100)
    assert response["edge"] == pytest.approx(10)


def test_a_written_answer_counts_until_its_first_word() -> None:
    """It has no sound, and no stage of one."""
    client = Client()
    client.timing.told(CREATED, 10.0, 10.0)
    client.timing.ordered(0)
    client.hears((TurnStarted(turn=1, text="x", typed=True, control=0), 10.1))
    client.hears((TokenDelta(turn=1, text="Yes"), 10.4))
    client.timing.told(WORD, 10.5)

    (response,) = client.responses
    assert response == {"": pytest.approx(500), "llm": pytest.approx(400), "edge": 100}


def test_an_answer_that_was_given_up_is_not_the_next_one() -> None:
    """Its turn may still begin when the next one was asked for."""
    client = Client()
    client.timing.told(CREATED, 10.0, 10.0)
    client.timing.ordered(0)
    client.timing.told(CREATED, 12.0, 12.0)
    client.timing.ordered(1)
    client.hears((TurnStarted(turn=1, text="x", typed=True, control=0), 12.1))
    client.timing.told(SOUND, 12.2)

    assert client.responses == []


def test_who_interrupts_waits_from_the_first_sample_to_the_word_that_it_speaks() -> None:
    """That is when such a client stops. Nothing is measured where nothing is heard."""
    client, before = Client(), stops()
    client.hears((SpeechStarted(start_ms=1_000), 10.2))
    client.timing.interrupted(10.25)
    assert stops() == before

    client.timing.sounded(2.0, 10.0)
    client.timing.sounded(2.0, 10.1)
    client.hears((SpeechStarted(start_ms=1_000), 10.2))
    client.timing.interrupted(10.25)
    client.timing.interrupted(10.3)

    assert stops() - before == pytest.approx(0.25)
