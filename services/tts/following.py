"""What the bus keeps for all workers: each of them knows it, and learns what is added."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from schemas.codec import decode
from schemas.event import Event
from voicebus.bus.client import Bus
from voicebus.errors import BusError

log: Final = structlog.get_logger()

AGAIN_S: Final = 5.0
"""After so long a stream that could not be read is read again."""

Hear = Callable[[str, Event], None]
"""Takes a message and its subject."""


async def follow(bus: Bus, stream: str, subject: str, hear: Hear) -> None:
    """Take what a stream holds on some subjects, and what comes. Runs until cancelled."""
    while True:
        try:
            async with bus.listen(subject) as inbox:
                await bus.flush()
                async for message in bus.read(stream, subject):
                    hear(message.subject, decode(message.payload))
                async for heard, event in inbox:
                    hear(heard, event)
        except BusError as err:
            log.warning("tts.stream_unread", stream=stream, error=str(err))
        await asyncio.sleep(AGAIN_S)
