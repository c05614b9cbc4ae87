"""A client of ``/ws`` that can be cut off at will, and come back; it keeps no ring by itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import connect

from schemas.event import Event
from schemas.session import ClientLost
from schemas.tts import ReplyChunk
from tests.e2e.client import Client, Listener, Message
from tests.edge.running import Scene

SAMPLES = 320
RATE_HZ = 24_000


class Handset:
    """One session's client, over one socket after the other.

    Attributes:
        url: Where it calls.
        told: What the server said in its session, numbered: JSON messages, audio, each once.
        received: Number of the last of them.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.told: list[Message | bytes] = []
        self.received = 0
        self.metadata: Message = {}
        self._noted: dict[Client, int] = {}

    def note(self, client: Client) -> None:
        """Take over what a socket has brought; every number must be the next one."""
        noted, self._noted[client] = self._noted.get(client, 0), len(client.heard)
        for frame in client.heard[noted:]:
            if isinstance(frame, dict):
                if "seq" not in frame:
                    continue  # of the socket, not of the session
                assert frame["seq"] == self.received + 1
            self.received += 1
            self.told.append(frame)
            if isinstance(frame, dict) and "resume_token" in frame:
                self.metadata = frame

    def resume(self, **changed: Any) -> Message:
        """The message of a client that comes back."""
        return {
            "type": "resume",
            "session_id": self.metadata["session_id"],
            "token": self.metadata["resume_token"],
            "received": self.received,
            **changed,
        }

    def kinds(self) -> list[str]:
        """The types of what was said, with ``audio`` for each frame."""
        return [m["type"] if isinstance(m, dict) else "audio" for m in self.told]


@asynccontextmanager
async def socket(url: str, first: Message) -> AsyncIterator[Client]:
    """Open a socket of its own and say one thing over it."""
    async with connect(url, proxy=None, close_timeout=1, max_size=None) as opened:
        client = Client(opened)
        client.listener = Listener.SILENT
        reading = asyncio.create_task(client.listen())
        await client.send_raw(json.dumps(first))
        yield client
        await opened.close()
        await reading


def frame(number: int) -> bytes:
    """20 ms of audio whose samples say which frame they are of."""
    return number.to_bytes(2, "little") * SAMPLES


def speech(turn: int, chunks: int, first: int = 0) -> list[Event]:
    """Stretches of 100 ms of a turn's audio, each with its own samples."""
    size = RATE_HZ // 10
    return [
        ReplyChunk(turn=turn, seq=n, pcm=bytes((n, 0)) * size, rate_hz=RATE_HZ, offset=n * size)
        for n in range(first, first + chunks)
    ]


async def begin(opened: Scene, **start: Any) -> Handset:
    """Open a session whose client will come back."""
    await opened.take(resume=True, **start)
    handset = Handset(opened.url)
    handset.note(opened.client)
    return handset


async def cut(opened: Scene, handset: Handset, client: Client | None = None) -> None:
    """Break the socket as a lost network does; what had come before counts."""
    client = client or opened.client
    lost = len(opened.said(ClientLost))
    client.vanish()
    await opened.until(ClientLost, lost + 1)
    await client.until_closed()
    handset.note(client)
