"""How a Realtime session ends: its client is told, and nothing of it is left."""

from __future__ import annotations

import asyncio
import gc
import json
import weakref
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from edge.openai.realtime.call import RealtimeCall
from edge.openai.realtime.machine import Realtime
from schemas.stt import SpeechStarted
from schemas.turn import HangUp
from tests.edge.openai.realtime.connecting import created, socket
from tests.edge.openai.realtime.test_route import SETTINGS
from tests.edge.openai.serving import Served, api
from voicebus.sessions import session as sessions

CLOSED_S = 20.0
"""Longest wait for an end, on a slow machine."""

BUSY = [
    {"type": "response.create", "response": {"instructions": "Say hi."}},
    {"type": "input_audio_buffer.append", "audio": "AAAA" * 3_200},
    {"type": "input_audio_buffer.commit"},
    {"type": "response.create", "response": {"conversation": "none", "instructions": "Hi."}},
]
"""What may be under way when it ends."""


@pytest.fixture
def alive(monkeypatch: pytest.MonkeyPatch) -> Iterator[weakref.WeakSet[Any]]:
    """What was made of sessions and is still there, while nobody collects."""
    known: weakref.WeakSet[Any] = weakref.WeakSet()
    for made in (RealtimeCall, Realtime):
        begin = made.__init__

        def noted(self: Any, *args: Any, begin: Any = begin, **kwargs: Any) -> None:
            known.add(self)
            begin(self, *args, **kwargs)

        monkeypatch.setattr(made, "__init__", noted)
    gc.collect()
    gc.disable()
    try:
        yield known
    finally:
        gc.enable()


def arrive(served: Served, *events: Any) -> None:
    """The workers say something to the only session, all at once."""
    (session,) = served.sessions._open.values()
    for event in events:
        session.inbox.put("", event)


async def rest(opened: ClientConnection) -> tuple[list[dict[str, Any]], int]:
    """All that is told yet, and the code with which the socket is closed."""
    told: list[dict[str, Any]] = []
    try:
        async with asyncio.timeout(CLOSED_S):
            while True:
                told.append(json.loads(await opened.recv()))
    except ConnectionClosed as closed:
        return told, 0 if closed.rcvd is None else closed.rcvd.code


async def say_goodbye(_: Served, opened: ClientConnection) -> None:
    """The client leaves."""
    await opened.close()


async def break_off(_: Served, opened: ClientConnection) -> None:
    """The client's connection breaks."""
    opened.transport.abort()


async def hang_up(served: Served, opened: ClientConnection) -> None:
    """The worker that leads the answers ends the session."""
    arrive(served, HangUp(reason="limit"))
    _, code = await rest(opened)
    assert code == 1000


async def drain(served: Served, opened: ClientConnection) -> None:
    """The edge goes."""
    served.sessions.drain()
    told, code = await rest(opened)
    assert (told[-1]["type"], code) == ("error", 1012)


async def last_too_long(_: Served, opened: ClientConnection) -> None:
    """The session reaches its longest time."""
    told, code = await rest(opened)
    assert (told[-1]["error"]["code"], code) == ("session_expired", 1008)


ENDS: list[Callable[[Served, ClientConnection], Awaitable[None]]] = [
    say_goodbye,
    break_off,
    hang_up,
    drain,
    last_too_long,
]


@pytest.mark.parametrize("begun", [0, 2, len(BUSY)])
@pytest.mark.parametrize("end", ENDS, ids=lambda each: each.__name__)
async def test_an_ended_session_is_freed_whatever_was_under_way(
    nats_server: str, alive: weakref.WeakSet[Any], end: Any, begun: int
) -> None:
    """Whoever ends it, after as much as it had begun: its tasks, its place, and all it held."""
    longest_s = 1.5 if end is last_too_long else 600.0
    settings = {**SETTINGS, "max_session_s": longest_s}
    async with api(nats_server, settings=settings) as served:
        others = asyncio.all_tasks()
        async with socket(served) as opened:
            await created(opened)
            assert len(alive) == 2
            for event in BUSY[:begun]:
                await opened.send(json.dumps(event))
            await end(served, opened)
        async with asyncio.timeout(CLOSED_S):
            while alive or len(served.sessions):
                await asyncio.sleep(0.02)
            while left := {t for t in asyncio.all_tasks() - others if "Realtime" in repr(t)}:
                await asyncio.wait(left)


async def test_a_session_that_has_lost_news_ends(
    nats_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of a turn may have been among it: the client is told, and may come again."""
    monkeypatch.setattr(sessions, "_SESSION_INBOX", 8)
    async with api(nats_server, settings=SETTINGS) as served, socket(served) as opened:
        await created(opened)
        arrive(served, *(SpeechStarted(start_ms=at_ms) for at_ms in range(9)))
        told, code = await rest(opened)

    assert (told[-1]["error"]["code"], code) == ("bus_unavailable", 1013)
    assert "input_audio_buffer.speech_started" not in [event["type"] for event in told]


async def test_a_session_that_is_only_busy_goes_on(
    nats_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As much as there is room for is taken."""
    monkeypatch.setattr(sessions, "_SESSION_INBOX", 8)
    async with api(nats_server, settings=SETTINGS) as served, socket(served) as opened:
        await created(opened)
        arrive(served, *(SpeechStarted(start_ms=at_ms) for at_ms in range(8)))
        told = json.loads(await opened.recv())

    assert told["type"] == "input_audio_buffer.speech_started"
