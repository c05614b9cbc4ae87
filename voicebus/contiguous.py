"""The caller's audio put in order: each sample once, and nothing before what is missing. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Final

from schemas.audio import CALLER_RATE_HZ, AudioChunk, AudioEnded
from voicebus.errors import AudioGap

Audio = AudioChunk | AudioEnded

_SILENCE_SAMPLES: Final = CALLER_RATE_HZ // 5

MOST_MISSING: Final = 120 * CALLER_RATE_HZ
"""A bus that is away for longer than 30 s loses audio; four times of that is no loss any more."""


class Contiguous:
    """Takes audio in any order, several times over if need be.

    Args:
        start: Index of the first sample wanted.
        ended: Offset of the last ``AudioEnded`` that was dealt with; -1 when none was.

    Attributes:
        position: Index of the first sample that is still to come.
    """

    def __init__(self, start: int, ended: int = -1) -> None:
        self.position = start
        self._ended = ended
        self._held: list[tuple[int, int, int, Audio]] = []
        self._count = 0

    @property
    def missing(self) -> int:
        """How many samples are missing before what has come already."""
        return self._held[0][0] - self.position if self._held else 0

    def take(self, event: Audio) -> list[Audio]:
        """Take a message in; return what is in order now."""
        if event.offset > self.position:
            self._count += 1
            # An end goes before the chunk that begins where it ended.
            is_chunk = isinstance(event, AudioChunk)
            heapq.heappush(self._held, (event.offset, is_chunk, self._count, event))
            return []
        ready = self._ready(event)
        while self._held and self._held[0][0] <= self.position:
            ready += self._ready(heapq.heappop(self._held)[3])
        return ready

    def bridge(self) -> Iterator[Audio]:
        """Yield silence in the place of what is missing, and what has waited behind it.

        What follows would be heard at the wrong audio time otherwise.

        Raises:
            AudioGap: More is missing than can be lost: who numbers the audio is mistaken, or
                means harm.
        """
        if self.missing > MOST_MISSING:
            missing_s = self.missing // CALLER_RATE_HZ
            raise AudioGap(f"{missing_s} s of the audio are missing")
        until = self.position + self.missing
        while self.position < until:
            length = min(_SILENCE_SAMPLES, until - self.position)
            yield from self.take(AudioChunk(pcm=bytes(2 * length), offset=self.position))

    def _ready(self, event: Audio) -> list[Audio]:
        if isinstance(event, AudioEnded):
            if event.offset <= self._ended:
                return []
            self._ended = event.offset
            return [event]
        known, end = self.position - event.offset, event.offset + len(event.pcm) // 2
        if end <= self.position:
            return []
        self.position = end
        if known:
            event = AudioChunk(pcm=event.pcm[2 * known :], offset=event.offset + known)
        return [event]
