"""An edge that loses the bus in a reply hears all of it, once and in order."""

from __future__ import annotations

import asyncio

import pytest

from schemas.event import Event
from schemas.llm import TokenDelta
from schemas.turn import ConverseRequest, TurnStarted
from subjects.tokens import new_token
from tests.metered import Growth
from tests.nats_server import NatsServer
from tests.voicebus.test_edges import watching
from tests.workers import bus_in, until
from voicebus.bus.client import Bus
from voicebus.sessions.session import Session
from voicebus.sessions.sessions import Sessions

WORDS = 40


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicebus.sessions.beats.DOUBT_S", 2.0)


def cut(bus: Bus) -> None:
    """Break a connection, as a network does."""
    transport = bus._nats._transport
    assert transport is not None
    transport.close()  # type: ignore[no-untyped-call]


async def answer(bus: Bus, session: Session) -> None:
    """Say a turn, over some time."""
    await bus.store(TurnStarted(turn=1, text="x"), session.place)
    for seq in range(WORDS):
        await bus.store(TokenDelta(turn=1, seq=seq, text=f"{seq} "), session.place)
        await asyncio.sleep(0.02)


async def heard(session: Session, count: int) -> list[Event]:
    """Wait for some messages to a session, and that no more of them come."""
    await until(lambda: len(session.inbox) >= count)
    await asyncio.sleep(0.3)
    return [(await session.inbox.next())[1] for _ in range(len(session.inbox))]


async def test_a_reply_is_heard_whole_though_the_edge_lost_the_bus_in_it(
    own_nats_server: NatsServer,
) -> None:
    """Twice in one reply; the worker goes on meanwhile."""
    growth = Growth()
    cell = new_token("c")
    async with (
        bus_in(own_nats_server.url, cell) as bus,
        bus_in(own_nats_server.url, cell) as worker,
        watching(worker),
    ):
        sessions = Sessions(bus, new_token("e"), "websocket", limit=4)
        running = asyncio.create_task(sessions.run())
        async with sessions.open("test") as session:
            await session.converse(ConverseRequest(speak=False))
            await asyncio.sleep(0.1)
            answering = asyncio.create_task(answer(worker, session))
            for _ in range(2):
                await asyncio.sleep(0.15)
                cut(bus)
                await until(lambda: bus.is_connected)
            await answering

            told = await heard(session, 1 + WORDS)

        running.cancel()
        await asyncio.wait((running,))

    words = [event.text for event in told if isinstance(event, TokenDelta)]
    assert words == [f"{seq} " for seq in range(WORDS)]
    assert isinstance(told[0], TurnStarted)
    assert growth.of("voicebus_session_seconds_count", edge="websocket") == 1
    assert growth.of("voicebus_session_seconds_sum", edge="websocket") > 0.3
