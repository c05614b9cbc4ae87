"""Bare audio as others have it on a wire: samples or G.711, at any rate. Streaming both ways.

Files are for :mod:`voicebus.audio.decode` and :mod:`voicebus.audio.encode`. Here there is no head
and no container: both sides know what the bytes are. Fast enough for an event loop.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from voicebus.audio import g711
from voicebus.audio.g711 import Law
from voicebus.audio.pcm import SAMPLE_BYTES, PcmAligner, samples_of
from voicebus.audio.resample import Resampler

SPOKEN_HZ: Final = (8_000, 16_000, 24_000, 48_000)
"""Rates at which workers give out a reply: see :class:`schemas.tts.SpeakRequest`."""

LOWEST_HZ: Final = 8_000
HIGHEST_HZ: Final = 48_000


class Coding(Enum):
    """How a sample becomes bytes. The values are the names on the wire."""

    PCM = "pcm_s16le"
    MU = "mulaw"
    A = "alaw"


_LAWS: Final = {Coding.MU: Law.MU, Coding.A: Law.A}


class Sound(Struct, frozen=True):
    """What the bytes of a stream are. One channel.

    Fields
        coding: How a sample is written.
        rate_hz: Samples in a second.
    """

    coding: Coding = Coding.PCM
    rate_hz: int = g711.RATE_HZ

    @property
    def sample_bytes(self) -> int:
        """Bytes of a sample."""
        return SAMPLE_BYTES if self.coding is Coding.PCM else 1

    @property
    def spoken_hz(self) -> int:
        """The rate that a reply is asked at: this one, or the next higher that there is."""
        return next((hz for hz in SPOKEN_HZ if hz >= self.rate_hz), SPOKEN_HZ[-1])

    def size(self, ms: int) -> int:
        """Return how many bytes so many milliseconds have."""
        return self.rate_hz * ms // 1000 * self.sample_bytes

    def ms(self, size: int) -> float:
        """Return how long so many bytes are."""
        return size / self.sample_bytes * 1000 / self.rate_hz

    def silence(self, size: int) -> bytes:
        """Return so many bytes of silence."""
        return self.coded(np.zeros(1, np.int16))[:1] * size

    def samples(self, data: bytes) -> NDArray[np.int16]:
        """Return the samples of whole ones' bytes."""
        if self.coding is Coding.PCM:
            return samples_of(data)
        return g711.decode(data, _LAWS[self.coding])

    def coded(self, samples: NDArray[np.int16]) -> bytes:
        """Return the bytes of samples."""
        if self.coding is Coding.PCM:
            return samples.astype("<i2", copy=False).tobytes()
        return g711.encode(samples, _LAWS[self.coding])


class Unpacking:
    """One stream of bytes on its way to samples of another rate.

    Args:
        sound: What comes.
        rate_hz: What is wanted.

    Attributes:
        taken: Samples that came, at their own rate.
    """

    def __init__(self, sound: Sound, rate_hz: int) -> None:
        self._sound = sound
        self._aligner = PcmAligner() if sound.coding is Coding.PCM else None
        self._resampler = Resampler(sound.rate_hz, rate_hz)
        self.taken = 0

    @property
    def is_within_a_sample(self) -> bool:
        """Whether half a sample waits for its other half."""
        return self._aligner is not None and self._aligner.is_within_a_sample

    def push(self, data: bytes) -> NDArray[np.int16]:
        """Take bytes, which may end within a sample; return what is ready, nothing at times."""
        whole = data if self._aligner is None else self._aligner.push(data)
        samples = self._sound.samples(whole)
        self.taken += len(samples)
        return self._resampler.push(samples)

    def finish(self) -> NDArray[np.int16]:
        """Return what the filter still holds. The stream is over then."""
        return self._resampler.finish()


class Packing:
    """One stream of samples on its way to bytes.

    Args:
        rate_hz: Rate of what comes.
        sound: What is wanted.
    """

    def __init__(self, rate_hz: int, sound: Sound) -> None:
        self._sound = sound
        self._resampler = Resampler(rate_hz, sound.rate_hz)
        self._is_same = sound == Sound(Coding.PCM, rate_hz)

    def push(self, pcm: bytes) -> bytes:
        """Take samples, s16le; return the bytes that are ready: the same if nothing changes."""
        if self._is_same:
            return pcm
        return self._sound.coded(self._resampler.push(samples_of(pcm)))

    def finish(self) -> bytes:
        """Return the bytes of what the filter still holds. The stream is over then."""
        return self._sound.coded(self._resampler.finish())
