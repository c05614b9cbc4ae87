"""The STT worker on a real bus."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from schemas.audio import AudioChunk, AudioEnded
from schemas.event import Event
from schemas.failure import Failure
from schemas.llm import GenerateRequest, Message
from schemas.session import SessionClosed
from schemas.stt import (
    AudioConsumed,
    SpeechPaused,
    SpeechStarted,
    TranscribeRequest,
    TranscriptDraft,
    TranscriptFinal,
)
from services.stt.listener import Listener
from services.stt.worker import transcribe
from subjects.catalog import Place, subject_of
from tests.services.stt.ears import Recogniser, ears_of, quiet, sound, steps
from tests.services.stt.hearing import MANUAL
from tests.workers import bus_in, claim_on, new_place
from voicebus.bus.client import Bus
from voicebus.bus.inbox import Inbox
from voicebus.errors import EngineUnavailable, ProtocolError

UTTERANCE = sound(0.8) + quiet(0.8)


class Caller:
    """One who speaks into a session and hears what is understood."""

    def __init__(self, bus: Bus, place: Place, inbox: Inbox) -> None:
        self.offset = 0
        self._bus = bus
        self._place = place
        self._inbox = inbox

    async def say(self, pcm: bytes) -> None:
        """Send audio in slices of 20 ms."""
        for step in steps(pcm):
            await self._bus.publish(AudioChunk(pcm=step, offset=self.offset), self._place)
            self.offset += len(step) // 2
        await self._bus.flush()

    async def end(self) -> None:
        """End the audio."""
        await self.tell(AudioEnded(offset=self.offset))

    async def tell(self, event: Event) -> None:
        """Publish something and wait until it is stored."""
        await self._bus.store(event, self._place)

    async def hears(self, number: int) -> list[Event]:
        """Wait for so many messages."""
        return [(await asyncio.wait_for(self._inbox.next(), 5))[1] for _ in range(number)]

    async def hears_nothing(self) -> bool:
        """Whether nothing more comes."""
        await asyncio.sleep(0.3)
        return len(self._inbox) == 0


@asynccontextmanager
async def call(url: str) -> AsyncIterator[tuple[Bus, Place, Caller]]:
    """A session that nobody has claimed yet."""
    place = new_place()
    kinds = (SpeechStarted, TranscriptFinal, Failure)
    async with (
        bus_in(url, place.cell) as bus,
        bus.listen(*(subject_of(kind, place) for kind in kinds)) as inbox,
    ):
        await bus.flush()
        yield bus, place, Caller(bus, place, inbox)


@asynccontextmanager
async def transcribed(
    bus: Bus,
    place: Place,
    engine: Recogniser,
    attempt: int = 1,
    request: TranscribeRequest = MANUAL,
) -> AsyncIterator[asyncio.Task[None]]:
    """Transcribe the session while the context lasts."""
    async with ears_of(engine) as ears:
        claim = await claim_on(bus, place, "stt", request, job="session", attempt=attempt)
        working = asyncio.create_task(transcribe(claim, ears))
        yield working
        working.cancel()
        await asyncio.wait((working,))


async def test_a_session_is_transcribed_until_it_closes(nats_server: str) -> None:
    """Utterance by utterance, and the end of the audio; then the work is done."""
    async with (
        call(nats_server) as (bus, place, caller),
        transcribed(bus, place, Recogniser()) as working,
    ):
        await caller.say(UTTERANCE)
        first = await caller.hears(2)
        await caller.say(sound(0.5))
        await caller.end()
        rest = await caller.hears(3)
        await caller.tell(SessionClosed())
        await asyncio.wait_for(working, 2)

    # Two subjects: their order among each other is not promised.
    assert {type(event) for event in first} == {SpeechStarted, TranscriptFinal}
    finals = [event for event in (*first, *rest) if isinstance(event, TranscriptFinal)]
    assert [final.utterance for final in finals] == [1, 2]
    assert [final.cause for final in finals] == ["pause", "forced"]
    consumed = [event for event in rest if isinstance(event, AudioConsumed)]
    assert [(event.end_offset, event.finals) for event in consumed] == [(caller.offset, 2)]
    assert all(event.epoch > 0 for event in (*first, *rest))


async def test_where_pauses_end_turns_they_are_told(nats_server: str) -> None:
    """Whoever answers can begin before the turn is over."""
    async with (
        call(nats_server) as (bus, place, caller),
        transcribed(bus, place, Recogniser(), request=TranscribeRequest()),
    ):
        await caller.say(UTTERANCE)
        events = await caller.hears(4)

    assert {type(event) for event in events} == {
        *(SpeechStarted, SpeechPaused, TranscriptDraft, TranscriptFinal)
    }
    texts = {event.text for event in events if isinstance(event, TranscriptDraft | TranscriptFinal)}
    assert len(texts) == 1


async def test_a_client_that_sends_no_silence_is_answered(nats_server: str) -> None:
    """Its turn ends by the clock."""
    async with (
        call(nats_server) as (bus, place, caller),
        transcribed(bus, place, Recogniser(), request=TranscribeRequest()),
    ):
        await caller.say(sound(0.8) + quiet(0.1))
        events = await caller.hears(2)

    assert {type(event) for event in events} == {SpeechStarted, TranscriptFinal}


async def test_what_was_said_before_the_claim_is_heard(nats_server: str) -> None:
    """A caller does not wait for a worker."""
    async with call(nats_server) as (bus, place, caller):
        await caller.say(UTTERANCE)
        await caller.end()
        async with transcribed(bus, place, Recogniser()):
            events = await caller.hears(3)

    assert {type(event) for event in events} == {SpeechStarted, TranscriptFinal, AudioConsumed}


async def test_a_failed_utterance_is_said_and_the_next_one_heard(nats_server: str) -> None:
    """The session goes on after an engine's error."""
    engine = Recogniser()
    engine.failures = [EngineUnavailable("the model is gone")]
    async with call(nats_server) as (bus, place, caller), transcribed(bus, place, engine):
        await caller.say(UTTERANCE)
        first = await caller.hears(2)
        await caller.say(UTTERANCE)
        second = await caller.hears(2)

    failure = next(event for event in first if isinstance(event, Failure))
    assert (failure.stage, failure.code, failure.turn) == ("stt", "engine_unavailable", 0)
    assert TranscriptFinal in {type(event) for event in second}


async def test_a_takeover_repeats_nothing_and_loses_nothing(nats_server: str) -> None:
    """The new worker hears what no final covers, and numbers on."""
    async with call(nats_server) as (bus, place, caller):
        async with transcribed(bus, place, Recogniser()):
            await caller.say(UTTERANCE)
            first = await caller.hears(2)
            await caller.say(sound(0.4))
            await caller.hears(1)
        engine = Recogniser()
        async with transcribed(bus, place, engine, attempt=2):
            await caller.say(sound(0.4) + quiet(0.8))
            events = await caller.hears(2)
            assert await caller.hears_nothing()

    old = next(event for event in first if isinstance(event, TranscriptFinal))
    new = next(event for event in events if isinstance(event, TranscriptFinal))
    assert (old.utterance, new.utterance) == (1, 2)
    assert abs(new.start_ms - 1600) <= 64
    assert abs(new.end_ms - 2400) <= 64
    assert new.epoch > old.epoch


async def test_an_end_that_was_answered_is_not_answered_again(nats_server: str) -> None:
    """A takeover after a file is over does not call it empty."""
    async with call(nats_server) as (bus, place, caller):
        async with transcribed(bus, place, Recogniser()):
            await caller.say(UTTERANCE)
            await caller.end()
            await caller.hears(3)
        async with transcribed(bus, place, Recogniser(), attempt=2):
            assert await caller.hears_nothing()
            await caller.say(quiet(0.5))
            await caller.end()
            (consumed,) = await caller.hears(1)

    assert isinstance(consumed, AudioConsumed)
    assert (consumed.end_offset, consumed.finals) == (caller.offset, 0)


async def test_finals_of_the_worker_before_count(nats_server: str) -> None:
    """It died between a final and the end of the audio: the audio is not called empty."""
    async with call(nats_server) as (bus, place, caller):
        async with transcribed(bus, place, Recogniser()):
            await caller.say(UTTERANCE)
            await caller.hears(2)
        await caller.end()
        async with transcribed(bus, place, Recogniser(), attempt=2):
            (consumed,) = await caller.hears(1)

    assert isinstance(consumed, AudioConsumed)
    assert consumed.finals == 1


async def test_who_is_not_heard_any_more_does_not_count_as_speaking(nats_server: str) -> None:
    """The work broke off in the middle of a word: others get their partials as often as before."""
    async with call(nats_server) as (bus, place, caller), ears_of(Recogniser()) as ears:
        claim = await claim_on(bus, place, "stt", MANUAL, job="session")
        working = asyncio.create_task(transcribe(claim, ears))
        await caller.say(sound(0.8))
        await caller.hears(1)
        assert len(ears.speaking) == 1
        working.cancel()
        await asyncio.wait((working,))

    assert len(ears.speaking) == 0


async def test_who_has_left_is_freed_at_once(
    nats_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With all that it said; the collector would come for it minutes later."""
    known: weakref.WeakSet[Listener] = weakref.WeakSet()
    begin = Listener.__init__

    def noted(self: Listener, *args: Any, **kwargs: Any) -> None:
        known.add(self)
        begin(self, *args, **kwargs)

    monkeypatch.setattr(Listener, "__init__", noted)
    gc.collect()
    gc.disable()
    try:
        async with (
            call(nats_server) as (bus, place, caller),
            transcribed(bus, place, Recogniser(), request=TranscribeRequest()) as working,
        ):
            await caller.say(UTTERANCE)
            await caller.hears(1)
            assert len(known) == 1
            await caller.tell(SessionClosed())
            await asyncio.wait_for(working, 5)
            async with asyncio.timeout(5):
                while known:
                    await asyncio.sleep(0.02)
    finally:
        gc.enable()


async def test_another_request_is_refused(nats_server: str) -> None:
    """A job on the wrong subject fails in words."""
    place = new_place()
    request = GenerateRequest(messages=(Message(role="user", content="x"),))
    async with bus_in(nats_server, place.cell) as bus, ears_of(Recogniser()) as ears:
        claim = await claim_on(bus, place, "stt", request, job="session")

        with pytest.raises(ProtocolError, match="GenerateRequest"):
            await transcribe(claim, ears)
