"""A worker's watch over itself: claims that others took, and an engine that hangs."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from schemas.claim import Claimed
from schemas.codec import encode
from subjects.catalog import Place, subject_of
from tests.nats_server import NatsServer
from tests.voicebus.toys import Work, ask, role
from tests.workers import bus_in, jobs_left, new_place, until, worker_in
from voicebus import vitals
from voicebus.bus.client import Bus, Fence
from voicebus.claim import Claim
from voicebus.engine_thread import Hang
from voicebus.role import Role
from voicebus.worker import Worker


class Given(Exception):
    """Ends a worker in place of its process."""


def give_up(reason: str, code: int) -> None:
    """Raise in place of ending the process."""
    assert code == 1, "whoever started it starts it anew"
    raise Given(reason)


async def take_over(bus: Bus, place: Place, claim: Claim) -> Fence:
    """Claim a job that somebody holds, as the next worker does."""
    rival = Claimed(role="llm", worker="rival", delivery=claim.attempt + 1)
    return await bus.claim(rival, place, claim.job, claim.epoch)


async def test_a_worker_lets_go_as_soon_as_another_takes_the_job(nats_server: str) -> None:
    """It hears of it, even if it has nothing to write, and its slot is free."""
    place, work = new_place(), Work()
    async with (
        bus_in(nats_server, place.cell) as bus,
        worker_in(nats_server, place.cell, role(), work),
    ):
        await ask(bus, place)
        await until(work.holds(1))
        await until(lambda: work.claims[0].epoch > 0)
        await bus.flush()
        await asyncio.sleep(0.1)
        await take_over(bus, place, work.claims[0])
        took_s = await until(work.holds(0))
        left = await jobs_left(bus, "llm")

    assert took_s < vitals.KEEP_ALIVE_S
    assert left == 1  # it is the other one's to settle


async def test_a_claim_that_the_store_refuses_takes_nothing(nats_server: str) -> None:
    """A worker of the past that wakes up publishes its claim, which everybody hears."""
    place, work = new_place(), Work()
    async with (
        bus_in(nats_server, place.cell) as bus,
        worker_in(nats_server, place.cell, role(), work),
    ):
        await ask(bus, place)
        await until(work.holds(1))
        claim = work.claims[0]
        late = msgspec.structs.replace(Claimed(role="llm", worker="late"), delivery=claim.attempt)
        await bus.publish_raw(subject_of(Claimed, place, "llm", claim.job), encode(late))
        await bus.flush()
        await asyncio.sleep(0.3)

        assert work.held == 1


async def test_claims_are_doubted_after_the_connection_was_lost(
    own_nats_server: NatsServer,
) -> None:
    """What others took meanwhile could not be heard, but it is in the log."""
    place, work = new_place(), Work()
    async with (
        bus_in(own_nats_server.url, place.cell) as bus,
        worker_in(own_nats_server.url, place.cell, role(), work) as running,
    ):
        await ask(bus, place, 1)
        await ask(bus, place, 2)
        await until(work.holds(2))
        await until(lambda: all(claim.epoch for claim in work.claims))
        await asyncio.sleep(0.5)
        running.break_connection()
        await take_over(bus, place, work.claims[0])
        await until(work.holds(1))
        await asyncio.sleep(0.3)

        assert work.held == 1


async def test_a_worker_whose_engine_hangs_gives_its_work_back_and_ends(
    nats_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another worker has it at once; who started the process starts it anew."""
    monkeypatch.setattr(vitals, "LOOK_S", 0.05)
    place, one, other = new_place(), Work(), Work()
    hangs = asyncio.Event()
    stuck = Role(
        name="llm",
        slots=4,
        engine="toy",
        worker="a",
        stuck=lambda _: Hang("recognition") if hangs.is_set() else None,
    )
    async with (
        bus_in(nats_server, place.cell) as bus,
        bus_in(nats_server, place.cell, "a") as own,
    ):
        worker = Worker(own, stuck, one, give_up)
        running = asyncio.create_task(worker.run(asyncio.Event(), 30.0))
        await ask(bus, place)
        await until(one.holds(1))
        async with worker_in(nats_server, place.cell, role("b"), other):
            hangs.set()
            took_s = await until(other.holds(1), limit_s=10)
            await asyncio.wait((running,), timeout=10)
            was_ready = worker.is_ready

    with pytest.raises(ExceptionGroup) as failed:
        running.result()
    assert failed.group_contains(Given, match="recognition hangs")
    assert not was_ready
    assert took_s < 10
    assert [claim.attempt for claim in other.claims] == [2]
