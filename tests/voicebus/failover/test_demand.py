"""How much work there is against how much fits, as a supervisor tells it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from prometheus_client import REGISTRY

from schemas.claim import Demand, Presence
from schemas.codec import encode
from subjects.jobs import demand_subject
from subjects.processes import presence_subject
from tests.voicebus.toys import Work, ask, role
from tests.workers import beside, bus_in, new_place, until, worker_in
from voicebus.bus.client import Bus
from voicebus.failover.demand import Teller

LLM = {"role": "llm"}


@asynccontextmanager
async def telling(bus: Bus, name: str = "s1") -> AsyncIterator[None]:
    """Run a teller while the context lasts."""
    running = asyncio.create_task(Teller(bus, name).run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.wait((running,))


async def heard(bus: Bus, about: str) -> Demand:
    """Wait for the next word about a stage."""
    async with bus.listen(demand_subject(bus.cell, about)) as inbox, asyncio.timeout(10):
        _, event = await inbox.next()
    assert isinstance(event, Demand)
    return event


async def test_queued_and_held_claims_are_told_against_the_slots(nats_server: str) -> None:
    """Five jobs for three slots: three are held, two wait, and age until there is a slot.

    Stages without work are told, too.
    """
    place, work = new_place(), Work()
    async with (
        bus_in(nats_server, place.cell) as bus,
        worker_in(nats_server, place.cell, role("a", slots=2), work),
        worker_in(nats_server, place.cell, role("b", slots=1), work),
        telling(bus),
    ):
        for each in (place, *(beside(place) for _ in range(4))):
            await ask(bus, each)
        await until(work.holds(3))
        llm = await heard(bus, "llm")
        stt = await heard(bus, "stt")
        shown = {
            name: REGISTRY.get_sample_value(name, LLM)
            for name in (
                "voicebus_demand_sessions",
                "voicebus_demand_waiting",
                "voicebus_slots",
                "voicebus_workers",
                "voicebus_demand_promised",
                "voicebus_demand_refused",
            )
        }
        async with asyncio.timeout(10):
            while not (REGISTRY.get_sample_value("voicebus_queue_age_seconds", LLM) or 0.0) > 1.0:
                await asyncio.sleep(0.1)
        work.go.set()
        async with asyncio.timeout(10):
            while REGISTRY.get_sample_value("voicebus_queue_age_seconds", LLM):
                await asyncio.sleep(0.1)

    assert llm == Demand(role="llm", waiting=2, held=3, slots=3, workers=2)
    assert stt == Demand(role="stt", waiting=0, held=0, slots=0, workers=0)
    assert list(shown.values()) == [5, 2, 3, 2, 0, 0]


async def test_a_session_in_which_nothing_was_said_is_demand(nats_server: str) -> None:
    """Edges keep a place for each, so a listener is needed: for nobody else of the stages."""
    place = new_place()
    async with bus_in(nats_server, place.cell) as bus, telling(bus):
        await heard(bus, "tts")  # it listens
        for name, promised in (("a", 2), ("b", 3)):
            edge = Presence(role="edge", worker=name, slots=9, busy=9, promised=promised)
            await bus.announce(presence_subject(place.cell, "edge", name), encode(edge))
        await heard(bus, "tts")  # and has counted once more
        stt, turn = await heard(bus, "stt"), await heard(bus, "turn")

    assert (stt.promised, stt.whole) == (5, 5)
    assert (turn.promised, turn.whole) == (0, 0)


async def test_callers_who_were_sent_away_are_demand_of_what_sessions_hold(
    nats_server: str,
) -> None:
    """Up to the slots that there are: who knocks a hundred times wants no hundred places."""
    place = new_place()
    async with bus_in(nats_server, place.cell) as bus, telling(bus):
        await heard(bus, "tts")  # it listens
        for role, slots in (("stt", 3), ("turn", 64), ("llm", 8)):
            worker = Presence(role=role, worker=role, slots=slots, busy=0)
            await bus.announce(presence_subject(place.cell, role, role), encode(worker))
        for name, refused in (("a", 2), ("b", 98)):
            edge = Presence(role="edge", worker=name, slots=9, busy=9, refused=refused)
            await bus.announce(presence_subject(place.cell, "edge", name), encode(edge))
        await heard(bus, "tts")  # and has counted once more
        told = [await heard(bus, role) for role in ("stt", "turn", "llm")]

    assert [(demand.refused, demand.whole) for demand in told] == [(3, 3), (64, 64), (0, 0)]


async def test_that_callers_were_sent_away_is_told_at_once(
    nats_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever starts workers for them does not wait for the next count."""
    place = new_place()
    async with bus_in(nats_server, place.cell) as bus, telling(bus):
        await heard(bus, "tts")
        monkeypatch.setattr("voicebus.failover.demand.TELL_S", 60.0)
        await heard(bus, "tts")  # one pause had begun before
        worker = Presence(role="stt", worker="w", slots=3, busy=3)
        await bus.announce(presence_subject(place.cell, "stt", "w"), encode(worker))
        edge = Presence(role="edge", worker="a", slots=9, busy=9, refused=2)
        await bus.announce(presence_subject(place.cell, "edge", "a"), encode(edge))

        assert (await heard(bus, "stt")).refused == 2
