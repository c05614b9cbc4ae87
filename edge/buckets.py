"""Token buckets: how much of something may be had in a minute. Pure; the clock is the caller's."""

from __future__ import annotations


class Bucket:
    """Fills at a steady rate up to its size, and starts full.

    Args:
        per_min: How much flows in within a minute; 0: there is no limit.
        size: How much it holds, which is what may be had at once; a minute's worth if not given.
    """

    def __init__(self, per_min: float, size: float | None = None) -> None:
        self._per_s = per_min / 60
        self._size = per_min if size is None else size
        self._level = self._size
        self._at_s: float | None = None

    def take(self, amount: float, now_s: float) -> float:
        """Take an amount if it is there.

        Returns:
            0 when it was taken, else after how many seconds it will be there.
        """
        wait_s = self.wait_s(now_s, amount)
        if self._per_s and not wait_s:
            self._level -= amount
        return wait_s

    def spend(self, amount: float, now_s: float) -> float:
        """Take an amount that was used up already, and be it on credit.

        Returns:
            Seconds until the credit is paid back; 0 when there was enough.
        """
        if not self._per_s:
            return 0.0
        self._fill(now_s)
        self._level -= amount
        return -self._level / self._per_s if self._level < 0 else 0.0

    def wait_s(self, now_s: float, amount: float = 1.0) -> float:
        """Return after how many seconds an amount will be there; 0 when it is.

        An amount that is more than the bucket holds is there when the bucket is full.
        """
        if not self._per_s:
            return 0.0
        self._fill(now_s)
        missing = min(amount, self._size) - self._level
        return max(0.0, missing / self._per_s)

    def is_full(self, now_s: float) -> bool:
        """Whether nothing was taken that has not flowed in again."""
        self._fill(now_s)
        return not self._per_s or self._level >= self._size

    def level(self, now_s: float) -> tuple[float, float]:
        """Return how much may be had at once, and after how many seconds the bucket is full."""
        self._fill(now_s)
        missing = self._size - self._level
        return max(0.0, self._level), missing / self._per_s if self._per_s else 0.0

    def _fill(self, now_s: float) -> None:
        if self._at_s is None:
            self._at_s = now_s
        passed_s = now_s - self._at_s
        if passed_s > 0:
            self._at_s = now_s
            self._level = min(self._size, self._level + passed_s * self._per_s)
