"""Clients that send more than a person says, or what is larger than it needs to be."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from typing import Any

from websockets.asyncio.client import ClientConnection


def append(seconds: float) -> str:
    """An event with as much silence, at 24 kHz."""
    audio = b64encode(bytes(int(seconds * 24_000) * 2)).decode()
    return json.dumps({"type": "input_audio_buffer.append", "audio": audio})


async def until(connection: ClientConnection, kind: str) -> dict[str, Any]:
    """The first event of a type that comes; those before it are passed over."""
    async with asyncio.timeout(30):
        while True:
            event: dict[str, Any] = json.loads(await connection.recv())
            if event["type"] == kind:
                return event
