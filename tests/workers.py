"""Workers on the tests' server, each test in a cell of its own, with work of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec

from schemas.claim import Claimed
from schemas.codec import encode
from schemas.event import Event
from subjects.catalog import Place, subject_of
from subjects.streams import consumer_name
from subjects.tokens import new_token
from tests.bus import bus_settings
from voicebus.bus.client import Bus
from voicebus.bus.delivery import Delivery
from voicebus.claim import Claim
from voicebus.process import attached
from voicebus.settings import ProcessSettings
from voicebus.worker import Role, Work, Worker


def new_place() -> Place:
    """A session in a cell of its own, whose jobs no other test's worker takes."""
    return Place(new_token("c"), new_token("e"), new_token("s"))


def beside(place: Place) -> Place:
    """Another session of the same edge."""
    return msgspec.structs.replace(place, session=new_token("s"))


@asynccontextmanager
async def bus_in(url: str, cell: str, name: str = "test") -> AsyncIterator[Bus]:
    """Connect to a cell as a process does."""
    settings = msgspec.structs.replace(bus_settings(url), cell=cell)
    async with attached(ProcessSettings(worker_id=name), settings, asyncio.Event()) as bus:
        yield bus


class Running:
    """A worker that runs, and how to stop it."""

    def __init__(
        self, bus: Bus, worker: Worker, task: asyncio.Task[None], stop: asyncio.Event
    ) -> None:
        self.worker = worker
        self._bus = bus
        self._task = task
        self._stop = stop

    def break_connection(self) -> None:
        """Cut its connection to the server, as a network does."""
        transport = self._bus._nats._transport
        assert transport is not None
        transport.close()  # type: ignore[no-untyped-call]

    async def stop(self) -> float:
        """Ask the worker to stop; return the seconds that its drain took."""
        begun_s = time.monotonic()
        self._stop.set()
        await asyncio.wait((self._task,), timeout=20)
        return time.monotonic() - begun_s


@asynccontextmanager
async def worker_in(
    url: str, cell: str, role: Role, work: Work, drain_s: float = 2.0
) -> AsyncIterator[Running]:
    """Run a worker with a connection of its own while the context lasts."""
    async with bus_in(url, cell, role.worker) as bus, asyncio.TaskGroup() as group:
        worker, stop = Worker(bus, role, work), asyncio.Event()
        running = Running(bus, worker, group.create_task(worker.run(stop, drain_s)), stop)
        try:
            yield running
        finally:
            await running.stop()


async def jobs_left(bus: Bus, role: str) -> int:
    """How many of a role's jobs wait or are held."""
    name = consumer_name(bus.cell, role)
    info = msgspec.json.decode(await bus.request(f"$JS.API.CONSUMER.INFO.JOBS.{name}", b""))
    return int(info["num_pending"]) + int(info["num_ack_pending"])


async def until(condition: Callable[[], bool], limit_s: float = 5.0) -> float:
    """Wait until something is so; return the seconds that it took.

    Raises:
        TimeoutError: It is not so in time.
    """
    begun_s = time.monotonic()
    async with asyncio.timeout(limit_s):
        while not condition():
            await asyncio.sleep(0.005)
    return time.monotonic() - begun_s


async def until_done(bus: Bus, role: str, limit_s: float = 5.0) -> None:
    """Wait until none of a role's jobs is left.

    Raises:
        TimeoutError: Some are left.
    """
    async with asyncio.timeout(limit_s):
        while await jobs_left(bus, role):
            await asyncio.sleep(0.02)


async def claim_on(
    bus: Bus,
    place: Place,
    role: str,
    request: Event,
    *,
    job: str = "",
    attempt: int = 1,
    age_s: float = 0.0,
) -> Claim:
    """Claim a job as the harness does, without a worker around it.

    A job that is taken over was published before its first claim. ``age_s`` is for how long it has
    waited.
    """
    job = job or f"{request.turn}-{request.revision}"
    subject = subject_of(Claimed, place, role, job)
    claims = [message async for message in bus.read("SESSION", subject)]
    stored_ns = claims[0].stored_ns if claims else time.time_ns() - int(age_s * 1e9)
    delivery = Delivery(
        subject_of(type(request), place, job=job), encode(request), "", attempt, 1, stored_ns
    )
    claim = Claim(bus, role, delivery, request, job)
    claimed = Claimed(role=role, worker="test", delivery=attempt)
    claim.own(await bus.claim(claimed, place, job, claims[-1].sequence if claims else 0))
    return claim
