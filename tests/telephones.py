"""Telephones for tests: the exchange's side of each protocol, written from its specification.

Nothing of the edge is used here but the tables of G.711, so that a mistake is not made twice.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import socket
import struct
import uuid
from collections.abc import AsyncIterator
from typing import Any, Protocol

import numpy as np
import pytest
from numpy.typing import NDArray
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from voicebus.audio import g711
from voicebus.audio.resample import Resampler

CALLER = "+493012345"
CALLED = "+498998765"
FRAME_S = 0.02
WAIT_S = 30.0


def at_rate(samples: NDArray[np.int16], rate_hz: int) -> NDArray[np.int16]:
    """Samples of 16 kHz at another rate."""
    resampler = Resampler(16_000, rate_hz)
    return np.concatenate([resampler.push(samples), resampler.finish()])


class Telephone:
    """What all of them have.

    Attributes:
        rate_hz: Of its audio.
        law: Of G.711; None for bare samples.
        heard: When each piece of audio came, and its bytes.
        told: Everything else that came.
        closed: Code of the end, once there is one; -1 for a TCP connection.
    """

    rate_hz = 8_000
    law: g711.Law | None = None

    def __init__(self) -> None:
        self.heard: list[tuple[float, bytes]] = []
        self.told: list[Any] = []
        self.closed: int | None = None
        self.news = asyncio.Event()
        self.frames = 0

    def coded(self, samples: NDArray[np.int16]) -> bytes:
        """Samples at its own rate as it has them."""
        return (
            samples.astype("<i2").tobytes() if self.law is None else g711.encode(samples, self.law)
        )

    def audio(self) -> NDArray[np.int16]:
        """All that it heard."""
        data = b"".join(data for _, data in self.heard)
        return np.frombuffer(data, "<i2") if self.law is None else g711.decode(data, self.law)

    def loudness(self) -> float:
        """Of what it heard: the root of the mean square."""
        samples = self.audio().astype(np.float64)
        return float(np.sqrt(np.mean(samples**2))) if len(samples) else 0.0

    async def begin(self) -> None:
        """Say what the call is."""

    async def send_audio(self, data: bytes) -> None:
        """Send a frame of audio."""
        raise NotImplementedError

    async def press(self, digit: str) -> None:
        """Press a key."""
        raise NotImplementedError

    async def hang_up(self) -> None:
        """End the call."""
        raise NotImplementedError

    async def say(self, samples: NDArray[np.int16], pace: float = 1.0) -> None:
        """Speak samples of 16 kHz, in frames of 20 ms."""
        own = at_rate(samples, self.rate_hz)
        size = self.rate_hz // 50
        clock = asyncio.get_running_loop().time
        begun_s = clock()
        for number, first in enumerate(range(0, len(own) - size + 1, size)):
            await asyncio.sleep(max(0.0, begun_s + pace * number * FRAME_S - clock()))
            await self.send_audio(self.coded(own[first : first + size]))
            self.frames += 1

    async def be_silent(self, seconds: float) -> None:
        """Stay on the line."""
        await self.say(np.zeros(int(16_000 * seconds), np.int16))

    async def until(self, condition: Any, what: str, within_s: float = WAIT_S) -> None:
        """Wait until something is so, silent on the line."""
        deadline = asyncio.get_running_loop().time() + within_s
        while not condition():
            if asyncio.get_running_loop().time() > deadline:
                pytest.fail(f"not within {within_s:g} s: {what} ({self.told[-5:]}, {self.closed})")
            if self.closed is None:
                with contextlib.suppress(ConnectionClosed, OSError):
                    await self.be_silent(0.1)
                    continue
            await asyncio.sleep(0.02)

    async def until_closed(self, within_s: float = WAIT_S) -> int:
        """Wait for the end of the connection; return its code."""
        async with asyncio.timeout(within_s):
            while self.closed is None:
                self.news.clear()
                await self.news.wait()
        return self.closed

    def note(self) -> None:
        """Something came."""
        self.news.set()


class AudioSocketPhone(Telephone):
    """Asterisk's AudioSocket: type, length, payload."""

    kind = 0x10

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super().__init__()
        self._reader = reader
        self._writer = writer
        self.name = uuid.uuid4()

    async def raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._writer.write(data)
        await self._writer.drain()

    async def frame(self, kind: int, payload: bytes = b"") -> None:
        """Send a frame."""
        await self.raw(struct.pack(">BH", kind, len(payload)) + payload)

    async def begin(self) -> None:
        """Say what the call is."""
        await self.frame(0x01, self.name.bytes)

    async def send_audio(self, data: bytes) -> None:
        """Send a frame of audio."""
        await self.frame(self.kind, data)

    async def press(self, digit: str) -> None:
        """Press a key."""
        await self.frame(0x03, digit.encode())

    async def hang_up(self) -> None:
        """End the call."""
        await self.frame(0x00)

    def vanish(self) -> None:
        """Be gone without a word, as a machine that was switched off and on again."""
        connection = self._writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def listen(self) -> None:
        """Collect until the end."""
        clock = asyncio.get_running_loop().time
        try:
            while True:
                kind, size = struct.unpack(">BH", await self._reader.readexactly(3))
                payload = await self._reader.readexactly(size)
                if kind == self.kind:
                    self.heard.append((clock(), payload))
                else:
                    self.told.append((kind, payload))
                self.note()
        except (asyncio.IncompleteReadError, OSError):
            self.closed = -1
            self.note()


class SocketPhone(Telephone):
    """What those over WebSockets have."""

    def __init__(self, socket: ClientConnection) -> None:
        super().__init__()
        self.socket = socket

    async def text(self, **message: Any) -> None:
        """Send JSON."""
        await self.socket.send(json.dumps(message))

    def took(self, message: Any) -> bytes:
        """Take a text; return the audio in it."""
        self.told.append(message)
        return b""

    def vanish(self) -> None:
        """Be gone without a word."""
        self.socket.transport.abort()

    async def hang_up(self) -> None:
        """End the call."""
        await self.socket.close()

    async def listen(self) -> None:
        """Collect until the end."""
        clock = asyncio.get_running_loop().time
        try:
            async for data in self.socket:
                audio = data if isinstance(data, bytes) else self.took(self.parsed(data))
                if audio:
                    self.heard.append((clock(), audio))
                self.note()
        except ConnectionClosed:
            pass
        self.closed = self.socket.close_code or 0
        self.note()

    def parsed(self, data: str) -> Any:
        """A text frame."""
        return json.loads(data)


class Sounding(Protocol):
    """Makes a telephone of a WebSocket."""

    def __call__(self, socket: ClientConnection) -> SocketPhone:
        """Make it."""
        ...


@contextlib.asynccontextmanager
async def calling(make: Sounding, url: str, **options: Any) -> AsyncIterator[Any]:
    """Call by WebSocket."""
    async with connect(url, proxy=None, compression=None, close_timeout=1, **options) as socket:
        phone = make(socket)
        listening = asyncio.create_task(phone.listen())
        try:
            await phone.begin()
            yield phone
        finally:
            await socket.close()
            await listening


@contextlib.asynccontextmanager
async def calling_by_tcp(
    port: int, make: type[AudioSocketPhone] = AudioSocketPhone
) -> AsyncIterator[AudioSocketPhone]:
    """Call by AudioSocket."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    phone = make(reader, writer)
    listening = asyncio.create_task(phone.listen())
    try:
        await phone.begin()
        yield phone
    finally:
        writer.close()
        await listening


def b64(data: bytes) -> str:
    """As it stands in JSON."""
    return base64.b64encode(data).decode()
