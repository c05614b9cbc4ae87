"""What a connection may do to the server: raw sockets, and a healthy client beside each."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import httpx2
import pytest

from edge.guards import MAX_FRAGMENTS, PINGS_PER_MIN
from edge.settings import EdgeSettings
from tests.edge.raw import (
    BINARY,
    CLOSE,
    CONTINUATION,
    HANDSHAKE,
    PING,
    TEXT,
    Raw,
    frame,
    raw,
)
from tests.edge.running import edge_at
from voicebus.audio.wav import wav_header

SETTINGS = EdgeSettings(claim_s=30, handshake_s=0.5, upload_s=0.5, max_frame_bytes=100_000)
HELLO = frame(TEXT, b'{"type":"start"}')
PCM = frame(TEXT, b'{"type":"start","resume":true,"input":{"format":"pcm_s16le"}}')


@pytest.fixture
async def edge(nats_server: str) -> AsyncIterator[httpx2.AsyncClient]:
    """An edge that is impatient, and is alive at the end."""
    async with edge_at(nats_server, SETTINGS) as client:
        yield client
        async with raw(port_of(client)) as healthy:
            assert "101" in await healthy.upgrade()
            await healthy.send(HELLO)
            assert b"metadata" in await healthy.reader.readuntil(b"metadata")


def port_of(client: httpx2.AsyncClient) -> int:
    """The edge's port."""
    assert client.base_url.port
    return client.base_url.port


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(TEXT, b"\xff\xfe"), 1007),
        (frame(TEXT, b'{"type":"', first=0) + frame(CONTINUATION, b"\xc3\x28"), 1007),
        (frame(BINARY, b"1", first=0xC0), 1002),
        (frame(BINARY, b"1", first=0xA0), 1002),
        (frame(3, b"1"), 1002),
        (frame(11, b"1"), 1002),
        (frame(CONTINUATION, b"1"), 1002),
        (frame(TEXT, b"1", first=0) + frame(TEXT, b"2"), 1002),
        (frame(PING, b"1", first=0), 1002),
        (frame(PING, bytes(126)), 1002),
        (frame(CLOSE, b"1"), 1002),
        (frame(CLOSE, b"\x03\xe7"), 1002),
        (frame(CLOSE, b"\x03\xe8\xff"), 1007),
        (b"\x82\x01\x00", 1002),
        (frame(BINARY, length=100_001), 1009),
        (frame(BINARY, length=(1 << 63) - 1), 1009),
        (frame(BINARY, length=1 << 63), 1009),
        (frame(BINARY, bytes(60_000), first=0) + frame(CONTINUATION, bytes(60_000)), 1009),
        (frame(BINARY, first=0) + frame(CONTINUATION, first=0) * MAX_FRAGMENTS, 1008),
        (frame(PING) * (PINGS_PER_MIN + 1), 1008),
    ],
    ids=[
        "bad UTF-8", "bad UTF-8 in pieces", "RSV1", "RSV2", "opcode 3", "opcode 11",
        "nothing to continue", "message in a message", "ping in pieces", "long ping",
        "close of one byte", "close code 999", "close reason not UTF-8", "no mask", "too long",
        "2^63 - 1 bytes", "2^63 bytes", "too long in pieces", "too many pieces", "too many pings",
    ],
)  # fmt: skip
async def test_what_breaks_the_rules_closes_its_own_connection(
    edge: httpx2.AsyncClient, sent: bytes, code: int
) -> None:
    """With the close code of RFC 6455, 7.4.1; 1008 for what the edge has rules of its own for."""
    async with raw(port_of(edge)) as client:
        assert "101" in await client.upgrade()
        await client.send(HELLO + sent)
        closed, _ = await client.closed()

    assert closed == code


async def test_what_is_in_the_rules_is_understood(edge: httpx2.AsyncClient) -> None:
    """Messages in pieces, with a ping between them, byte by byte."""
    pieces = [
        frame(TEXT, b'{"type":', first=0),
        frame(PING, b"are you there?"),
        frame(CONTINUATION, first=0),
        frame(CONTINUATION, b'"ping"}'),
    ]
    async with raw(port_of(edge)) as client:
        assert "101" in await client.upgrade()
        for byte in HELLO + b"".join(pieces):
            await client.send(bytes([byte]))
        answer = await client.reader.readuntil(b'{"type":"pong"}')

    assert b"\x8a\x0eare you there?" in answer


async def test_a_message_in_pieces_is_one(edge: httpx2.AsyncClient) -> None:
    """What comes of it last looks like a whole message: it is a part of this one all the same."""
    whole = frame(BINARY, bytes(10))
    longer = frame(BINARY, bytes(20 + len(whole)))
    pieces = [
        *(frame(BINARY, b"soun", first=0), frame(CONTINUATION, b"ds")),
        *(longer[: -len(whole)], whole, whole),
    ]
    async with raw(port_of(edge)) as client:
        assert "101" in await client.upgrade()
        await client.send(PCM)
        for piece in pieces:
            await client.send(piece)
            await asyncio.sleep(0.05)  # or both pieces come at once
        async with asyncio.timeout(10):
            answer = await client.reader.readuntil(b'{"type":"ack","frames":3,"at":')
            answer += await client.reader.readuntil(b"}")

    samples = (6 + 20 + len(whole) + 10) // 2
    assert f'"samples":{samples},'.encode() in answer, answer


async def test_a_whole_message_within_another_is_none(edge: httpx2.AsyncClient) -> None:
    """Between the pieces of a message there is no other one (RFC 6455, 5.4)."""
    async with raw(port_of(edge)) as client:
        assert "101" in await client.upgrade()
        await client.send(HELLO)
        for piece in (frame(BINARY, b"so", first=0), frame(BINARY, b"und")):
            await client.send(piece)
            await asyncio.sleep(0.05)
        closed, _ = await client.closed()

    assert closed == 1002


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (HANDSHAKE + b"".join(b"X-%d: x\r\n" % n for n in range(200)) + b"\r\n", "400"),
        (HANDSHAKE + b"X: " + b"x" * 20_000 + b"\r\n\r\n", "400"),
        (b"GET /ws" + b"x" * 20_000, "400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "400"),
        (HANDSHAKE.replace(b"Version: 13", b"Version: 7") + b"\r\n", "400"),
        (HANDSHAKE.replace(b"AAAA==", b"AAA") + b"\r\n", "400"),
        (HANDSHAKE.replace(b"GET", b"POST") + b"\r\n", "405"),
    ],
    ids=["200 headers", "a long header", "a long line", "TLS", "version", "key", "POST"],
)
async def test_a_handshake_that_is_none_is_refused(
    edge: httpx2.AsyncClient, head: bytes, status: str
) -> None:
    """With an answer, and an end; nothing of it stays."""
    async with raw(port_of(edge)) as client:
        await client.send(head)
        answer = await client.head()
        await client.closed()

    assert answer.startswith(f"HTTP/1.1 {status} "), answer


@pytest.mark.parametrize(
    "head", [b"", b"GET / HT", HANDSHAKE], ids=["nothing", "a line", "all but the end"]
)
async def test_a_slow_head_is_not_waited_for(edge: httpx2.AsyncClient, head: bytes) -> None:
    """Byte after byte keeps nothing open: the time counts from the connection."""
    async with raw(port_of(edge)) as client:
        dripping = asyncio.create_task(drip(client, head))
        _, answer = await client.closed()
        dripping.cancel()
        await asyncio.wait((dripping,))

    assert answer.startswith(b"HTTP/1.1 408 ")


async def drip(client: Raw, head: bytes) -> None:
    """Send slowly, for ever: another header, letter by letter."""
    if head:
        await client.send(head)
        while True:
            await client.send(b"X")
            await asyncio.sleep(0.05)
    await asyncio.sleep(60)


async def test_a_second_head_is_not_waited_for_either(edge: httpx2.AsyncClient) -> None:
    """A connection that was good once is not good for ever."""
    async with raw(port_of(edge)) as client:
        await client.send(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert "200" in await client.head()
        await client.reader.readuntil(b"ok\n")
        dripping = asyncio.create_task(drip(client, b"GET /"))
        _, rest = await client.closed()
        dripping.cancel()
        await asyncio.wait((dripping,))

    assert rest.startswith(b"HTTP/1.1 408 ")


async def test_a_slow_body_is_not_waited_for(edge: httpx2.AsyncClient) -> None:
    """One byte at a time: 408, though something comes all the time."""
    head = b"POST /interact HTTP/1.1\r\nHost: localhost\r\nContent-Length: 90000\r\n\r\n"
    async with raw(port_of(edge)) as client:
        dripping = asyncio.create_task(drip(client, head + wav_header(16_000)))
        answer = await client.head()
        dripping.cancel()
        await asyncio.wait((dripping,))

    assert answer.startswith("HTTP/1.1 408 ")


async def test_unread_pongs_are_not_kept(edge: httpx2.AsyncClient) -> None:
    """Who pings and never reads is cut off: what waits for it does not grow."""
    async with raw(port_of(edge)) as client:
        assert "101" in await client.upgrade()
        await client.send(HELLO)
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # both ways in one
        with pytest.raises(ConnectionError):
            await flood(client)


async def flood(client: Raw) -> None:
    """Ping for ever."""
    while True:
        await client.send(frame(PING, bytes(125)) * 20)
        await asyncio.sleep(0.01)


async def test_hundreds_of_idle_connections_keep_nobody_out(edge: httpx2.AsyncClient) -> None:
    """They end, and meanwhile others are served: the fixture's client comes after them."""
    idle = [await asyncio.open_connection("127.0.0.1", port_of(edge)) for _ in range(300)]
    assert (await edge.get("/livez")).status_code == 200
    ends = [reader.read() for reader, _ in idle]
    answers = await asyncio.gather(*ends)
    for _, writer in idle:
        writer.transport.abort()

    assert all(answer.startswith(b"HTTP/1.1 408 ") for answer in answers)


async def test_the_rest_of_a_request_that_is_answered_is_not_listened_to_for_long(
    edge: httpx2.AsyncClient,
) -> None:
    """A letter now and then would hold the connection for ever."""
    async with raw(port_of(edge)) as line:
        await line.send(b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        assert " 404 " in await line.head()
        ended = asyncio.create_task(line.closed(10))
        with contextlib.suppress(ConnectionError):
            while not ended.done():
                await line.send(b"x")
                await asyncio.sleep(0.1)
        await ended
