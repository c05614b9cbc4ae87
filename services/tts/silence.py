"""Silence around speech: pure, on samples."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

AUDIBLE = 104
"""Amplitude of an int16 sample at -50 dBFS: what is below it is not heard."""


def leading_silence(samples: NDArray[np.int16]) -> int:
    """Return the number of samples before the first audible one; all of them if none is.

    Args:
        samples: Mono, shape (n,).
    """
    audible = _audible(samples)
    return int(audible[0]) if audible.size else len(samples)


def trailing_silence(samples: NDArray[np.int16]) -> int:
    """Return the number of samples behind the last audible one; all of them if none is.

    Args:
        samples: Mono, shape (n,).
    """
    audible = _audible(samples)
    return len(samples) - 1 - int(audible[-1]) if audible.size else len(samples)


def trim_leading(
    samples: NDArray[np.int16], rate_hz: int, keep_ms: float = 20.0
) -> NDArray[np.int16]:
    """Shorten the silence at the beginning to at most ``keep_ms``.

    For the first clause of a reply only, where silence is waiting time; in front of later ones it
    is a pause between words. Soft onsets lie in what is kept.

    Args:
        samples: Mono, shape (n,).
        rate_hz: Their rate.
        keep_ms: Silence that may stay.

    Returns:
        A view of ``samples``. Samples that are all silent come back whole.
    """
    silent = leading_silence(samples)
    if silent == len(samples):
        return samples
    return samples[max(0, silent - int(keep_ms * rate_hz / 1000)) :]


class Onset:
    """Lets a turn's audio begin with its first sound: silence before it is waiting time."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._silence: NDArray[np.int16] | None = np.empty(0, np.int16)

    def end(self) -> None:
        """Something was heard already: what follows is heard as it is."""
        self._silence = None

    def push(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        """Return what of the next samples is to be heard; nothing before the first sound."""
        if self._silence is None:
            return samples
        begun = trim_leading(np.concatenate((self._silence, samples)), self._rate_hz)
        if leading_silence(begun) == len(begun):
            self._silence = begun
            return begun[:0]
        self._silence = None
        return begun


class Stretch:
    """Which samples of a turn speak a text, silence at its ends left out.

    Attributes:
        start: Index of the first one.
        end: Index behind the last one.
    """

    def __init__(self, start: int) -> None:
        self.start = start
        self.end = start
        self._is_heard = False

    def add(self, samples: NDArray[np.int16], at: int) -> None:
        """Take the next samples of it, the first of which has the index ``at``."""
        silent = leading_silence(samples)
        if silent == len(samples):
            return
        if not self._is_heard:
            self.start = at + silent
        self._is_heard = True
        self.end = at + len(samples) - trailing_silence(samples)


def _audible(samples: NDArray[np.int16]) -> NDArray[np.intp]:
    # Not abs(): the most negative int16 has no positive counterpart.
    return np.flatnonzero((samples >= AUDIBLE) | (samples <= -AUDIBLE))
