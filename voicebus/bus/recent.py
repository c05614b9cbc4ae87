"""What was said to edges of late: an edge that lost the bus for a moment is told again."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from msgspec import Struct

from schemas.event import Event
from subjects.catalog import CATALOG
from voicebus import metrics
from voicebus.bus.recorder import UNRECORDED

log: Final = structlog.get_logger()

AGE_S: Final = 30.0
"""A connection that dies without a word is given up after 15 s."""

LIMIT_BYTES: Final = 8 << 20
"""Half a minute of what several voices say."""

_MESSAGE_BYTES: Final = 200
"""Counted for a message besides its payload."""

_TO_EDGES: Final = frozenset(
    kind for kind, route in CATALOG.items() if route.pattern.split(".")[2] == "dn"
)


Publish = Callable[[str, bytes, str, dict[str, str] | None], Awaitable[None]]
"""Takes subject, payload, subject for an answer, headers."""


class Said(Struct, frozen=True):
    """A message to an edge.

    Fields
        edge: The edge.
        subject: Its subject.
        payload: The message, encoded.
        at_s: When it was published.
    """

    edge: str
    subject: str
    payload: bytes
    at_s: float


class Recent:
    """Keeps what was said, for a while.

    Args:
        publish: Publishes bytes, as :meth:`voicebus.bus.client.Bus.publish_raw` does.
        age_s: For how long.
        limit_bytes: And how much of it; the oldest goes first.
        clock: Gives the time in seconds.
    """

    def __init__(
        self,
        publish: Publish,
        age_s: float = AGE_S,
        limit_bytes: int = LIMIT_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._publish = publish
        self._age_s = age_s
        self._limit_bytes = limit_bytes
        self._clock = clock
        self._said: deque[Said] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._said)

    def add(self, kind: type[Event], edge: str, subject: str, payload: bytes) -> None:
        """Take note of a message, if it is one for the edge."""
        if kind not in _TO_EDGES:
            return
        now_s = self._clock()
        self._said.append(Said(edge, subject, payload, now_s))
        self._bytes += _MESSAGE_BYTES + len(payload)
        while self._bytes > self._limit_bytes or self._said[0].at_s < now_s - self._age_s:
            self._bytes -= _MESSAGE_BYTES + len(self._said.popleft().payload)

    async def say_again(self, edge: str, at_s: float) -> None:
        """Repeat what was said to an edge, for those who listen only: it is in the log.

        Args:
            edge: The edge: it had lost the bus.
            at_s: When it had it last, by the clock.

        Raises:
            BusUnavailable: The connection is gone and its buffer is full.
        """
        again = self.since(edge, at_s)
        for said in again:
            await self._publish(said.subject, said.payload, "", UNRECORDED)
        metrics.BUS_SAID_AGAIN.inc(len(again))
        log.info("bus.said_again", edge=edge, messages=len(again))

    def since(self, edge: str, at_s: float) -> list[Said]:
        """Return what was said to an edge since a time, oldest first."""
        return [said for said in self._said if said.edge == edge and said.at_s >= at_s]
