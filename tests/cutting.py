"""A TCP proxy that cuts connections as networks do: with a reset, or without a word."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

_READ_BYTES = 64 * 1024


class Wire:
    """One connection through the proxy."""

    def __init__(self, near: asyncio.StreamWriter, far: asyncio.StreamWriter) -> None:
        self._ends = (near, far)
        self.is_cut = False
        self.passes = asyncio.Event()
        self.passes.set()

    def reset(self) -> None:
        """Cut it: both ends learn of it at once, and what was on its way is lost."""
        self.is_cut = True
        self.passes.set()
        for end in self._ends:
            if not end.transport.is_closing():
                # Closing with a linger of 0 s sends RST.
                linger = struct.pack("ii", 1, 0)
                end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            end.transport.abort()

    def swallow(self) -> None:
        """Let nothing pass any more, in neither direction; nobody is told."""
        self.is_cut = True
        self.passes.clear()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass bytes on in one direction, to the end."""
        with contextlib.suppress(OSError):
            while data := await reader.read(_READ_BYTES):
                await self.passes.wait()
                if self.is_cut:
                    return
                writer.write(data)
                await writer.drain()
        writer.close()  # after a reset, too: the other end would be told when it next sends


class Proxy:
    """Stands before a server.

    Attributes:
        url: Where it listens, with the server's path.
        wires: Every connection so far.
        refuses: While it is true, new connections are reset at once.
    """

    def __init__(self, url: str) -> None:
        self._far = urlsplit(url)
        self.url = ""
        self.wires: list[Wire] = []
        self.refuses = False

    def listens_at(self, port: int) -> None:
        """Take note of the port."""
        self.url = self._far._replace(netloc=f"127.0.0.1:{port}").geturl()

    def lead_to(self, url: str) -> None:
        """Carry new connections to another server."""
        self._far = urlsplit(url)

    def cut(self) -> None:
        """Reset the newest connection."""
        self.wires[-1].reset()

    def cut_all(self) -> None:
        """Reset every connection."""
        for wire in self.wires:
            wire.reset()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection."""
        if self.refuses:
            writer.transport.abort()
            return
        far_reader, far_writer = await asyncio.open_connection(self._far.hostname, self._far.port)
        wire = Wire(writer, far_writer)
        self.wires.append(wire)
        try:
            await asyncio.gather(wire.carry(reader, far_writer), wire.carry(far_reader, writer))
        finally:
            for end in (writer, far_writer):
                end.transport.abort()


@contextlib.asynccontextmanager
async def proxy(url: str) -> AsyncIterator[Proxy]:
    """Stand before the server at this address."""
    standing = Proxy(url)
    server = await asyncio.start_server(standing.serve, "127.0.0.1", 0)
    standing.listens_at(server.sockets[0].getsockname()[1])
    try:
        yield standing
    finally:
        server.close()
        standing.cut_all()
