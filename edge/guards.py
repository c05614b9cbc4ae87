"""What a client of a WebSocket may do to the server before the application sees it.

uvicorn keeps the fragments of a message whatever their number, and answers every ping. Each of
these lets one client hold memory or the event loop for nothing. Those of HTTP:
:mod:`voicebus.http_guard`.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame

from edge.buckets import Bucket
from voicebus.http_guard import Ending

MAX_FRAGMENTS: Final = 1024
"""Most frames of one message."""

PINGS_PER_MIN: Final = 600
_UNREAD_PONG_BYTES: Final = 64 * 1024
_SLICE_BYTES: Final = 4096
"""Received bytes are parsed in pieces of this size: 64 KiB hold ten thousand of the shortest
frames, and others wait while they are parsed."""

_BAD_REQUEST: Final = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class GuardedWebSocket(WebSocketsSansIOProtocol):
    """WebSocket for clients that send messages in few pieces, and ping now and then."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._pings = Bucket(PINGS_PER_MIN)
        self._ending = Ending()

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
