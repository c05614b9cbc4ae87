"""Recordings for the API: tones are speech to its workers, which say how long each one is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from openai import AsyncOpenAI

from schemas.claim import Claimed
from schemas.event import Event
from schemas.stt import PassageRecognised, RecogniseRequest
from subjects.catalog import Place, subject_of
from subjects.inboxes import edge_inbox
from tests.edge.openai.serving import Served, api, stt
from tests.services.stt.ears import Recogniser, ears_of, quiet, sound
from tests.workers import worker_in
from voicebus.audio.wav import wav_header

MODEL = "whisper-1"
ONE = sound(2) + quiet(1)


def wav(*pieces: bytes) -> bytes:
    """A file of some audio."""
    pcm = b"".join(pieces)
    return wav_header(16_000, len(pcm)) + pcm


def talk(minutes: float) -> bytes:
    """A file of sentences: 4 s of sound and 1 s of silence, again and again."""
    return wav((sound(4) + quiet(1)) * round(minutes * 12))


@asynccontextmanager
async def hearing(
    url: str,
    *engines: Recogniser,
    settings: Mapping[str, Any] | None = None,
) -> AsyncIterator[Served]:
    """Serve the API with a worker for each engine; one that is quick if none is given."""
    async with AsyncExitStack() as stack:
        first, *others = [
            await stack.enter_async_context(ears_of(engine))
            for engine in engines or (Recogniser(),)
        ]
        served = await stack.enter_async_context(api(url, stt(first), settings))
        for number, ears in enumerate(others):
            role, work = stt(ears, f"other-{number}")["stt"]
            await stack.enter_async_context(worker_in(url, served.bus.cell, role, work))
        yield served


class Observer:
    """What travels between an edge and its workers."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def of(self, kind: type[Event]) -> list[Any]:
        """What came of a kind."""
        return [event for event in self.events if type(event) is kind]


@asynccontextmanager
async def observing(served: Served) -> AsyncIterator[Observer]:
    """Collect what is said while the context lasts."""
    observer = Observer()
    jobs = subject_of(RecogniseRequest, Place(served.bus.cell, served.edge, "*"), job="*")

    async def collect() -> None:
        async with served.bus.listen(edge_inbox(served.bus.cell, served.edge), jobs) as inbox:
            await served.bus.flush()
            ready.set()
            async for _, event in inbox:
                observer.events.append(event)

    ready = asyncio.Event()
    collecting = asyncio.create_task(collect())
    await ready.wait()
    yield observer
    collecting.cancel()
    await asyncio.wait((collecting,))


def workers_of(observer: Observer) -> set[str]:
    """Who took passages."""
    return {claimed.worker for claimed in observer.of(Claimed)}


def spans(observer: Observer) -> list[tuple[int, int]]:
    """The passages, in the order of the recording."""
    return sorted((result.start, result.end) for result in observer.of(PassageRecognised))


async def heard(sdk: AsyncOpenAI, file: bytes, **given: Any) -> Any:
    """Transcribe a file with the official client."""
    fields = {"model": MODEL, "file": ("talk.wav", file), **given}
    return await sdk.audio.transcriptions.create(**fields)
