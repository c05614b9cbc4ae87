"""Workers that are killed or stopped, and a supervisor that notices."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from schemas.claim import Claimed, Presence
from schemas.codec import decode, encode
from schemas.llm import TokenDelta
from subjects.catalog import Place, subject_of
from subjects.processes import presence_subject
from subjects.streams import ACK_WAIT_S
from tests.accounts import SYSTEM_PASSWORD, SYSTEM_USER, server_with_accounts, signed_in
from tests.bus import bus_settings
from tests.nats_server import NatsServer
from tests.toy_worker import PER_OWNER, toy_worker
from tests.voicebus.toys import Work, ask, role
from tests.workers import beside, bus_in, new_place, until, worker_in
from voicebus.bus.client import Bus
from voicebus.failover.guard import Guard
from voicebus.failover.roster import SILENT_S
from voicebus.failover.system import attend
from voicebus.sessions.order import Order
from voicebus.worker import PRESENCE_S

WELL_BEFORE_SILENCE_S = SILENT_S / 2


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """A server with an account for the system's events."""
    with server_with_accounts(tmp_path_factory.mktemp("nats")) as running:
        yield running


@asynccontextmanager
async def guarded(server: NatsServer, cell: str, name: str = "s1") -> AsyncIterator[Guard]:
    """Run a supervisor while the context lasts; it knows who holds what at the beginning."""
    settings = msgspec.structs.replace(
        bus_settings(server.url), nats_user=SYSTEM_USER, nats_password=SYSTEM_PASSWORD
    )
    async with bus_in(signed_in(server.url), cell, name) as bus:
        guard = Guard(bus, name)
        async with attend(settings, name, guard.began, guard.ended, guard.returned) as system:
            running = asyncio.create_task(guard.run(system))
            await asyncio.wait_for(guard.ready.wait(), 10)
            try:
                yield guard
            finally:
                running.cancel()
                await asyncio.wait((running,))


@asynccontextmanager
async def unaided(server: NatsServer, cell: str) -> AsyncIterator[Guard]:
    """Run a supervisor that may not see the system's events."""
    async with bus_in(signed_in(server.url), cell, "s1") as bus:
        guard = Guard(bus, "s1")
        running = asyncio.create_task(guard.run(None))
        await asyncio.wait_for(guard.ready.wait(), 10)
        try:
            yield guard
        finally:
            running.cancel()
            await asyncio.wait((running,))


async def claimed_by(bus: Bus, place: Place, worker: str, limit_s: float = 10.0) -> Claimed:
    """Wait until a worker has a job; return its claim."""
    subject = subject_of(Claimed, place, "llm", "1-0")
    async with asyncio.timeout(limit_s):
        while True:
            last = await bus.last("SESSION", subject)
            if last is not None:
                event = msgspec.msgpack.decode(last.payload, type=Claimed)
                if event.worker == worker:
                    return event
            await asyncio.sleep(0.005)


async def busy_of(bus: Bus, cell: str, worker: str) -> int:
    """Return how much a worker says that it holds."""
    async with bus.listen(presence_subject(cell, "llm", worker)) as inbox, asyncio.timeout(10):
        _, presence = await inbox.next()
    assert isinstance(presence, Presence)
    return presence.busy


async def test_what_a_killed_worker_held_is_in_other_hands_at_once(server: NatsServer) -> None:
    """Not after the 15 s for which JetStream waits, nor after the silence of some beats."""
    place, work = new_place(), Work()
    url = signed_in(server.url)
    async with bus_in(url, place.cell) as bus, guarded(server, place.cell):
        with toy_worker(url, place.cell, "dying") as process:
            places = [place, beside(place), beside(place)]
            for each in places:
                await ask(bus, each)
            for each in places:
                await claimed_by(bus, each, "dying")
            async with worker_in(url, place.cell, role("b"), work):
                process.kill()
                took_s = await until(work.holds(3), limit_s=10)
                attempts = [claim.attempt for claim in work.claims]

    assert took_s < WELL_BEFORE_SILENCE_S
    assert attempts == [2, 2, 2]


async def test_a_supervisor_that_came_later_knows_the_claims_of_the_past(
    server: NatsServer,
) -> None:
    """It reads them from the log at its start."""
    place, work = new_place(), Work()
    url = signed_in(server.url)
    async with bus_in(url, place.cell) as bus:
        with toy_worker(url, place.cell, "dying") as process:
            await ask(bus, place)
            await claimed_by(bus, place, "dying")
            async with (
                guarded(server, place.cell),
                worker_in(url, place.cell, role("b"), work),
            ):
                process.kill()
                took_s = await until(work.holds(1), limit_s=10)

    assert took_s < WELL_BEFORE_SILENCE_S


async def test_two_supervisors_move_a_claim_once(server: NatsServer) -> None:
    """The server takes a second order for the same job as one against its new owner."""
    place, work = new_place(), Work()
    url = signed_in(server.url)
    async with (
        bus_in(url, place.cell) as bus,
        guarded(server, place.cell, "s1"),
        guarded(server, place.cell, "s2"),
    ):
        for name in ("s1", "s2"):
            beat = Presence(role="supervisor", worker=name, slots=0, busy=0)
            await bus.publish_raw(presence_subject(place.cell, "supervisor", name), encode(beat))
        with toy_worker(url, place.cell, "dying") as process:
            await ask(bus, place)
            await claimed_by(bus, place, "dying")
            async with worker_in(url, place.cell, role("b"), work):
                process.kill()
                await until(work.holds(1), limit_s=10)
                await asyncio.sleep(1.0)
                attempts = [claim.attempt for claim in work.claims]

    assert attempts == [2]


async def test_a_worker_that_comes_back_keeps_its_claims(server: NatsServer) -> None:
    """A connection broke and nobody died: another worker would begin the same work anew."""
    place, one, other = new_place(), Work(), Work()
    url = signed_in(server.url)
    async with (
        bus_in(url, place.cell) as bus,
        guarded(server, place.cell),
        worker_in(url, place.cell, role("a", slots=1), one) as running,
    ):
        await ask(bus, place)
        await until(one.holds(1))
        async with worker_in(url, place.cell, role("b"), other):
            await asyncio.sleep(0.5)  # a client that has connected just now waits before the next
            running.break_connection()
            await asyncio.sleep(1.0)
            await until(lambda: running.worker.is_ready)

            assert other.claims == []
            assert one.held == 1


async def test_a_stopped_worker_is_given_up_and_harmless_when_it_wakes(
    server: NatsServer,
) -> None:
    """Its connection stays open, so only its silence tells. What it held is served by another
    one; when it wakes it lets go of all that, and takes new work.
    """
    place, work = new_place(), Work()
    url = signed_in(server.url)
    async with bus_in(url, place.cell) as bus, guarded(server, place.cell):
        with toy_worker(url, place.cell, "stopped") as process:
            await ask(bus, place)
            await claimed_by(bus, place, "stopped")
            async with worker_in(url, place.cell, role("b", slots=1), work):
                await asyncio.sleep(PRESENCE_S)
                process.send_signal(signal.SIGSTOP)
                took_s = await until(work.holds(1), limit_s=30)
                process.send_signal(signal.SIGCONT)
                later = beside(place)
                await ask(bus, later)
                await claimed_by(bus, later, "stopped")
                await asyncio.sleep(0.5)
                still = work.held
                busy = await busy_of(bus, place.cell, "stopped")
                words = [
                    decode(message.payload).epoch
                    async for message in bus.read("SESSION", subject_of(TokenDelta, place))
                ]

    assert took_s > SILENT_S / 2
    assert still == 1
    assert busy == 1
    assert set(words) == {words[0]}  # the next owner writes nothing, and the old one no more
    assert words[0] < work.claims[0].epoch


async def test_nobody_takes_what_a_stopped_worker_had_on_its_tongue(server: NatsServer) -> None:
    """It wakes with messages that it was about to send. Those who listen drop them, and the store
    has them not: the words of each owner are whole, and none comes after those of the next.
    """
    place = new_place()
    url = signed_in(server.url)
    subject = subject_of(TokenDelta, place)
    taken: list[TokenDelta] = []
    order = Order()
    async with bus_in(url, place.cell) as bus, guarded(server, place.cell):
        with toy_worker(url, place.cell, "stopped") as process:
            await ask(bus, place)
            await claimed_by(bus, place, "stopped")
            async with bus.listen(subject) as inbox:
                with toy_worker(url, place.cell, "next"):
                    await asyncio.sleep(PRESENCE_S)
                    process.send_signal(signal.SIGSTOP)
                    await claimed_by(bus, place, "next", limit_s=30)
                    process.send_signal(signal.SIGCONT)
                    await asyncio.sleep(2.0)
                while len(inbox):
                    _, event = await inbox.next()
                    if isinstance(event, TokenDelta) and order.take(event):
                        taken.append(event)
            stored = [decode(message.payload) async for message in bus.read("SESSION", subject)]

    for words in (taken, stored):
        epochs = [word.epoch for word in words]
        assert epochs == sorted(epochs)
        assert len(set(epochs)) == 2
        for first, epoch in ((0, epochs[0]), (PER_OWNER, epochs[-1])):
            numbers = [word.seq - first for word in words if word.epoch == epoch]
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


async def test_without_the_systems_events_silence_tells(server: NatsServer) -> None:
    """A supervisor without those credentials is slower, and still faster than JetStream."""
    place, work = new_place(), Work()
    url = signed_in(server.url)
    async with bus_in(url, place.cell) as bus, unaided(server, place.cell):
        with toy_worker(url, place.cell, "dying") as process:
            await ask(bus, place)
            await claimed_by(bus, place, "dying")
            async with worker_in(url, place.cell, role("b"), work):
                begun_s = time.monotonic()
                process.kill()
                await until(work.holds(1), limit_s=14)
                took_s = time.monotonic() - begun_s

    assert took_s > SILENT_S / 2


def test_the_silence_is_shorter_than_the_servers_wait() -> None:
    """Otherwise nothing would be gained by listening."""
    assert 2 * PRESENCE_S < SILENT_S < ACK_WAIT_S
