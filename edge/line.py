"""A session's line to its client: one socket, and after it the next. The shell of resumption."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final, NoReturn

import structlog
from msgspec import to_builtins
from starlette.websockets import WebSocketDisconnect

from edge import wire
from edge.connection import LOST, Connection, Frame
from edge.delivery import Delivery
from edge.resumption import NOBODYS, NOTHING, Taken, Ticket
from edge.wire import At
from schemas.session import ClientLost, ClientReturned
from voicebus import metrics
from voicebus.errors import BusError, ProtocolError, SessionExpired
from voicebus.sessions.session import Session

log: Final = structlog.get_logger()

GOODBYES: Final = (1000, 1001)
"""Close codes of a client that means it: it will not come back. Not 1005, a close without a code:
a client that drops a connection which it takes for dead has said no goodbye."""

REPLACED: Final = 4001
TAKEN_OVER: Final = "another connection has taken over this session"
_ACKNOWLEDGE_S: Final = 0.25
_FLUSH_S: Final = 1.0

Take = Callable[[Frame, int], Awaitable[At | None]]
"""Takes a frame of the client, and its number; returns what is known of the stream behind it, or
None when some of it was not handed to the bus yet."""

Before = Callable[[], Awaitable[object]]
"""What is done before a socket's first frame is read."""


class Line:
    """Carries a session's frames, over whichever socket there is.

    Args:
        session: The session.
        delivery: What goes to the client.
        take: What comes from it goes there, one frame at a time.
        grace_s: How long it waits for a client whose socket broke.
        ticket: What that client must prove; None when it will not come back.
        at: How far another edge had taken what it sent.

    Attributes:
        connection: The socket; None while there is none.
        ended: Fails once the client has left for good, or what it sent could not be taken.
    """

    def __init__(
        self,
        session: Session,
        delivery: Delivery,
        take: Take,
        grace_s: float,
        ticket: Ticket | None = None,
        at: At = NOTHING,
    ) -> None:
        self._session = session
        self._delivery = delivery
        self._take = take
        self._grace_s = grace_s
        self._taken = Taken(at)
        self._taking = asyncio.Lock()
        self._attempt = 0
        self._reading: asyncio.Task[None] | None = None
        self._sending: asyncio.Task[None] | None = None
        self._lost = asyncio.Event()
        self._back = asyncio.Event()
        self.ticket: Final = ticket
        self.connection: Connection | None = None
        self.ended: asyncio.Future[NoReturn] = asyncio.get_running_loop().create_future()

    async def open(self, connection: Connection, first: Frame | None) -> None:
        """Use the session's first socket, until it is of no more use.

        Args:
            connection: The socket.
            first: What it brought already.
        """
        self.connection = connection
        await self._serve(connection, None if first is None else partial(self._take, first, 0), ())

    async def take_over(self, connection: Connection, asked: wire.Resume) -> None:
        """Go on over another socket: the client is back, whether or not its old one has broken.

        Args:
            connection: The new socket.
            asked: What it brought.

        Raises:
            ProtocolError: ``session_expired``: it is too late, or too much was missed.
        """
        async with self._taking:
            opening = self._switch(connection, asked)
        if self.connection is not connection:
            await connection.close(REPLACED, TAKEN_OVER)
            return
        await self._serve(connection, partial(self._session.tell, ClientReturned()), opening)

    async def absence(self) -> NoReturn:
        """Wait until the client has been away for too long.

        Raises:
            WebSocketDisconnect: It has.
        """
        while True:
            await self._lost.wait()
            if not await self._comes_back():
                raise WebSocketDisconnect(LOST)

    async def _comes_back(self) -> bool:
        # What is raised where a timeout is caught refers to its task, and so to itself: not there.
        try:
            async with asyncio.timeout(self._grace_s):
                await self._back.wait()
        except TimeoutError:
            return False
        return True

    async def flush(self) -> None:
        """Let the client have what waits for it, if it reads."""
        if self._sending is not None:
            await asyncio.wait((self._sending,), timeout=_FLUSH_S)

    async def stop(self) -> None:
        """Take nothing more, and let nobody come back."""
        if not self.ended.cancel() and not self.ended.cancelled():
            self.ended.exception()  # whoever waits for it has it
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait((self._reading,))

    async def close(self, code: int, reason: str, told: dict[str, Any] | None = None) -> None:
        """Say goodbye to the client, if it is there; the session is over."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.wait((self._sending,))
        if self.connection is not None:
            await self.connection.close(code, reason, told)
            self.connection.release()
        # It refers to nothing that refers to it: all of the session, with what it holds of replies,
        # is freed at once, and not when the collector comes, minutes later.
        self._take = _nothing
        self._reading = self._sending = None

    def _switch(self, connection: Connection, asked: wire.Resume) -> Sequence[Frame]:
        """Make a socket the session's, unless it is late; return what it is sent first."""
        if self.ended.done():
            raise SessionExpired()
        if asked.attempt < self._attempt:
            return ()
        again = self._delivery.returned(asked.received)
        self._attempt = asked.attempt
        was, self.connection = self.connection, connection
        if self._sending is not None:
            self._sending.cancel()  # or it would send what was not counted
        self._back.set()
        self._lost.clear()
        if was is not None:
            was.release()
        log.info("client.returned", again=len(again), half_open=was is not None)
        metrics.SESSIONS_RESUMED.inc()
        return (wire.encode({"type": "resumed", "frames": self._taken.frames}), *again)

    async def _serve(
        self, connection: Connection, before: Before | None, opening: Sequence[Frame]
    ) -> None:
        try:
            await self._carry(connection, before, opening)
        except Exception as err:
            if not self.ended.done():
                self.ended.set_exception(err)  # a bug must not leave a session without a reader
            raise
        if self.connection not in (connection, None):
            await connection.close(REPLACED, TAKEN_OVER)

    async def _carry(
        self, connection: Connection, before: Before | None, opening: Sequence[Frame]
    ) -> None:
        reading = self._reading = asyncio.create_task(self._read(connection, before))
        sending = self._sending = asyncio.create_task(self._send(connection, opening))
        tasks = [reading, sending]
        if self.ticket is not None:
            tasks.append(asyncio.create_task(self._acknowledge(connection)))
        try:
            await asyncio.wait((*tasks, connection.released), return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done() and not task.cancelled() and (err := task.exception()) is not None:
                    await self._break(connection, err)
            async with self._taking:
                pass  # what was counted is taken to its end
            if self.connection is connection:
                await connection.released  # the session is over: this is its goodbye
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _read(self, connection: Connection, before: Before | None) -> None:
        if before is not None:
            await before()
        await connection.take_each(partial(self._take_from, connection))

    async def _take_from(self, connection: Connection, frame: Frame) -> None:
        async with self._taking:
            if self.connection is not connection:
                return  # the client will send it again, over the new one
            self._taken.frames += 1
            at = await self._take(frame, self._taken.frames)
            if at is not None and self.ticket is not None:
                self._taken.mark(self._session.published, at)

    async def _send(self, connection: Connection, opening: Sequence[Frame]) -> None:
        for frame in opening:
            await connection.send(frame)
        while (data := await self._delivery.next()) is not None:
            await connection.send(data)

    async def _acknowledge(self, connection: Connection) -> None:
        """Say how much is stored: at most four times a second, and at least while frames come."""
        told = (0, 0)
        while True:
            await asyncio.sleep(_ACKNOWLEDGE_S)
            self._taken.settle(self._session.stored)
            now = (self._taken.frames, self._taken.stored)
            if now != told:
                told = now
                at = self._taken.at
                ack = {"type": "ack", "frames": at.frames, "at": to_builtins(at)}
                await connection.send(wire.encode(ack))

    async def _break(self, connection: Connection, err: BaseException) -> None:
        if self.connection is not connection or self.ended.done():
            return
        if not isinstance(err, WebSocketDisconnect):
            self.ended.set_exception(err)
            return
        self.connection = None
        connection.release()
        if self.ticket is None or err.code in GOODBYES:
            self.ended.set_exception(err.with_traceback(None))  # or it holds all that it came by
            return
        self._delivery.lost()
        self._back.clear()
        self._lost.set()
        log.info("client.lost")
        try:
            await self._session.tell(ClientLost())
        except BusError as unsaid:
            self.ended.set_exception(unsaid)


async def _nothing(_: Frame, __: int) -> None:
    return None


class Lines:
    """The lines of one edge to which a client may come back, by session."""

    def __init__(self) -> None:
        self._lines: dict[str, Line] = {}

    def add(self, session: str, line: Line) -> None:
        """Let the session's client come back."""
        self._lines[session] = line

    def remove(self, session: str) -> None:
        """The session is over."""
        self._lines.pop(session, None)

    def has(self, session: str) -> bool:
        """Whether this edge has the session."""
        return session in self._lines

    def find(self, asked: wire.Resume) -> Line:
        """Return the line that a client asks for.

        Raises:
            ProtocolError: ``session_expired``: there is no such session, or no longer;
                ``bad_token``: it is another client's.
        """
        line = self._lines.get(asked.session_id)
        ticket = NOBODYS if line is None or line.ticket is None else line.ticket
        is_admitted = ticket.admits(asked.token)
        if line is None or line.ended.done():
            raise SessionExpired()
        if not is_admitted:
            raise ProtocolError("this token is not the session's; begin anew", "bad_token")
        return line
