"""The formats of the API on one side, the samples of the bus on the other. Pure."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge.openai.realtime.session import ALaw, Format, MuLaw, Pcm
from schemas.audio import CALLER_RATE_HZ
from voicebus.audio.codec import Coding, Sound, Unpacking
from voicebus.audio.pcm import samples_of

_LAWS: Final = {MuLaw: Sound(Coding.MU), ALaw: Sound(Coding.A)}


def sound_of(wanted: Format) -> Sound:
    """Return what the bytes of a format are."""
    return Sound(Coding.PCM, wanted.rate) if isinstance(wanted, Pcm) else _LAWS[type(wanted)]


def rate_of(wanted: Format) -> int:
    """Return the sample rate of a format, in Hz."""
    return sound_of(wanted).rate_hz


def encoded(pcm: bytes, wanted: Format) -> bytes:
    """Return samples, s16le at the format's own rate, as the format has them."""
    return pcm if isinstance(wanted, Pcm) else sound_of(wanted).coded(samples_of(pcm))


class InputBuffer:
    """Makes what a client appends the caller's audio: mono s16le at 16 kHz.

    Attributes:
        end: How many samples it has given out: the next one's offset in the session.
        fresh_ms: How much was appended since :meth:`flush`, or since :meth:`forget`.
    """

    def __init__(self, wanted: Format) -> None:
        self.end = 0
        self.fresh_ms = 0.0
        self._begin(wanted)

    @property
    def end_ms(self) -> int:
        """How much it has given out, in milliseconds."""
        return self.end * 1000 // CALLER_RATE_HZ

    def push(self, data: bytes) -> bytes:
        """Take bytes, which may end within a sample; return what is ready, empty at times."""
        before = self._unpacking.taken
        samples = self._unpacking.push(data)
        self.fresh_ms += (self._unpacking.taken - before) * 1000 / rate_of(self._format)
        return self._out(samples)

    def flush(self) -> bytes:
        """Return what the filter still holds: what comes next does not follow what was."""
        rest = self._out(self._unpacking.finish())
        self._begin(self._format)
        self.fresh_ms = 0.0
        return rest

    def forget(self) -> None:
        """What was appended so far belongs to something that is over."""
        self.fresh_ms = 0.0

    def switch(self, wanted: Format) -> bytes:
        """Take another format from here on; return what the filter still held."""
        if wanted == self._format:
            return b""
        rest = self._out(self._unpacking.finish())
        self._begin(wanted)
        return rest

    def _begin(self, wanted: Format) -> None:
        self._format = wanted
        self._unpacking = Unpacking(sound_of(wanted), CALLER_RATE_HZ)

    def _out(self, samples: NDArray[np.int16]) -> bytes:
        self.end += len(samples)
        return samples.astype("<i2").tobytes()
