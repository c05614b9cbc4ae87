"""What waits while there is no connection: how much, for how long, and what becomes of it."""

from __future__ import annotations

import asyncio
import time

import msgspec
import pytest

from schemas.audio import AudioChunk
from schemas.llm import GenerateRequest, Message
from schemas.session import UserText
from subjects.catalog import subject_of
from subjects.streams import Record
from tests.bus import bus_settings
from tests.nats_server import NatsServer
from tests.voicebus.bus.sending import Outcomes, log_of
from tests.workers import bus_in, new_place, until
from voicebus.bus import acks, outbox
from voicebus.bus.client import Bus, connect
from voicebus.errors import BusUnavailable
from voicebus.process import attached
from voicebus.settings import ProcessSettings


async def lose(server: NatsServer, bus: Bus) -> None:
    """Kill the server, and wait until it is noticed."""
    await asyncio.to_thread(server.kill)
    await until(lambda: bus._acks._is_paused)


async def test_what_waits_is_bounded_in_bytes(
    own_nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Above the bound nothing is taken, and says so; what was taken is stored."""
    monkeypatch.setattr(acks, "KEPT_BYTES", 10_000)
    monkeypatch.setattr(outbox, "KEPT_BYTES", 10_000)
    place, outcomes, taken = new_place(), Outcomes(), 0
    async with bus_in(own_nats_server.url, place.cell) as bus:
        await lose(own_nats_server, bus)

        async def fill() -> None:
            nonlocal taken
            for number in range(100):
                frame = AudioChunk(pcm=bytes(1000), offset=500 * number)
                await bus.publish(frame, place, None, outcomes)
                taken += 1

        with pytest.raises(BusUnavailable, match="too much"):
            await fill()
        await asyncio.to_thread(own_nats_server.start)
        await until(lambda: len(outcomes) == taken, limit_s=10)
        stored = await log_of(bus, "AUDIO", subject_of(AudioChunk, place))

        assert 5 <= taken < 10
        assert len(stored) == taken
        assert bus._acks.kept_bytes == 0


async def test_what_is_more_than_the_bound_on_its_way_is_lost_with_the_connection(
    own_nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that is well takes everything; of what is kept the memory is bounded."""
    monkeypatch.setattr(acks, "KEPT_BYTES", 10_000)
    place, outcomes = new_place(), Outcomes()
    async with bus_in(own_nats_server.url, place.cell) as bus:
        for number in range(100):
            await bus.publish(
                AudioChunk(pcm=bytes(1000), offset=500 * number), place, None, outcomes
            )
        kept_bytes = bus._acks.kept_bytes
        await until(lambda: len(outcomes) == 100)

    assert 5_000 < kept_bytes <= 10_000
    assert outcomes.errors() == []


async def test_what_nobody_wants_any_more_is_given_up(
    own_nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not after the time for an answer, but after a longer one; and then it is never stored."""
    place, outcomes = new_place(), Outcomes()
    async with bus_in(own_nats_server.url, place.cell) as bus:
        await lose(own_nats_server, bus)
        await bus.publish(UserText(text="late"), place, None, outcomes)
        now_s = time.monotonic()
        bus._acks.expire(now_s + acks.DEADLINE_S + 1)
        was_told = len(outcomes)
        bus._acks.expire(now_s + acks.GIVE_UP_S + 1)
        await bus.publish(UserText(text="in time", seq=1), place, None, outcomes)
        await asyncio.to_thread(own_nats_server.start)
        await until(lambda: len(outcomes) == 2, limit_s=10)
        texts = await log_of(bus, "SESSION", subject_of(UserText, place))

    assert was_told == 0
    assert [type(error) for error in outcomes.errors()] == [BusUnavailable]
    assert texts == [UserText(text="in time", seq=1)]


async def test_what_is_too_long_for_the_server_holds_up_nothing(
    own_nats_server: NatsServer,
) -> None:
    """Its publisher is told; what comes behind it is stored."""
    place, outcomes = new_place(), Outcomes()
    asked = GenerateRequest(turn=1, messages=(Message(role="user", content="x" * (2 << 20)),))
    async with bus_in(own_nats_server.url, place.cell) as bus:
        await lose(own_nats_server, bus)
        await bus.publish(asked, place, None, outcomes, job="1-0")
        await bus.publish(UserText(text="x"), place, None, outcomes)
        await asyncio.to_thread(own_nats_server.start)
        await until(lambda: len(outcomes) == 2, limit_s=10)
        texts = await log_of(bus, "SESSION", subject_of(UserText, place))

    assert [type(error) for error in outcomes.errors()] == [BusUnavailable]
    assert len(texts) == 1


async def test_without_recording_speech_waits_for_the_connection_too(
    own_nats_server: NatsServer,
) -> None:
    """The caller's words are wanted a moment later, be they recorded or not."""
    place = new_place()
    settings = msgspec.structs.replace(
        bus_settings(own_nats_server.url), cell=place.cell, record=Record.CLAIMS
    )
    process = ProcessSettings(worker_id="test")
    async with (
        attached(process, settings, asyncio.Event()) as bus,
        bus.listen(subject_of(AudioChunk, place)) as inbox,
    ):
        await bus.flush()
        await lose(own_nats_server, bus)
        for number in range(5):
            await bus.publish(AudioChunk(pcm=b"\x00\x00", offset=number), place)
        await asyncio.to_thread(own_nats_server.start)
        heard = [(await asyncio.wait_for(inbox.next(), 10))[1] for _ in range(5)]

        assert [event.offset for event in heard if isinstance(event, AudioChunk)] == [*range(5)]
        assert len(bus._acks) == 0


async def test_a_bus_that_was_closed_takes_nothing(own_nats_server: NatsServer) -> None:
    """There will be no other connection."""
    place = new_place()
    bus = await connect(bus_settings(own_nats_server.url), "test")
    await bus.close()

    with pytest.raises(BusUnavailable):
        await bus.publish(UserText(text="x"), place)
    assert len(bus._acks) == 0
