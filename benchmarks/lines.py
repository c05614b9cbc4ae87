"""How a caller reaches a system: what differs between ours and a peer, and nothing else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from benchmarks.hearing import Message
from voicebus.errors import BusUnavailable
from voicebus.exchange import error_of

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

OUTPUT_RATE_HZ: Final = 24_000
_READY_S: Final = 30.0


class Line(Protocol):
    """An open session with a system."""

    async def send_audio(self, frame: bytes) -> None:
        """Send 20 ms of s16le at 16 kHz."""

    async def send(self, message: Message) -> None:
        """Send a control message of our protocol, if the system knows it."""

    async def receive(self) -> tuple[Message | bytes, float]:
        """Return the next message in the shape of our protocol, or audio, and when it arrived.

        Raises:
            BusUnavailable: The connection broke.
        """


class SocketLine:
    """A WebSocket with binary audio and JSON messages.

    Args:
        connection: The socket.
        told: The kinds of messages that the system understands.
    """

    def __init__(self, connection: ClientConnection, told: frozenset[str]) -> None:
        self._connection = connection
        self._told = told

    async def send_audio(self, frame: bytes) -> None:
        """See :class:`Line`."""
        try:
            await self._connection.send(frame)
        except ConnectionClosed as err:
            raise BusUnavailable("the system closed the connection") from err

    async def send(self, message: Message) -> None:
        """See :class:`Line`."""
        if message["type"] in self._told:
            try:
                await self._connection.send(msgspec.json.encode(message).decode())
            except ConnectionClosed as err:
                raise BusUnavailable("the system closed the connection") from err

    async def receive(self) -> tuple[Message | bytes, float]:
        """See :class:`Line`."""
        try:
            data = await self._connection.recv()
        except ConnectionClosed as err:
            raise BusUnavailable("the system closed the connection") from err
        at_s = time.perf_counter()
        if isinstance(data, bytes):
            return data, at_s
        return msgspec.json.decode(data, type=dict[str, Any]), at_s


OURS: Final = frozenset({"start", "played", "flushed"})
PEERS: Final[frozenset[str]] = frozenset()
"""A peer's pipeline hears audio only: its transport knows no reports of playback."""


@asynccontextmanager
async def dial(
    url: str, told: frozenset[str], language: str, wait_s: float = _READY_S
) -> AsyncIterator[Line]:
    """Open a session and wait until it is ready.

    Args:
        url: Where the system listens.
        told: The kinds of messages that it understands.
        language: Of the caller; empty to leave it to the system.
        wait_s: How long it may take to be ready.

    Raises:
        BusUnavailable: Nobody answers, or nobody became ready.
        VoicebusError: What the system said was in the way.
    """
    try:
        connection = await connect(url, compression=None, proxy=None, max_size=None)
    except (OSError, InvalidHandshake, TimeoutError) as err:
        raise BusUnavailable(f"nobody answers at {url}") from err
    async with connection:
        line = SocketLine(connection, told)
        await line.send(
            {
                "type": "start",
                "input": {"format": "pcm_s16le"},
                "output": {"audio": True, "sample_rate": OUTPUT_RATE_HZ},
                "language": language,
            }
        )
        try:
            async with asyncio.timeout(wait_s):
                await _until_ready(line)
        except TimeoutError as err:
            raise BusUnavailable(f"{url} was not ready within {wait_s:.0f} s") from err
        yield line


async def _until_ready(line: Line) -> None:
    while True:
        message, _ = await line.receive()
        if isinstance(message, bytes):
            continue
        if message["type"] == "ready":
            return
        if message["type"] == "error" and not message.get("retryable"):
            raise error_of(message["code"], message["message"])
