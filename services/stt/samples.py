"""The audio of a session that may still be needed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from voicebus.audio.pcm import samples_of, to_float32


class SampleBuffer:
    """Samples from some index on, as float32, with a cursor for windows already handed out."""

    def __init__(self, start: int) -> None:
        self._start = start
        self._cursor = start
        self._data = np.empty(16_000, np.float32)
        self._length = 0

    @property
    def end(self) -> int:
        """One past the last sample."""
        return self._start + self._length

    @property
    def waiting(self) -> int:
        """How many samples are in no window that was taken."""
        return self.end - self._cursor

    def push(self, pcm: bytes) -> None:
        """Append s16le samples."""
        added = len(pcm) // 2
        needed = self._length + added
        if needed > len(self._data):
            grown = np.empty(max(needed, 2 * len(self._data)), np.float32)
            grown[: self._length] = self._data[: self._length]
            self._data = grown
        self._data[self._length : needed] = to_float32(samples_of(pcm))
        self._length = needed

    def take_windows(self, size: int) -> NDArray[np.float32]:
        """Return all whole windows not yet taken, shape (n, size), as a copy."""
        first = self._cursor - self._start
        count = (self._length - first) // size
        self._cursor += count * size
        return self._data[first : first + count * size].reshape(count, size).copy()

    def are_still(self, size: int, count: int, level: float) -> bool:
        """Say whether fewer than ``count`` whole windows wait, and nothing is louder than a level.

        Args:
            size: Samples of a window.
            count: So many are too many.
            level: Largest magnitude of a sample, 0 to 1.
        """
        waiting = self._data[self._cursor - self._start : self._length]
        return len(waiting) < count * size and bool(
            not len(waiting) or max(waiting.max(), -waiting.min()) <= level
        )

    def take_rest(self, size: int) -> NDArray[np.float32] | None:
        """Return the last, unfinished window filled up with silence, shape (1, size), or None."""
        first = self._cursor - self._start
        rest = self._data[first : self._length]
        self._cursor = self.end
        if not len(rest):
            return None
        window = np.zeros((1, size), np.float32)
        window[0, : len(rest)] = rest
        return window

    def between(self, first: int, last: int) -> NDArray[np.float32]:
        """Return samples [first, last) as a copy, as far as they are here."""
        low = max(0, first - self._start)
        high = max(low, min(last - self._start, self._length))
        return self._data[low:high].copy()

    def drop_before(self, index: int) -> None:
        """Forget samples before ``index``, a second's worth at a time."""
        drop = min(index, self._cursor) - self._start
        if drop < 16_000:
            return
        keep = self._length - drop
        self._data[:keep] = self._data[drop : self._length]
        self._start += drop
        self._length = keep
