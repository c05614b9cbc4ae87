"""What a connection may do to the server before the application sees it.

uvicorn waits for a slow head of a request, and for a client that does not read, as long as they
like; it keeps the fragments of a message whatever their number, and answers every ping. Each of
these lets one client hold a connection, memory or the event loop for nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame

from edge.buckets import Bucket

HEAD_BYTES: Final = 16 * 1024
"""Longest head of a request; beyond it the answer is 400."""

STALL_S: Final = 30.0
"""How long a client of HTTP may leave an answer unread."""

LINGER_S: Final = 5.0
"""How long, and at most twice as long, a client may read nothing of what was sent before the
connection is closed: a transport that closes waits for that without an end."""

MAX_FRAGMENTS: Final = 1024
"""Most frames of one message."""

PINGS_PER_MIN: Final = 600
_UNREAD_PONG_BYTES: Final = 64 * 1024
_SLICE_BYTES: Final = 4096
"""Received bytes are parsed in pieces of this size: 64 KiB hold ten thousand of the shortest
frames, and others wait while they are parsed."""

_TIMEOUT: Final = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_BAD_REQUEST: Final = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class GuardedHttp(H11Protocol):
    """HTTP for clients that send the head of a request in time, and read the answer.

    Args:
        handshake_s: How long a head may take, from the connection or from its first byte.
    """

    def __init__(self, *args: Any, handshake_s: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._handshake_s = handshake_s
        self._head = _Timer()
        self._stall = _Timer()
        self._ending = _Ending()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn has it so
        """Start to wait for a head."""
        super().connection_made(transport)
        self._ending.watch(self.loop, transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Take bytes; a head that is complete is not waited for any more."""
        super().data_received(data)
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self._await_head()
        else:
            self._head.stop()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._head.stop()
        self._stall.stop()
        self._ending.stop()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Leave the connection to another protocol."""
        self._ending.stop()
        super().handle_websocket_upgrade(event)

    def pause_writing(self) -> None:
        """The client does not read what waits for it."""
        super().pause_writing()
        self._stall.start(self.loop, STALL_S, self.transport.abort)

    def resume_writing(self) -> None:
        """It does."""
        super().resume_writing()
        self._stall.stop()

    def _await_head(self) -> None:
        self._head.start(self.loop, self._handshake_s, self._too_slow)

    def _too_slow(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(_TIMEOUT)
            self.transport.close()


class GuardedWebSocket(WebSocketsSansIOProtocol):
    """WebSocket for clients that send messages in few pieces, and ping now and then."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._pings = Bucket(PINGS_PER_MIN)
        self._ending = _Ending()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection over."""
        super().connection_made(transport)
        self._ending.watch(self.loop, self.transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._ending.stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes, as far as the connection lasts."""
        for first in range(0, len(data), _SLICE_BYTES):
            if self.transport.is_closing():
                return
            super().data_received(data[first : first + _SLICE_BYTES])
            if self.conn.handshake_exc is not None and not self.handshake_initiated:
                # Too many headers, or too long ones: uvicorn would leave the client waiting.
                self.transport.write(_BAD_REQUEST)
                self.transport.close()

    def handle_cont(self, event: Frame) -> None:
        """Take a further piece of a message."""
        if len(self.frames) < MAX_FRAGMENTS:
            super().handle_cont(event)
        elif not self.close_sent:
            self._fail("a message has too many fragments")

    def handle_ping(self) -> None:
        """Answer, unless the client leaves its answers unread or asks for nothing else."""
        if self.close_sent:
            return
        if self.transport.get_write_buffer_size() > _UNREAD_PONG_BYTES:
            self.transport.abort()
            return
        if self._pings.take(1, self.loop.time()):
            self._fail("too many pings")
            return
        super().handle_ping()

    async def send(self, message: Any) -> None:
        """Send for the application."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body"):
            # A refusal is an answer to the handshake, too: uvicorn would log an error.
            self.handshake_complete = True

    def _fail(self, reason: str) -> None:
        self.conn.fail(CloseCode.POLICY_VIOLATION, reason)
        self.handle_parser_exception()


class _Ending:
    """Ends a connection that does not come to its end, whoever closed it."""

    def __init__(self) -> None:
        self._handle: asyncio.TimerHandle | None = None

    def watch(self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport) -> None:
        """Look now and then whether it is closing, and what waits for the client shrinks."""
        left: int | None = None

        def look() -> None:
            nonlocal left
            was, left = left, transport.get_write_buffer_size() if transport.is_closing() else None
            if was is not None and left is not None and left >= was:
                transport.abort()
                return
            self._handle = loop.call_later(LINGER_S, look)

        self._handle = loop.call_later(LINGER_S, look)

    def stop(self) -> None:
        """It has ended, or somebody else looks after it."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None


class _Timer:
    """Calls a function once, unless it is stopped before."""

    def __init__(self) -> None:
        self._handle: asyncio.TimerHandle | None = None

    def start(
        self, loop: asyncio.AbstractEventLoop, after_s: float, function: Callable[[], None]
    ) -> None:
        if self._handle is None:
            self._handle = loop.call_later(after_s, function)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
