"""The voices that were made of samples, as the bus keeps them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Set
from typing import Final

import structlog

from schemas.voice import VoiceKept
from services.tts.following import Following
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

    async def follow(self, bus: Bus) -> None:
        """Learn what is kept, and what is added and removed from now on.

        Returns once all is known that is there: who speaks before would refuse a voice that exists.
        """
        subject = voice_subject(bus.cell, "*")
        following = Following(bus, "VOICE", subject, self.hear, self._only)
        self._following = asyncio.create_task(following.run())
        await following.read.wait()

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
        if event == self._kept.get(name, VoiceKept()):
            return  # the stream was read again
        if event.model:
            self._kept[name] = event
        else:
            self._kept.pop(name, None)
        log.info("tts.voice_kept", voice=name, removed=not event.model)

    def _only(self, subjects: Set[str]) -> None:
        """Forget what the stream holds no more, not even that it was removed."""
        for name in self._kept.keys() - {voice_of(subject) for subject in subjects}:
            del self._kept[name]
            log.info("tts.voice_kept", voice=name, removed=True)
