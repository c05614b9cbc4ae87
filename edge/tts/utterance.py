"""One text that is spoken: cut into pieces while it comes, and its audio put in order. Pure.

A worker speaks a piece as one job. Two are asked for at a time, so that the second is ready when
the first has been spoken; what it brings too early waits.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from edge.tts.asked import MAX_CHARACTERS, Manner
from schemas.event import Event
from schemas.tts import ReplyChunk, SpeakRequest, SpeechDone
from voicebus.audio.codec import Packing
from voicebus.errors import ProtocolError
from voicebus.sentences import Splitter, SplitterSettings

AT_ONCE = 2
"""Pieces that workers have at a time."""


class Utterance:
    """One text.

    Args:
        manner: How it is spoken.

    Attributes:
        sound: What its audio is.
        sent_bytes: How much audio was given out.
        is_synthetic: Whether no real engine was asked.
    """

    def __init__(self, manner: Manner) -> None:
        self._manner = manner
        self.sound: Final = manner.sound
        self._packing = Packing(self.sound.spoken_hz, self.sound)
        self._splitter = Splitter(SplitterSettings())
        self._pieces: deque[str] = deque()
        self._characters = 0
        self._is_whole = False
        self._asked = 0
        self._spoken = 0
        self._early: dict[int, list[Event]] = {}
        self.sent_bytes = 0
        self.is_synthetic = False

    @property
    def is_done(self) -> bool:
        """Whether all of it was spoken."""
        return self._is_whole and not self._pieces and self._spoken == self._asked

    @property
    def seconds(self) -> float:
        """How much audio was given out."""
        return self.sound.ms(self.sent_bytes) / 1000

    def add(self, text: str) -> None:
        """Take a piece of the text.

        Raises:
            ProtocolError: ``text_too_long``.
        """
        self._characters += len(text)
        if self._characters > MAX_CHARACTERS:
            raise ProtocolError(
                f"a text may have at most {MAX_CHARACTERS} characters", "text_too_long"
            )
        self._pieces += self._splitter.push(text)

    def whole(self, text: str) -> SpeakRequest:
        """Take all of the text at once; return the one job that it is.

        A worker cuts a text that is there as a whole better than it can be cut here.
        """
        self._is_whole = True
        self._asked = 1
        return self._manner.request(text, 1)

    def end(self) -> None:
        """That was all of it."""
        if not self._is_whole:
            self._is_whole = True
            self._pieces += self._splitter.finish()

    def due(self) -> list[SpeakRequest]:
        """Return what is to be asked of workers now."""
        asked = []
        while self._pieces and self._asked - self._spoken < AT_ONCE:
            self._asked += 1
            asked.append(self._manner.request(self._pieces.popleft(), self._asked))
        return asked

    def take(self, event: Event) -> list[bytes]:
        """Take what a worker says; return the audio that is in order now."""
        if event.turn > self._spoken + 1:
            self._early.setdefault(event.turn, []).append(event)
            return []
        made = self._said(event)
        while early := self._early.pop(self._spoken + 1, None):
            for waiting in early:
                made += self._said(waiting)
        return [piece for piece in made if piece]

    def flush(self) -> bytes:
        """Return the end of the audio, which waits for more: nothing more comes. Call it once."""
        rest = self._packing.finish()
        self.sent_bytes += len(rest)
        return rest

    def _said(self, event: Event) -> list[bytes]:
        match event:
            case ReplyChunk():
                coded = self._packing.push(event.pcm)
                self.sent_bytes += len(coded)
                return [coded]
            case SpeechDone():
                self._spoken += 1
                self.is_synthetic = self.is_synthetic or event.synthetic
        return []
