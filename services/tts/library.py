"""The voices that were made of samples, as the bus keeps them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

import structlog

from schemas.codec import decode
from schemas.voice import VoiceKept
from subjects.voices import voice_of, voice_subject
from voicebus.bus.client import Bus
from voicebus.errors import BusError

log: Final = structlog.get_logger()

_AGAIN_S: Final = 5.0


class Library:
    """What one worker knows of such voices. Used on its event loop."""

    def __init__(self) -> None:
        self._kept: dict[str, VoiceKept] = {}
        self._following: asyncio.Task[None] | None = None

    @property
    def voices(self) -> Mapping[str, VoiceKept]:
        """Each voice by its name."""
        return self._kept

    def follow(self, bus: Bus) -> None:
        """Learn what is kept, and what is added and removed from now on."""
        if self._following is None:
            self._following = asyncio.create_task(self._follow(bus))

    async def close(self) -> None:
        """Learn no more."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait((self._following,))

    def hear(self, subject: str, event: object) -> None:
        """Take in the newest that is known of a voice."""
        if not isinstance(event, VoiceKept):
            return
        name = voice_of(subject)
        if event.model:
            self._kept[name] = event
        else:
            self._kept.pop(name, None)
        log.info("tts.voice_kept", voice=name, removed=not event.model)

    async def _follow(self, bus: Bus) -> None:
        subject = voice_subject(bus.cell, "*")
        while True:
            try:
                async with bus.listen(subject) as inbox:
                    await bus.flush()
                    async for message in bus.read("VOICE", subject):
                        self.hear(message.subject, decode(message.payload))
                    async for heard, event in inbox:
                        self.hear(heard, event)
            except BusError as err:
                log.warning("tts.voices_unread", error=str(err))
            await asyncio.sleep(_AGAIN_S)
