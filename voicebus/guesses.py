"""How often somebody may try a link code: a window of a minute for each. No I/O."""

from __future__ import annotations

from typing import Final

from voicebus.errors import LimitReached

_WINDOW_S: Final = 60.0
_MOST: Final = 10_000
"""Who comes when so many are known has the least recent one forgotten."""


class Guesses:
    """Counts tries. One per process.

    Args:
        per_min: Tries that anybody may make in a minute; 0: no limit.
    """

    def __init__(self, per_min: int) -> None:
        self._per_min = per_min
        self._tries: dict[str, tuple[float, int]] = {}

    def take(self, who: str, now_s: float) -> None:
        """Count a try.

        Args:
            who: Whose it is: an owner, an address, an edge.
            now_s: A clock that does not jump.

        Raises:
            LimitReached: ``too_many_codes``.
        """
        begun_s, tries = self._tries.pop(who, (now_s, 0))
        if now_s - begun_s >= _WINDOW_S:
            begun_s, tries = now_s, 0
        self._tries[who] = (begun_s, tries + 1)
        if len(self._tries) > _MOST:
            del self._tries[next(iter(self._tries))]
        if self._per_min and tries >= self._per_min:
            wait_s = begun_s + _WINDOW_S - now_s
            raise LimitReached("too many link codes were tried", "too_many_codes", wait_s)
