"""Answers that come piece by piece."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from edge.openai.stream import (
    DONE,
    KEEPALIVE,
    Streamed,
    begun,
    begun_events,
    event,
    event_stream,
)
from voicebus.errors import EngineTimeout


class Client:
    """Takes what is sent."""

    def __init__(self) -> None:
        self.messages: list[Any] = []

    async def __call__(self, message: Any) -> None:
        """Take one message."""
        self.messages.append(message)

    @property
    def bodies(self) -> list[bytes]:
        """The pieces."""
        return [m["body"] for m in self.messages if m["type"] == "http.response.body"]

    @property
    def is_complete(self) -> bool:
        """Whether the answer was sent to its end."""
        return self.messages[-1].get("more_body") is False


async def sent(response: Streamed) -> Client:
    """What a client gets of an answer."""
    client = Client()
    await response({"type": "http"}, _never, client)
    return client


async def _never() -> Any:
    pytest.fail("an answer does not read")


async def pieces(*values: bytes, pause_s: float = 0.0) -> AsyncGenerator[bytes, None]:
    """Some pieces, with a pause in front of each."""
    for value in values:
        await asyncio.sleep(pause_s)
        yield value


async def failing(*values: bytes) -> AsyncGenerator[bytes, None]:
    """Some pieces, then an error."""
    for value in values:
        yield value
    raise EngineTimeout("Too slow.")


async def test_a_file_that_fails_has_no_end() -> None:
    """Who reads it sees that it is not whole; nothing is added to it."""
    client = await sent(Streamed(failing(b"a", b"b"), "audio/mpeg"))

    assert client.bodies == [b"a", b"b"]
    assert not client.is_complete


async def test_events_that_fail_end_with_an_error() -> None:
    """An event like the others; the answer is complete."""
    client = await sent(event_stream(failing(b"a"), 10.0))

    assert client.bodies[0] == b"a"
    assert b'"code":"engine_timeout"' in client.bodies[1]
    assert client.is_complete


async def test_a_stream_in_which_nothing_happens_says_so() -> None:
    """With comments, which no client takes for an event."""
    client = await sent(event_stream(pieces(b"a", b"b", pause_s=0.2), 0.05))

    assert client.bodies.count(KEEPALIVE) >= 2
    assert [body for body in client.bodies if body not in {KEEPALIVE, b""}] == [b"a", b"b"]


async def test_what_fails_before_the_first_piece_is_raised() -> None:
    """Then it can be an answer with a status."""
    with pytest.raises(EngineTimeout):
        await begun(failing())


async def test_nothing_is_lost_by_waiting_for_the_first_piece() -> None:
    """It is there again, in front of the others; an empty answer is one, too."""
    some = [piece async for piece in await begun(pieces(b"a", b"b"))]
    none = [piece async for piece in await begun(pieces())]

    assert (some, none) == ([b"a", b"b"], [])


async def test_a_first_event_that_is_late_holds_up_no_answer() -> None:
    """The head and a comment go out; what fails behind them is an event."""
    is_begun = asyncio.Event()

    async def late() -> AsyncGenerator[bytes, None]:
        await is_begun.wait()
        yield b"a"
        raise EngineTimeout("Too slow.")

    async with asyncio.timeout(30):
        response = await begun_events(late(), 0.05)
    is_begun.set()
    client = await sent(response)

    first, *others = [body for body in client.bodies if body != KEEPALIVE]
    assert client.bodies[0] == KEEPALIVE
    assert first == b"a"
    assert b'"code":"engine_timeout"' in others[0]
    assert client.is_complete


async def test_what_fails_in_time_is_raised() -> None:
    """The bound of the wait changes nothing for who does not need it."""
    with pytest.raises(EngineTimeout):
        await begun_events(failing(), 30.0)


async def test_who_leaves_before_the_first_piece_closes_what_makes_it() -> None:
    """The wait is cancelled, and with it whatever it waits for."""
    closed = asyncio.Event()

    async def never() -> AsyncGenerator[bytes, None]:
        try:
            await asyncio.Event().wait()
            yield b""
        finally:
            closed.set()

    waiting = asyncio.create_task(begun_events(never(), 30.0))
    await asyncio.sleep(0.05)
    waiting.cancel()
    await asyncio.wait((waiting,))

    assert closed.is_set()


async def test_who_is_cancelled_closes_what_made_the_pieces() -> None:
    """Whatever a generator holds is given back, also while a client reads slowly."""
    closed = asyncio.Event()

    async def endless() -> AsyncGenerator[bytes, None]:
        try:
            while True:
                await asyncio.sleep(0.01)
                yield b"x"
        finally:
            closed.set()

    sending = asyncio.create_task(sent(event_stream(endless(), 1.0)))
    await asyncio.sleep(0.05)
    sending.cancel()
    await asyncio.wait((sending,))

    assert closed.is_set()


def test_an_event_is_one_line_of_json() -> None:
    """Line ends in a text are escaped, or they would end the event."""
    assert event({"a": "x\ny"}) == b'data: {"a":"x\\ny"}\n\n'
    assert event({"a": 1}, "name") == b'event: name\ndata: {"a":1}\n\n'
    assert DONE == b"data: [DONE]\n\n"
