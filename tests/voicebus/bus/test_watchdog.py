"""A round trip that ends early must not end the connection."""

from __future__ import annotations

import asyncio

import pytest
import uvloop

from schemas.failure import Failure
from subjects.catalog import subject_of
from tests.bus import bus_at, place_here
from tests.metered import Growth, sample
from tests.nats_server import NatsServer
from tests.voicebus.bus.sending import cut
from tests.workers import until
from voicebus.bus import watchdog
from voicebus.bus.client import Bus
from voicebus.errors import BusTimeout


async def test_a_cancelled_flush_leaves_the_connection_alive(nats_server: str) -> None:
    """Work that is cancelled while it flushes does not stop the client's reading."""
    async with bus_at(nats_server) as bus:
        for _ in range(20):
            flushing = asyncio.create_task(bus.flush())
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            flushing.cancel()
            await asyncio.wait((flushing,))

        assert await bus.last("SESSION", "vb.test.up.nobody.nowhere.control") is None
        await bus.flush()


@pytest.mark.parametrize("moments", range(8))
async def test_who_waits_for_the_bus_can_be_cancelled(nats_server: str, moments: int) -> None:
    """Whatever it waits for just then: else a worker would keep what is taken from it."""
    async with bus_at(nats_server) as bus:
        waiting = asyncio.create_task(_flush_until_it_fails(bus))
        for _ in range(moments):
            await asyncio.sleep(0)
        waiting.cancel()
        done, _ = await asyncio.wait((waiting,), timeout=5)
        for task in (waiting,) if not done else ():
            task.cancel()

    assert done


async def test_who_waits_for_room_on_the_connection_can_be_cancelled(
    own_nats_server: NatsServer,
) -> None:
    """A server that reads nothing makes whoever publishes much wait."""

    async def publish() -> None:
        while True:
            await bus.publish_raw("too.much", bytes(1 << 19))

    async with bus_at(own_nats_server.url) as bus:
        own_nats_server.pause()
        try:
            publishing = asyncio.create_task(publish())
            await asyncio.sleep(0.5)
            publishing.cancel()
            await asyncio.wait((publishing,), timeout=5)
            is_cancelled = publishing.cancelled()
        finally:
            own_nats_server.resume()

    assert is_cancelled


async def _flush_until_it_fails(bus: Bus) -> None:
    while True:  # the signal takes a moment
        await bus.flush()


async def test_an_answer_after_the_deadline_leaves_the_connection_alive(
    own_nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that was frozen for a moment answers late, and the client goes on with it."""
    async with bus_at(own_nats_server.url) as bus:
        monkeypatch.setattr(watchdog, "REQUEST_TIMEOUT_S", 0.2)
        own_nats_server.pause()
        try:
            with pytest.raises(BusTimeout):
                await _flush_until_it_fails(bus)
        finally:
            own_nats_server.resume()
        monkeypatch.undo()
        async with asyncio.timeout(5):
            await bus.flush()

        assert bus.is_connected


def test_a_connection_that_broke_unnoticed_does_not_answer(nats_server: str) -> None:
    """The loop that processes run on takes no bytes for a closed socket: that is no other error."""

    async def ask() -> None:
        async with bus_at(nats_server) as bus:
            cut(bus)
            with pytest.raises(BusTimeout):
                await bus.flush()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(ask())


async def test_what_was_sent_before_a_flush_has_been_seen(nats_server: str) -> None:
    """After a flush a subscription is in force: nothing that is published then is missed."""
    place = place_here()
    async with bus_at(nats_server, "one") as one, bus_at(nats_server, "two") as two:
        for _ in range(50):
            async with one.listen(subject_of(Failure, place)) as inbox:
                await one.flush()
                await two.publish(Failure(stage="stt", code="engine", message="no"), place)
                async with asyncio.timeout(2):
                    _, event = await inbox.next()
                assert isinstance(event, Failure)


async def test_a_connection_without_answers_is_made_anew(
    own_nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody reads any more, and nobody has noticed: the process goes on over a new connection."""
    monkeypatch.setattr(watchdog, "EVERY_S", 0.1)
    monkeypatch.setattr(watchdog, "TICK_S", 0.02)
    async with bus_at(own_nats_server.url) as bus:
        reconnected = asyncio.Event()
        bus.on_reconnect.append(reconnected.set)
        watching = asyncio.create_task(bus.watch())
        assert bus._nats._reading_task is not None
        bus._nats._reading_task.cancel()
        async with asyncio.timeout(10):
            await reconnected.wait()
            await bus.flush()
        assert not watching.done()
        watching.cancel()


async def test_a_round_trip_is_measured_as_long_as_it_takes(
    nats_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way to the server, each time that somebody looks; the last one stands by itself."""
    monkeypatch.setattr(watchdog, "EVERY_S", 0.02)
    delay_s, hop, growth = 0.1, "voicebus_bus_hop_seconds", Growth()
    async with bus_at(nats_server) as bus:
        ping = bus._nats._send_ping

        async def late(pong: asyncio.Future[bool]) -> None:
            await asyncio.sleep(delay_s)
            await ping(pong)

        monkeypatch.setattr(bus._nats, "_send_ping", late)
        watching = asyncio.create_task(bus.watch())
        await until(lambda: growth.of(f"{hop}_count") >= 3)
        watching.cancel()
        await asyncio.wait((watching,))

    hops, took_s = growth.of(f"{hop}_count"), growth.of(f"{hop}_sum")
    assert delay_s <= took_s / hops < 10 * delay_s
    assert growth.of(f"{hop}_bucket", le="0.05") == 0
    assert sample("voicebus_bus_rtt_seconds") >= delay_s


async def test_a_busy_connection_is_not_given_up(
    own_nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer stands in a queue behind much else: as long as that arrives, nobody is gone."""
    monkeypatch.setattr(watchdog, "EVERY_S", 0.0)
    monkeypatch.setattr(watchdog, "TICK_S", 0.05)
    monkeypatch.setattr(watchdog, "SILENT_TICKS", 20)
    monkeypatch.setattr(watchdog, "LONGEST_TICKS", 1000)
    place = place_here()
    async with bus_at(own_nats_server.url) as bus, bus_at(own_nats_server.url, "other") as other:
        asked = asyncio.Event()

        async def unanswered(_: asyncio.Future[bool]) -> None:
            asked.set()

        async with bus.listen(subject_of(Failure, place)):
            await bus.flush()
            monkeypatch.setattr(bus._nats, "_send_ping", unanswered)
            watching = asyncio.create_task(bus.watch())
            await asked.wait()
            for _ in range(150):
                await other.publish(Failure(stage="stt", code="engine", message="no"), place)
                await asyncio.sleep(0.02)
            assert bus._nats.stats["reconnects"] == 0
            async with asyncio.timeout(10):
                while not bus._nats.stats["reconnects"]:
                    await asyncio.sleep(0.05)
        watching.cancel()
