"""A turn's audio, as it is published: chunks, and which of them speak which words."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.tts import FILLER, ClauseSpoken, ReplyChunk, SpeakRequest, SpeechDone
from services.tts.engine import Engine
from services.tts.language import Language
from services.tts.published import NOTHING, Published
from services.tts.silence import Onset, Stretch
from services.tts.text import speakable
from services.tts.timing import word_ends_ms
from voicebus import metrics
from voicebus.audio.resample import Resampler
from voicebus.claim import Claim
from voicebus.tracing.context import exemplar

CHUNK_MS: Final = 100
"""Longest chunk: 9.6 kB at 48 kHz, far below the bus's limit, and short enough to stop within."""

Samples = NDArray[np.int16]

_DIGIT: Final = re.compile(r"\d[.,;:!?]?")

_NO_SAMPLES: Final = np.empty(0, np.int16)


class Voice:
    """Speaks one turn, from its beginning or behind what a lost worker had published of it.

    A turn's audio is a row of stretches, one for each text. Each is made for itself, and cut into
    chunks from its own beginning on: so audio, offsets and numbers follow from the texts, whoever
    makes them. A stretch that is known to be whole is passed over; one that was broken off is made
    again, and those of its chunks that are known are not published.

    Args:
        claim: The turn.
        engine: Who speaks.
        request: The turn's request.
        published: What is there already.
        common: Who speaks what is said to all callers alike, such as a filler; None: the same.

    Attributes:
        ttfa_ms: From the first text to the first chunk; 0 before, and where another worker made it.
        first_s: When the first chunk was published, by the monotonic clock; 0 before.
        is_done: Whether the turn was spoken to its end.
    """

    def __init__(
        self,
        claim: Claim,
        engine: Engine,
        request: SpeakRequest,
        published: Published = NOTHING,
        common: Engine | None = None,
    ) -> None:
        self._claim = claim
        self._engine = engine
        self._common = common or engine
        self._request = request
        self._published = published
        self._language = Language(request.language, engine.language(request.voice))
        self._offset = 0
        self._begin = 0
        self._chunks = 0
        self._stretches = 0
        self._begun_s = 0.0
        self.ttfa_ms = 0.0
        self._onset = Onset(engine.sample_rate_hz)
        self.first_s = _monotonic_s(published.first_ns)
        self.is_done = False

    @property
    def made_ms(self) -> float:
        """How much audio there is of the turn."""
        return max(self._offset, self._published.samples) / self._request.rate_hz * 1000

    async def say(self, text: str, clause: int) -> None:
        """Speak a clause; one that is a digit and nothing else was not written for one caller."""
        engine = self._common if _DIGIT.fullmatch(text) else self._engine
        await self._speak(engine, text, clause, text)

    async def fill(self, text: str) -> None:
        """Speak what is no part of the reply."""
        await self._speak(self._common, text, FILLER, "")

    async def finish(self) -> None:
        """Publish that this was all."""
        await self._claim.publish(
            SpeechDone(
                turn=self._request.turn,
                revision=self._request.revision,
                samples=self._offset,
                rate_hz=self._request.rate_hz,
                ttfa_ms=self.ttfa_ms,
                synthetic=self._engine.synthetic,
            )
        )
        self.is_done = True

    async def _speak(self, engine: Engine, text: str, clause: int, shown: str) -> None:
        """Publish the audio of ``text`` piece by piece.

        What speaks which words is published in front of the first chunk when there is but one
        piece, else in front of the last chunk: the end is known with the last piece.
        """
        if self._pass_over():
            return
        begun_s = time.perf_counter()
        self._begun_s = self._begun_s or begun_s
        language = self._language.of(text)
        say = partial(speakable, language=language)
        request, rate_hz = self._request, self._engine.sample_rate_hz
        stretch = Stretch(0)
        self._begin = self._offset
        spoken = say(text)
        if not spoken:
            await self._tell(shown, stretch, say, _NO_SAMPLES)
            return
        if not self._offset:
            self._onset = Onset(rate_hz)
        resampler = Resampler(rate_hz, request.rate_hz)
        held, made = _NO_SAMPLES, 0
        is_told = False
        metrics.TTS_CHARACTERS.labels(self._engine.name).inc(len(text))
        audio = engine.synthesise(spoken, request.voice, request.speed, language)
        async with aclosing(_with_a_look_ahead(audio)) as pieces:
            async for piece, is_last in pieces:
                samples = self._onset.push(piece)
                stretch.add(samples, made)
                made += len(samples)
                held = np.concatenate((held, resampler.push(samples)))
                if is_last:
                    is_told = True
                    held = np.concatenate((held, resampler.finish()))
                    held = await self._tell(shown, stretch, say, held)
                # Always something stays: the last chunk follows what it says.
                ready = len(held) if is_last else max(0, len(held) - 1) // self._step * self._step
                await self._publish(held[:ready], clause)
                held = held[ready:]
        if not is_told:
            held = np.concatenate((held, resampler.finish()))
            held = await self._tell(shown, stretch, say, held)
        await self._publish(held, clause)
        self._measure(time.perf_counter() - begun_s)

    def _measure(self, took_s: float) -> None:
        name, audio_s = self._engine.name, (self._offset - self._begin) / self._request.rate_hz
        metrics.TTS_CLAUSE_SECONDS.labels(name).observe(took_s, exemplar())
        if audio_s:
            metrics.TTS_RTF.labels(name).observe(took_s / audio_s)

    def _pass_over(self) -> bool:
        """Pass over the next stretch if all of its audio is there."""
        known = self._published
        if self._stretches >= len(known.ends):
            return False
        end = known.ends[self._stretches]
        if end > known.samples:
            return False
        self._chunks += -(-(end - self._offset) // self._step)
        self._offset = end
        self._stretches += 1
        if end:
            self._onset.end()
        return True

    @property
    def _step(self) -> int:
        return self._request.rate_hz * CHUNK_MS // 1000

    async def _tell(self, text: str, stretch: Stretch, say: partial[str], held: Samples) -> Samples:
        """Publish what the stretch speaks, if nobody did; return what is left of its audio.

        A voice of another make may be longer or shorter than the one that was lost: where the
        stretch ends is as it was told, and never before what was heard.
        """
        known, number = self._published, self._stretches
        self._stretches += 1
        if number < len(known.ends):
            return _fitted(held, known.ends[number] - self._offset)
        held = _fitted(held, max(len(held), known.samples - self._offset))
        rate_hz = self._engine.sample_rate_hz
        begin_ms = self._begin * 1000 / self._request.rate_hz
        start_ms = begin_ms + stretch.start * 1000 / rate_hz
        end_ms = begin_ms + stretch.end * 1000 / rate_hz
        await self._claim.publish(
            ClauseSpoken(
                turn=self._request.turn,
                revision=self._request.revision,
                seq=number,
                text=text,
                start_ms=round(start_ms),
                end_ms=round(end_ms),
                word_ends_ms=word_ends_ms(text, start_ms, end_ms, say),
                end=self._offset + len(held),
            )
        )
        return held

    async def _publish(self, samples: Samples, clause: int) -> None:
        for first in range(0, len(samples), self._step):
            part = samples[first : first + self._step]
            if self._chunks >= self._published.chunks:
                await self._claim.publish(
                    ReplyChunk(
                        turn=self._request.turn,
                        revision=self._request.revision,
                        seq=self._chunks,
                        pcm=part.tobytes(),
                        rate_hz=self._request.rate_hz,
                        offset=self._offset,
                        clause=clause,
                    )
                )
                metrics.TTS_AUDIO_SECONDS.labels(self._engine.name).inc(
                    len(part) / self._request.rate_hz
                )
            self._chunks += 1
            self._offset += len(part)
        if len(samples) and not self.first_s:
            ttfa_s = time.perf_counter() - self._begun_s
            self.ttfa_ms = ttfa_s * 1000
            self.first_s = time.monotonic()
            metrics.TTS_TTFA_SECONDS.labels(self._engine.name).observe(ttfa_s, exemplar())
        await asyncio.sleep(0)  # a long clause must not keep a cancellation waiting


def _fitted(samples: Samples, length: int) -> Samples:
    """Return samples of a given length: what is missing is silence."""
    missing = max(0, length - len(samples))
    return np.concatenate((samples[:length], np.zeros(missing, np.int16)))


def _monotonic_s(stored_ns: int) -> float:
    """Return when something was stored, by our monotonic clock; 0 for nothing."""
    if not stored_ns:
        return 0.0
    # The store's clock is a wall clock, so this one has to be.
    ago_s = time.time() - stored_ns / 1e9  # noqa: TID251
    return time.monotonic() - max(0.0, ago_s)


async def _with_a_look_ahead(
    pieces: AsyncGenerator[Samples, None],
) -> AsyncGenerator[tuple[Samples, bool], None]:
    """Yield each piece, and whether it is known already that no other follows.

    The next one is being made while a piece is dealt with.
    """
    async with aclosing(pieces):
        following = asyncio.ensure_future(anext(pieces, None))
        try:
            while (piece := await following) is not None:
                following = asyncio.ensure_future(anext(pieces, None))
                await asyncio.sleep(0)
                ended = following.done() and following.exception() is None
                yield piece, ended and following.result() is None
        finally:
            following.cancel()
            await asyncio.wait((following,))
            if not following.cancelled():
                following.exception()  # who has stopped listening is not interested
