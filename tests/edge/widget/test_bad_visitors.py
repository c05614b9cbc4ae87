"""Visitors who keep none of the rules, and one beside each of them who is served all the same."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from msgspec.structs import replace
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from edge.wire import MAX_JSON_BYTES
from schemas.audio import AudioChunk
from schemas.session import UserText
from schemas.turn import ConverseRequest
from tests.edge.raw import HANDSHAKE, Raw, raw
from tests.edge.widget.test_routes import (
    BEHIND_PROXY,
    SHOP,
    Edge,
    message,
    widgets,
    write_sites,
)
from tests.edge.widget.working import Worker, seconds
from tests.plain import PLAIN

IMPATIENT = replace(BEHIND_PROXY, handshake_s=0.5, max_frame_bytes=100_000)
START = '{"type":"start"}'
FRAME = bytes(640)
"""20 ms of silence."""


@asynccontextmanager
async def shop(url: str, folder: Path, more: str = "") -> AsyncIterator[Edge]:
    """Serve the widget of a shop; at the end a visitor from elsewhere is served, too."""
    async with widgets(url, write_sites(folder, "shop", more=more), IMPATIENT) as edge:
        yield edge
        await expect_served(edge)


async def expect_served(edge: Edge) -> None:
    """Another visitor comes in, is heard and is understood."""
    async with Worker(edge) as worker, edge.page("shop", address="192.0.2.99") as other:
        await other.send(START)
        session = (await message(other, "metadata"))["session_id"]
        await other.send(FRAME)
        await other.send('{"type":"text","text":"Hello"}')
        async with asyncio.timeout(5):
            await worker.until(session, AudioChunk)
            await worker.until(session, UserText)


async def begin(socket: ClientConnection) -> str:
    """Begin a session; return its name."""
    await socket.send(START)
    return str((await message(socket, "metadata"))["session_id"])


def port_of(edge: Edge) -> int:
    """The edge's port."""
    port = urlsplit(edge.http).port
    assert port
    return port


WS = HANDSHAKE.replace(b"/ws", b"/widget/sites/shop/ws") + f"Origin: {SHOP}\r\n".encode()


@pytest.mark.parametrize(
    "head",
    [b"GET /widget/wid", b"GET /widget/sites/shop HTTP/1.1\r\nHost: localhost\r\n", WS],
    ids=["file", "site", "socket"],
)
async def test_a_slow_head_is_not_waited_for(nats_server: str, tmp_path: Path, head: bytes) -> None:
    """It is answered with 408 while it still drips, and others are served meanwhile."""

    async def drip(client: Raw) -> None:
        await client.send(head)
        while True:
            await client.send(b"X")
            await asyncio.sleep(0.05)

    async with shop(nats_server, tmp_path) as edge, raw(port_of(edge)) as client:
        dripping = asyncio.create_task(drip(client))
        await expect_served(edge)
        _, answer = await client.closed(5)
        dripping.cancel()
        await asyncio.wait((dripping,))

    assert answer.startswith(b"HTTP/1.1 408 "), answer


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/widget/sites/shop/ws", 404),
        ("POST", "/widget/sites/shop/ws", 405),
        ("POST", "/widget/sites/shop", 405),
        ("PUT", "/widget/widget.js", 405),
        ("GET", "/widget/../sites.toml", 404),
    ],
)
async def test_the_wrong_protocol_is_refused(
    nats_server: str, tmp_path: Path, method: str, path: str, status: int
) -> None:
    """With an answer and an end: nobody waits for a socket that was never asked for."""
    async with (
        shop(nats_server, tmp_path) as edge,
        httpx2.AsyncClient(base_url=edge.http, timeout=5, **PLAIN) as client,
    ):
        answer = await client.request(method, path, headers={"origin": SHOP})

    assert answer.status_code == status


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (WS.replace(b"Version: 13", b"Version: 7"), "400"),
        (WS.replace(b"shop/ws", b"shop"), "403"),
        (WS.replace(b"AAAA==", b"AAA"), "400"),
    ],
    ids=["version", "path", "key"],
)
async def test_a_handshake_that_is_none_is_refused(
    nats_server: str, tmp_path: Path, head: bytes, status: str
) -> None:
    """By its status, and the connection ends."""
    async with shop(nats_server, tmp_path) as edge, raw(port_of(edge)) as client:
        await client.send(head + b"\r\n")
        answer = await client.head()

    assert answer.startswith(f"HTTP/1.1 {status} "), answer


async def test_audio_before_the_start_is_no_way_around_the_site(
    nats_server: str, tmp_path: Path
) -> None:
    """A session that begins with a file's bytes is the site's all the same, and hears raw PCM."""
    async with (
        shop(nats_server, tmp_path, 'session.instructions = "Sell tea."') as edge,
        Worker(edge) as worker,
        edge.page("shop") as socket,
    ):
        await socket.send(b"OggS" + bytes(636))
        session = str((await message(socket, "metadata"))["session_id"])
        async with asyncio.timeout(5):
            asked = await worker.until(session, ConverseRequest)
            audio = await worker.until(session, AudioChunk)
            await socket.send(START)
            late = await message(socket, "error")

    assert isinstance(asked, ConverseRequest)
    assert asked.settings.instructions == "Sell tea."
    assert isinstance(audio, AudioChunk)
    assert bytes(audio.pcm) == b"OggS" + bytes(636), "no file is opened for a visitor"
    assert late["code"] == "bad_field"


async def test_a_message_that_is_too_large_is_refused_for_its_size(
    nats_server: str, tmp_path: Path
) -> None:
    """It is not read, good as its JSON may be; a smaller one on the same socket is."""
    start = {"type": "start", "instructions": ""}
    room = MAX_JSON_BYTES - len(json.dumps(start))
    async with shop(nats_server, tmp_path) as edge, edge.page("shop") as socket:
        await socket.send(json.dumps({**start, "instructions": "a" * (room + 1)}))
        told = await message(socket, "error")
        session = await begin(socket)

    assert (told["code"], told["retryable"]) == ("message_too_large", False)
    assert session


@pytest.mark.parametrize("data", ["a" * 100_001, bytes(100_001)], ids=["text", "audio"])
@pytest.mark.parametrize("is_begun", [False, True], ids=["first", "later"])
async def test_a_frame_that_is_too_large_ends_the_connection(
    nats_server: str, tmp_path: Path, data: str | bytes, is_begun: bool
) -> None:
    """With 1009 (RFC 6455, 7.4.1), before all of it is there."""
    async with shop(nats_server, tmp_path) as edge, edge.page("shop") as socket:
        if is_begun:
            await begin(socket)
        with suppress(ConnectionClosed):
            await socket.send(data)
        async with asyncio.timeout(10):
            await socket.wait_closed()

    assert socket.close_code == 1009


async def test_a_flood_of_audio_is_read_no_faster_than_the_visitors_share(
    nats_server: str, tmp_path: Path
) -> None:
    """The visitor is told, and nobody has to listen to the rest; another one is heard at once."""
    more = "visitor_limits.audio_s_per_min = 3"
    async with (
        shop(nats_server, tmp_path, more) as edge,
        Worker(edge) as worker,
        edge.page("shop") as socket,
    ):
        session = await begin(socket)
        for _ in range(20 * 50):
            await socket.send(FRAME)
        told = await message(socket, "error")
        await expect_served(edge)
        heard_s = seconds(worker.said(session, AudioChunk))
        again = await edge.outcome("shop")

    assert told["code"] == "too_fast"
    assert "audio" in told["message"]
    assert 3.0 <= heard_s < 4.0, "what came beyond the share waits"
    assert again == (101, ""), "the same address may still write"


async def test_a_flood_of_turns_is_refused_at_the_visitors_share(
    nats_server: str, tmp_path: Path
) -> None:
    """In further sessions, too: they are the same visitor's. The workers hear of none of them."""
    more = "visitor_limits.turns_per_min = 2"
    turn = '{"type":"text","text":"Tea?"}'
    async with (
        shop(nats_server, tmp_path, more) as edge,
        Worker(edge) as worker,
        edge.page("shop") as socket,
        edge.page("shop") as further,
    ):
        session = await begin(socket)
        for number in (1, 2):
            await socket.send(turn)
            await worker.do_turn(session, number)
            await message(socket, "turn_ended")
        for _ in range(20):
            await socket.send(turn)
        told = [await message(socket, "error") for _ in range(20)]
        other = await begin(further)
        await further.send(turn)
        too = await message(further, "error")
        await expect_served(edge)
        typed = len(worker.said(session, UserText)), len(worker.said(other, UserText))

    assert {one["code"] for one in (*told, too)} == {"too_many_turns"}
    assert "your address" in too["message"]
    assert 20 < too["retry_after_s"] <= 30
    assert typed == (2, 0)


async def test_a_flood_of_messages_is_read_more_slowly(nats_server: str, tmp_path: Path) -> None:
    """Who sends a thousand in a moment is told so, and waits; others do not."""
    async with shop(nats_server, tmp_path) as edge, edge.page("shop") as socket:
        await begin(socket)
        for _ in range(1_000):
            await socket.send('{"type":"ping"}')
        told = await message(socket, "error")
        await expect_served(edge)

    assert told["code"] == "too_fast"
