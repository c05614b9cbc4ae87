"""Connections that the edge has closed, and clients that leave unread what it had to say."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from edge.settings import EdgeSettings
from subjects.tokens import new_token
from tests.bus import bus_at
from tests.edge.raw import TEXT, Raw, frame, raw
from tests.edge.running import edge_at, served
from tests.edge.test_guards import HELLO, port_of
from voicebus import health, http_guard

NARROW = 4096
"""Bytes that a socket of these tests holds: soon nothing more fits."""


@asynccontextmanager
async def narrow(port: int) -> AsyncIterator[Raw]:
    """Connect, with room for little that was not read."""
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, NARROW)
    plain.settimeout(0)
    await asyncio.get_running_loop().sock_connect(plain, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=plain)
    try:
        yield Raw(reader, writer)
    finally:
        writer.transport.abort()


async def drip(client: Raw) -> None:
    """Send on, for ever."""
    while True:
        await client.send(b"x")
        await asyncio.sleep(0.05)


async def test_a_closed_connection_does_not_stay_open_for_what_nobody_reads(
    nats_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that breaks a rule and stops reading is cut off soon."""
    monkeypatch.setattr(http_guard, "LINGER_S", 0.5)
    listener = health.bind("127.0.0.1", 0)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, NARROW)
    async with bus_at(nats_server) as bus:
        edge = served(bus, new_token("e"), EdgeSettings(), listener=listener)
        async with edge, narrow(listener.getsockname()[1]) as client:
            assert "101" in await client.upgrade()
            await client.send(HELLO)
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # both ways
            # Each is answered with an error; together the answers fill what holds them.
            await client.send(frame(TEXT, b"no JSON") * 300)
            await asyncio.sleep(0.5)
            await client.send(frame(TEXT, b"x", first=0xC0))
            with pytest.raises(ConnectionError):
                await asyncio.wait_for(drip(client), 20)


async def test_who_reads_slowly_has_all_that_was_said_before_the_end(
    nats_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the client that reads nothing that is cut off."""
    monkeypatch.setattr(http_guard, "LINGER_S", 0.5)
    listener = health.bind("127.0.0.1", 0)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, NARROW)
    async with bus_at(nats_server) as bus:
        edge = served(bus, new_token("e"), EdgeSettings(), listener=listener)
        async with edge, narrow(listener.getsockname()[1]) as client:
            assert "101" in await client.upgrade()
            await client.send(HELLO)
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # both ways
            await client.send(frame(TEXT, b"no JSON") * 300)
            await asyncio.sleep(1)
            await client.send(frame(TEXT, b"x", first=0xC0))
            came = b""
            for _ in range(10):
                client.writer.transport.resume_reading()  # type: ignore[attr-defined]  # as above
                came += await asyncio.wait_for(client.reader.read(2048), 10)
                client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # as above
                await asyncio.sleep(0.3)
            client.writer.transport.resume_reading()  # type: ignore[attr-defined]  # as above
            code, rest = await client.closed()

    assert (came + rest).count(b'"invalid_json"') == 300
    assert code == 1002


async def test_who_never_begins_is_read_at_the_pace_of_others(nats_server: str) -> None:
    """Messages that are none are not answered without an end."""
    settings = EdgeSettings(messages_per_s=5)
    async with edge_at(nats_server, settings) as edge, raw(port_of(edge)) as client:
        assert "101" in await client.upgrade()
        await client.send(frame(TEXT, b"no JSON") * 60)
        told = await asyncio.wait_for(client.reader.readuntil(b'"too_fast"'), 20)

    assert 50 <= told.count(b'"invalid_json"') <= 52
