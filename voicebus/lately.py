"""What answers took lately: the two numbers that `voicebus top` shows of a worker."""

from __future__ import annotations

import math
from collections import deque
from typing import Final

_REMEMBERED: Final = 256


class Lately:
    """The newest measurements of one thing, in milliseconds."""

    def __init__(self) -> None:
        self._newest: deque[float] = deque(maxlen=_REMEMBERED)

    def note(self, value_ms: float) -> None:
        """Take in a measurement."""
        self._newest.append(value_ms)

    def quantiles(self) -> tuple[float, float]:
        """Return the median and the 99th percentile; zeros before there was a measurement."""
        ordered = sorted(self._newest)
        return _quantile(ordered, 0.5), _quantile(ordered, 0.99)


def _quantile(ordered: list[float], share: float) -> float:
    """Return what such a share of the values is at or below (the nearest rank)."""
    return ordered[math.ceil(share * len(ordered)) - 1] if ordered else 0.0
