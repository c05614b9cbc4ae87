"""The pause of a loop that looks now and then, and sooner when there is news."""

from __future__ import annotations

import asyncio
from typing import Final

LEAST_S: Final = 0.1
"""No pause is shorter, however much there is: what comes close together is looked at together."""


class Haste:
    """Pauses between looks."""

    def __init__(self) -> None:
        self._urgent = asyncio.Event()

    def hurry(self) -> None:
        """Let the pause that runs be the shortest, or the next one if none does."""
        self._urgent.set()

    async def pause(self, seconds: float) -> None:
        """Wait for some time; no longer than :data:`LEAST_S` when there is haste."""
        await asyncio.sleep(LEAST_S)
        try:
            async with asyncio.timeout(seconds - LEAST_S):
                await self._urgent.wait()
        except TimeoutError:
            return
        self._urgent.clear()
