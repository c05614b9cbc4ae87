"""A client's line to ``/ws``: when its connection breaks it opens another one and goes on.

See "Coming back" in docs/reference/websocket.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from typing import TYPE_CHECKING, Any, Final

import msgspec
from websockets.exceptions import ConnectionClosed

from voicebus.dial import dial
from voicebus.errors import AccessDenied, BusUnavailable, ProtocolError, VoicebusError
from voicebus.exchange import error_of
from voicebus.has import Has
from voicebus.ring import Ring

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from websockets.asyncio.client import ClientConnection

    from voicebus.exchange import Message
    from voicebus.ring import Frame

FINAL: Final = frozenset({1000, 1008, 1009, 1013, 4001})
"""Close codes of a server that means it."""

DEAD_S: Final = 2.0
"""A server that answers nothing for this long, while it is spoken to, cannot be reached."""

_WATCH_S: Final = 0.5
_ANSWER_S: Final = 5.0
_SHORTEST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 3.0
_PAUSE_PART: Final = 0.25
"""Of the time without a server, one pause is no more: so little is added to it."""


class Link:
    """Made by :func:`link`. What is received is JSON messages and audio, each once."""

    def __init__(self, url: str, key: str, connection: ClientConnection) -> None:
        self._url = url
        self._key = key
        self._connection: ClientConnection | None = connection
        self._ring = Ring()
        self._written = 0
        self._writing = asyncio.Lock()
        self._arrived: asyncio.Queue[Message | bytes | Exception] = asyncio.Queue()
        self._metadata: Message = {}
        self._start: Message = {}
        self._has = Has()
        self._at: Message = {}
        self._received = 0
        self._confirmed = 0
        self._attempts = 0
        self._unanswered_s: float | None = None
        self._back = asyncio.Event()
        self._over: Exception | None = None

    async def start(self, message: Message) -> None:
        """Send the first message, which is not counted.

        Raises:
            ConnectionClosed: The connection broke.
        """
        self._start = message
        if self._connection is not None:
            await self._connection.send(_encode(message))

    async def send(self, frame: Frame | Message) -> None:
        """Send audio, or a message; while there is no connection it is kept.

        Raises:
            ConnectionClosed: The connection broke, and will not be made anew.
        """
        self._ring.push(_encode(frame) if isinstance(frame, dict) else frame)
        await self._write()

    async def receive(self) -> Message | bytes:
        """Wait for what the server says next.

        ``{"type": "reconnecting"}`` is said by the link itself: the connection broke, and another
        one is being made. ``resumed`` follows, or an error is raised.

        Raises:
            ConnectionClosed: The connection broke, and will not be made anew.
            ProtocolError: The server sent something that is not of the protocol, or the session
                has ended meanwhile: ``session_expired``.
        """
        if self._over is not None and self._arrived.empty():
            raise self._over
        arrived = await self._arrived.get()
        if isinstance(arrived, Exception):
            self._over = arrived
            raise arrived
        return arrived

    async def run(self) -> None:
        """Receive until it is over. Runs beside its user, until cancelled."""
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(self._watch())
            try:
                while (broken := await self._read()) is not None:
                    await self._come_back(broken)
            except (ConnectionClosed, VoicebusError) as err:
                self._arrived.put_nowait(err)
            watching.cancel()

    async def close(self) -> None:
        """Say goodbye."""
        if self._connection is not None:
            await self._connection.close()

    @property
    def _resumes(self) -> bool:
        return "resume_token" in self._metadata

    async def _read(self) -> ConnectionClosed | None:
        """Receive until the connection breaks; raises what is final."""
        connection = self._connection
        if connection is None:
            return None
        while True:
            try:
                data = await connection.recv()
            except ConnectionClosed as err:
                if not self._resumes or (err.rcvd is not None and err.rcvd.code in FINAL):
                    raise
                return err
            self._unanswered_s = None
            self._take(data if isinstance(data, bytes) else parse(data))

    def _take(self, arrived: Message | bytes) -> None:
        self._has.take(arrived)
        if isinstance(arrived, bytes):
            self._received += 1
        elif arrived["type"] == "ack":
            self._ring.acknowledge(arrived["frames"])
            self._at = arrived.get("at", {})
            return
        elif arrived["type"] == "going_away":
            return
        else:
            self._received = arrived.get("seq", self._received)
            if "session_id" in arrived:
                self._metadata = arrived
        self._arrived.put_nowait(arrived)

    async def _write(self) -> None:
        async with self._writing:
            connection = self._connection
            if connection is None:
                return
            for frame in self._ring.after(self._written):
                self._written += 1
                if self._unanswered_s is None:
                    self._unanswered_s = time.monotonic()
                try:
                    await connection.send(frame)
                except ConnectionClosed:
                    if self._resumes:
                        return  # it is in the ring; whoever reads makes a new connection
                    raise
            if not self._resumes and self._metadata:
                self._ring.acknowledge(self._ring.last)  # nobody will ask for it again

    async def _watch(self) -> None:
        """Notice a server that cannot be reached, and confirm what came from it."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_WATCH_S):
                    await self._back.wait()
                    self._back.clear()
                    await self._write()
            connection = self._connection
            if connection is None or not self._resumes:
                continue
            if self._unanswered_s is not None and time.monotonic() - self._unanswered_s > DEAD_S:
                connection.transport.abort()
            elif self._received > self._confirmed:
                self._confirmed = self._received
                await self.send({"type": "received", "seq": self._received})

    async def _come_back(self, broken: ConnectionClosed) -> None:
        """Go on over another connection.

        Raises:
            ConnectionClosed: ``broken``: the server could not be reached in time.
            ProtocolError: ``session_expired``, or what else it said.
        """
        self._connection = None
        self._arrived.put_nowait({"type": "reconnecting"})
        broke_s = time.monotonic()
        deadline_s = broke_s + self._metadata["resume_s"]
        pause_s = 0.0
        while (left_s := deadline_s - time.monotonic()) > 0:
            # Not all clients of a server that was restarted may come at once.
            await asyncio.sleep(min(left_s, random.uniform(pause_s / 2, pause_s)))
            pause_s = _pause_s(time.monotonic() - broke_s)
            with contextlib.suppress(BusUnavailable, TimeoutError, ConnectionClosed):
                async with asyncio.timeout(_ANSWER_S):
                    if await self._resumed():
                        return
        raise broken

    async def _resumed(self) -> bool:
        """Try once; return whether the session goes on."""
        self._attempts += 1
        try:
            connection = await dial(self._url, self._key)
        except AccessDenied:
            raise
        except ProtocolError:
            return False  # whoever stands in front of the server answers, or it wants us to wait
        try:
            return await self._go_on(connection)
        finally:
            if self._connection is not connection:
                connection.transport.abort()

    async def _go_on(self, connection: ClientConnection) -> bool:
        resume = {
            "type": "resume",
            "session_id": self._metadata["session_id"],
            "token": self._metadata["resume_token"],
            "received": self._received,
            "attempt": self._attempts,
            "start": self._start,
            "at": self._at,
            "has": self._has.message(),
        }
        await connection.send(_encode(resume))
        answer = parse(await connection.recv())
        if answer["type"] == "error":
            if answer.get("retryable"):
                return False
            raise error_of(answer["code"], answer["message"])
        try:
            self._ring.after(answer["frames"])
        except LookupError as err:
            raise ProtocolError("More was said meanwhile than is kept.", "session_expired") from err
        async with self._writing:
            self._connection, self._written = connection, answer["frames"]
            self._unanswered_s = None
        if "resume_token" in answer:  # it goes on at another server, which counts anew
            self._metadata, self._received, self._confirmed = answer, 0, 0
        self._arrived.put_nowait(answer)
        self._back.set()
        return True


@contextlib.asynccontextmanager
async def link(url: str, key: str = "") -> AsyncGenerator[Link]:
    """Connect to ``/ws``; the connection is kept up while the context lasts.

    Args:
        url: Its address.
        key: API key, where the edge wants one.

    Raises:
        VoicebusError: What :func:`voicebus.dial.dial` raises.
    """
    opened = Link(url, key, await dial(url, key))
    running = asyncio.create_task(opened.run())
    try:
        yield opened
    finally:
        running.cancel()
        await asyncio.wait((running,))
        await opened.close()


def parse(data: str | bytes) -> Message:
    """Parse a JSON message of the server.

    Raises:
        ProtocolError: It is not a JSON object with a ``type``.
    """
    try:
        message = msgspec.json.decode(data, type=dict[str, Any])
    except msgspec.DecodeError as err:
        raise ProtocolError("The server sent something that is not a JSON object.") from err
    if "type" not in message:
        raise ProtocolError("The server sent a message without a type.")
    return message


def _pause_s(away_s: float) -> float:
    return min(max(_SHORTEST_PAUSE_S, _PAUSE_PART * away_s), _LONGEST_PAUSE_S)


def _encode(message: Message) -> str:
    return msgspec.json.encode(message).decode()
