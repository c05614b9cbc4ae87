"""Where audio that comes for many calls at once goes through one piece at a time."""

from __future__ import annotations

import asyncio
from types import TracebackType


class Turnstile:
    """Lets one in at a time, and the next one not before the loop has been round.

    Whoever is due in between, the metronome above all, waits for one piece of audio to be coded
    and not for all of them::

        async with turnstile:
            mouth.say(pcm)
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def __aenter__(self) -> None:
        await self._lock.acquire()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            await asyncio.sleep(0)
        finally:
            self._lock.release()
