"""What a client has sent and may have to send again: pure."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import Final

Frame = str | bytes
"""A text frame or a binary one."""

RING_BYTES: Final = 4 << 20
"""Two minutes of speech: twice as much as a server waits for a client by default."""


class Ring:
    """Frames, numbered from 1, until they are acknowledged.

    Args:
        limit_bytes: How much is kept; beyond it the oldest goes.

    Attributes:
        last: Number of the last frame.
    """

    def __init__(self, limit_bytes: int = RING_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._frames: deque[Frame] = deque()
        self._bytes = 0
        self.last = 0

    def push(self, frame: Frame) -> None:
        """Add a frame."""
        self.last += 1
        self._frames.append(frame)
        self._bytes += len(frame)
        while self._bytes > self._limit_bytes:
            self._drop()

    def acknowledge(self, frames: int) -> None:
        """The frames up to this one are safe."""
        while self._frames and self.last - len(self._frames) < frames:
            self._drop()

    def after(self, frames: int) -> list[Frame]:
        """Return the frames behind this one.

        Raises:
            LookupError: Some of them are no longer here, or there are not so many.
        """
        gone = self.last - len(self._frames)
        if not gone <= frames <= self.last:
            raise LookupError(f"frames {gone + 1} to {self.last} are here, not {frames + 1}")
        return list(islice(self._frames, frames - gone, None))

    def _drop(self) -> None:
        self._bytes -= len(self._frames.popleft())
