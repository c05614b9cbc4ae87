"""What a client of HTTP may do to a server before the application sees it.

uvicorn waits for a slow head of a request, and for a client that does not read, as long as they
like. Each of these lets one client hold a connection and memory for nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import sys
import termios
from collections.abc import Callable
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_BYTES: Final = 16 * 1024
"""Longest head of a request; beyond it the answer is 400."""

STALL_S: Final = 30.0
"""How long a client of HTTP may read nothing of an answer that waits for it."""

LINGER_S: Final = 5.0
"""How long, and at most twice as long, a client may read nothing of what was sent before the
connection is closed: a transport that closes waits for that without an end."""

_TIMEOUT: Final = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class GuardedHttp(H11Protocol):
    """HTTP for clients that send the head of a request in time, and read the answer.

    Args:
        handshake_s: How long a head may take, from the connection or from its first byte; and the
            rest of a body whose request is answered already.
    """

    def __init__(self, *args: Any, handshake_s: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._handshake_s = handshake_s
        self._head = _Timer()
        self._rest = _Timer()
        self._stall = _Timer()
        self._unread = 0
        self._ending = Ending()

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
        if not self._is_answered_early:
            self._rest.stop()

    def on_response_complete(self) -> None:
        """Do not listen for long to the rest of a request that is answered."""
        super().on_response_complete()
        if self._is_answered_early:
            self._rest.start(self.loop, self._handshake_s, self.transport.close)

    @property
    def _is_answered_early(self) -> bool:
        """Whether the body that comes belongs to a request that is answered already.

        Behind an answer the next request may have begun, if it had come before.
        """
        is_answered = self.conn.our_state in (h11.DONE, h11.MUST_CLOSE)
        return is_answered and self.conn.their_state is h11.SEND_BODY

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._head.stop()
        self._rest.stop()
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
        self._unread = unread_bytes(self.transport)
        self._stall.start(self.loop, STALL_S, self._expect_reader)

    def resume_writing(self) -> None:
        """It does."""
        super().resume_writing()
        self._stall.stop()

    def _expect_reader(self) -> None:
        was, self._unread = self._unread, unread_bytes(self.transport)
        if self._unread >= was:
            self.transport.abort()
            return
        self._stall.start(self.loop, STALL_S, self._expect_reader)

    def _await_head(self) -> None:
        self._head.start(self.loop, self._handshake_s, self._too_slow)

    def _too_slow(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(_TIMEOUT)
            self.transport.close()


def unread_bytes(transport: asyncio.Transport) -> int:
    """Return how much of what was sent the client has not taken yet.

    The system holds a part of it, which it tells (tcp(7), SIOCOUTQ): as long as that shrinks,
    nothing leaves the transport, although a slow client reads.
    """
    unread = transport.get_write_buffer_size()
    sock = transport.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(OSError, ValueError):  # it is closed, or no system that tells
            told = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4))
            unread += int.from_bytes(told, sys.byteorder)
    return unread


class Ending:
    """Ends a connection that does not come to its end, whoever closed it."""

    def __init__(self) -> None:
        self._handle: asyncio.TimerHandle | None = None
        self._left: int | None = None

    def watch(self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport) -> None:
        """Look now and then whether it is closing, and what waits for the client shrinks."""
        self._handle = loop.call_later(LINGER_S, self._look, loop, transport)

    def stop(self) -> None:
        """It has ended, or somebody else looks after it."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _look(self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport) -> None:
        was = self._left
        self._left = unread_bytes(transport) if transport.is_closing() else None
        if was is not None and self._left is not None and self._left >= was:
            transport.abort()
            return
        self.watch(loop, transport)


class _Timer:
    """Calls a function once, unless it is stopped before."""

    def __init__(self) -> None:
        self._handle: asyncio.TimerHandle | None = None

    def start(
        self, loop: asyncio.AbstractEventLoop, after_s: float, function: Callable[[], None]
    ) -> None:
        if self._handle is None:
            self._handle = loop.call_later(after_s, self._call, function)

    def _call(self, function: Callable[[], None]) -> None:
        self._handle = None
        function()

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
