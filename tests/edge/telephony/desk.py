"""A telephony edge in this process, on a real bus, with the test in the place of all workers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

from edge.telephony.gate import Gate
from edge.telephony.metronome import Metronome
from edge.telephony.office import KIND, Office
from edge.telephony.settings import TelephonySettings
from edge.telephony.sockets import create_app, options
from edge.telephony.tcp import listening
from edge.telephony.turnstile import Turnstile
from schemas.audio import AudioChunk
from schemas.event import Event
from schemas.session import SessionClosed
from schemas.stt import TranscribeRequest
from schemas.turn import ConverseRequest
from subjects.catalog import Place, place_of, subject_of
from subjects.tokens import new_token
from tests.bus import CELL, bus_at
from voicebus import health
from voicebus.bus.client import Bus
from voicebus.bus.inbox import Inbox
from voicebus.sessions.sessions import Sessions

E = TypeVar("E", bound=Event)
_SEND_BYTES = 4_096


class Desk:
    """What exchanges call, and what the edge says on the bus.

    Attributes:
        tcp: Port of AudioSocket.
        ws: Address of WebSockets.
        heard: What was read of the edge's messages.
    """

    def __init__(self, bus: Bus, inbox: Inbox, tcp: int, ws: str) -> None:
        self.tcp = tcp
        self.ws = ws
        self.heard: list[Event] = []
        self._bus = bus
        self._inbox = inbox
        self._place = Place(CELL, "", "")

    async def until(self, kind: type[E], within_s: float = 20.0) -> E:
        """Read up to a message of a kind."""
        async with asyncio.timeout(within_s):
            while True:
                subject, event = await self._inbox.next()
                self.heard.append(event)
                self._place = place_of(subject)
                if isinstance(event, kind):
                    return event

    async def say(self, event: Event) -> None:
        """Publish as a worker of the session that was heard last."""
        await self._bus.publish(event, self._place)


@asynccontextmanager
async def desk(url: str, settings: TelephonySettings) -> AsyncIterator[Desk]:
    """Take calls while the context lasts."""
    edge = new_token("t")
    kinds = (ConverseRequest, TranscribeRequest, AudioChunk, SessionClosed)
    subjects = [subject_of(kind, Place(CELL, edge, "*")) for kind in kinds]
    sockets, tcp = (health.bind("127.0.0.1", 0) for _ in range(2))
    # A small buffer, so that who does not read is soon known to.
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BYTES)
    async with bus_at(url) as bus, bus.listen(*subjects) as inbox, asyncio.TaskGroup() as group:
        sessions = Sessions(bus, edge, KIND, 10)
        metronome = Metronome()
        office = Office(
            sessions=sessions, settings=settings, metronome=metronome, turnstile=Turnstile()
        )
        helpers = [group.create_task(one) for one in (sessions.run(), metronome.run())]
        await bus.flush()
        port = tcp.getsockname()[1]
        gate = Gate(settings)
        served = {**options(settings), "timeout_graceful_shutdown": 1}
        async with (
            health.serve(create_app(office, gate), sockets, **served),
            listening(tcp, office, gate),
        ):
            yield Desk(bus, inbox, port, f"ws://{health.address(sockets)}")
        for helper in helpers:
            helper.cancel()
