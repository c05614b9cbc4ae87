"""One client's socket: frames in, frames out, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, NoReturn

import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect

from edge import wire
from edge.ahead import EXTENSION, Ahead

log: Final = structlog.get_logger()

LOST: Final = 1006
"""Code of a connection that broke without a goodbye (RFC 6455, section 7.4.1)."""

_CLOSE_S: Final = 2.0

Frame = str | bytes
"""A text frame or a binary one."""

Take = Callable[[Frame], Coroutine[Any, Any, None]]
"""Takes a frame."""


class Connection:
    """A socket that was accepted.

    Attributes:
        released: Done once the session goes on without this socket.
    """

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self.released: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def receive(self) -> Frame:
        """Wait for the client's next frame.

        Raises:
            WebSocketDisconnect: The client left, with its code, or broke off: :data:`LOST`.
        """
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            # uvicorn gives a reason, if an empty one, only where the client said goodbye.
            said_goodbye = "reason" in message
            raise WebSocketDisconnect(message["code"] if said_goodbye else LOST)
        data = message.get("bytes")
        return message["text"] if data is None else bytes(data)

    async def take_each(self, take: Take) -> NoReturn:
        """Take the client's frames, one after the other, binary ones as they come.

        Args:
            take: Takes one.

        Raises:
            WebSocketDisconnect: As :meth:`receive` does.
            Exception: What taking a frame raised.
        """
        ahead = Ahead(take)
        offered = self._socket.scope.get("extensions", {}).get(EXTENSION, {})
        offered["begin"] = ahead.begin
        try:
            while True:
                frame = await self.receive()
                if not await ahead.go_on():
                    await take(frame)
        finally:
            offered["begin"] = None
            ahead.close()

    async def send(self, frame: Frame) -> None:
        """Send a frame.

        Raises:
            WebSocketDisconnect: The client is gone.
        """
        try:
            if isinstance(frame, bytes):
                await self._socket.send_bytes(frame)
            else:
                await self._socket.send_text(frame)
        except RuntimeError as err:
            raise WebSocketDisconnect(LOST) from err

    async def close(self, code: int, reason: str, told: dict[str, Any] | None = None) -> None:
        """Say a last thing, if there is one, and goodbye."""
        try:
            async with asyncio.timeout(_CLOSE_S):
                if told is not None:
                    await self._socket.send_text(wire.encode(told))
                await self._socket.close(code, reason[:100])
        except (TimeoutError, RuntimeError, WebSocketDisconnect):
            log.info("client.left_unread")

    def release(self) -> None:
        """The session goes on without this socket."""
        if not self.released.done():
            self.released.set_result(None)
