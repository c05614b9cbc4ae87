"""A client's line comes back by itself, against a server that says what it has to say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from tests.cutting import proxy
from tests.edge_script import Line, edge
from voicebus.errors import ProtocolError
from voicebus.link import Link, _pause_s, link

START = {"type": "start", "resume": True}


async def begin(line: Line, resume_s: float = 20.0) -> None:
    """Read ``start`` and give a token."""
    await line.until(lambda: bool(line.messages))
    await line.say("metadata", seq=1, session_id="s-1", resume_token="secret", resume_s=resume_s)
    await line.say("ready", seq=2)


async def until(line: Link, kind: str, seen: list[Any]) -> dict[str, Any]:
    """Receive up to a message of this type; what came is in ``seen``."""
    async with asyncio.timeout(10):
        while True:
            message = await line.receive()
            seen.append(message if isinstance(message, bytes) else message["type"])
            if not isinstance(message, bytes) and message["type"] == kind:
                return message


def following(*scripts: Callable[[Line], Any]) -> Callable[[Line], Any]:
    """Each connection has a script of its own."""
    left = list(scripts)

    async def script(line: Line) -> None:
        await left.pop(0)(line)

    return script


async def test_a_line_that_is_cut_goes_on_where_it_was() -> None:
    """It says what it has, sends what the server has not, and hands each thing on once."""

    async def first(line: Line) -> None:
        await begin(line)
        await line.socket.send_bytes(b"one")
        await line.until(lambda: len(line.audio) >= 6)

    async def second(line: Line) -> None:
        await line.until(lambda: bool(line.messages))
        await line.say("resumed", frames=1)
        await line.until(lambda: len(line.audio) >= 6)
        await line.socket.send_bytes(b"two")
        await line.say("pong", seq=5)

    seen: list[Any] = []
    async with (
        edge(following(first, second)) as running,
        proxy(running.url) as standing,
        link(standing.url) as line,
    ):
        await line.start(START)
        await until(line, "ready", seen)
        for frame in (b"aaa", b"bbb"):
            await line.send(frame)
        seen.append(await line.receive())
        await running.lines[0].until(lambda: len(running.lines[0].audio) >= 6)
        standing.cut()
        await until(line, "reconnecting", seen)
        await line.send(b"ccc")
        await line.send({"type": "end_stream"})
        await until(line, "pong", seen)
        resumed = running.lines[1]

    assert seen == ["metadata", "ready", b"one", "reconnecting", "resumed", b"two", "pong"]
    assert resumed.messages[0] == {
        "type": "resume",
        "session_id": "s-1",
        "token": "secret",
        "received": 3,
        "attempt": 1,
        "start": START,
        "at": {},
        "has": {
            "utterance": 0,
            "turn": 0,
            "characters": 0,
            "audio_bytes": 3,
            "spoken": 0,
            "told": [],
        },
    }
    assert bytes(resumed.audio) == b"bbbccc"
    assert resumed.got("end_stream")


async def test_a_server_that_falls_silent_is_left() -> None:
    """A connection that swallows everything is no connection; nobody says so."""

    async def second(line: Line) -> None:
        await line.until(lambda: bool(line.messages))
        await line.say("resumed", frames=0)
        await line.until(lambda: len(line.audio) >= 3)
        await line.say("pong", seq=3)

    seen: list[Any] = []
    async with (
        edge(following(begin, second)) as running,
        proxy(running.url) as standing,
        link(standing.url) as line,
    ):
        await line.start(START)
        await until(line, "ready", seen)
        standing.wires[0].swallow()
        await line.send(b"aaa")
        await until(line, "pong", seen)

    assert seen[2:] == ["reconnecting", "resumed", "pong"]


async def test_it_tries_until_the_server_is_back() -> None:
    """A server that is restarted refuses connections for a while."""

    async def second(line: Line) -> None:
        await line.until(lambda: bool(line.messages))
        await line.say("resumed", frames=0)

    seen: list[Any] = []
    async with (
        edge(following(begin, second)) as running,
        proxy(running.url) as standing,
        link(standing.url) as line,
    ):
        await line.start(START)
        await until(line, "ready", seen)
        standing.refuses = True
        standing.cut()
        await until(line, "reconnecting", seen)
        await asyncio.sleep(0.5)
        standing.refuses = False
        await until(line, "resumed", seen)

    assert seen[2:] == ["reconnecting", "resumed"]


async def test_a_session_that_has_ended_is_said() -> None:
    """What the server says is raised; it is asked once."""

    async def second(line: Line) -> None:
        await line.until(lambda: bool(line.messages))
        error = {"code": "session_expired", "message": "It is over.", "stage": "edge"}
        await line.say("error", retryable=False, **error)

    seen: list[Any] = []
    async with (
        edge(following(begin, second)) as running,
        proxy(running.url) as standing,
        link(standing.url) as line,
    ):
        await line.start(START)
        await until(line, "ready", seen)
        standing.cut()
        with pytest.raises(ProtocolError, match=r"It is over\.") as raised:
            await until(line, "resumed", seen)
        connections = len(running.lines)

    assert raised.value.reason == "session_expired"
    assert connections == 2


async def test_who_comes_too_late_gives_up() -> None:
    """After the time that the session waits nobody is there to come back to."""

    async def short(line: Line) -> None:
        await begin(line, resume_s=0.5)

    seen: list[Any] = []
    async with (
        edge(short) as running,
        proxy(running.url) as standing,
        link(standing.url) as line,
    ):
        await line.start(START)
        await until(line, "ready", seen)
        standing.refuses = True
        standing.cut()
        with pytest.raises(ConnectionClosed):
            await until(line, "resumed", seen)

    assert seen[2:] == ["reconnecting"]


@pytest.mark.parametrize("code", [1000, 1008, 4001])
async def test_a_server_that_means_it_is_believed(code: int) -> None:
    """Who was hung up on, refused or replaced does not come back."""

    async def script(line: Line) -> None:
        await begin(line)
        await line.socket.close(code)

    async with edge(script) as running, link(running.url) as line:
        await line.start(START)
        with pytest.raises(ConnectionClosed):
            await until(line, "resumed", [])
        await asyncio.sleep(0.2)

    assert len(running.lines) == 1


async def test_what_is_acknowledged_is_not_kept() -> None:
    """Acknowledgements are for the line alone, and it confirms what it has."""

    async def script(line: Line) -> None:
        await begin(line)
        await line.until(lambda: len(line.audio) >= 3)
        await line.say("ack", frames=1)
        await line.until(lambda: bool(line.got("received")))
        await line.say("pong", seq=3)

    seen: list[Any] = []
    async with edge(script) as running, link(running.url) as line:
        await line.start(START)
        await line.send(b"aaa")
        await until(line, "pong", seen)
        confirmed = running.lines[0].got("received")

    assert seen == ["metadata", "ready", "pong"]
    assert confirmed == [{"type": "received", "seq": 2}]


def test_the_longer_a_server_is_away_the_more_seldom_it_is_tried() -> None:
    """One that is back after a second is found within a quarter of that."""
    away_s = (0.0, 1.0, 4.0, 12.0, 60.0)

    assert list(map(_pause_s, away_s)) == [0.1, 0.25, 1.0, 3.0, 3.0]
