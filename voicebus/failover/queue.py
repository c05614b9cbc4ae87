"""How old the oldest job is that nobody has yet, without reading any. Pure.

What a job says is nobody's business but its worker's, so a supervisor may not read it, nor when it
was stored. It counts, once a second: how many jobs wait, and how many deliveries there were so far.
Those that wait are gone after as many deliveries as they are.
"""

from __future__ import annotations

from collections import deque


class Queue:
    """The jobs of one role that wait.

    An age is right to the second, as far back as it was looked. A job that is handed on to another
    worker is delivered once more, before those that wait: it makes them look younger by one.
    """

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()  # when; with which delivery all were gone

    def look(self, waiting: int, delivered: int, now_s: float) -> float:
        """Return for how long the oldest job has waited, in seconds; 0 where none waits.

        Args:
            waiting: How many wait.
            delivered: How many deliveries there have been.
            now_s: The time; never before that of the last call.
        """
        last, since_s = delivered + waiting, now_s
        while self._seen and self._seen[0][1] <= delivered:
            self._seen.popleft()
        while self._seen and self._seen[-1][1] > last:  # some were removed, or counting began anew
            since_s = self._seen.pop()[0]
        if last > (self._seen[-1][1] if self._seen else delivered):
            self._seen.append((since_s, last))
        return now_s - self._seen[0][0] if self._seen else 0.0
