"""Admission: a caller who cannot be served in time is told so at once, and not by silence."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from schemas.claim import Claimed, Presence
from subjects.processes import presence_subject
from voicebus import metrics
from voicebus.bus.client import Bus
from voicebus.errors import BusError, Busy, NoWorker
from voicebus.sessions.room import HELD_BY_SESSIONS, PROMISED, RETRY_S, Room
from voicebus.worker import PRESENCE_S

_LISTEN_S: Final = PRESENCE_S + 0.5
"""Who is there has spoken by then."""


class Capacity:
    """Follows the workers' presence, and lets a session in when there is a place for it.

    After the start nobody knows who is there. A session that comes then waits for the first signs
    of life: it is neither let in nor refused blindly. Workers answer this edge's own first sign;
    where nobody does, the wait ends after two and a half seconds.

    Args:
        bus: Where the workers are heard.
        needed: Roles without whose workers no session is opened.
    """

    def __init__(self, bus: Bus, needed: tuple[str, ...]) -> None:
        self._bus = bus
        self._needed = needed
        self._room = Room()
        self._known = asyncio.Event()
        self._shown: set[str] = set()

    async def expect(self, needed: tuple[str, ...] = ()) -> None:
        """Ask whether a session could be let in.

        Args:
            needed: Roles without whose workers it is of no use; those of a conversation if none.

        Raises:
            NoWorker: Nobody is there who could serve it.
            Busy: All who could have their hands full.
        """
        await self._known.wait()
        self._expire()
        if refusal := self._refusal(needed or self._needed):
            if isinstance(refusal, Busy):
                self._room.refuse(_now_s())
            raise refusal

    def promise(self, session: str, needed: tuple[str, ...] = ()) -> None:
        """Keep a place for a session, until :meth:`ended`."""
        held = tuple(role for role in HELD_BY_SESSIONS if not needed or role in needed)
        self._room.promise(session, _now_s(), held)

    def promised(self) -> tuple[str, ...]:
        """Return the sessions for which a listener's place is kept that none has taken."""
        return self._room.promised(PROMISED, _now_s())

    def refused(self) -> int:
        """Return how many callers were sent away of late because no place was free."""
        return self._room.refused(_now_s())

    def claimed(self, session: str, claim: Claimed) -> None:
        """Note that a worker has taken a session."""
        self._room.claimed(session, claim)

    def ended(self, session: str) -> None:
        """Note that a session is over."""
        self._room.ended(session)

    async def run(self) -> None:
        """Follow until cancelled."""
        subject = presence_subject(self._bus.cell, "*", "*")
        async with self._bus.listen(subject) as inbox:
            known_s = _now_s() + _LISTEN_S
            while True:
                try:
                    async with asyncio.timeout(PRESENCE_S / 4):
                        _, event = await inbox.next()
                except TimeoutError:
                    self._expire()
                else:
                    if isinstance(event, Presence) and event.role != "edge":
                        self._room.heard(event, _now_s())
                        self._show(event.role)
                # Who has spoken first may be full, and others not.
                if not self._known.is_set() and (
                    _now_s() > known_s or not self._refusal(self._needed)
                ):
                    self._known.set()

    def _refusal(self, needed: tuple[str, ...]) -> BusError | None:
        for role in needed:
            if not self._room.is_there(role):
                return _absent(role)
        for role in needed:
            if role in HELD_BY_SESSIONS and self._room.free(role, _now_s()) <= 0:
                return Busy("all lines are busy; try again in a few seconds", RETRY_S)
        return None

    def _expire(self) -> None:
        if not self._bus.is_connected:
            # Nobody can be heard; the clock starts again when the bus is back.
            self._room.reset_clock(_now_s())
            return
        self._room.expire(_now_s())
        for role in self._shown:  # of the dead nobody speaks
            metrics.FREE_SLOTS.labels(role).set(self._room.free(role, _now_s()))

    def _show(self, role: str) -> None:
        if role in HELD_BY_SESSIONS:
            self._shown.add(role)
            metrics.FREE_SLOTS.labels(role).set(self._room.free(role, _now_s()))


def _absent(role: str) -> NoWorker:
    error = NoWorker(f"no {role} worker is there; try again in a few seconds")
    error.retry_after_s = RETRY_S
    return error


def _now_s() -> float:
    return time.monotonic()
