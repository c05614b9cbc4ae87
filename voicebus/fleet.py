"""What the fleet serves right now: the models and voices that its workers say they have."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from schemas.claim import Presence
from subjects.processes import presence_subject
from subjects.streams import ROLES
from voicebus.bus.client import Bus
from voicebus.sessions.room import GONE_S
from voicebus.worker import PRESENCE_S

_LISTEN_S: Final = PRESENCE_S + 0.5
"""Who is there has spoken by then."""


@dataclass(slots=True)
class Offers:
    """What each worker offers, as it said last. Pure; the clock is the caller's."""

    _workers: dict[str, tuple[Presence, float]] = field(default_factory=dict)
    _looked_s: float = 0.0

    def __len__(self) -> int:
        return len(self._workers)

    def heard(self, presence: Presence, now_s: float) -> None:
        """Take a worker's sign of life."""
        self._workers[presence.worker] = (presence, now_s)
        # Nobody may ever ask, and workers come and go.
        if now_s - self._looked_s > GONE_S:
            self._forget_gone(now_s)

    def models(self, role: str, now_s: float) -> tuple[str, ...]:
        """Return the models of a role's workers, each once; the same order in every process."""
        return _once(name for p in self._ready(role, now_s) for name in p.models)

    def voices(self, now_s: float) -> tuple[str, ...]:
        """Return the voices; a worker's default one comes first."""
        return _once(name for p in self._ready("tts", now_s) for name in p.voices)

    def _forget_gone(self, now_s: float) -> None:
        self._looked_s = now_s
        for name in [n for n, (_, at_s) in self._workers.items() if now_s - at_s > GONE_S]:
            del self._workers[name]

    def _ready(self, role: str, now_s: float) -> list[Presence]:
        self._forget_gone(now_s)
        heard = (presence for _, (presence, _) in sorted(self._workers.items()))
        return [p for p in heard if p.role == role and p.state == "ready"]


class Fleet:
    """Follows the workers' presence. One per process.

    Who is asked for before all have spoken waits for the first sign of life, two and a half seconds
    at most.

    Args:
        bus: Where they are heard.
        listen_s: So long after it began to listen, all have spoken.
    """

    def __init__(self, bus: Bus, listen_s: float = _LISTEN_S) -> None:
        self._bus = bus
        self._listen_s = listen_s
        self._offers = Offers()
        self._all_have_spoken = False
        self._news = asyncio.Event()

    async def models(self, role: str) -> tuple[str, ...]:
        """Return the models that a role serves."""
        return await self._found(lambda: self._offers.models(role, _now_s()))

    async def voices(self) -> tuple[str, ...]:
        """Return the voices that can be had, a default one first."""
        return await self._found(lambda: self._offers.voices(_now_s()))

    async def run(self) -> None:
        """Follow until cancelled."""
        async with self._bus.listen(presence_subject(self._bus.cell, "*", "*")) as inbox:
            asyncio.get_running_loop().call_later(self._listen_s, self._wait_no_more)
            async for _, event in inbox:
                if isinstance(event, Presence) and event.role in ROLES:
                    self._offers.heard(event, _now_s())
                    self._tell()

    async def _found(self, look: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
        while not (found := look()) and not self._all_have_spoken:
            await self._news.wait()
        return found

    def _wait_no_more(self) -> None:
        self._all_have_spoken = True
        self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _now_s() -> float:
    return time.monotonic()
