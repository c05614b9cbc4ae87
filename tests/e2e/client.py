"""A client of ``/ws`` that keeps everything it hears, in order."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol

import jiwer
import numpy as np
import pytest
from numpy.typing import NDArray
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.system import System
from voicebus.bus.client import connect as connect_bus
from voicebus.cli.replay import recorded
from voicebus.settings import BusSettings

Message = dict[str, Any]

RATE_HZ = 16_000
FRAME = RATE_HZ // 50
PAUSE = np.zeros(RATE_HZ, np.int16)
"""A second of silence: long enough for the server to notice the end of an utterance."""
WAIT_S = 30.0


class Door(Protocol):
    """Where clients are let in: a whole system, or one of its edges."""

    @property
    def ws(self) -> str:
        """Address of /ws."""


class Listener(enum.Enum):
    """What a client says of its playback."""

    QUICK = "quick"
    """It says at once that it has played all, so that a turn ends when it is made."""
    SILENT = "silent"
    """It says nothing, or what the test says: the edge goes by its clock."""


class Client:
    """One connection.

    Attributes:
        heard: Everything that the server sent: JSON messages and audio frames.
        closed: Close code once the server or we have closed.
        listener: What it says of its playback: see :class:`Listener`.
    """

    def __init__(self, socket: ClientConnection) -> None:
        self.listener = Listener.QUICK
        self._socket = socket
        self._news = asyncio.Event()
        self.heard: list[Message | bytes] = []
        self.closed: int | None = None

    async def listen(self) -> None:
        """Collect until the connection ends."""
        try:
            async for data in self._socket:
                message = data if isinstance(data, bytes) else json.loads(data)
                self.heard.append(message)
                self._news.set()
                if self.listener is Listener.QUICK and isinstance(message, dict):
                    await self._report(message)
        except ConnectionClosed:
            pass
        self.closed = self._socket.close_code
        self._news.set()

    async def _report(self, message: Message) -> None:
        if message["type"] == "audio_complete":
            played_ms = 1000 * message["audio_seconds"]
            await self.send("played", turn=message["turn"], played_ms=played_ms)
        elif message["type"] == "flush":
            await self.send("flushed", turn=message["turn"], played_ms=0)

    async def send(self, kind: str, **fields: Any) -> None:
        """Send a JSON message."""
        await self._socket.send(json.dumps({"type": kind, **fields}))

    async def send_raw(self, data: str | bytes) -> None:
        """Send one frame as it is."""
        await self._socket.send(data)

    async def send_file(self, data: bytes, frame_bytes: int = 8192) -> None:
        """Send the bytes of a file in frames, then ``end_stream``."""
        for start in range(0, len(data), frame_bytes):
            await self._socket.send(data[start : start + frame_bytes])
        await self.send("end_stream")

    async def speak(self, samples: NDArray[np.int16], pace: float = 0.0) -> None:
        """Send samples as frames of 20 ms; ``pace`` 1 is real time, 0 as fast as it goes."""
        clock = asyncio.get_running_loop().time
        begun_s = clock()
        for start in range(0, len(samples), FRAME):
            if pace:
                await asyncio.sleep(max(0.0, begun_s + pace * start / RATE_HZ - clock()))
            await self._socket.send(samples[start : start + FRAME].astype("<i2").tobytes())

    def vanish(self) -> None:
        """Drop the connection without a goodbye, as a lost network does."""
        self._socket.transport.abort()

    async def leave(self, code: int) -> None:
        """Say goodbye with a close code."""
        await self._socket.close(code)

    def messages(self, kind: str = "", **fields: Any) -> list[Message]:
        """Return the JSON messages of a type whose fields have these values."""
        return [
            message
            for message in self.heard
            if isinstance(message, dict)
            and kind in {"", message["type"]}
            and fields.items() <= message.items()
        ]

    def audio(self) -> NDArray[np.int16]:
        """Return all audio that was received."""
        return np.frombuffer(
            b"".join(frame for frame in self.heard if isinstance(frame, bytes)), "<i2"
        )

    async def until(
        self, kind: str, count: int = 1, within_s: float = WAIT_S, **fields: Any
    ) -> Message:
        """Wait for a message (the ``count``-th of its kind) and return it."""
        met = await self._wait(lambda: len(self.messages(kind, **fields)) >= count, within_s)
        if not met:
            pytest.fail(f"no {kind} {fields} (closed: {self.closed}) in {self._summary()}")
        return self.messages(kind, **fields)[count - 1]

    async def until_closed(self, within_s: float = WAIT_S) -> int:
        """Wait until the connection is closed and return the close code."""
        if not await self._wait(lambda: self.closed is not None, within_s):
            pytest.fail(f"the connection is still open after {self._summary()}")
        assert self.closed is not None
        return self.closed

    async def _wait(self, condition: Callable[[], bool], within_s: float) -> bool:
        try:
            async with asyncio.timeout(within_s):
                while not condition():
                    if self.closed is not None:
                        return False
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return False
        return True

    def _summary(self) -> list[Message | str]:
        return [m if isinstance(m, dict) else f"<{len(m)} bytes>" for m in self.heard[-30:]]


@contextlib.asynccontextmanager
async def connected(
    system: Door, start: Message | None = None, **options: Any
) -> AsyncIterator[Client]:
    """Connect; with ``start`` wait until workers hold the session."""
    async with connect(
        system.ws, compression=None, proxy=None, max_size=None, close_timeout=1, **options
    ) as socket:
        client = Client(socket)
        listening = asyncio.create_task(client.listen())
        try:
            if start is not None:
                await client.send("start", **start)
                await client.until("ready")
            yield client
        finally:
            await socket.close()
            await listening


async def type_turn(system: Door, text: str = "hello") -> Client:
    """Do one healthy turn, from its beginning to its end, on a connection of its own."""
    async with connected(system, {}) as client:
        await client.send("text", text=text)
        await client.until("turn_ended", outcome="completed")
    return client


async def expect_healthy(system: Door) -> None:
    """A caller beside or after the others gets text and audio, and no error."""
    client = await type_turn(system)
    assert client.messages("reply_done")[0]["text"]
    assert client.audio().size
    assert client.messages("error") == []


async def expect_eventually(
    check: Callable[[], bool] | Callable[[], Awaitable[bool]], what: str, within_s: float = 20.0
) -> None:
    """Ask until it is true."""
    deadline = asyncio.get_running_loop().time() + within_s
    while True:
        answer = check()
        if answer if isinstance(answer, bool) else await answer:
            return
        if asyncio.get_running_loop().time() > deadline:
            pytest.fail(f"not within {within_s:g} s: {what}")
        await asyncio.sleep(0.05)


async def log_of(system: System, session: str) -> list[Any]:
    """Return a session's recorded messages in their order."""
    bus = await connect_bus(BusSettings(nats_url=system.nats.url), "test")
    try:
        return [event for _, event in await recorded(bus, session)]
    finally:
        await bus.close()


def word_error_rate(said: str, understood: str) -> float:
    """Return the word error rate, without case and punctuation."""
    plain = jiwer.Compose(
        [
            jiwer.ToLowerCase(),
            jiwer.SubstituteRegexes({r"\bmr\b\.?": "mister", r"-": " "}),
            jiwer.RemovePunctuation(),  # type: ignore[no-untyped-call]
            jiwer.RemoveMultipleSpaces(),
            jiwer.Strip(),
            jiwer.ReduceToListOfListOfWords(),
        ]
    )
    return float(jiwer.wer(said, understood, reference_transform=plain, hypothesis_transform=plain))
