"""What the bus keeps is known to each worker, whatever happens to its connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from schemas.codec import encode
from schemas.voice import VoiceKept
from services.tts import following
from services.tts.library import Library
from subjects.voices import voice_subject
from tests.voicebus.bus.sending import cut
from tests.workers import bus_in, new_place, until
from voicebus.bus.client import Bus
from voicebus.bus.envelope import HEARD_BEFORE
from voicebus.bus.purge import purge

ANNA = VoiceKept(model="5f0c", consent="Anna Berg, form 17")
LIMIT_S = 20.0


@asynccontextmanager
async def followed(url: str) -> AsyncIterator[tuple[Bus, Library, Bus]]:
    """A cell with a voice: who writes it, a worker that knows it, and that one's connection."""
    cell, library = new_place().cell, Library()
    async with bus_in(url, cell) as writing, bus_in(url, cell, "worker") as bus:
        await writing.keep(ANNA, voice_subject(cell, "anna"), 0)
        await library.follow(bus)
        assert "anna" in library.voices, "a worker that begins would refuse it"
        yield writing, library, bus
        await library.close()


async def remove(bus: Bus) -> None:
    """Take the voice back, as ``voicebus voices remove`` does."""
    subject = voice_subject(bus.cell, "anna")
    last = await bus.last("VOICE", subject)
    assert last is not None
    await bus.keep(VoiceKept(), subject, last.sequence)


async def test_what_was_taken_back_while_the_connection_was_broken_is_gone(
    nats_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody tells it again: a voice must not go on speaking against somebody's will."""
    async with followed(nats_server) as (writing, library, bus):
        may_return, connect = asyncio.Event(), bus._nats._connect_to_server

        async def later(server: Any) -> None:
            await may_return.wait()
            await connect(server)

        monkeypatch.setattr(bus._nats, "_connect_to_server", later)
        cut(bus)
        await until(lambda: not bus.is_connected)
        await remove(writing)
        assert "anna" in library.voices
        may_return.set()

        assert await until(lambda: not library.voices, LIMIT_S) < LIMIT_S


async def test_what_was_not_heard_is_looked_for(
    nats_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A queue that was full dropped it, and the connection was never broken."""
    monkeypatch.setattr(following, "LOOK_S", 0.1)
    async with followed(nats_server) as (writing, library, _):
        # Stored as ever, and no listener takes it for news.
        subject = voice_subject(writing.cell, "anna")
        await writing.publish_raw(subject, encode(VoiceKept()), headers={HEARD_BEFORE: "1"})

        assert await until(lambda: not library.voices, LIMIT_S) < LIMIT_S


async def test_what_the_stream_holds_no_more_is_known_no_more(
    nats_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is purged, or too old, says nothing of that."""
    monkeypatch.setattr(following, "LOOK_S", 0.1)
    monkeypatch.setattr(following, "WHOLE_S", 0.1)
    async with followed(nats_server) as (writing, library, _):
        await purge(writing, "VOICE", voice_subject(writing.cell, "anna"))

        assert await until(lambda: not library.voices, LIMIT_S) < LIMIT_S
