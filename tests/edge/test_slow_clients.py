"""A client that does not read loses its own session, and holds up nobody beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from websockets.asyncio.client import ClientConnection, connect

from edge.settings import EdgeSettings
from schemas.claim import Claimed
from schemas.llm import TokenDelta
from schemas.session import SessionClosed
from schemas.tts import ReplyChunk
from schemas.turn import ConverseRequest, TurnStarted
from subjects.catalog import Place, place_of, subject_of
from subjects.tokens import new_token
from tests.bus import CELL, bus_at
from tests.edge.raw import TEXT, Raw, frame, raw
from tests.edge.running import served
from voicebus.bus.client import Bus
from voicebus.bus.inbox import Inbox

LIMIT_BYTES = 200_000
SETTINGS = EdgeSettings(claim_s=60, outbox_bytes=LIMIT_BYTES)
START = b'{"type":"start","turn_taking":"manual"}'
SECOND = bytes(48_000)


@asynccontextmanager
async def two_clients(url: str) -> AsyncIterator[tuple[Bus, Raw, ClientConnection, Inbox, str]]:
    """One edge, a client that will not read, one that does, and what the edge says of sessions."""
    edge = new_token("e")
    asked = subject_of(ConverseRequest, Place(CELL, edge, "*"))
    closed = subject_of(SessionClosed, Place(CELL, edge, "*"))
    async with bus_at(url) as bus, served(bus, edge, SETTINGS) as serving:
        port = int(serving.http.rpartition(":")[2])
        async with (
            bus.listen(asked, closed) as inbox,
            raw(port) as deaf,
            connect(f"ws://127.0.0.1:{port}/ws", proxy=None, close_timeout=1) as healthy,
        ):
            await bus.flush()
            assert "101" in await deaf.upgrade()
            yield bus, deaf, healthy, inbox, edge


async def session_of(inbox: Inbox) -> Place:
    """Where the session is that was asked for next."""
    while True:
        subject, event = await inbox.next()
        if isinstance(event, ConverseRequest):
            return place_of(subject)


async def test_one_slow_client_holds_up_no_other(nats_server: str) -> None:
    """It is sent away when as much waits for it as may; meanwhile the other hears every word."""
    async with (
        asyncio.timeout(60),
        two_clients(nats_server) as (bus, deaf, healthy, inbox, _),
    ):
        await deaf.send(frame(TEXT, START))
        deaf_place = await session_of(inbox)
        await healthy.send(START.decode())
        place = await session_of(inbox)
        for each in (deaf_place, place):
            await bus.claim(Claimed(role="turn", worker="w"), each, "session", 0)
            await bus.publish(TurnStarted(turn=1, text="tell me"), each)
        deaf.writer.transport.pause_reading()  # type: ignore[attr-defined]  # both ways in one
        heard: list[str] = []
        for number in range(400):  # 19 MB: more than the sockets' buffers and the edge hold
            chunk = ReplyChunk(
                turn=1, seq=number, pcm=SECOND, offset=number * 24_000, rate_hz=24_000
            )
            await bus.publish(chunk, deaf_place)
            await bus.publish(TokenDelta(turn=1, seq=number, text=f"word{number} "), place)
            while f"word{number} " not in (text := str(await healthy.recv())):
                heard.append(text)
        while True:
            _, event = await inbox.next()
            if isinstance(event, SessionClosed):
                break

    assert event.reason == "slow_client"
    assert not any("error" in text for text in heard)
