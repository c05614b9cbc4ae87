"""The voices that were made of samples, as the bus keeps them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

import structlog

from schemas.voice import VoiceKept
from services.tts.following import follow
from subjects.voices import voice_of, voice_subject
from voicebus.bus.client import Bus

log: Final = structlog.get_logger()


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
            self._following = asyncio.create_task(
                follow(bus, "VOICE", voice_subject(bus.cell, "*"), self.hear)
            )

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
