"""Claims that change hands: drains, silent workers, and a server that comes back."""

from __future__ import annotations

import asyncio
import time

import msgspec
import pytest

from schemas.claim import Presence
from schemas.codec import encode
from schemas.llm import GenerateRequest
from schemas.stt import TranscribeRequest
from subjects.catalog import Place, subject_of
from subjects.jobs import job_of
from subjects.processes import presence_subject
from subjects.streams import consumer_name
from tests.nats_server import NatsServer
from tests.voicebus.toys import Work, ask, role
from tests.workers import beside, bus_in, jobs_left, new_place, until, until_done, worker_in
from voicebus import vitals
from voicebus.bus.client import Bus
from voicebus.bus.delivery import Delivery
from voicebus.bus.jobs import JobSource
from voicebus.worker import Role

ACK_WAIT_S = 1


def hearing(worker: str, slots: int = 8) -> Role:
    """A worker that holds sessions."""
    return Role(name="stt", slots=slots, engine="toy", worker=worker)


async def open_session(bus: Bus, place: Place) -> None:
    """Publish a job that lasts as long as the session."""
    await bus.store(TranscribeRequest(), place, job="session")


@pytest.fixture
def short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs are handed on after a second without a sign of life, not after fifteen."""
    monkeypatch.setattr("voicebus.bus.layout.ACK_WAIT_S", ACK_WAIT_S)


async def test_a_drain_hands_sessions_to_another_worker_within_a_second(nats_server: str) -> None:
    """Nobody's session waits for a worker that is going; each changes hands once."""
    place, one, other = new_place(), Work(), Work()
    async with (
        bus_in(nats_server, place.cell) as bus,
        worker_in(nats_server, place.cell, hearing("a"), one) as leaving,
    ):
        for _ in range(3):
            await open_session(bus, beside(place))
        await until(one.holds(3))
        async with worker_in(nats_server, place.cell, hearing("b"), other):
            begun_s = time.monotonic()
            stopping = asyncio.create_task(leaving.stop())
            await until(other.holds(3), limit_s=3)
            moved_s = time.monotonic() - begun_s
            await stopping
            other.go.set()
            await until_done(bus, "stt")

    assert moved_s < 1.0
    assert {claim.place for claim in one.claims} == {claim.place for claim in other.claims}
    assert [claim.attempt for claim in other.claims] == [2, 2, 2]
    old = {claim.place: claim.epoch for claim in one.claims}
    assert all(claim.epoch > old[claim.place] for claim in other.claims)


async def test_the_last_worker_does_not_wear_out_the_jobs_that_it_leaves(nats_server: str) -> None:
    """What a drained worker let go, and what came meanwhile, waits unspoilt for the next one."""
    place, one, other = new_place(), Work(), Work()
    late = beside(place)
    async with bus_in(nats_server, place.cell) as bus:
        async with worker_in(nats_server, place.cell, hearing("a"), one) as leaving:
            await open_session(bus, place)
            await until(one.holds(1))
            await leaving.stop()
            await open_session(bus, late)
            await asyncio.sleep(0.2)
        async with worker_in(nats_server, place.cell, hearing("b"), other):
            await until(other.holds(2), limit_s=3)
            other.go.set()
            await until_done(bus, "stt")

    assert {claim.place: claim.attempt for claim in other.claims} == {place: 2, late: 1}


async def test_a_drain_lets_turns_end(nats_server: str) -> None:
    """Work that lasts a turn is finished by the one who began it."""
    place, one, other = new_place(), Work(), Work()
    async with (
        bus_in(nats_server, place.cell) as bus,
        worker_in(nats_server, place.cell, role("a"), one, drain_s=5) as leaving,
    ):
        await ask(bus, place)
        await until(one.holds(1))
        async with worker_in(nats_server, place.cell, role("b"), other):
            stopping = asyncio.create_task(leaving.stop())
            await asyncio.sleep(0.3)
            assert one.held == 1
            one.go.set()
            drained_s = await stopping
            await until_done(bus, "llm")

    assert other.claims == []
    assert drained_s < 3


async def test_a_turn_that_outlasts_the_drain_is_handed_on(nats_server: str) -> None:
    """The time to finish is bounded; then another worker has the job."""
    place, one, other = new_place(), Work(), Work()
    async with (
        bus_in(nats_server, place.cell) as bus,
        worker_in(nats_server, place.cell, role("a"), one, drain_s=0.3) as leaving,
    ):
        await ask(bus, place)
        await until(one.holds(1))
        async with worker_in(nats_server, place.cell, role("b"), other):
            await leaving.stop()
            await until(other.holds(1), limit_s=3)
            other.go.set()
            await until_done(bus, "llm")

    assert [claim.attempt for claim in other.claims] == [2]


@pytest.mark.usefixtures("short_wait")
async def test_a_long_job_is_kept(nats_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signs of life keep a claim for much longer than the wait after which it is handed on."""
    monkeypatch.setattr(vitals, "KEEP_ALIVE_S", ACK_WAIT_S / 4)
    place, one, other = new_place(), Work(), Work()
    async with (
        bus_in(nats_server, place.cell) as bus,
        worker_in(nats_server, place.cell, role("a", slots=1), one),
    ):
        await ask(bus, place)
        await until(one.holds(1))
        async with worker_in(nats_server, place.cell, role("b"), other):
            await asyncio.sleep(3 * ACK_WAIT_S)
            assert one.held == 1
            one.go.set()
            await until_done(bus, "llm")

    assert other.claims == []


@pytest.mark.usefixtures("short_wait")
async def test_a_silent_worker_loses_its_job(
    nats_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without signs of life another worker has the job after the wait, under a higher epoch."""
    monkeypatch.setattr(vitals, "KEEP_ALIVE_S", 60.0)
    place, one, other = new_place(), Work(), Work()
    async with (
        bus_in(nats_server, place.cell) as bus,
        worker_in(nats_server, place.cell, role("a", slots=1), one),
    ):
        await ask(bus, place)
        await until(one.holds(1))
        async with worker_in(nats_server, place.cell, role("b"), other):
            await until(other.holds(1), limit_s=4)
            other.go.set()
            one.go.set()
            await until_done(bus, "llm")

    assert other.claims[0].attempt == 2
    assert other.claims[0].epoch > one.claims[0].epoch


async def test_jobs_come_again_after_the_server_was_restarted(own_nats_server: NatsServer) -> None:
    """The worker reconnects, asks anew, and never holds more than its slots."""
    place, work = new_place(), Work()
    async with (
        bus_in(own_nats_server.url, place.cell) as bus,
        worker_in(own_nats_server.url, place.cell, role(slots=2), work) as running,
    ):
        await ask(bus, place, 1)
        await until(work.holds(1))
        await asyncio.to_thread(own_nats_server.stop)
        await until(lambda: not running.worker.is_ready)
        await asyncio.to_thread(own_nats_server.start)
        await until(lambda: running.worker.is_ready and bus.is_connected, limit_s=10)
        for turn in range(2, 6):
            await ask(bus, place, turn)
        await until(lambda: len(work.claims) >= 2)
        work.go.set()
        await until(lambda: len({claim.job for claim in work.claims}) == 5)
        await until_done(bus, "llm")

    assert work.most == 2


async def test_work_that_ends_without_a_server_leaves_the_slots_right(
    own_nats_server: NatsServer,
) -> None:
    """What was freed while nobody listened is asked for once."""
    place, work = new_place(), Work()
    async with (
        bus_in(own_nats_server.url, place.cell) as bus,
        worker_in(own_nats_server.url, place.cell, role(slots=1), work) as running,
    ):
        await ask(bus, place, 1)
        await until(work.holds(1))
        await asyncio.to_thread(own_nats_server.stop)
        await until(lambda: not running.worker.is_ready)
        work.go.set()
        await until(work.holds(0))
        work.go.clear()
        await asyncio.to_thread(own_nats_server.start)
        await until(lambda: running.worker.is_ready and bus.is_connected, limit_s=10)
        for turn in range(2, 6):
            await ask(bus, place, turn)
        await until(work.holds(1))
        await asyncio.sleep(0.3)
        assert work.held == 1
        work.go.set()
        await until_done(bus, "llm", limit_s=10)

    assert work.most == 1


async def test_nobody_is_given_jobs_who_no_longer_listens(nats_server: str) -> None:
    """Once a source ends, the server forgets what it had asked for."""
    place = new_place()
    async with bus_in(nats_server, place.cell) as bus:
        source = JobSource(bus, "llm", lambda: 8)
        running = asyncio.create_task(source.run())
        source.ask()
        await bus.flush()
        await ask(bus, place, 1)
        taken: Delivery = await asyncio.wait_for(source.next(), 5)
        running.cancel()
        await asyncio.wait((running,))
        await source.settle(taken, b"-NAK")
        await ask(bus, place, 2)
        await asyncio.sleep(0.2)

        name = consumer_name(place.cell, "llm")
        info = msgspec.json.decode(await bus.request(f"$JS.API.CONSUMER.INFO.JOBS.{name}", b""))
        left = await jobs_left(bus, "llm")

    assert job_of(taken.subject) == "1-0"
    assert taken.subject == subject_of(GenerateRequest, place, job="1-0")
    assert info["delivered"]["consumer_seq"] == 1
    assert left == 2


async def test_the_sessions_of_an_edge_that_died_are_let_go(
    nats_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Work for a silent edge ends and its slot is free; a living edge's work goes on."""
    monkeypatch.setattr("voicebus.edges.GONE_S", 1.0)
    dead, work = new_place(), Work()
    alive = Place(dead.cell, "alive", "s")

    async def beat(bus: Bus) -> None:
        subject = presence_subject(dead.cell, "edge", alive.edge)
        while True:
            event = Presence(role="edge", worker=alive.edge, slots=1, busy=1)
            await bus.publish_raw(subject, encode(event))
            await asyncio.sleep(0.2)

    async with bus_in(nats_server, dead.cell) as bus:
        beating = asyncio.create_task(beat(bus))
        async with worker_in(nats_server, dead.cell, role(), work):
            await ask(bus, dead)
            await ask(bus, alive)
            await until(work.holds(2))
            await until(work.holds(1), limit_s=6)
            await asyncio.sleep(1.5)
            left = await jobs_left(bus, "llm")
            still = work.held
        beating.cancel()

    assert (still, left) == (1, 1)
    assert work.claims[0].place == dead
