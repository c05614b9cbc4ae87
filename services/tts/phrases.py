"""Short phrases that are said again and again: made once, kept on the bus, said at once.

Greetings, fillers and instant answers come again in every session. Who has made one for a second
session tells it on the bus; every worker knows those that are kept, and a phrase that it knows
takes neither the engine nor a question to the bus. What a language model has written is none, but
for a digit: it was written for one caller, and has to be gone when that caller's conversation is.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import AsyncGenerator, Set
from contextlib import aclosing
from typing import Final

import numpy as np
import structlog
from numpy.typing import NDArray

from schemas.voice import PhraseKept
from services.tts.engine import Engine
from services.tts.following import AGAIN_S, Following
from subjects.voices import phrase_of, phrase_subject
from voicebus import metrics
from voicebus.audio.pcm import samples_of
from voicebus.bus.client import Bus
from voicebus.engine_thread import Hang
from voicebus.errors import BusError, Fenced

log: Final = structlog.get_logger()

Samples = NDArray[np.int16]

_LARGEST_BYTES: Final = 768_000
"""A message of the bus has room for that: 16 s at 24 kHz."""

_SEEN: Final = 4096
"""How many phrases may lie between two sayings of one that is said often."""


class Phrases:
    """What one worker knows of phrases. Used on its event loop.

    Args:
        most_chars: Longer texts are none; 0 for none at all.
        limit_bytes: How much audio is known at once; what was not said for longest goes first.
    """

    def __init__(self, most_chars: int, limit_bytes: int) -> None:
        self._most_chars = most_chars
        self._limit_bytes = limit_bytes
        self._size_bytes = 0
        self._known: OrderedDict[str, Samples] = OrderedDict()
        self._seen: OrderedDict[str, str] = OrderedDict()
        self._following: asyncio.Task[None] | None = None
        self._keeping: set[asyncio.Task[None]] = set()

    def on(self, engine: Engine, bus: Bus, session: str) -> Engine:
        """Return the engine as it speaks on a bus: phrases that are known, it does not make.

        Args:
            engine: Who speaks.
            bus: Where phrases are kept.
            session: Who is spoken to.
        """
        if not self._is_kept(bus):
            return engine
        self.follow(bus)
        return Remembering(engine, self, bus, session)

    def follow(self, bus: Bus) -> None:
        """Know the phrases that are kept on a bus from now on. Once is enough."""
        if self._following is None and self._is_kept(bus):
            subject = phrase_subject(bus.cell, "*")
            following = Following(bus, "PHRASE", subject, self._hear, self._only)
            self._following = asyncio.create_task(following.run())

    def _is_kept(self, bus: Bus) -> bool:
        return bool(self._most_chars) and bus.records(PhraseKept)

    def key(self, engine: Engine, text: str, voice: str, speed: float, language: str) -> str:
        """Return what tells a phrase from all that sound otherwise; empty for what is none."""
        made_by = engine.fingerprint(voice) if 0 < len(text) <= self._most_chars else ""
        if not made_by:
            return ""
        told = "\0".join((engine.name, made_by, f"{speed:.4f}", language, text))
        return hashlib.sha256(told.encode()).hexdigest()[:40]

    def known(self, key: str) -> Samples | None:
        """Return how a phrase sounds, if that is known."""
        if key in self._known:
            self._known.move_to_end(key)
        return self._known.get(key)

    def made(self, key: str, audio: Samples, rate_hz: int, bus: Bus, session: str) -> None:
        """Somebody has made a phrase: if it was made for another session before, keep it.

        What is said in one session alone, however often, need not be kept longer than that.
        """
        first = self._seen.setdefault(key, session)
        if len(self._seen) > _SEEN:
            self._seen.popitem(last=False)
        if first == session:
            return
        if key in self._known or not 0 < audio.nbytes <= _LARGEST_BYTES:
            return
        self._take(key, audio)
        task = asyncio.create_task(_keep(key, audio, rate_hz, bus))
        self._keeping.add(task)
        task.add_done_callback(self._keeping.discard)

    async def close(self) -> None:
        """Stop following, and have kept what is to be kept."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait((self._following,))
        if self._keeping:
            await asyncio.wait(self._keeping, timeout=AGAIN_S)

    def _take(self, key: str, audio: Samples) -> None:
        before = self._known.pop(key, None)
        self._known[key] = audio
        self._size_bytes += audio.nbytes - (0 if before is None else before.nbytes)
        while self._size_bytes > self._limit_bytes:
            self._size_bytes -= self._known.popitem(last=False)[1].nbytes

    def _hear(self, subject: str, event: object) -> None:
        if isinstance(event, PhraseKept) and phrase_of(subject) not in self._known:
            self._take(phrase_of(subject), samples_of(event.pcm))

    def _only(self, subjects: Set[str]) -> None:
        """Forget what was purged or grew too old: who makes it again keeps it again."""
        for key in self._known.keys() - {phrase_of(subject) for subject in subjects}:
            self._size_bytes -= self._known.pop(key).nbytes


async def _keep(key: str, audio: Samples, rate_hz: int, bus: Bus) -> None:
    event = PhraseKept(pcm=audio.tobytes(), rate_hz=rate_hz)
    try:
        await bus.keep(event, phrase_subject(bus.cell, key), 0)
    except Fenced:
        return  # another worker was first
    except BusError as err:
        log.warning("tts.phrase_not_kept", error=str(err))
        return
    metrics.TTS_PHRASES.labels("kept").inc()


class Remembering:
    """An :class:`services.tts.engine.Engine` that does not make what is known.

    Args:
        engine: Who speaks.
        phrases: What is known.
        bus: Where it is kept.
        session: Who is spoken to.
    """

    def __init__(self, engine: Engine, phrases: Phrases, bus: Bus, session: str) -> None:
        self._engine = engine
        self._phrases = phrases
        self._bus = bus
        self._session = session
        self.name = engine.name
        self.synthetic = engine.synthetic
        self.sample_rate_hz = engine.sample_rate_hz
        self.voices = engine.voices
        self.language = engine.language
        self.fingerprint = engine.fingerprint
        self.warm = engine.warm
        self.close = engine.close

    async def synthesise(
        self, text: str, voice: str, speed: float, language: str = ""
    ) -> AsyncGenerator[Samples, None]:
        """Speak ``text``; see :meth:`services.tts.engine.Engine.synthesise`."""
        key = self._phrases.key(self._engine, text, voice, speed, language)
        known = self._phrases.known(key) if key else None
        if known is not None:
            metrics.TTS_PHRASES.labels("said").inc()
            yield known
            return
        pieces: list[Samples] = []
        async with aclosing(self._engine.synthesise(text, voice, speed, language)) as making:
            async for piece in making:
                if key:
                    pieces.append(piece)
                yield piece
        if pieces:
            audio = np.concatenate(pieces)
            self._phrases.made(key, audio, self.sample_rate_hz, self._bus, self._session)

    def stuck(self, since_s: float) -> Hang | None:
        """Return the call that hangs; see :meth:`services.tts.engine.Engine.stuck`."""
        return self._engine.stuck(since_s)
