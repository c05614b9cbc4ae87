"""A caller's audio while its stream cannot be read: what is live goes on as it can."""

from __future__ import annotations

import asyncio

from schemas.audio import AudioChunk
from schemas.session import SessionClosed
from tests.bus import bus_at, place_here, unreadable
from tests.nats_server import NatsServer
from tests.voicebus.test_feed import AUDIO, STEP, Heard, audio_in, chunk, claim_of
from voicebus.bus.inbox import Inbox
from voicebus.feed import Beginning, caller_audio


async def test_a_gap_waits_until_the_stream_can_be_read(own_nats_server: NatsServer) -> None:
    """The session does not end over it, and nothing is lost or told out of order."""
    place, heard = place_here(), list[Heard]()
    async with bus_at(own_nats_server.url) as bus:
        inbox = Inbox(100)

        async def listen() -> None:
            async for event in caller_audio(claim_of(bus, place), inbox, Beginning()):
                heard.append(event)

        listening = asyncio.create_task(listen())
        inbox.put("", chunk(0))
        async with asyncio.timeout(20):
            while not heard:
                await asyncio.sleep(0.01)
        for number in range(5):
            await bus.store(chunk(number), place)
        async with unreadable(bus, "AUDIO"):
            for number in (1, 3, 4):
                inbox.put("", chunk(number))
            await asyncio.sleep(0.5)
            before = audio_in(heard)
        async with asyncio.timeout(20):
            while sum(isinstance(event, AudioChunk) for event in heard) < 5:
                await asyncio.sleep(0.01)
        inbox.put("", SessionClosed())
        await asyncio.wait_for(listening, 20)

    assert before == AUDIO[: 2 * STEP].tobytes()
    assert audio_in(heard) == AUDIO[: 5 * STEP].tobytes()
