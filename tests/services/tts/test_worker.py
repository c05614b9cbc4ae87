"""The TTS worker on a real bus."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from schemas.llm import ClauseReady, GenerateRequest, Message
from schemas.tts import SpeakRequest
from schemas.turn import TurnCancelled
from services.tts.voice import CHUNK_MS
from services.tts.worker import speak
from tests.services.tts.speaking import Toy, clause, last, turn_at
from tests.workers import bus_in, claim_on, new_place
from voicebus.audio.pcm import samples_of
from voicebus.errors import ProtocolError, UnknownVoice
from voicebus.lately import Lately


@pytest.mark.parametrize(
    "order", [(0, 1, 2, 3), (3, 2, 1, 0), (1, 0, 3, 2), (0, 0, 1, 1, 2, 3)], ids=str
)
@pytest.mark.parametrize("early", [0, 2, 4], ids=lambda early: f"{early} before the claim")
async def test_clauses_are_spoken_once_and_in_order(
    nats_server: str, order: tuple[int, ...], early: int
) -> None:
    """Whenever they come, and in whatever order."""
    clauses = [clause(0, "One."), clause(1, "Two."), clause(2, "Three."), last(3)]
    engine = Toy()
    async with turn_at(nats_server) as turn:
        await turn.tell(*(clauses[number] for number in order[:early]))
        working = asyncio.create_task(turn.speak(engine))
        for number in order[early:]:
            await asyncio.sleep(0.02)
            await turn.tell(clauses[number])
        await working

    assert engine.texts == ["One.", "Two.", "Three."]
    assert [chunk.clause for chunk in turn.chunks()] == sorted(c.clause for c in turn.chunks())
    assert len(turn.done()) == 1


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 24_000, 48_000])
async def test_the_audio_is_whole_and_at_the_rate_that_was_asked_for(
    nats_server: str, rate_hz: int
) -> None:
    """Chunks join without a gap, none is long, and their sum is what the end says."""
    text = "A sentence of forty characters, or more."
    firsts = Lately()
    async with turn_at(nats_server) as turn:
        await turn.tell(clause(0, text), last(1))
        await turn.speak(Toy(), SpeakRequest(turn=1, rate_hz=rate_hz), firsts=firsts)

    position = 0
    for number, chunk in enumerate(turn.chunks()):
        samples = samples_of(chunk.pcm)
        assert (chunk.seq, chunk.offset, chunk.rate_hz) == (number, position, rate_hz)
        assert 0 < len(samples) <= rate_hz * CHUNK_MS // 1000
        position += len(samples)
    (done,) = turn.done()
    assert (done.samples, done.rate_hz, done.synthetic) == (position, rate_hz, True)
    assert abs(position / rate_hz - len(text) * 0.02) < 0.03
    assert done.ttfa_ms >= 5
    assert firsts.quantiles() == (done.ttfa_ms, done.ttfa_ms)


async def test_the_reply_begins_with_sound(nats_server: str) -> None:
    """Silence before the first word would be waiting time."""

    class Slow(Toy):
        async def synthesise(
            self, text: str, voice: str, speed: float, language: str = ""
        ) -> AsyncGenerator[NDArray[np.int16], None]:
            tone = [piece async for piece in super().synthesise(text, voice, speed)]
            yield np.concatenate([np.zeros(self.sample_rate_hz, np.int16), *tone])

    async with turn_at(nats_server) as turn:
        await turn.tell(clause(0, "Some words."), last(1))
        await turn.speak(Slow(), SpeakRequest(turn=1, rate_hz=16_000))

    first = samples_of(turn.chunks()[0].pcm)
    assert np.abs(first[:800].astype(int)).max() > 500
    assert turn.done()[0].samples < 16_000


async def test_what_belongs_to_other_turns_is_not_spoken(nats_server: str) -> None:
    """Nor what an older attempt at this one wrote."""
    engine = Toy()
    async with turn_at(nats_server) as turn:
        await turn.tell(
            clause(0, "Older.", turn=0),
            clause(0, "Older attempt."),
            clause(0, "This one.", revision=1),
            clause(1, "Next turn.", turn=2),
            ClauseReady(turn=1, revision=1, seq=1, text="", last=True),
        )
        await turn.speak(engine, SpeakRequest(turn=1, revision=1))

    assert engine.texts == ["This one."]


async def test_what_cannot_be_spoken_is_passed_over(nats_server: str) -> None:
    """A clause of nothing but symbols costs no audio and does not hold up the rest."""
    engine = Toy()
    async with turn_at(nats_server) as turn:
        await turn.tell(clause(0, "***"), clause(1, "Words."), last(2))
        await turn.speak(engine)

    assert engine.texts == ["Words."]
    assert {chunk.clause for chunk in turn.chunks()} == {1}


async def test_a_reply_without_words_is_silent_and_over(nats_server: str) -> None:
    """Nobody waits for audio that does not come."""
    async with turn_at(nats_server) as turn:
        await turn.tell(last(0))
        await turn.speak(Toy())

    assert turn.chunks() == []
    assert [done.samples for done in turn.done()] == [0]


async def test_a_cancelled_turn_falls_silent(
    nats_server: str, record_property: Callable[[str, object], None]
) -> None:
    """At once, in the middle of a clause; it is not said to be done."""
    engine = Toy(endless=True)
    async with turn_at(nats_server) as turn:
        working = asyncio.create_task(turn.speak(engine))
        await turn.tell(clause(0, "And so on and so on."))
        while len(turn.chunks()) < 3:
            await asyncio.sleep(0.01)
        await turn.bus.publish(TurnCancelled(turn=1), turn.place)
        begun_s = time.perf_counter()
        await asyncio.wait_for(engine.stopped.wait(), 2)
        took_s = time.perf_counter() - begun_s
        await working
        chunks = len(turn.chunks())
        await asyncio.sleep(0.1)

        assert len(turn.chunks()) == chunks

    record_property("cancel_ms", round(took_s * 1000, 1))
    assert took_s < 0.5
    assert turn.done() == []


async def test_a_voice_that_does_not_exist_is_an_error(nats_server: str) -> None:
    """It is named, and another voice does not speak instead."""
    async with turn_at(nats_server) as turn:
        await turn.tell(clause(0, "Words."), last(1))
        with pytest.raises(UnknownVoice, match="nobody"):
            await turn.speak(Toy(), SpeakRequest(turn=1, voice="nobody"))

    assert turn.chunks() == []


async def test_another_request_is_refused(nats_server: str) -> None:
    """A job on the wrong subject fails in words."""
    place = new_place()
    request = GenerateRequest(turn=1, messages=(Message(role="user", content="x"),))
    async with bus_in(nats_server, place.cell) as bus:
        claim = await claim_on(bus, place, "tts", request)

        with pytest.raises(ProtocolError, match="GenerateRequest"):
            await speak(claim, Toy())
