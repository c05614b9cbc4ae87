"""Which edges are alive: the sessions of one that died must not hold workers' slots for ever.

And which had lost the bus for a moment: they are told again what they may have missed. And which
have just come: they do not know who is there.
"""

from __future__ import annotations

import asyncio
import math
import time
from typing import Final

import structlog
from msgspec import Struct

from schemas.claim import Presence
from subjects.processes import presence_subject
from voicebus.bus.client import Bus
from voicebus.errors import BusUnavailable

log: Final = structlog.get_logger()

GONE_S: Final = 20.0
"""An edge is gone when it gave no sign of life for this long: ten of its beats."""

_UNSEEN_S: Final = 1.0
"""What was said so long before an edge's last sign of life had reached it, too."""


AGAIN_S: Final = 0.25
"""An edge is told again no more often than this."""


class _Beat(Struct):
    life: str
    at_s: float
    returns: int
    told_s: float = -math.inf


class EdgeWatch:
    """Follows the presence of edges.

    An edge that was started again under its name is another one: it knows nothing of the sessions
    of the former, and those end as if its name had never been heard again.

    Attributes:
        arrived: Set each time that an edge is heard that was not there before, or that was started
            again.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._seen_s: dict[str, float] = {}
        self._waiting: dict[tuple[str, str], asyncio.Future[None]] = {}
        self._lives: dict[str, str] = {}
        self._beats: dict[str, _Beat] = {}
        self._former: list[tuple[float, asyncio.Future[None]]] = []
        self.arrived = asyncio.Event()

    def gone(self, edge: str, life: str = "") -> asyncio.Future[None]:
        """Return a future that is done once an edge is gone.

        Args:
            edge: The edge.
            life: That in which it asked for something; empty: that which it has now.
        """
        now_s = time.monotonic()
        self._seen_s.setdefault(edge, now_s)
        known = self._lives.get(edge, life)
        waiting = self._waiting.get((edge, life or known))
        if waiting is None or waiting.done():
            waiting = asyncio.get_running_loop().create_future()
            if life in ("", known):
                self._waiting[edge, known] = waiting
            else:
                self._former.append((now_s + GONE_S, waiting))
        return waiting

    async def run(self) -> None:
        """Follow until cancelled."""
        subject = presence_subject(self._bus.cell, "edge", "*")
        async with self._bus.listen(subject) as inbox:
            while True:
                try:
                    async with asyncio.timeout(1.0):
                        _, event = await inbox.next()
                except TimeoutError:
                    self._expire()
                    continue
                if isinstance(event, Presence):
                    self._heard(event.worker, event.life)
                    await self._tell_again(event.worker, event.life, event.returns)
                self._expire()

    async def _tell_again(self, edge: str, life: str, returns: int) -> None:
        now_s = time.monotonic()
        last = self._beats.get(edge, _Beat(life, now_s - GONE_S, 0))
        known = last.returns if last.life == life else 0  # each life counts its own
        if returns <= known:
            self._beats[edge] = _Beat(life, now_s, known, last.told_s)
            return
        if now_s < last.told_s + AGAIN_S:
            return  # with its next sign of life
        self._beats[edge] = _Beat(life, now_s, returns, now_s)
        try:
            await self._bus.recent.say_again(edge, last.at_s - _UNSEEN_S)
        except BusUnavailable as error:
            log.warning("edge.not_told_again", edge=edge, error=str(error))

    def _heard(self, edge: str, life: str) -> None:
        now_s = time.monotonic()
        self._seen_s[edge] = now_s
        if self._lives.get(edge) != life:
            self.arrived.set()
        self._lives[edge] = life
        for asked in [asked for asked in self._waiting if asked[0] == edge and asked[1] != life]:
            waiting = self._waiting.pop(asked)
            if asked[1]:
                self._former.append((now_s + GONE_S, waiting))
            else:
                self._waiting[edge, life] = waiting

    def _expire(self) -> None:
        if not self._bus.is_connected:
            # Nobody can be heard; the clock starts again when the bus is back.
            now_s = time.monotonic()
            self._seen_s = dict.fromkeys(self._seen_s, now_s)
            return
        now_s = time.monotonic()
        for edge in [edge for edge, seen_s in self._seen_s.items() if seen_s < now_s - GONE_S]:
            del self._seen_s[edge]
            self._lives.pop(edge, None)
            self._beats.pop(edge, None)
            for asked in [asked for asked in self._waiting if asked[0] == edge]:
                self._former.append((now_s, self._waiting.pop(asked)))
        for due_s, waiting in self._former:
            if due_s <= now_s and not waiting.done():
                waiting.set_result(None)
        self._former = [(due_s, waiting) for due_s, waiting in self._former if due_s > now_s]
