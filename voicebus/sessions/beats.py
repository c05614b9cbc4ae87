"""An edge's signs of life. They also say that it was without the bus, so that it is told again."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from schemas.claim import Presence
from schemas.codec import encode
from subjects.processes import presence_subject
from voicebus.bus.client import Bus
from voicebus.haste import Haste
from voicebus.worker import PRESENCE_S

DOUBT_S: Final = 5.0
"""For so long after a return something may still be missing: workers have lost the same server, and
come back when they can."""

_HASTE_S: Final = 0.25
"""Pause between beats meanwhile: a worker that comes back hears the next one."""


class Listener(Protocol):
    """A session, which may have missed something."""

    def doubt(self) -> None:
        """The bus was away: what is missing of what workers said will be said again."""
        ...

    def trust(self) -> None:
        """What is still missing will not come any more."""
        ...


class Beats:
    """Gives signs of life for one edge.

    Args:
        bus: The connection.
        edge: The edge's name.
        presence: What is said of it; the number of its returns is filled in here.
        sessions: Its sessions at this moment.
    """

    def __init__(
        self,
        bus: Bus,
        edge: str,
        presence: Callable[[int], Presence],
        sessions: Callable[[], Iterable[Listener]],
    ) -> None:
        self._bus = bus
        self._subject = presence_subject(bus.cell, "edge", edge)
        self._presence = presence
        self._sessions = sessions
        self._returns = 0
        self._trusted_s = 0.0
        self._haste = Haste()

    async def run(self) -> None:
        """Beat until cancelled."""
        self._bus.on_disconnect.append(self._on_loss)
        self._bus.on_reconnect.append(self._on_return)
        try:
            while True:
                await self._bus.announce(self._subject, encode(self._presence(self._returns)))
                await self._haste.pause(_HASTE_S if self._trusted_s else PRESENCE_S)
                if self._trusted_s and time.monotonic() > self._trusted_s:
                    self._trusted_s = 0.0
                    for session in self._sessions():
                        session.trust()
        finally:
            self._bus.on_disconnect.remove(self._on_loss)
            self._bus.on_reconnect.remove(self._on_return)

    def hurry(self) -> None:
        """Beat soon: there is something that others should not learn in two seconds."""
        self._haste.hurry()

    def _on_loss(self) -> None:
        self._trusted_s = math.inf
        for session in self._sessions():
            session.doubt()

    def _on_return(self) -> None:
        self._returns += 1
        self._trusted_s = time.monotonic() + DOUBT_S
        self._haste.hurry()
