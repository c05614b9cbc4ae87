"""When a growing text is shown again. Pure; the clock is the caller's."""

from __future__ import annotations

import math


class Pace:
    """Shows a text that is being written at most so often, and only when there is news.

    Args:
        interval_s: Least time from one showing to the next.
        least: How many characters make the first showing worth it.
    """

    def __init__(self, interval_s: float, least: int = 1) -> None:
        self._interval_s = interval_s
        self._least = least
        self._shown = ""
        self._shown_s = -math.inf

    def due_s(self, text: str, now_s: float) -> float | None:
        """Return how long to wait before the text is shown; None: not before it has grown."""
        if text == self._shown or (not self._shown and len(text) < self._least):
            return None
        return max(0.0, self._shown_s + self._interval_s - now_s)

    def shown(self, text: str, now_s: float) -> None:
        """The text has been shown, or Telegram did not want to."""
        self._shown, self._shown_s = text, now_s
