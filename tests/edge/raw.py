"""A client that speaks bytes: what no library would send."""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


class Raw:
    """One TCP connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.writer.write(data)
        await self.writer.drain()

    async def head(self) -> str:
        """Read the head of an answer."""
        return (await self.reader.readuntil(b"\r\n\r\n")).decode()

    async def upgrade(self, headers: bytes = b"") -> str:
        """Ask for a WebSocket; return the answer's head."""
        await self.send(HANDSHAKE + headers + b"\r\n")
        return await self.head()

    async def closed(self, within_s: float = 10.0) -> tuple[int, bytes]:
        """Read until the connection ends; return the close code (0: none) and what came before."""
        async with asyncio.timeout(within_s):
            data = await self._rest()
        code = 0
        if len(data) >= 4:
            for first in range(len(data) - 3):
                # The close frame is the last one: FIN, opcode 8, unmasked, its length, its code.
                if data[first] == 0x88 and data[first + 1] == len(data) - first - 2:
                    code = struct.unpack("!H", data[first + 2 : first + 4])[0]
        return code, data

    async def _rest(self) -> bytes:
        parts: list[bytes] = []
        try:
            while part := await self.reader.read(65_536):
                parts.append(part)
        except ConnectionError:
            pass
        return b"".join(parts)


def frame(opcode: int, payload: bytes = b"", first: int = 0x80, length: int | None = None) -> bytes:
    """Return a masked frame.

    Args:
        opcode: What it is.
        payload: Its content, before it is masked.
        first: Bits before the opcode: FIN is 0x80, RSV1 0x40.
        length: The length that it claims; that of the payload if not given.
    """
    claimed = len(payload) if length is None else length
    mask = os.urandom(4)
    head = bytes([first | opcode])
    if claimed < 126:
        head += bytes([0x80 | claimed])
    elif claimed < 1 << 16:
        head += struct.pack("!BH", 0x80 | 126, claimed)
    else:
        head += struct.pack("!BQ", 0x80 | 127, claimed)
    masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
    return head + mask + masked


@asynccontextmanager
async def raw(port: int) -> AsyncIterator[Raw]:
    """Connect."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Raw(reader, writer)
    finally:
        writer.transport.abort()
