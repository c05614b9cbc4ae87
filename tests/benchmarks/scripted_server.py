"""A server that takes turns as its script says, to see what a caller makes of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tests.benchmarks.speech import tone

OUT_HZ = 24_000
WORD_MS = 100
"""Every word of a reply takes as long."""

Script = Callable[["Server"], Coroutine[Any, Any, None]]


class Server:
    """One session, as its script drives it."""

    def __init__(self, socket: ServerConnection) -> None:
        self._socket = socket
        self.told: list[dict[str, Any]] = []
        self._loud = asyncio.Condition()
        self._quiet_frames = 0
        self._voiced_frames = 0

    async def say(self, kind: str, **fields: Any) -> None:
        """Send a message."""
        await self._socket.send(json.dumps({"type": kind, **fields}))

    async def speech(self) -> None:
        """Wait until the caller speaks."""
        async with self._loud:
            await self._loud.wait_for(lambda: self._voiced_frames > 0 and self._quiet_frames == 0)

    async def pause(self, ms: int) -> None:
        """Wait until the caller has spoken, and been silent for so long."""
        async with self._loud:
            await self._loud.wait_for(
                lambda: self._voiced_frames > 0 and self._quiet_frames * 20 >= ms
            )
            self._voiced_frames = 0

    async def reply(self, turn: int, words: list[str]) -> None:
        """Start a turn and send all of its audio at once."""
        await self.say("turn_started", turn=turn, text=f"question {turn}")
        await self.say("audio_start", turn=turn, sample_rate=OUT_HZ)
        ends = [WORD_MS * (n + 1) for n in range(len(words))]
        await self.say(
            "spoken",
            **{"turn": turn, "text": " ".join(words), "start_ms": 0, "end_ms": ends[-1]},
            word_ends_ms=ends,
        )
        loud = np.resize(tone(1000), len(words) * WORD_MS * OUT_HZ // 1000)
        await self._socket.send(loud.astype("<i2").tobytes())
        await self.say("audio_complete", turn=turn, audio_seconds=len(words) * WORD_MS / 1000)

    async def flushed(self, turn: int) -> int:
        """Flush a turn; return what the caller says that it played."""
        await self.say("flush", turn=turn)
        async with self._loud:
            await self._loud.wait_for(lambda: any(m["type"] == "flushed" for m in self.told))
        answers = [m for m in self.told if m["type"] == "flushed" and m["turn"] == turn]
        return int(answers[-1]["played_ms"])

    async def hear(self) -> None:
        """Take what the caller sends until it leaves."""
        try:
            async for data in self._socket:
                async with self._loud:
                    if isinstance(data, bytes):
                        voiced = np.abs(np.frombuffer(data, "<i2")).max() > 1000
                        self._voiced_frames += voiced
                        self._quiet_frames = 0 if voiced else self._quiet_frames + 1
                    else:
                        self.told.append(json.loads(data))
                    self._loud.notify_all()
        except ConnectionClosed:
            pass


@asynccontextmanager
async def server(script: Script) -> AsyncIterator[str]:
    """Serve callers by a script; gives the address."""

    async def session(socket: ServerConnection) -> None:
        one = Server(socket)
        hearing = asyncio.create_task(one.hear())
        await one.say("ready")
        driven = asyncio.create_task(script(one))
        await hearing
        driven.cancel()
        await asyncio.gather(driven, return_exceptions=True)

    async with serve(session, "127.0.0.1", 0) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}"
