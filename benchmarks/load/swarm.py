"""``python -m benchmarks.load.swarm URL``: silent callers by the hundred, each frame on time.

Takes lines on its input: a number, to have so many callers in all. Answers each with one line of
JSON once they are there: how many were thrown out, and how late frames were since the answer
before. At the end of its input it hangs up.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Final, cast
from urllib.parse import urlsplit

import uvloop

from benchmarks.load import frames
from voicebus.punctual import punctual

FRAME_MS: Final = 20
SAMPLES: Final = 16 * FRAME_MS
_SLOTS: Final = FRAME_MS
"""Callers are spread over the length of a frame, as people are."""

_START: Final = json.dumps(
    {"type": "start", "input": {"format": "pcm_s16le"}, "output": {"sample_rate": 16_000}}
).encode()
_OPEN_S: Final = 20.0
_AT_ONCE: Final = 10


class Caller(asyncio.Protocol):
    """One connection. Says ``start``, then sends frames when it is told to."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._incoming = frames.Incoming()
        self._transport: asyncio.Transport | None = None
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open the WebSocket."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class
        self._transport.write(frames.handshake(self._url))

    def data_received(self, data: bytes) -> None:
        """Answer pings; everything else is left to the kernel's buffers and to nobody."""
        was_open = self._incoming.is_open
        for payload in self._incoming.take(data):
            self.write(frames.pong(payload))
        if self._incoming.is_open and not was_open:
            self.write(frames.text(_START))
            self.ready.set_result(None)
        elif self._incoming.refusal and not self.ready.done():
            self.ready.set_exception(ConnectionError(self._incoming.refusal))
        self.lost = self.lost or self._incoming.closed

    def connection_lost(self, _: Exception | None) -> None:
        """Nobody is there any more."""
        self.lost = True
        if not self.ready.done():
            self.ready.set_exception(ConnectionError("the connection was lost"))

    def write(self, data: bytes) -> None:
        """Send bytes."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def hang_up(self) -> None:
        """Break the connection."""
        if self._transport is not None:
            self._transport.abort()


class Swarm:
    """The callers of one process."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._slots: list[list[Caller]] = [[] for _ in range(_SLOTS)]
        self._size = 0
        self.late_ms_max = 0.0

    @property
    def lost(self) -> int:
        """How many callers were thrown out."""
        return sum(caller.lost for slot in self._slots for caller in slot)

    async def grow(self, size: int) -> None:
        """Have so many callers.

        Raises:
            OSError: The server takes no more.
        """
        while self._size < size:
            many = min(_AT_ONCE, size - self._size)
            for caller in await asyncio.gather(*(self._dial() for _ in range(many))):
                self._slots[self._size % _SLOTS].append(caller)
                self._size += 1

    async def speak(self) -> None:
        """Send everybody's frames by an absolute schedule, until cancelled."""
        due_s = time.perf_counter()
        while True:
            for slot in self._slots:
                due_s += FRAME_MS / _SLOTS / 1000
                delay_s = due_s - time.perf_counter()
                if delay_s > 0:
                    await asyncio.sleep(delay_s)
                else:
                    self.late_ms_max = max(self.late_ms_max, -1000 * delay_s)
                    await asyncio.sleep(0)
                for caller in slot:
                    caller.write(frames.stamped(time.perf_counter_ns(), SAMPLES))

    def hang_up(self) -> None:
        """End all calls."""
        for slot in self._slots:
            for caller in slot:
                caller.hang_up()

    async def _dial(self) -> Caller:
        parts = urlsplit(self._url)
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(_OPEN_S):
            _, caller = await loop.create_connection(
                lambda: Caller(self._url), parts.hostname or "", parts.port or 80
            )
            await caller.ready
        return caller


async def _main(url: str) -> None:
    swarm = Swarm(url)
    speaking = asyncio.create_task(swarm.speak())
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        error = ""
        try:
            await swarm.grow(int(line))
        except (OSError, TimeoutError) as err:
            error = str(err) or type(err).__name__
        _say({"error": error, "lost": swarm.lost, "late_ms_max": swarm.late_ms_max})
        swarm.late_ms_max = 0.0
    speaking.cancel()
    swarm.hang_up()


def _say(told: dict[str, object]) -> None:
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    # Callers have machines of their own: they do not wait for what is measured.
    with punctual(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_main(sys.argv[1]))
