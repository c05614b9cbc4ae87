"""Which servers of functions there is somebody for: what tool workers say that they call.

The functions of a server stay in their bucket when nobody calls them any more. A model that is told
of them would promise what cannot be done.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterable
from typing import Final

from schemas.claim import Presence
from subjects.processes import presence_subject
from voicebus.bus.client import Bus
from voicebus.worker import PRESENCE_S

FORGOTTEN_S: Final = 60.0
"""A server of which no worker has spoken for so long is gone. Not shorter: a session keeps the
functions with which it began, and a worker that is started anew is no reason to have none."""

LISTEN_S: Final = PRESENCE_S + 0.5
"""Who is there has spoken by then."""

_TOOL: Final = "tool"


class Heard:
    """When each server was last spoken of. Pure; the clock is the caller's."""

    def __init__(self) -> None:
        self._at_s: dict[str, float] = {}

    def take(self, presence: Presence, now_s: float) -> None:
        """Take a sign of life."""
        if presence.role == _TOOL:
            self._at_s |= dict.fromkeys(presence.servers, now_s)

    def among(self, servers: Iterable[str], now_s: float) -> frozenset[str]:
        """Return those servers that somebody calls."""
        since_s = now_s - FORGOTTEN_S
        return frozenset(one for one in servers if self._at_s.get(one, since_s) > since_s)


class Reach:
    """Follows the tool workers' signs of life. One per process; without a bus it knows of none."""

    def __init__(self) -> None:
        self._heard = Heard()
        self._following: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._all_spoke_s = 0.0

    async def follow(self, bus: Bus) -> None:
        """Listen from now on."""
        if self._following is None:
            self._all_spoke_s = time.monotonic() + LISTEN_S
            self._following = asyncio.create_task(self._follow(bus))

    async def close(self) -> None:
        """Listen no more."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait((self._following,))

    async def among(self, servers: Collection[str]) -> frozenset[str]:
        """Return those servers that somebody calls; only at the start it takes a moment."""
        while True:
            now_s = time.monotonic()
            found = self._heard.among(servers, now_s)
            if len(found) == len(servers) or now_s >= self._all_spoke_s:
                return found
            self._news.clear()
            try:
                async with asyncio.timeout(self._all_spoke_s - now_s):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def _follow(self, bus: Bus) -> None:
        async with bus.listen(presence_subject(bus.cell, _TOOL, "*")) as inbox:
            async for _, event in inbox:
                if isinstance(event, Presence):
                    self._heard.take(event, time.monotonic())
                    self._news.set()
