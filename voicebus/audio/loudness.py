"""How loud samples are, and where a recording is audible. Pure.

Levels are RMS in dBFS: 0 is a full-scale square wave, a full-scale sine has -3.01.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

AUDIBLE_DBFS = -50.0
_WINDOW_MS = 10


def dbfs(samples: NDArray[np.int16]) -> float:
    """Return the level of int16 samples (n,), ``-inf`` for digital silence and for no samples."""
    if not samples.size:
        return -math.inf
    power = float(np.mean(np.square(samples, dtype=np.float64)))
    return 10 * math.log10(power / 32768**2) if power else -math.inf


def first_audible_sample(
    samples: NDArray[np.int16], sample_rate_hz: int, threshold_dbfs: float = AUDIBLE_DBFS
) -> int | None:
    """Return the index where the first 10 ms above the threshold begin, None if all is silent."""
    audible = _audible_windows(samples, sample_rate_hz, threshold_dbfs)
    return int(audible[0]) * _window(sample_rate_hz) if audible.size else None


def last_speech_sample(
    samples: NDArray[np.int16], sample_rate_hz: int, threshold_dbfs: float = AUDIBLE_DBFS
) -> int | None:
    """Return the index of the last sample of the last 10 ms above the threshold, or None."""
    audible = _audible_windows(samples, sample_rate_hz, threshold_dbfs)
    if not audible.size:
        return None
    return min((int(audible[-1]) + 1) * _window(sample_rate_hz), samples.size) - 1


def _window(sample_rate_hz: int) -> int:
    return sample_rate_hz * _WINDOW_MS // 1000


def _audible_windows(
    samples: NDArray[np.int16], sample_rate_hz: int, threshold_dbfs: float
) -> NDArray[np.intp]:
    if not samples.size:
        return np.empty(0, dtype=np.intp)
    starts = np.arange(0, samples.size, _window(sample_rate_hz))
    energy = np.add.reduceat(np.square(samples, dtype=np.float64), starts)
    lengths = np.diff(np.append(starts, samples.size))
    limit = 32768**2 * 10 ** (threshold_dbfs / 10)
    return np.flatnonzero(energy / lengths > limit)
