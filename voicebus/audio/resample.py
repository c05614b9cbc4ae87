"""Streaming change of the sample rate."""

from __future__ import annotations

import numpy as np
import soxr  # type: ignore[import-untyped]
from numpy.typing import NDArray

_TELEPHONE_HZ = 8000


class Resampler:
    """Resample one stream of int16 mono samples from ``in_hz`` to ``out_hz``.

    One object serves one stream: it keeps the filter's memory between the pieces.
    """

    def __init__(self, in_hz: int, out_hz: int) -> None:
        self.in_hz = in_hz
        self.out_hz = out_hz
        # soxr works in blocks. In "HQ" they hold back 37 to 58 ms of audio between 16, 22.05, 24
        # and 48 kHz, but 73 to 171 ms from or to 8 kHz, where its variable-rate filter holds 30.
        telephone = _TELEPHONE_HZ in {in_hz, out_hz}
        self._stream = (
            None
            if in_hz == out_hz
            else soxr.ResampleStream(in_hz, out_hz, 1, dtype="int16", quality="HQ", vr=telephone)
        )

    def push(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        """Return the samples that are ready now: the same array if the rates are equal.

        The filter needs to look ahead, so the first pieces come out shorter, even empty.
        """
        if self._stream is None:
            return samples
        return np.asarray(self._stream.resample_chunk(samples), dtype=np.int16)

    def finish(self) -> NDArray[np.int16]:
        """Return what the filter still holds. The stream is over then."""
        nothing = np.empty(0, dtype=np.int16)
        if self._stream is None:
            return nothing
        return np.asarray(self._stream.resample_chunk(nothing, last=True), dtype=np.int16)
