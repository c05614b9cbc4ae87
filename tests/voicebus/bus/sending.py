"""Who publishes and who listens, while the bus dies under them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import cast

from nats.aio.transport import TcpTransport

from schemas.audio import AudioChunk, AudioEnded
from schemas.claim import Claimed
from schemas.codec import decode
from schemas.event import Event
from schemas.llm import GenerateRequest, TokenDelta
from schemas.session import UserText
from subjects.catalog import Place, subject_of
from subjects.jobs import job_of
from tests.nats_server import NatsServer
from tests.voicebus.toys import ASKED
from tests.workers import bus_in, new_place, until
from voicebus.bus.client import Bus, Fence
from voicebus.bus.inbox import Inbox
from voicebus.contiguous import Contiguous
from voicebus.errors import BusError

STEP = 160
COUNT = 150
"""Messages of each kind."""


class Outcomes(list[tuple[int, BusError | None]]):
    """Takes outcomes."""

    def __call__(self, sequence: int, error: BusError | None) -> None:
        """Note one."""
        self.append((sequence, error))

    def errors(self) -> list[BusError]:
        """Those that were not stored."""
        return [error for _, error in self if error is not None]


async def log_of(bus: Bus, stream: str, subject: str) -> list[Event]:
    """Return what is stored on a subject, in order."""
    return [decode(message.payload) async for message in bus.read(stream, subject)]


def audio_in(events: list[Event]) -> bytes:
    """Put a caller's audio together as every reader does."""
    order, audio = Contiguous(0), b""
    for event in events:
        if isinstance(event, AudioChunk | AudioEnded):
            ready = order.take(event)
            audio += b"".join(chunk.pcm for chunk in ready if isinstance(chunk, AudioChunk))
    return audio


def chunk(number: int) -> AudioChunk:
    """A frame that is like no other."""
    return AudioChunk(pcm=number.to_bytes(2, "little") * STEP, offset=number * STEP)


class Speakers:
    """A worker and an edge that publish, and somebody who listens; three connections."""

    def __init__(self, worker: Bus, edge: Bus, place: Place, fence: Fence) -> None:
        self.worker = worker
        self.edge = edge
        self.place = place
        self.fence = fence
        self.outcomes = Outcomes()

    async def speak(self, pace_s: Callable[[], float], count: int = COUNT) -> None:
        """Publish so many of each kind, both at the same time."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._work(pace_s, count))
            group.create_task(self._send(pace_s, count))

    async def _work(self, pace_s: Callable[[], float], count: int) -> None:
        for number in range(count):
            token = TokenDelta(turn=1, seq=number, text=f"{number} ")
            await self.worker.publish(token, self.place, self.fence, self.outcomes)
            asked = GenerateRequest(turn=number, messages=ASKED)
            job = f"{number}-0"
            await self.worker.publish(asked, self.place, None, self.outcomes, job=job)
            await asyncio.sleep(pace_s())

    async def _send(self, pace_s: Callable[[], float], count: int) -> None:
        for number in range(count):
            await self.edge.publish(chunk(number), self.place, None, self.outcomes)
            text = UserText(text=str(number), seq=number)
            await self.edge.publish(text, self.place, None, self.outcomes)
            await asyncio.sleep(pace_s())

    async def expect_complete(self, count: int = COUNT) -> None:
        """Everything has its outcome, and is in the log once and in order; audio at least once."""
        await until(lambda: len(self.outcomes) == 4 * count, limit_s=40)
        place, bus = self.place, self.worker
        tokens = await log_of(bus, "SESSION", subject_of(TokenDelta, place))
        texts = await log_of(bus, "SESSION", subject_of(UserText, place))
        jobs = [
            job_of(message.subject)
            async for message in bus.read("JOBS", subject_of(GenerateRequest, place))
        ]
        audio = await log_of(bus, "AUDIO", subject_of(AudioChunk, place))

        assert self.outcomes.errors() == []
        assert [token.seq for token in tokens] == list(range(count))
        assert [text.seq for text in texts] == list(range(count))
        assert jobs == [f"{number}-0" for number in range(count)]
        assert audio_in(audio) == b"".join(chunk(number).pcm for number in range(count))


@asynccontextmanager
async def speakers(server: NatsServer) -> AsyncIterator[tuple[Speakers, Inbox]]:
    """Two who publish in a cell of their own, and what a third one hears."""
    place = new_place()
    async with (
        bus_in(server.url, place.cell, "worker") as worker,
        bus_in(server.url, place.cell, "edge") as edge,
        bus_in(server.url, place.cell, "listener") as listener,
        listener.listen(subject_of(TokenDelta, place), subject_of(UserText, place)) as inbox,
    ):
        await listener.flush()
        claimed = Claimed(role="llm", worker="w", delivery=1, ack="a")
        fence = await worker.claim(claimed, place, "1-0", 0)
        yield Speakers(worker, edge, place, fence), inbox


def heard(inbox: Inbox, kind: type[Event]) -> list[int]:
    """Return the numbers of what was heard of a kind."""
    return [event.seq for _, event in inbox._messages if isinstance(event, kind)]


def cut(bus: Bus) -> None:
    """Cut a process's connection to the server, as a network does."""
    _socket(bus).abort()


def _socket(bus: Bus) -> asyncio.Transport:
    transport = bus._nats._transport
    assert isinstance(transport, TcpTransport)
    assert transport._io_writer is not None
    return cast(asyncio.Transport, transport._io_writer.transport)


async def without_answers(
    *buses: Bus, work: Callable[[], Awaitable[None]], dies: NatsServer | None = None
) -> None:
    """Do something of which the server hears, while none of its answers arrives; then break the
    connections.

    Args:
        buses: Those who hear nothing.
        work: What they do.
        dies: The server, if it is to be killed and started again.
    """
    for bus in buses:
        _socket(bus).pause_reading()
    await work()
    await asyncio.sleep(0.3)  # the server has it by then
    if dies is not None:
        await asyncio.to_thread(dies.kill)
    for bus in buses:
        cut(bus)
    if dies is not None:
        await asyncio.to_thread(dies.start)
