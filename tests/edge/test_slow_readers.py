"""Who reads an answer slowly, and who does not read it at all."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edge.server import options
from edge.settings import EdgeSettings
from voicebus import health, http_guard

SIZE = 12 << 20
"""More than a system holds for one connection."""

ASK = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


async def large(_: Request) -> Response:
    """Much at once."""
    return Response(bytes(SIZE))


@pytest.fixture
async def client(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[socket.socket]:
    """A connection to a server that waits a second for its readers; it has asked."""
    monkeypatch.setattr(http_guard, "STALL_S", 1.0)
    app, listener = Starlette(routes=[Route("/", large)]), health.bind("127.0.0.1", 0)
    async with health.serve(app, listener, **options(EdgeSettings())):
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
            connection.setblocking(False)  # noqa: FBT003  # positional only
            loop = asyncio.get_running_loop()
            await loop.sock_connect(connection, listener.getsockname())
            await loop.sock_sendall(connection, ASK)
            yield connection


async def read_all(client: socket.socket) -> int:
    """Read what is left, as long as it is there at once; return how much it was."""
    size = 0
    while data := await asyncio.get_running_loop().sock_recv(client, 128 * 1024):
        size += len(data)
    return size


async def test_who_reads_slowly_gets_all_of_it(client: socket.socket) -> None:
    """It takes several times as long as one may read nothing."""
    loop, size = asyncio.get_running_loop(), 0
    begun_s = loop.time()
    while data := await loop.sock_recv(client, 128 * 1024):
        size += len(data)
        await asyncio.sleep(0.04)

    assert size > SIZE
    assert loop.time() - begun_s > 2


async def test_who_reads_nothing_is_cut_off(client: socket.socket) -> None:
    """What waits for it takes up memory for nothing."""
    await asyncio.sleep(4)
    try:
        size = await read_all(client)
    except ConnectionError:
        return

    assert size < SIZE
