"""The formats of the API on one side, the samples of the bus on the other. Pure."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge.openai.realtime.session import ALaw, Format, MuLaw, Pcm
from schemas.audio import CALLER_RATE_HZ
from voicebus.audio import g711
from voicebus.audio.pcm import PcmAligner, samples_of
from voicebus.audio.resample import Resampler

_LAWS: Final = {MuLaw: g711.Law.MU, ALaw: g711.Law.A}


def rate_of(wanted: Format) -> int:
    """Return the sample rate of a format, in Hz."""
    return wanted.rate if isinstance(wanted, Pcm) else g711.RATE_HZ


def encoded(pcm: bytes, wanted: Format) -> bytes:
    """Return samples, s16le at the format's own rate, as the format has them."""
    return pcm if isinstance(wanted, Pcm) else g711.encode(samples_of(pcm), _LAWS[type(wanted)])


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

    def push(self, data: bytes) -> bytes:
        """Take bytes, which may end within a sample; return what is ready, empty at times."""
        samples = self._samples(data)
        self.fresh_ms += len(samples) * 1000 / rate_of(self._format)
        return self._out(self._resampler.push(samples))

    def flush(self) -> bytes:
        """Return what the filter still holds: what comes next does not follow what was."""
        rest = self._out(self._resampler.finish())
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
        rest = self._out(self._resampler.finish())
        self._begin(wanted)
        return rest

    def _begin(self, wanted: Format) -> None:
        self._format = wanted
        self._aligner = PcmAligner()
        self._resampler = Resampler(rate_of(wanted), CALLER_RATE_HZ)

    def _samples(self, data: bytes) -> NDArray[np.int16]:
        if isinstance(self._format, Pcm):
            return samples_of(self._aligner.push(data))
        return g711.decode(data, _LAWS[type(self._format)])

    def _out(self, samples: NDArray[np.int16]) -> bytes:
        self.end += len(samples)
        return samples.astype("<i2").tobytes()
