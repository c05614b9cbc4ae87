"""Who comes in to /tts/stream, over HTTP and over a WebSocket, and who does not."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from edge.keys import Keys
from edge.settings import EdgeSettings
from tests.edge.running import edge_at
from voicebus.keys import Allowance, add_key, new_key

TEXT = b'{"text": "The sea is wide today."}'
LET_IN = (503, "busy")
"""What is answered to who comes in: nobody is there to speak."""


def key(path: Path, name: str = "line", **allowance: int) -> dict[str, str]:
    """Headers with a key that is in the file."""
    secret, made = new_key(name, Allowance(**allowance))
    add_key(path, made)
    return {"authorization": f"Bearer {secret}"}


async def posted(client: httpx2.AsyncClient, headers: dict[str, str]) -> tuple[int, str]:
    """Status and error of a text that is to be spoken."""
    answer = await client.post("/tts/stream", content=TEXT, headers=headers)
    if answer.status_code == 429:
        assert int(answer.headers["retry-after"]) > 0
    return answer.status_code, str(answer.json()["error"]["code"])


async def shaken(client: httpx2.AsyncClient, headers: dict[str, str]) -> tuple[int, str]:
    """Status and error of a handshake; 101 when it was taken."""
    try:
        async with connect(address(client), proxy=None, additional_headers=headers):
            return 101, ""
    except InvalidStatus as err:
        told = httpx2.Response(err.response.status_code, content=bytes(err.response.body or b""))
        return told.status_code, str(told.json()["error"]["code"])


def address(client: httpx2.AsyncClient) -> str:
    """Of the WebSocket."""
    return f"{str(client.base_url).rstrip('/').replace('http', 'ws', 1)}/tts/stream"


async def test_without_its_key_nobody_is_spoken_for(nats_server: str, tmp_path: Path) -> None:
    """Nor with a wrong one; with a good one what is missing is who speaks."""
    path = tmp_path / "keys.json"
    good = key(path)
    wrong = {"authorization": good["authorization"][:-4] + "0000"}
    async with edge_at(nats_server, EdgeSettings(claim_s=0.3), Keys(path)) as client:
        by_http = [await posted(client, headers) for headers in ({}, wrong, good)]
        by_socket = [await shaken(client, headers) for headers in ({}, wrong, good)]

    assert by_http == [(401, "key_missing"), (401, "key_unknown"), LET_IN]
    assert by_socket == [(401, "key_missing"), (401, "key_unknown"), (101, "")]


async def test_pages_of_other_sites_are_refused(nats_server: str) -> None:
    """But for those that are named."""
    settings = EdgeSettings(claim_s=0.3, origins="https://shop.example")
    evil, named = {"origin": "https://evil.example"}, {"origin": "https://shop.example"}
    async with edge_at(nats_server, settings) as client:
        by_http = [await posted(client, headers) for headers in (evil, named)]
        by_socket = [await shaken(client, headers) for headers in (evil, named)]

    assert by_http == [(403, "origin_forbidden"), LET_IN]
    assert by_socket == [(403, "origin_forbidden"), (101, "")]


async def test_a_flood_ends_at_the_keys_share(nats_server: str, tmp_path: Path) -> None:
    """With the time to wait; another key is served."""
    path = tmp_path / "keys.json"
    flood, other = key(path, connections_per_min=2), key(path, "other")
    async with edge_at(nats_server, EdgeSettings(claim_s=0.3), Keys(path)) as client:
        statuses = [
            await posted(client, flood),
            await shaken(client, flood),
            await posted(client, flood),
            await shaken(client, flood),
            await posted(client, other),
        ]

    refused = (429, "too_many_connections")
    assert statuses == [LET_IN, (101, ""), refused, refused, LET_IN]


async def test_a_text_that_comes_a_letter_at_a_time_is_not_waited_for(nats_server: str) -> None:
    """408 after a while, though something still comes."""
    async with edge_at(nats_server, EdgeSettings(upload_s=0.5)) as client:
        host, port = client.base_url.host, client.base_url.port
        reader, writer = await asyncio.open_connection(host, port)
        head = f"POST /tts/stream HTTP/1.1\r\nhost: {host}\r\ncontent-length: 9000\r\n\r\n"
        writer.write(head.encode())
        reading = asyncio.create_task(reader.readline())
        async with asyncio.timeout(10):
            while not reading.done():
                writer.write(b" ")
                await asyncio.wait((reading,), timeout=0.05)
        writer.close()

    assert reading.result().startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    ("text", "code"), [("x" * (1 << 20), 1009), ("", 1008)], ids=["too large", "silent"]
)
async def test_a_socket_that_nobody_can_serve_is_closed(
    nats_server: str, text: str, code: int
) -> None:
    """One whose message is larger than any frame may be, and one on which nothing comes."""
    settings = EdgeSettings(max_frame_bytes=1 << 17, idle_s=0.5)
    async with (
        edge_at(nats_server, settings) as client,
        connect(address(client), proxy=None, compression=None) as socket,
    ):
        if text:
            await socket.send(text)
        async with asyncio.timeout(10):
            await socket.wait_closed()

    assert socket.close_code == code
