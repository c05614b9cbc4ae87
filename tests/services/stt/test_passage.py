"""Passages of a recording, on a real bus."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from schemas.audio import AudioChunk
from schemas.event import Event
from schemas.llm import GenerateRequest
from schemas.session import SessionClosed
from schemas.stt import PassageCut, PassageRecognised, RecogniseRequest
from services.stt.engine import Hint, Recognition
from services.stt.worker import work
from subjects.catalog import Place, subject_of
from tests.services.stt.ears import LoudVad, Recogniser, ears_of, quiet, sound
from tests.workers import bus_in, claim_on, new_place
from voicebus.bus.client import Bus
from voicebus.bus.inbox import Inbox
from voicebus.errors import BusError, ProtocolError, RequestRefused

SECOND = 16_000
SPEECH = sound(2) + quiet(1) + sound(3) + quiet(1) + sound(2) + quiet(1)


class Recording:
    """A session whose audio is stored already."""

    def __init__(self, bus: Bus, place: Place, inbox: Inbox) -> None:
        self.bus = bus
        self.place = place
        self.inbox = inbox

    async def store(self, pcm: bytes) -> list[int]:
        """Store audio in chunks of a second; return their sequences."""
        return [
            await self.bus.store(
                AudioChunk(pcm=pcm[at : at + 2 * SECOND], offset=at // 2), self.place
            )
            for at in range(0, len(pcm), 2 * SECOND)
        ]

    async def recognise(
        self, request: Event, engine: Recogniser | None = None, attempt: int = 1
    ) -> list[int]:
        """Do one job as a worker does; return how many windows voice detection had at a time."""
        async with ears_of(engine or Recogniser()) as ears:
            claim = await claim_on(self.bus, self.place, "stt", request, attempt=attempt)
            async with asyncio.timeout(10):
                await work(claim, ears)
            vad = ears.lane._vad
            assert isinstance(vad, LoudVad)
            return vad.passes

    async def heard(self) -> list[Event]:
        """What the edge was told so far."""
        await self.bus.flush()
        await asyncio.sleep(0.05)
        return [(await self.inbox.next())[1] for _ in range(len(self.inbox))]


@asynccontextmanager
async def recorded(url: str, pcm: bytes = SPEECH) -> AsyncIterator[Recording]:
    """A session with this recording."""
    place = new_place()
    async with (
        bus_in(url, place.cell) as bus,
        bus.listen(subject_of(PassageCut, place)) as inbox,
    ):
        recording = Recording(bus, place, inbox)
        await recording.store(pcm)
        yield recording


def passage(start_s: float, cut_from_s: float, end_s: float, **given: object) -> RecogniseRequest:
    """A request for a passage, its times in seconds."""
    request = RecogniseRequest(
        start=round(start_s * SECOND),
        cut_from=round(cut_from_s * SECOND),
        end=round(end_s * SECOND),
        turn=1,
    )
    return msgspec.structs.replace(request, **given)


async def test_a_passage_says_where_it_ends_and_what_was_said(nats_server: str) -> None:
    """The end first, so that others can begin with what follows it."""
    async with recorded(nats_server) as recording:
        await recording.recognise(passage(0, 4, 10, language="en", word_times=True))
        cut, result = await recording.heard()

    assert isinstance(cut, PassageCut)
    assert isinstance(result, PassageRecognised)
    assert 6.0 < cut.end / SECOND < 6.7
    assert (result.start, result.end, result.language) == (0, cut.end, "en")
    assert result.synthetic
    assert [round(s.start_ms, -2) for s in result.segments] == [0, 3000]
    assert [round(s.end_ms, -2) for s in result.segments] == [2000, 6000]
    times = [ms for s in result.segments for w in s.words for ms in (w.start_ms, w.end_ms)]
    assert times == sorted(times)
    assert 2000 < times[-1] <= 6400


async def test_the_next_passage_goes_on_there(nats_server: str) -> None:
    """Together they say what one would say, with times of the whole recording."""
    async with recorded(nats_server) as recording:
        await recording.recognise(passage(0, 4, 10))
        first = (await recording.heard())[1]
        assert isinstance(first, PassageRecognised)
        begin_s = first.end / SECOND
        await recording.recognise(passage(begin_s, 10, 10, turn=2))
        second = (await recording.heard())[1]

    assert isinstance(second, PassageRecognised)
    assert (second.start, second.end, second.turn) == (first.end, 10 * SECOND, 2)
    assert [round(s.start_ms, -2) for s in second.segments] == [7000]


async def test_a_passage_without_speech_has_no_segments(nats_server: str) -> None:
    """Nor a language, as nobody has spoken one."""
    async with recorded(nats_server, quiet(5)) as recording:
        await recording.recognise(passage(0, 5, 5))
        result = (await recording.heard())[1]

    assert isinstance(result, PassageRecognised)
    assert (result.segments, result.language, result.end) == ((), "", 5 * SECOND)


class Polyglot(Recogniser):
    """Takes what is short for Dutch, as recognisers do."""

    def recognise(self, samples: NDArray[np.float32], hint: Hint) -> Recognition:
        """Say the language with the text."""
        found = super().recognise(samples, hint)
        language = hint.language or ("nl" if len(samples) < 2 * SECOND else "en")
        return msgspec.structs.replace(found, language=language)


async def test_the_end_of_a_passage_is_looked_through_at_once(nats_server: str) -> None:
    """Its last window, which is not whole, does not wait for those before it."""
    async with recorded(nats_server, sound(1) + quiet(0.5)) as recording:
        passes = await recording.recognise(passage(0, 1.5, 1.5))
        cut, result = await recording.heard()

    assert passes == [47]
    assert isinstance(cut, PassageCut)
    assert isinstance(result, PassageRecognised)
    assert (cut.end, len(result.segments)) == (24_000, 1)


async def test_the_language_is_that_of_most_of_the_words(nats_server: str) -> None:
    """A passage that begins with a short word is not taken for another language as a whole."""
    speech = sound(1) + quiet(1) + sound(4) + quiet(1) + sound(5) + quiet(1)
    async with recorded(nats_server, speech) as recording:
        await recording.recognise(passage(0, 13, 13), Polyglot())
        result = (await recording.heard())[1]

    assert isinstance(result, PassageRecognised)
    assert (len(result.segments), result.language) == (3, "en")


async def test_what_is_behind_the_passage_is_not_read(nats_server: str) -> None:
    """A worker that is asked for the end of a long recording does not read its beginning."""
    async with recorded(nats_server, b"") as recording:
        sequences = await recording.store(SPEECH)
        request = passage(7, 10, 10, stored=sequences[7])
        await recording.recognise(request)
        result = (await recording.heard())[1]

    assert isinstance(result, PassageRecognised)
    assert [round(s.start_ms, -2) for s in result.segments] == [7000]


async def test_a_wrong_hint_where_it_is_stored_only_costs_time(nats_server: str) -> None:
    """After a broken connection the order of a stream is not that of the recording."""
    async with recorded(nats_server) as recording:
        sequence = await recording.bus.store(AudioChunk(pcm=b"\0\0", offset=0), recording.place)
        await recording.recognise(passage(3, 10, 10, stored=sequence))
        result = (await recording.heard())[1]

    assert isinstance(result, PassageRecognised)
    assert len(result.segments) == 2


async def test_audio_that_is_not_stored_is_an_error(nats_server: str) -> None:
    """A gap in a recording is never filled with silence: words would be missing unnoticed."""
    async with recorded(nats_server) as recording:
        with pytest.raises(BusError, match="not stored"):
            await recording.recognise(passage(0, 11, 11))

        assert await recording.heard() == []


async def test_who_takes_over_keeps_to_the_end_that_was_told(nats_server: str) -> None:
    """The next passage has begun there, wherever this worker would have cut."""
    request = passage(0, 4, 10)
    async with recorded(nats_server) as recording:
        claim = await claim_on(recording.bus, recording.place, "stt", request)
        await claim.publish(PassageCut(end=4 * SECOND, turn=1))
        await recording.recognise(request, attempt=2)
        results = [e for e in await recording.heard() if isinstance(e, PassageRecognised)]

    assert [result.end for result in results] == [4 * SECOND]
    assert [round(s.end_ms, -2) for s in results[0].segments] == [2000, 4000]


async def test_who_takes_over_what_is_done_says_nothing(nats_server: str) -> None:
    """The worker died between its result and the acknowledgement."""
    request, engine = passage(0, 4, 10), Recogniser()
    async with recorded(nats_server) as recording:
        await recording.recognise(request)
        told = await recording.heard()
        await recording.recognise(request, engine, attempt=2)

        assert len(told) == 2
        assert await recording.heard() == []
        assert engine.seconds == []


async def test_another_attempt_is_recognised_anew(nats_server: str) -> None:
    """The edge asks again when it has missed the result: the log is not its to read."""
    async with recorded(nats_server) as recording:
        await recording.recognise(passage(0, 4, 10))
        first = (await recording.heard())[1]
        assert isinstance(first, PassageRecognised)
        end_s = first.end / SECOND
        await recording.recognise(passage(0, end_s, end_s, revision=1))
        second = (await recording.heard())[1]

    assert isinstance(second, PassageRecognised)
    assert (second.revision, second.segments) == (1, first.segments)


async def test_a_recording_that_nobody_waits_for_is_left(nats_server: str) -> None:
    """Its client is gone: what waits in the queue costs nothing."""
    engine = Recogniser()
    async with recorded(nats_server) as recording:
        await recording.bus.store(SessionClosed(), recording.place)
        await recording.recognise(passage(0, 4, 10), engine)

        assert engine.seconds == []


async def test_a_client_that_leaves_ends_the_work(nats_server: str) -> None:
    """Recognition stops between two utterances, and the job is done."""
    engine = Recogniser(recognise_ms=400)
    async with recorded(nats_server) as recording:
        working = asyncio.create_task(recording.recognise(passage(0, 10, 10), engine))
        async with asyncio.timeout(5):
            _, cut = await recording.inbox.next()
        await recording.bus.store(SessionClosed(), recording.place)
        await working

        assert isinstance(cut, PassageCut)
        assert len(engine.seconds) < 3
        assert await recording.heard() == []


async def test_an_engine_that_cannot_fails_the_passage(nats_server: str) -> None:
    """A passage with a hole in it would be taken for the whole."""
    engine = Recogniser()
    engine.failures.append(RequestRefused("cannot"))
    async with recorded(nats_server) as recording:
        with pytest.raises(RequestRefused):
            await recording.recognise(passage(0, 10, 10), engine)

        assert not any(isinstance(e, PassageRecognised) for e in await recording.heard())


async def test_a_translation_is_asked_of_the_engine(nats_server: str) -> None:
    """The task goes to the engine with the audio."""
    async with recorded(nats_server) as recording:
        await recording.recognise(passage(0, 10, 10, translate=True))
        result = (await recording.heard())[1]

    assert isinstance(result, PassageRecognised)
    assert result.segments[0].text.startswith("synthetic translation")


async def test_another_job_is_refused(nats_server: str) -> None:
    """What is no work of this stage is an error of whoever published it."""
    async with recorded(nats_server, b"") as recording:
        with pytest.raises(ProtocolError):
            await recording.recognise(GenerateRequest(messages=(), turn=1))
