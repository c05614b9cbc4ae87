"""What a client of a WebSocket may do to the server before the application sees it.

uvicorn keeps the fragments of a message whatever their number, and answers every ping. Each of
these lets one client hold memory or the event loop for nothing. Those of HTTP:
:mod:`voicebus.http_guard`.

And what most of them do fifty times a second, send a short binary message in one piece, costs
less: it is taken as it came, past the parser for all that may come in any number of pieces, and
before its reader is awake: :mod:`edge.ahead`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame
from websockets.http11 import Request
from websockets.protocol import State
from websockets.streams import StreamReader

from edge.ahead import EXTENSION
from edge.buckets import Bucket
from edge.frames import whole_binary
from voicebus.http_guard import Ending

MAX_FRAGMENTS: Final = 1024
"""Most frames of one message."""

PINGS_PER_MIN: Final = 600
_UNREAD_PONG_BYTES: Final = 64 * 1024
_SLICE_BYTES: Final = 4096
"""Received bytes are parsed in pieces of this size: 64 KiB hold ten thousand of the shortest
frames, and others wait while they are parsed."""

_BETWEEN_FRAMES: Final = StreamReader.at_eof.__code__
"""Where the parser waits when all that came before was whole frames."""

_BAD_REQUEST: Final = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class Arrivals:
    """What came for one reader: an asyncio.Queue without what only several readers need."""

    def __init__(self) -> None:
        self._waiting: deque[Any] = deque()
        self._reader: asyncio.Future[None] | None = None

    def put_nowait(self, message: Any) -> None:
        """Add a message."""
        self._waiting.append(message)
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    @property
    def is_awaited(self) -> bool:
        """Whether the reader has taken all that came, and waits for more."""
        return self._reader is not None and not self._reader.done()

    def empty(self) -> bool:
        """Whether nothing waits."""
        return not self._waiting

    async def get(self) -> Any:
        """Wait for the next message."""
        while not self._waiting:
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        return self._waiting.popleft()


class GuardedWebSocket(WebSocketsSansIOProtocol):
    """WebSocket for clients that send messages in few pieces, and ping now and then."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._pings = Bucket(PINGS_PER_MIN)
        self._ending = Ending()
        # It has what uvicorn uses of a queue.
        self._arrivals = self.queue = Arrivals()  # type: ignore[assignment]
        self._ahead: dict[object, Any] = {"begin": None}
        self._is_heard = False

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
        self._is_heard = True
        payload = whole_binary(data)
        if payload is not None and self._expects(len(payload)):
            begin = self._ahead["begin"]
            if begin is not None and self._arrivals.is_awaited and begin(payload):
                return
            self.curr_msg_data_type = "bytes"
            self.frames = [payload]
            self.send_receive_event_to_app()
            return
        for first in range(0, len(data), _SLICE_BYTES):
            if self.transport.is_closing():
                return
            super().data_received(data[first : first + _SLICE_BYTES])
            if self.conn.handshake_exc is not None and not self.handshake_initiated:
                # Too many headers, or too long ones: uvicorn would leave the client waiting.
                self.transport.write(_BAD_REQUEST)
                self.transport.close()

    def handle_connect(self, event: Request) -> None:
        """Begin to serve a client, or refuse it."""
        super().handle_connect(event)
        if not self.handshake_complete:
            self.scope["extensions"][EXTENSION] = self._ahead

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

    def send_keepalive_ping(self) -> None:
        """Ask whether the client is there."""
        self._is_heard = False
        super().send_keepalive_ping()

    def keepalive_timeout(self) -> None:
        """End a connection from which nothing came since it was asked.

        While the application takes its time nothing is read, and the answer waits behind what the
        client has sent already. And who sends all the time is there.
        """
        if self.read_paused or self._is_heard:
            self.pong_timer = self.pending_ping_payload = None
            self.schedule_ping()
            return
        super().keepalive_timeout()

    async def send(self, message: Any) -> None:
        """Send for the application."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body"):
            # A refusal is an answer to the handshake, too: uvicorn would log an error.
            self.handshake_complete = True

    def _expects(self, size: int) -> bool:
        """Whether a message of this many bytes may begin with what comes next."""
        conn = self.conn
        if conn.state is not State.OPEN or conn.current_size is not None:
            return False
        if conn.max_message_size is not None and size > conn.max_message_size:
            return False
        waiting: Any = conn.parser
        while waiting.gi_yieldfrom is not None:
            waiting = waiting.gi_yieldfrom
        return waiting.gi_code is _BETWEEN_FRAMES

    def _fail(self, reason: str) -> None:
        self.conn.fail(CloseCode.POLICY_VIOLATION, reason)
        self.handle_parser_exception()
