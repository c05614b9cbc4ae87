"""A line to a server that can be cut, as networks cut them."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

_READ_BYTES = 64 * 1024


class Relay:
    """Passes bytes on; made by :func:`relay`.

    Attributes:
        url: Where it stands, with the servers' path.
    """

    def __init__(self, *urls: str) -> None:
        servers = [urlsplit(url) for url in urls]
        self.url = ""
        self.path = servers[0].path
        # In turn, as whoever stands before several servers has it.
        self._servers = deque((server.hostname or "", server.port or 80) for server in servers)
        self._ends: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """Break all connections at once; new ones are passed on again."""
        for end in self._ends:
            end.transport.abort()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one connection on to its end."""
        server = await self._reached()
        if server is None:
            writer.transport.abort()
            return
        far_reader, far = server
        self._ends |= {writer, far}
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_carry(reader, far))
                group.create_task(_carry(far_reader, writer))
        finally:
            self._ends -= {writer, far}
            for end in (writer, far):
                end.transport.abort()

    async def _reached(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """Connect to the next server that answers."""
        for _ in range(len(self._servers)):
            host, port = self._servers[0]
            self._servers.rotate(-1)
            with contextlib.suppress(OSError):
                return await asyncio.open_connection(host, port)
        return None


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_READ_BYTES):
            writer.write(data)
            await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def relay(*urls: str) -> AsyncIterator[Relay]:
    """Stand before servers while the context lasts; who connects gets the next one that answers.

    Args:
        urls: The servers' addresses, as ``ws://127.0.0.1:8080/ws``.
    """
    standing = Relay(*urls)
    server = await asyncio.start_server(standing.take, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    standing.url = f"ws://{host}:{port}{standing.path}"
    try:
        yield standing
    finally:
        server.close()
        standing.cut()
