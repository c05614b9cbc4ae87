"""What a session whose client comes back takes of its address's share of connections."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from edge.settings import EdgeSettings
from subjects.tokens import new_token
from tests.bus import bus_at
from tests.edge.running import served

ONE = EdgeSettings(claim_s=60, address_connections=1, proxies="127.0.0.1", anyone=True)
HEADERS = {"X-Forwarded-For": "192.0.2.1"}

Message = dict[str, Any]


@asynccontextmanager
async def edge(url: str) -> AsyncIterator[str]:
    """An edge at which an address may have one connection; yields its WebSocket's address."""
    async with bus_at(url) as bus, served(bus, new_token("e"), ONE) as serving:
        yield serving.ws


@asynccontextmanager
async def said(url: str, message: Message) -> AsyncIterator[tuple[ClientConnection, Message]]:
    """Connect from the address, say one thing, and have the answer."""
    async with connect(url, proxy=None, additional_headers=HEADERS, close_timeout=1) as socket:
        await socket.send(json.dumps(message))
        yield socket, json.loads(await socket.recv())


def coming_back(metadata: Message, attempt: int) -> Message:
    """What a client says that lost its connection."""
    return {
        "type": "resume",
        "session_id": metadata["session_id"],
        "token": metadata["resume_token"],
        "received": 1,
        "attempt": attempt,
    }


START = {"type": "start", "resume": True}


async def test_who_comes_back_is_let_in_while_the_old_connection_seems_to_live(
    nats_server: str,
) -> None:
    """As often as it likes: each time the old one is of no more use, and does not count."""
    async with (
        edge(nats_server) as url,
        said(url, START) as (first, metadata),
        said(url, coming_back(metadata, 1)) as (second, told),
    ):
        with pytest.raises(ConnectionClosed):
            await first.recv()
        async with said(url, coming_back(metadata, 2)) as (_, again):
            with pytest.raises(ConnectionClosed):
                await second.recv()

    assert (told["type"], again["type"]) == ("resumed", "resumed")


async def test_what_is_for_something_else_stays_outside(nats_server: str) -> None:
    """It is told so on its socket, as long as somebody may come back, and at the door else."""
    async with edge(nats_server) as url:
        async with said(url, START), said(url, START) as (other, told):
            with pytest.raises(ConnectionClosed) as closed:
                await other.recv()
        async with said(url, {"type": "start"}):
            with pytest.raises(InvalidStatus):
                await connect(url, proxy=None, additional_headers=HEADERS)

    assert told["code"] == "too_many_connections"
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1013
