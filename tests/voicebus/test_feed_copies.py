"""Audio that was sent again, and is heard once; audio that was never sent, and is not made up."""

from __future__ import annotations

import asyncio
import random
import time

import pytest

from schemas.audio import AudioChunk, AudioEnded
from schemas.session import SessionClosed
from tests.bus import bus_at, place_here
from tests.voicebus.test_feed import AUDIO, STEP, audio_in, chunk, claim_of, heard
from voicebus.bus.inbox import Inbox
from voicebus.errors import AudioGap
from voicebus.feed import Beginning, caller_audio

TWICE = (*range(15), *range(5, 25), *range(20, 40), *range(35, 40))
"""Numbers of chunks as the log has them after three breaks."""


@pytest.mark.parametrize("start", [0, 7, 22, 39])
async def test_a_log_with_copies_reads_like_one_without(nats_server: str, start: int) -> None:
    """Wherever the reading begins, and though the copies come live, too. The end comes once."""
    place, ended = place_here(), AudioEnded(offset=len(AUDIO))
    async with bus_at(nats_server) as bus:
        for number in TWICE:
            await bus.store(chunk(number), place)
        await bus.store(ended, place)
        await bus.store(ended, place)
        live = [*map(chunk, range(30, 40)), ended, *map(chunk, range(35, 40)), ended]
        feed = await heard(bus, place, list(live), start * STEP)

    assert audio_in(feed) == AUDIO[start * STEP :].tobytes()
    assert [event for event in feed if isinstance(event, AudioEnded)] == [ended]


@pytest.mark.parametrize("seed", range(4))
async def test_reading_may_begin_at_a_copy(nats_server: str, seed: int) -> None:
    """The time from which on the log is read may lie before, between or behind the two."""
    chance, place = random.Random(seed), place_here()
    until = chance.randrange(5, 30)
    times_ns = []
    async with bus_at(nats_server) as bus:
        for number in (*range(until), *range(chance.randrange(until), 40)):
            times_ns.append(time.time_ns())
            await bus.store(chunk(number), place)
            await asyncio.sleep(0.001)
        for since_ns in chance.sample(times_ns, 8):
            start, inbox = chance.randrange(40), Inbox(10)
            inbox.put("", SessionClosed())
            begun = Beginning(start * STEP, since_ns=since_ns)
            feed = caller_audio(claim_of(bus, place), inbox, begun)
            events = [event async for event in feed]

            assert audio_in(events) == AUDIO[start * STEP :].tobytes()


async def test_a_made_up_place_in_the_audio_ends_its_session_and_no_more(nats_server: str) -> None:
    """Nobody lost a year of audio: no silence is made for it, and a clear error says why."""
    place = place_here()
    async with bus_at(nats_server) as bus:
        with pytest.raises(AudioGap, match="are missing"):
            await heard(bus, place, [AudioChunk(pcm=b"\0\0", offset=10**12)])
