"""Bare samples: alignment, conversion and cutting. Pure.

Everywhere in voicebus PCM means signed 16-bit little-endian, mono.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

SAMPLE_BYTES = 2


class PcmAligner:
    """Cut a stream of bytes, in frames of any size, at the borders of samples."""

    def __init__(self) -> None:
        self._odd = b""

    def push(self, data: bytes) -> bytes:
        """Return the whole samples that are complete now. An odd byte waits for its other half."""
        if self._odd:
            data = self._odd + data
        whole = len(data) & ~1
        self._odd = data[whole:]
        return data if not self._odd else data[:whole]

    @property
    def is_within_a_sample(self) -> bool:
        """Whether half a sample waits for its other half."""
        return bool(self._odd)

    def finish(self) -> bool:
        """End the stream, and say if half a sample was left over. It is dropped."""
        dangling, self._odd = bool(self._odd), b""
        return dangling


def samples_of(pcm: bytes | memoryview) -> NDArray[np.int16]:
    """View PCM bytes as samples, int16 (n,), without a copy. The number of bytes must be even."""
    return np.frombuffer(pcm, dtype="<i2")


def to_float32(samples: NDArray[np.int16]) -> NDArray[np.float32]:
    """Convert int16 samples to float32 in -1.0 .. 1.0."""
    return samples.astype(np.float32) * np.float32(1 / 32768)


def to_int16(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    """Convert float32 samples to int16. What is outside of -1.0 .. 1.0 is clipped, NaN is silence.

    The exact inverse of :func:`to_float32`.
    """
    scaled: NDArray[np.float32] = np.rint(samples * np.float32(32768))
    scaled = np.nan_to_num(scaled, posinf=32767, neginf=-32768)
    return np.clip(scaled, -32768, 32767).astype(np.int16)


def split(pcm: bytes | memoryview, sample_rate_hz: int, max_ms: int) -> Iterator[memoryview]:
    """Yield views of at most ``max_ms`` each on PCM bytes, without a copy."""
    view = memoryview(pcm)
    step = max(1, sample_rate_hz * max_ms // 1000) * SAMPLE_BYTES
    for start in range(0, len(view), step):
        yield view[start : start + step]
