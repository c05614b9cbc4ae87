"""Recordings of more than a passage: shared by workers, bounded, and whole whatever happens."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
from msgspec.structs import replace

from edge.openai.settings import OpenAISettings
from edge.passages import LONGEST_SAMPLES
from schemas.audio import AudioChunk
from schemas.claim import Claimed
from schemas.codec import decode
from schemas.failure import Failure
from schemas.stt import PassageCut, PassageRecognised, RecogniseRequest, TranscriptPartial
from subjects.catalog import Place, subject_of
from subjects.streams import Record, stream_of
from tests.edge.openai.hearing import (
    MODEL,
    ONE,
    heard,
    hearing,
    observing,
    spans,
    talk,
    wav,
    workers_of,
)
from tests.edge.openai.serving import api, stt
from tests.services.stt.ears import Recogniser, ears_of, quiet, sound
from tests.workers import jobs_left, until
from voicebus.errors import EngineTimeout

FORM = "/v1/audio/transcriptions"


def starts(told: Any) -> list[float]:
    """When the segments of a transcript begin."""
    return [segment.start for segment in told.segments]


async def test_a_long_recording_is_shared_and_whole(nats_server: str) -> None:
    """Each worker has its passages; every sentence is there once, at its time."""
    engines = (Recogniser(), Recogniser())
    async with hearing(nats_server, *engines) as served, observing(served) as observer:
        told = await heard(served.sdk, talk(5), response_format="verbose_json", language="en")

    assert starts(told) == pytest.approx([5.0 * n for n in range(60)], abs=0.1)
    assert [round(s.end - s.start, 1) for s in told.segments] == [4.0] * 60
    assert told.duration == 300
    assert len(workers_of(observer)) == 2
    assert min(len(engine.seconds) for engine in engines) >= 15
    passages = spans(observer)
    assert len(passages) >= 6
    assert [end for _, end in passages[:-1]] == [start for start, _ in passages[1:]]


async def test_progress_is_on_the_bus(nats_server: str) -> None:
    """Whoever listens knows how far a recording is: cuts, utterances and passages."""
    async with hearing(nats_server) as served, observing(served) as observer:
        await heard(served.sdk, talk(1.5), language="en")

    requests = observer.of(RecogniseRequest)
    assert [request.turn for request in requests] == [1, 2, 3]
    assert [c.end for c in observer.of(PassageCut)[:-1]] == [r.start for r in requests[1:]]
    assert len(observer.of(TranscriptPartial)) == 18
    assert len(observer.of(PassageRecognised)) == 3


async def test_passages_overlap_once_the_language_is_known(nats_server: str) -> None:
    """The first one alone says what is spoken; the others wait for nothing but their cut."""
    async with (
        hearing(nats_server, Recogniser(20), Recogniser(20)) as served,
        observing(served) as observer,
    ):
        await heard(served.sdk, talk(4))

    kinds = [e for e in observer.events if isinstance(e, RecogniseRequest | PassageRecognised)]
    assert [type(event) for event in kinds[:2]] == [RecogniseRequest, PassageRecognised]
    assert [request.language for request in observer.of(RecogniseRequest)][:2] == ["", "en"]
    running = itertools.accumulate(1 if isinstance(e, RecogniseRequest) else -1 for e in kinds)
    assert 2 <= max(running) <= OpenAISettings().passages


async def test_speech_without_a_pause_loses_nothing(nats_server: str) -> None:
    """It is cut where long utterances are split anyway, and each sample is recognised once."""
    engine = Recogniser()
    async with hearing(nats_server, engine) as served, observing(served) as observer:
        told = await heard(
            served.sdk, wav(sound(130)), response_format="verbose_json", language="en"
        )

    assert len(spans(observer)) >= 3
    assert sum(s.end - s.start for s in told.segments) == pytest.approx(130, abs=0.5)
    assert sum(engine.seconds) == pytest.approx(130, abs=2)


async def test_no_more_is_stored_than_is_of_use(nats_server: str) -> None:
    """While a worker is slow, the rest of the file waits on the disk of the edge."""
    engine = Recogniser(recognise_ms=1_000)
    async with hearing(nats_server, engine) as served, observing(served) as observer:
        asking = asyncio.create_task(heard(served.sdk, talk(10)))
        async with asyncio.timeout(20):
            while not observer.of(TranscriptPartial):
                await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
        audio = subject_of(AudioChunk, Place(served.bus.cell, served.edge, "*"))
        stored = [decode(message.payload) async for message in served.bus.read("AUDIO", audio)]
        cut = max((event.end for event in observer.of(PassageCut)), default=0)
        asking.cancel()
        await asyncio.wait((asking,))

    samples = sum(len(chunk.pcm) // 2 for chunk in stored if isinstance(chunk, AudioChunk))
    assert LONGEST_SAMPLES <= samples <= cut + 2 * LONGEST_SAMPLES
    assert samples < 300 * 16_000


async def test_a_client_that_leaves_takes_its_work_along(nats_server: str) -> None:
    """Workers stop, and nothing of the recording waits in the queue."""
    async with (
        hearing(nats_server, Recogniser(recognise_ms=500)) as served,
        observing(served) as observer,
    ):
        asking = asyncio.create_task(heard(served.sdk, talk(5), language="en"))
        async with asyncio.timeout(20):
            while not observer.of(TranscriptPartial):
                await asyncio.sleep(0.05)
        asking.cancel()
        await asyncio.wait((asking,))
        async with asyncio.timeout(10):
            while len(served.sessions) or await jobs_left(served.bus, "stt"):
                await asyncio.sleep(0.05)
        before = len(observer.of(TranscriptPartial))
        await asyncio.sleep(1.2)

        assert len(observer.of(TranscriptPartial)) <= before + 1


async def test_a_connection_that_breaks_costs_no_words(nats_server: str) -> None:
    """What was said while the edge heard nothing is asked for again."""
    async with (
        hearing(nats_server, Recogniser(recognise_ms=100)) as served,
        observing(served) as observer,
    ):
        asking = asyncio.create_task(
            heard(served.sdk, talk(3), response_format="verbose_json", language="en")
        )
        async with asyncio.timeout(20):
            while not observer.of(PassageRecognised):
                await asyncio.sleep(0.02)
        transport = served.bus._nats._transport
        assert transport is not None
        transport.close()  # type: ignore[no-untyped-call]
        told = await asking

    assert starts(told) == pytest.approx([5.0 * n for n in range(36)], abs=0.1)


async def test_a_passage_that_fails_is_tried_again(nats_server: str) -> None:
    """An engine that hangs for a while does not cost an hour's work."""
    engine = Recogniser()
    engine.failures += [EngineTimeout("it hangs")] * 2
    async with hearing(nats_server, engine) as served, observing(served) as observer:
        told = await heard(served.sdk, talk(0.5), response_format="verbose_json")

    assert starts(told) == pytest.approx([5.0 * n for n in range(6)], abs=0.1)
    assert len(observer.of(Failure)) == 1
    assert [(r.turn, r.revision) for r in observer.of(RecogniseRequest)] == [(1, 0), (1, 1)]


async def test_only_so_many_recordings_are_in_work(nats_server: str) -> None:
    """One more is told to come back, and may when one of them is done."""
    settings = {"openai_recordings": 1}
    files = {"file": ("a.wav", talk(1))}
    async with hearing(nats_server, Recogniser(300), settings=settings) as served:
        first = asyncio.create_task(heard(served.sdk, talk(1), language="en"))
        await until(lambda: len(served.sessions) == 1)
        second = await served.http.post(FORM, data={"model": MODEL}, files=files)
        await first
        third = await served.http.post(FORM, data={"model": MODEL}, files=files)

    assert (second.status_code, second.json()["error"]["code"]) == (503, "busy")
    assert int(second.headers["retry-after"]) > 0
    assert second.headers["x-should-retry"] == "true"
    assert third.status_code == 200


async def test_a_recording_waits_for_a_worker_as_long_as_any_request(nats_server: str) -> None:
    """And not for as long as workers may be silent that have taken it."""
    async with ears_of(Recogniser(recognise_ms=8_000)) as ears:
        role, work = stt(ears)["stt"]
        workers = {"stt": (replace(role, slots=1), work)}
        settings = {"openai_queue_s": 2.0}
        async with api(nats_server, workers, settings) as served, observing(served) as observer:
            first = asyncio.create_task(heard(served.sdk, wav(ONE)))
            await until(lambda: bool(observer.of(Claimed)), 20)
            files = {"file": ("a.wav", wav(ONE))}
            second = await served.http.post(FORM, data={"model": MODEL}, files=files)
            first.cancel()
            await asyncio.wait((first,))

    assert (second.status_code, second.json()["error"]["code"]) == (503, "busy")


async def test_nobody_who_hears_is_an_error(nats_server: str) -> None:
    """A fleet that cannot is not waited for."""
    async with hearing(nats_server) as served:
        closing = served.sessions
        closing.drain()
        answer = await served.http.post(
            FORM, data={"model": MODEL}, files={"file": ("a.wav", wav(quiet(1)))}
        )

    assert answer.status_code == 503
    assert answer.json()["error"]["type"] == "server_error"


async def test_where_no_audio_is_recorded_no_file_can_be_heard(nats_server: str) -> None:
    """A worker would find nothing to read; the client is told so, and not left waiting."""
    async with hearing(nats_server) as served:
        served.bus._streams[AudioChunk] = stream_of(AudioChunk, Record.CLAIMS)
        answer = await served.http.post(
            FORM, data={"model": MODEL}, files={"file": ("a.wav", wav(sound(1)))}
        )

    assert (answer.status_code, answer.json()["error"]["code"]) == (501, "not_recorded")
    assert answer.headers["x-should-retry"] == "false"
