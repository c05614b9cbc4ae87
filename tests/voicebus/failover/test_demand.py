"""How much work there is against how much fits, as a supervisor tells it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import REGISTRY

from schemas.claim import Demand
from subjects.jobs import demand_subject
from tests.voicebus.toys import Work, ask, role
from tests.workers import beside, bus_in, new_place, until, worker_in
from voicebus.bus.client import Bus
from voicebus.failover.demand import Teller


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
    """Five jobs for three slots: three are held, two wait. Stages without work are told, too."""
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
            name: REGISTRY.get_sample_value(name, {"role": "llm"})
            for name in (
                "voicebus_demand_sessions",
                "voicebus_demand_waiting",
                "voicebus_slots",
                "voicebus_workers",
            )
        }
        work.go.set()

    assert llm == Demand(role="llm", waiting=2, held=3, slots=3, workers=2)
    assert stt == Demand(role="stt", waiting=0, held=0, slots=0, workers=0)
    assert list(shown.values()) == [5, 2, 3, 2]
