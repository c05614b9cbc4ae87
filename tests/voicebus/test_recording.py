"""A session's audio, read back from a real stream."""

from __future__ import annotations

import random

import pytest

from schemas.audio import AudioChunk, AudioEnded
from subjects.catalog import Place
from tests.bus import bus_at, place_here
from voicebus.bus.client import Bus
from voicebus.errors import BusError
from voicebus.recording import stored_audio

SAMPLES = 400
PCM = bytes(number % 251 for number in range(2 * SAMPLES))


def chunks(size: int) -> list[AudioChunk]:
    """The audio in messages of so many samples."""
    return [
        AudioChunk(pcm=PCM[2 * at : 2 * (at + size)], offset=at) for at in range(0, SAMPLES, size)
    ]


async def read(bus: Bus, place: Place, start: int, end: int, sequence: int = 1) -> bytes:
    """All of a stretch."""
    pieces = stored_audio(bus, place, start, end, sequence)
    return b"".join([piece async for piece in pieces])


@pytest.mark.parametrize(("start", "end"), [(0, 400), (0, 1), (7, 33), (10, 20), (399, 400)])
async def test_a_stretch_is_what_was_stored(nats_server: str, start: int, end: int) -> None:
    """From its first sample to its last, wherever the messages are cut."""
    async with bus_at(nats_server) as bus:
        place = place_here()
        for chunk in chunks(10):
            await bus.store(chunk, place)

        assert await read(bus, place, start, end) == PCM[2 * start : 2 * end]


async def test_order_and_doublings_do_not_matter(nats_server: str) -> None:
    """What was published again after a connection broke stands anywhere, and twice."""
    stored = [*chunks(10), *chunks(16), AudioEnded(offset=SAMPLES)]
    random.Random(3).shuffle(stored)
    async with bus_at(nats_server) as bus:
        place = place_here()
        last = [await bus.store(event, place) for event in stored][-1]

        assert await read(bus, place, 0, SAMPLES) == PCM
        assert await read(bus, place, 5, 395, sequence=last) == PCM[10:790]


async def test_a_gap_is_an_error(nats_server: str) -> None:
    """It is not filled with silence, and what is behind it is not taken for it."""
    async with bus_at(nats_server) as bus:
        place = place_here()
        for chunk in chunks(10):
            if chunk.offset != 200:
                await bus.store(chunk, place)

        with pytest.raises(BusError, match="not stored"):
            await read(bus, place, 150, 300)
        assert await read(bus, place, 210, 300) == PCM[420:600]
