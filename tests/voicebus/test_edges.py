"""Which edges are alive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from schemas.claim import Presence
from schemas.codec import encode
from subjects.processes import presence_subject
from tests.nats_server import NatsServer
from tests.workers import bus_in, new_place, until
from voicebus.bus.client import Bus
from voicebus.edges import EdgeWatch

GONE_S = 0.5


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicebus.edges.GONE_S", GONE_S)


@asynccontextmanager
async def watching(bus: Bus) -> AsyncIterator[EdgeWatch]:
    """Follow the edges while the context lasts."""
    watch = EdgeWatch(bus)
    running = asyncio.create_task(watch.run())
    await asyncio.sleep(0.05)
    yield watch
    running.cancel()
    await asyncio.wait((running,))


async def beat(bus: Bus, edge: str, life: str = "", called: str = "") -> None:
    """Give signs of life until cancelled."""
    presence = Presence(role="edge", worker=called or edge, slots=1, busy=0, life=life)
    while True:
        await bus.publish_raw(presence_subject(bus.cell, "edge", edge), encode(presence))
        await asyncio.sleep(GONE_S / 5)


async def test_an_edge_that_is_never_heard_is_gone_after_a_while(nats_server: str) -> None:
    """A worker may take a session whose edge died before."""
    place = new_place()
    async with bus_in(nats_server, place.cell) as bus, watching(bus) as watch:
        gone = watch.gone(place.edge)
        assert not gone.done()

        waited_s = await until(gone.done)

    assert waited_s >= GONE_S - 0.1


async def test_an_edge_that_is_heard_is_not_gone_until_it_falls_silent(nats_server: str) -> None:
    """Its beats keep its sessions; all of them are let go together."""
    place = new_place()
    async with bus_in(nats_server, place.cell) as bus, watching(bus) as watch:
        beating = asyncio.create_task(beat(bus, place.edge))
        gone, same = watch.gone(place.edge), watch.gone(place.edge)
        await asyncio.sleep(4 * GONE_S)
        assert not gone.done()

        beating.cancel()
        await until(gone.done)

    assert same.done()


async def test_an_edge_may_come_back(nats_server: str) -> None:
    """What was gone is watched anew when a session of it is taken again."""
    place = new_place()
    async with bus_in(nats_server, place.cell) as bus, watching(bus) as watch:
        await until(watch.gone(place.edge).done)

        again = watch.gone(place.edge)

        assert not again.done()


async def test_nobody_is_gone_while_the_bus_is_away(own_nats_server: NatsServer) -> None:
    """Who cannot be heard may be well."""
    place = new_place()
    async with bus_in(own_nats_server.url, place.cell) as bus, watching(bus) as watch:
        gone = watch.gone(place.edge)
        await asyncio.to_thread(own_nats_server.stop)
        await until(lambda: not bus.is_connected)
        await asyncio.sleep(4 * GONE_S)

        assert not gone.done()
        await asyncio.to_thread(own_nats_server.start)
        await until(lambda: bus.is_connected)


async def test_an_edge_that_was_started_again_has_left_its_sessions(nats_server: str) -> None:
    """It keeps its name, and knows nothing of them; sessions that it brings in now are served."""
    place = new_place()
    async with bus_in(nats_server, place.cell) as bus, watching(bus) as watch:
        first = asyncio.create_task(beat(bus, place.edge, "first"))
        former = watch.gone(place.edge)
        await asyncio.sleep(GONE_S / 2)
        first.cancel()
        second = asyncio.create_task(beat(bus, place.edge, "second"))
        await asyncio.sleep(GONE_S / 4)
        present = watch.gone(place.edge)
        is_gone_at_once = former.done()

        await until(former.done)

        await asyncio.sleep(GONE_S)
        assert not is_gone_at_once
        assert not present.done()
        second.cancel()


async def test_an_edge_that_comes_is_noticed_once(nats_server: str) -> None:
    """It does not know who is there; so does one that was started again under its name."""
    place = new_place()
    async with bus_in(nats_server, place.cell) as bus, watching(bus) as watch:
        for life in ("first", "second"):
            beating = asyncio.create_task(beat(bus, place.edge, life))
            await until(watch.arrived.is_set)
            watch.arrived.clear()
            await asyncio.sleep(GONE_S / 2)
            assert not watch.arrived.is_set()
            beating.cancel()


async def test_nobody_gives_signs_of_life_for_another_edge(nats_server: str) -> None:
    """An edge is who may publish on its subject, whatever it calls itself."""
    place = new_place()
    async with bus_in(nats_server, place.cell) as bus, watching(bus) as watch:
        other = asyncio.create_task(beat(bus, "other", called=place.edge))

        waited_s = await until(watch.gone(place.edge).done)

        assert waited_s > GONE_S / 2
        other.cancel()


async def test_what_an_edge_asked_in_a_former_life_ends_though_it_is_heard_of_later(
    nats_server: str,
) -> None:
    """A worker takes such a session over when the edge has long been started again."""
    place = new_place()
    async with bus_in(nats_server, place.cell) as bus, watching(bus) as watch:
        beating = asyncio.create_task(beat(bus, place.edge, "second"))
        await asyncio.sleep(GONE_S / 2)
        former, present = watch.gone(place.edge, "first"), watch.gone(place.edge, "second")

        await until(former.done)

        assert not present.done()
        beating.cancel()
