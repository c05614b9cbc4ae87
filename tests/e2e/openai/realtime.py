"""A Realtime client: the official SDK's, and what a test wants to know of its events."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from openai import AsyncOpenAI

from tests.system import System

RATE_HZ = 24_000
FRAME_S = 0.1
WAIT_S = 40.0
ServerEvent = dict[str, Any]


class Client:
    """The official client's connection, with all that came over it."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.events: list[ServerEvent] = []

    async def next(self) -> ServerEvent:
        """Wait for the next event."""
        async with asyncio.timeout(WAIT_S):
            event: ServerEvent = (await self.connection.recv()).to_dict()
        self.events.append(event)
        return event

    async def until(self, kind: str) -> ServerEvent:
        """Wait for an event of a type; the others are kept."""
        while (event := await self.next())["type"] != kind:
            pass
        return event

    def of(self, kind: str) -> list[ServerEvent]:
        """All that came of a type."""
        return [event for event in self.events if event["type"] == kind]

    @property
    def kinds(self) -> list[str]:
        """The types of all that came."""
        return [event["type"] for event in self.events]

    async def speak(self, samples: NDArray[np.int16]) -> None:
        """Send audio at the pace of speech: 24 kHz, in events of a tenth of a second."""
        await self.send_audio(samples.astype("<i2").tobytes(), 2 * RATE_HZ)

    async def send_audio(self, data: bytes, bytes_per_s: int) -> None:
        """Send audio of any format at its own pace."""
        loop = asyncio.get_running_loop()
        step, begun_s = int(bytes_per_s * FRAME_S), loop.time()
        for index, first in enumerate(range(0, len(data), step)):
            await asyncio.sleep(max(0.0, begun_s + index * FRAME_S - loop.time()))
            piece = base64.b64encode(data[first : first + step]).decode()
            await self.connection.input_audio_buffer.append(audio=piece)

    async def type_text(self, text: str) -> None:
        """Put the user's words into the conversation, and ask for an answer."""
        part = {"type": "input_text", "text": text}
        item = {"type": "message", "role": "user", "content": [part]}
        await self.connection.conversation.item.create(item=item)


@asynccontextmanager
async def connected(
    system: System, session: dict[str, Any], key: str = "none", **query: Any
) -> AsyncIterator[Client]:
    """Connect as GA clients do; the session is as wanted when the body runs."""
    sdk = AsyncOpenAI(base_url=f"{system.root}/v1", api_key=key)
    async with sdk, sdk.realtime.connect(model="gpt-realtime", **query) as opened:
        connection: Any = opened  # what is sent is wrong at times
        client = Client(connection)
        assert (await client.next())["type"] == "session.created"
        await connection.session.update(session={"type": "realtime", **session})
        assert (await client.next())["type"] == "session.updated"
        yield client
