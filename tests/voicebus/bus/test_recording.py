"""What is recorded, and what is not when recording is off."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from schemas.audio import AudioChunk
from schemas.claim import Claimed
from schemas.llm import GenerateRequest, Message
from schemas.session import SessionOpened
from schemas.stt import TranscriptFinal
from subjects.catalog import subject_of
from subjects.streams import Limits, Record, stream_of, streams
from tests.bus import bus_settings, place_here
from tests.nats_server import NatsServer
from voicebus.process import attached
from voicebus.settings import ProcessSettings


async def test_without_recording_speech_travels_and_leaves_no_trace(
    own_nats_server: NatsServer,
) -> None:
    """The live hop is the same; the log has jobs, claims and the client's orders only."""
    place = place_here()
    settings = msgspec.structs.replace(bus_settings(own_nats_server.url), record=Record.CLAIMS)
    process = ProcessSettings(worker_id="test")
    async with attached(process, settings, asyncio.Event()) as bus:
        async with bus.listen(subject_of(AudioChunk, place)) as inbox:
            await bus.flush()
            await bus.publish(AudioChunk(pcm=b"\x01\x02", offset=0), place)
            _, live = await inbox.next()
        fence = await bus.claim(
            Claimed(role="stt", worker="w", delivery=1, ack="a"), place, "session", 0
        )
        final = TranscriptFinal(utterance=1, text="words", start_ms=0, end_ms=9, end_offset=9)
        await bus.publish(final, place, fence)
        opened = await bus.store(SessionOpened(client="test"), place)
        message = Message(role="user", content="Hello")
        job = await bus.store(GenerateRequest(turn=1, messages=(message,)), place, job="1-0")

        audio = [m async for m in bus.read("AUDIO", subject_of(AudioChunk, place))]
        words = [m async for m in bus.read("SESSION", subject_of(TranscriptFinal, place))]

    assert live == AudioChunk(pcm=b"\x01\x02", offset=0)
    assert (audio, words) == ([], [])
    assert fence.epoch < opened
    assert job > 0


@pytest.mark.parametrize(
    ("kind", "recorded"),
    [
        (AudioChunk, False),
        (TranscriptFinal, False),
        (SessionOpened, True),
        (Claimed, True),
        (GenerateRequest, True),
    ],
)
def test_what_no_worker_starts_without_is_always_recorded(kind: type, recorded: bool) -> None:
    """Jobs, claims and orders keep their stream."""
    assert stream_of(kind, Record.ALL)
    assert bool(stream_of(kind, Record.CLAIMS)) is recorded


def test_streams_keep_their_names_without_recording() -> None:
    """Who looks for the past finds an empty stream, not an error."""
    everything = streams(Limits())
    claims_only = streams(Limits(record=Record.CLAIMS))

    assert [s.name for s in claims_only] == [s.name for s in everything]
    assert claims_only[-1] == everything[-1]
