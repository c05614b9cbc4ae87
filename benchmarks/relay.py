"""A line to a server that can be cut, as networks cut them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

_READ_BYTES = 64 * 1024


class Relay:
    """Passes bytes on; made by :func:`relay`.

    Attributes:
        url: Where it stands, with the server's path.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.url = ""
        self.path = parts.path
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._ends: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """Break all connections at once; new ones are passed on again."""
        for end in self._ends:
            end.transport.abort()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one connection on to its end."""
        try:
            far_reader, far = await asyncio.open_connection(self._host, self._port)
        except OSError:
            writer.transport.abort()
            return
        self._ends |= {writer, far}
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_carry(reader, far))
                group.create_task(_carry(far_reader, writer))
        finally:
            self._ends -= {writer, far}
            for end in (writer, far):
                end.transport.abort()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_READ_BYTES):
            writer.write(data)
            await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def relay(url: str) -> AsyncIterator[Relay]:
    """Stand before a server while the context lasts.

    Args:
        url: The server's address, as ``ws://127.0.0.1:8080/ws``.
    """
    standing = Relay(url)
    server = await asyncio.start_server(standing.take, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    standing.url = f"ws://{host}:{port}{standing.path}"
    try:
        yield standing
    finally:
        server.close()
        standing.cut()
