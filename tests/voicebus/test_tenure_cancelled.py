"""A worker that goes in the moment in which it claims a job: the job is nobody's fault."""

from __future__ import annotations

import asyncio

import pytest

from schemas.claim import Claimed, ClaimLeft
from schemas.codec import decode
from schemas.event import Event
from subjects.catalog import Place, subject_of
from tests.voicebus.toys import Work, ask, role
from tests.workers import bus_in, new_place, until
from voicebus.bus.client import Fence
from voicebus.worker import Worker


async def test_a_claim_that_was_being_written_is_given_back(
    nats_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stands already, and its worker does not know: nobody is to take it for one that died."""
    place, stop, is_written = new_place(), asyncio.Event(), asyncio.Event()
    async with (
        bus_in(nats_server, place.cell) as bus,
        bus_in(nats_server, place.cell, "a") as own,
    ):
        write = own.claim

        async def slow(event: Claimed | ClaimLeft, place: Place, job: str, last: int) -> Fence:
            """Write it; the answer takes its time."""
            fence = await write(event, place, job, last)
            is_written.set()
            await asyncio.sleep(0.5)
            return fence

        monkeypatch.setattr(own, "claim", slow)
        work = Work()
        worker = Worker(own, role(), work)
        running = asyncio.create_task(worker.run(stop, 0.05))
        await ask(bus, place)
        await asyncio.wait_for(is_written.wait(), 20)
        stop.set()
        await until(running.done, limit_s=20)
        subject = subject_of(Claimed, place, "llm", "1-0")
        records: list[Event] = [decode(m.payload) async for m in bus.read("SESSION", subject)]

    assert [type(record).__name__ for record in records] == ["Claimed", "ClaimLeft"]
    left = records[1]
    assert isinstance(left, ClaimLeft)
    assert left.cause == "drained"
    assert work.claims == []
