"""The sessions of one edge: opened with two jobs, heard through one subscription."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import structlog

from schemas.claim import Claimed, Presence
from schemas.session import ClientLost, SessionClosed, SessionOpened
from subjects.catalog import Place, place_of
from subjects.inboxes import edge_inbox
from subjects.tokens import new_token
from voicebus import metrics, zeros
from voicebus.bus.client import Bus
from voicebus.errors import BusError, BusUnavailable, Busy
from voicebus.sessions.beats import Beats
from voicebus.sessions.capacity import Capacity
from voicebus.sessions.room import PROMISED
from voicebus.sessions.session import Session

log: Final = structlog.get_logger()

_FULL_RETRY_S: Final = 5.0


class Sessions:
    """All sessions of this edge. One per process.

    Args:
        bus: The connection.
        edge: The edge's name, a token of all its subjects.
        kind: ``websocket`` …, for metrics.
        limit: Sessions at once.
        url: Where the edge's metrics are.
        capacity: Says whether workers have a place free; None lets every session in.
    """

    def __init__(
        self,
        bus: Bus,
        edge: str,
        kind: str,
        limit: int,
        url: str = "",
        capacity: Capacity | None = None,
    ) -> None:
        self._bus = bus
        self._edge = edge
        self._kind = kind
        self._limit = limit
        self._url = url
        self._life = new_token("")
        self._capacity = capacity
        self._open: dict[str, Session] = {}
        self._beats = Beats(bus, edge, self._presence, self._open.values)
        self._draining = False
        self.ended = asyncio.Event()
        self.ended.set()
        zeros.edge(kind)

    def __len__(self) -> int:
        return len(self._open)

    async def expect_place(self, roles: tuple[str, ...] = ()) -> None:
        """Ask whether a session could be opened, before anything is done for it.

        Args:
            roles: Whose workers it needs; those of a conversation if none.

        Raises:
            BusUnavailable: The bus is not reachable, or the edge is shutting down.
            Busy: The edge has as many sessions as it may, or no worker has a place free.
            NoWorker: Nobody is there who could serve it.
        """
        self._expect_service()
        if self._capacity is not None:
            try:
                await self._capacity.expect(roles)
            except Busy:
                self._beats.hurry()  # whoever starts workers should know
                raise
            self._expect_service()  # it may have taken its time

    @asynccontextmanager
    async def open(
        self, client: str, ticket: str = "", roles: tuple[str, ...] = ()
    ) -> AsyncIterator[Session]:
        """Open a session; it is closed on the bus when the context ends.

        Args:
            client: Kind of client.
            ticket: By what it is known at any edge; empty for one that will not come back.
            roles: Whose workers it needs; those of a conversation if none.

        Raises:
            BusError: What :meth:`expect_place` raises.
        """
        await self.expect_place(roles)
        place = Place(self._bus.cell, self._edge, new_token("s"))
        if self._capacity is not None:
            self._capacity.promise(place.session, roles)
        session = Session(self._bus, place, self._life, may_move=bool(ticket))
        self._open[place.session] = session
        self.ended.clear()
        metrics.SESSIONS.labels(self._kind).inc()
        begun_s = time.monotonic()
        try:
            await session.tell(SessionOpened(client=client, ticket=ticket))
            yield session
        finally:
            del self._open[place.session]
            if self._capacity is not None:
                self._capacity.ended(place.session)
            if not self._open:
                self.ended.set()
            metrics.SESSIONS.labels(self._kind).dec()
            metrics.SESSION_SECONDS.labels(self._kind).observe(time.monotonic() - begun_s)
            metrics.SESSIONS_ENDED.labels(self._kind, session.close_reason).inc()
            session.inbox.close()
            self._bus.tracing.closed(place.session)
            await asyncio.shield(self._close(session))

    def drain(self) -> None:
        """Refuse new sessions, send those away that can go on elsewhere, and end the others."""
        self._draining = True
        for session in self._open.values():
            session.close_reason = "shutdown"
            session.is_left = session.may_move
            session.inbox.close()

    async def run(self) -> None:
        """Hand what arrives to its session, and give signs of life. Runs until cancelled."""
        async with (
            self._bus.listen(edge_inbox(self._bus.cell, self._edge), limit=65_536) as inbox,
            asyncio.TaskGroup() as group,
        ):
            group.create_task(self._beats.run())
            async for subject, event in inbox:
                session = self._open.get(place_of(subject).session)
                if session is not None:
                    session.arrive(subject, event)
                    if self._capacity is not None and isinstance(event, Claimed):
                        self._capacity.claimed(session.place.session, event)

    def _expect_service(self) -> None:
        if self._draining:
            raise BusUnavailable("this server is shutting down")
        if not self._bus.is_connected:
            raise BusUnavailable("the bus is not reachable right now")
        if len(self._open) >= self._limit:
            raise Busy("this server has as many sessions as it may; try again later", _FULL_RETRY_S)

    def _presence(self, returns: int) -> Presence:
        return Presence(
            role="edge",
            worker=self._edge,
            slots=self._limit,
            busy=len(self._open),
            engine=self._kind,
            metrics=self._url,
            life=self._life,
            returns=returns,
            promised=self._promised(),
            refused=0 if self._capacity is None else self._capacity.refused(),
        )

    def _promised(self) -> int:
        """Return how many sessions have the promise of a listener, and have not asked for one."""
        kept = () if self._capacity is None else self._capacity.promised()
        return sum(PROMISED not in self._open[session].asked for session in kept)

    async def _close(self, session: Session) -> None:
        # Its workers wait for a client that goes on elsewhere. That it says nothing meanwhile is no
        # silence, and ends no utterance.
        said = ClientLost() if session.is_left else SessionClosed(reason=session.close_reason)
        try:
            await session.tell(said)
        except BusError as err:
            # The workers end the session when this edge's signs of life stop or its log says so.
            log.warning("session.close_unpublished", session=session.place.session, error=str(err))
