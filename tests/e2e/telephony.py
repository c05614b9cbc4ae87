"""A system with an edge for telephones, and what is said on its bus."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import pytest

from schemas.claim import Claimed
from schemas.event import Event
from schemas.session import SessionOpened
from subjects.catalog import place_of, session_log
from tests.system import System
from voicebus import parts
from voicebus.bus.client import Bus, connect
from voicebus.bus.inbox import Inbox
from voicebus.settings import BusSettings

EDGE = "phones"
SECRET = "open-sesame-and-quickly"
E = TypeVar("E", bound=Event)


class Exchange:
    """A system, and where its telephones come in.

    Attributes:
        system: The system.
        tcp: Port of AudioSocket.
    """

    def __init__(self, system: System, port: int, tcp: int) -> None:
        self.system = system
        self.tcp = tcp
        self._port = port

    def ws(self, protocol: str, secret: str = SECRET) -> str:
        """Where a protocol is spoken."""
        return f"ws://127.0.0.1:{self._port}/{protocol}" + (f"/{secret}" if secret else "")

    def metric(self, name: str, **labels: str) -> float:
        """Return a metric of the telephony edge."""
        return self.system.metric("telephony", name, **labels)

    async def until_idle(self) -> None:
        """Wait until no call is left."""
        async with asyncio.timeout(20):
            while self.metric("voicebus_sessions_active", edge="telephony"):
                await asyncio.sleep(0.05)


@contextlib.contextmanager
def exchange(
    folder: Path, settings: Mapping[str, str], own: Mapping[str, str]
) -> Iterator[Exchange]:
    """Run a system with a telephony edge."""
    port, tcp = parts.free_ports(2)
    given = {
        "TELEPHONY_PORT": str(port),
        "TELEPHONY_AUDIOSOCKET_PORT": str(tcp),
        "TELEPHONY_NAME": EDGE,
        "TELEPHONY_SECRET": SECRET,
        **own,
    }
    with System(folder, settings) as system:
        system.add(parts.telephony_part(system.environment(**given)))
        system.wait_ready()
        yield Exchange(system, port, tcp)


class Overheard:
    """What was said on the bus, in the sessions of the telephony edge."""

    def __init__(self, bus: Bus) -> None:
        self.events: list[tuple[str, Event]] = []
        self._bus = bus
        self._news = asyncio.Event()

    def of(self, kind: type[E], session: str = "") -> list[E]:
        """Return the messages of a kind, of one session or of all."""
        return [
            event
            for where, event in self.events
            if isinstance(event, kind) and session in {"", where}
        ]

    def sessions(self) -> list[str]:
        """Return the sessions in the order in which they were opened."""
        return [where for where, event in self.events if isinstance(event, SessionOpened)]

    async def hand_on(self, role: str) -> None:
        """Have what a dead worker held given to the next one, as the supervisor does."""
        for claim in self.of(Claimed):
            if claim.role == role:
                await self._bus.publish_raw(claim.ack, b"-NAK")

    def note(self, subject: str, event: Event) -> None:
        """Take a message."""
        self.events.append((place_of(subject).session, event))
        self._news.set()

    async def until(self, kind: type[E], count: int = 1, within_s: float = 30.0) -> E:
        """Wait for the ``count``-th message of a kind."""
        try:
            async with asyncio.timeout(within_s):
                while len(self.of(kind)) < count:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            said = [type(event).__name__ for _, event in self.events[-30:]]
            pytest.fail(f"no {count} of {kind.__name__} after {said}")
        return self.of(kind)[count - 1]


@contextlib.asynccontextmanager
async def overheard(exchange: Exchange) -> AsyncIterator[Overheard]:
    """Listen to the bus while the context lasts."""
    bus = await connect(BusSettings(nats_url=exchange.system.nats.url), "test")
    heard = Overheard(bus)
    try:
        async with bus.listen(*session_log("local", "*", EDGE)) as inbox:
            await bus.flush()
            listening = asyncio.create_task(_note_all(inbox, heard))
            yield heard
            listening.cancel()
            await asyncio.wait((listening,))
    finally:
        await bus.close()


async def _note_all(inbox: Inbox, heard: Overheard) -> None:
    async for subject, event in inbox:
        heard.note(subject, event)
