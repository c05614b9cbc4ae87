"""Frames are taken as they come, in their order, by the reader or on its behalf."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.websockets import WebSocket

from edge.ahead import EXTENSION
from edge.connection import Connection, Frame
from edge.guards import Arrivals

WHOSE = contextvars.ContextVar("whose", default="nobody's")


class Server:
    """Takes frames from its client as the edge's does: ahead, or for the reader."""

    def __init__(self) -> None:
        self._arrivals = Arrivals()
        self._extension: dict[str, Any] = {"begin": None}
        scope = {"type": "websocket", "extensions": {EXTENSION: self._extension}}
        socket = WebSocket(scope, self._arrivals.get, self._send)
        self._arrivals.put_nowait({"type": "websocket.connect"})
        self.connection = Connection(socket)
        self.accept = socket.accept
        self.ahead = 0

    async def _send(self, message: Any) -> None:
        """Nobody is told anything."""

    def arrive(self, frame: bytes) -> None:
        """A frame has come. As in the server, no task is running."""
        begin = self._extension["begin"]
        if begin is not None and self._arrivals.is_awaited and begin(frame):
            self.ahead += 1
            return
        self._arrivals.put_nowait({"type": "websocket.receive", "bytes": frame})

    async def come(self, *frames: bytes) -> None:
        """Frames come, one right behind the other."""
        for frame in frames:
            asyncio.get_running_loop().call_soon(self.arrive, frame)
        for _ in range(20):
            await asyncio.sleep(0)


@asynccontextmanager
async def reading(
    take: Callable[[Frame], Any],
) -> AsyncIterator[tuple[Server, asyncio.Task[None]]]:
    """A reader that waits for frames; both are over with the context."""
    server = Server()
    await server.accept()

    async def read() -> None:
        WHOSE.set("the reader's")
        await server.connection.take_each(take)

    reader = asyncio.create_task(read())
    await asyncio.sleep(0)
    try:
        yield server, reader
    finally:
        reader.cancel()
        await asyncio.wait((reader,))


async def test_what_need_not_wait_is_taken_where_it_comes() -> None:
    """On behalf of the reader: its task, its context."""
    taken: list[Any] = []

    async def take(frame: Frame) -> None:
        taken.append((frame, asyncio.current_task(), WHOSE.get()))

    async with reading(take) as (server, reader):
        await server.come(b"1", b"2", b"3")

    assert server.ahead == 3
    assert taken == [(frame, reader, "the reader's") for frame in (b"1", b"2", b"3")]


async def test_what_must_wait_is_ended_by_the_reader_and_nothing_passes_it() -> None:
    """Each frame once, in the order in which they came."""
    gate = asyncio.Event()
    done: list[Frame] = []

    async def take(frame: Frame) -> None:
        if frame == b"1":
            await gate.wait()
        done.append(frame)

    async with reading(take) as (server, _):
        await server.come(b"1", b"2")
        await server.come(b"3")
        assert done == []
        gate.set()
        await server.come()
        assert done == [b"1", b"2", b"3"]
        await server.come(b"4")

    assert done == [b"1", b"2", b"3", b"4"]
    assert server.ahead == 1


async def test_an_error_is_the_readers() -> None:
    """It ends it, as if it had taken the frame itself."""

    async def take(frame: Frame) -> None:
        raise ValueError(frame)

    async with reading(take) as (server, reader):
        await server.come(b"1")
        with pytest.raises(ValueError, match="1"):
            await reader
        assert server.ahead == 0


async def test_a_deadline_holds_from_the_first_step_on() -> None:
    """A timeout asks for the running task when it is set."""
    ended: list[str] = []

    async def take(_: Frame) -> None:
        try:
            async with asyncio.timeout(0.01):
                await asyncio.sleep(10)
        except TimeoutError:
            ended.append("late")

    async with reading(take) as (server, reader):
        await server.come(b"1")
        await asyncio.sleep(0.05)
        assert not reader.done()

    assert ended == ["late"]


@pytest.mark.parametrize("steps", [0, 1, 20])
async def test_a_reader_that_ends_lets_go_of_what_was_begun(steps: int) -> None:
    """Whether or not it had come to going on with it: a lock would stay locked otherwise."""
    lock = asyncio.Lock()

    async def take(_: Frame) -> None:
        async with lock:
            await asyncio.sleep(10)

    async with reading(take) as (server, reader):
        asyncio.get_running_loop().call_soon(server.arrive, b"1")
        for _ in range(steps + 1):
            await asyncio.sleep(0)
        assert lock.locked()
        reader.cancel()
        await asyncio.wait((reader,))

    assert not lock.locked()


async def test_a_reader_that_has_ended_takes_nothing() -> None:
    """What comes then is the next reader's."""
    taken: list[Frame] = []

    async def take(frame: Frame) -> None:
        taken.append(frame)

    async with reading(take) as (server, reader):
        reader.cancel()
        await asyncio.wait((reader,))
        await server.come(b"1")

    assert taken == []
    assert server.ahead == 0


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=30))
def test_the_order_is_that_in_which_they_came(frames: list[tuple[int, int]]) -> None:
    """However long each takes, and however far they are apart."""

    async def all_come() -> list[Frame]:
        done: list[Frame] = []

        async def take(frame: Frame) -> None:
            for _ in range(frames[int(frame)][0]):
                await asyncio.sleep(0)
            done.append(frame)

        async with reading(take) as (server, _):
            for number, (_, apart) in enumerate(frames):
                asyncio.get_running_loop().call_soon(server.arrive, str(number).encode())
                for _ in range(apart):
                    await asyncio.sleep(0)
            for _ in range(200):
                await asyncio.sleep(0)
        return done

    assert asyncio.run(all_come()) == [str(number).encode() for number in range(len(frames))]
