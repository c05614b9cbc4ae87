"""What a client sends while its application reads nothing: some of it waits."""

from __future__ import annotations

import asyncio

import pytest
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from edge.guards import GuardedWebSocket
from tests.edge.raw import BINARY, Raw, frame, raw
from voicebus import health

MB = 1 << 20
MOST_BYTES = 64 * MB
"""More than the kernel holds of a connection on both sides."""


async def send(client: Raw, size: int, sent: list[int]) -> None:
    """Send numbered messages until they are not taken for two seconds."""
    while len(sent) * size < MOST_BYTES:
        async with asyncio.timeout(2):
            await client.send(frame(BINARY, len(sent).to_bytes(4, "big") + bytes(size - 4)))
        sent.append(len(sent))


@pytest.mark.parametrize("size", [100, 60_000])
async def test_nobody_sends_without_end_to_who_does_not_read(size: int) -> None:
    """And all of it is there, in order, once it is read."""
    reads, numbers = asyncio.Event(), list[int]()

    async def take(socket: WebSocket) -> None:
        await socket.accept()
        await reads.wait()
        async for data in socket.iter_bytes():
            numbers.append(int.from_bytes(data[:4], "big"))

    app = Starlette(routes=[WebSocketRoute("/ws", take)])
    listener = health.bind("127.0.0.1", 0)
    async with (
        health.serve(app, listener, ws=GuardedWebSocket, ws_per_message_deflate=False),
        raw(listener.getsockname()[1]) as client,
    ):
        assert "101" in await client.upgrade()
        sent: list[int] = []
        with pytest.raises(TimeoutError):
            await send(client, size, sent)
        assert not numbers
        reads.set()
        async with asyncio.timeout(60):
            while len(numbers) < len(sent):
                await asyncio.sleep(0.01)

    assert numbers[: len(sent)] == sent
