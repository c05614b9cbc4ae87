"""A reply's audio on its way from the workers into a file."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from schemas.event import Event
from schemas.tts import ReplyChunk, SpeechDone
from voicebus import metrics
from voicebus.audio.encode import FORMATS, Encoder, encoder

RATE_HZ = 24_000
"""The rate of all audio of OpenAI's API: clients play bare samples at it."""

_SILENCE: Final = bytes(2 * RATE_HZ // 10)
"""What a text without a word in it sounds like: players take no file of no length."""


class Recording:
    """A file that is made while its audio comes. :meth:`close` has to be called.

    Encoding is done in a thread: an event loop that serves many callers has no time for it. Samples
    that stay as they are need none, and the way there and back would take longer than they do.

    Args:
        name: One of :data:`voicebus.audio.encode.FORMATS`.
        kind: Kind of client, for metrics.

    Attributes:
        is_complete: Whether the last of it has come.
        samples: How long it is so far.
    """

    def __init__(self, name: str, kind: str) -> None:
        self._encoder: Encoder = encoder(name, RATE_HZ)
        self._encodes = bool(FORMATS[name].codec)
        self._kind = kind
        self._running: asyncio.Future[bytes] | None = None
        self.is_complete = False
        self.samples = 0

    async def take(self, event: Event) -> bytes:
        """Take what a worker says; return the bytes of the file that are complete with it."""
        match event:
            case ReplyChunk():
                self.samples += len(event.pcm) // 2
                seconds = len(event.pcm) / 2 / event.rate_hz
                metrics.EDGE_AUDIO_SECONDS.labels(self._kind, "down").inc(seconds)
                return await self._made(lambda: self._encoder.push(event.pcm))
            case SpeechDone():
                self.is_complete = True
                return await self._made(self._finish)
        return b""

    async def close(self) -> None:
        """Give the memory back, once the thread is through with it."""
        if self._running is not None:
            await asyncio.wait((self._running,))
        if self._encodes:
            await asyncio.to_thread(self._encoder.close)

    def _finish(self) -> bytes:
        silence = b"" if self.samples else self._encoder.push(_SILENCE)
        return silence + self._encoder.finish()

    async def _made(self, work: Callable[[], bytes]) -> bytes:
        if not self._encodes:
            return work()
        self._running = asyncio.ensure_future(asyncio.to_thread(work))
        # Who is cancelled leaves the thread at its work, and waits for it when closing.
        return await asyncio.shield(self._running)
