"""How the edge's application is served."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from edge.server import options
from edge.settings import EdgeSettings
from tests.edge.raw import raw
from voicebus import health, http_guard


async def test_an_answer_that_is_not_read_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who makes it is told, so that a session's workers are free again; who reads gets it all."""
    monkeypatch.setattr(http_guard, "STALL_S", 0.3)
    ended = asyncio.Event()

    async def parts() -> AsyncIterator[bytes]:
        try:
            for _ in range(2_000):
                yield bytes(50_000)
        finally:
            ended.set()

    async def long(_: Request) -> Response:
        return StreamingResponse(parts())

    app = Starlette(routes=[Route("/", long)])
    listener = health.bind("127.0.0.1", 0)
    port = int(health.address(listener).rpartition(":")[2])
    serving = {**options(EdgeSettings()), "timeout_graceful_shutdown": 1}
    request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    async with health.serve(app, listener, **serving), asyncio.timeout(60):
        async with raw(port) as reading:
            await reading.send(request)
            _, answer = await reading.closed(30)
        assert len(answer) > 2_000 * 50_000
        ended.clear()
        async with raw(port) as deaf:
            await deaf.send(request)
            deaf.writer.transport.pause_reading()  # type: ignore[attr-defined]  # both ways in one
            await ended.wait()


NEXT = b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8\r\n\r\nhalf"
"""A request, as far as it comes with the one before."""


async def slow(_: Request) -> Response:
    """Take some time for an answer."""
    await asyncio.sleep(0.1)
    return Response()


async def echo(request: Request) -> Response:
    """Answer what was said."""
    return Response(await request.body())


@pytest.mark.parametrize(
    ("first", "rest"),
    [
        (b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n" + NEXT, b""),
        (b"POST /no HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n", b"rest" + NEXT),
    ],
    ids=["before the answer", "with the rest of the one before"],
)
async def test_a_request_close_behind_another_one_is_heard_to_its_end(
    first: bytes, rest: bytes
) -> None:
    """What is not waited for is the rest of one that has its answer."""
    app = Starlette(
        routes=[Route("/slow", slow), Route("/echo", echo, methods=["POST"])],
    )
    listener = health.bind("127.0.0.1", 0)
    port = int(health.address(listener).rpartition(":")[2])
    serving = options(EdgeSettings(handshake_s=0.3))
    async with health.serve(app, listener, **serving), asyncio.timeout(10), raw(port) as client:
        await client.send(first)
        assert ("404" if rest else "200") in await client.head()
        if rest:
            await client.reader.readexactly(len(b"Not Found"))
        await client.send(rest)
        await asyncio.sleep(0.6)
        await client.send(b"half")
        assert "200" in await client.head()
        assert await client.reader.readexactly(8) == b"halfhalf"


def test_a_proxy_is_believed_where_one_is_named() -> None:
    """Uvicorn by itself believes whoever is on this machine."""
    assert options(EdgeSettings())["proxy_headers"] is False
    named = options(EdgeSettings(proxies="10.0.0.0/8"))
    assert (named["proxy_headers"], named["forwarded_allow_ips"]) == (True, "10.0.0.0/8")


def test_nothing_is_unpacked() -> None:
    """A small compressed message can be a very large one."""
    assert options(EdgeSettings())["ws_per_message_deflate"] is False
