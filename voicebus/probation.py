"""Jobs that are suspected of killing their workers begin one after the other."""

from __future__ import annotations

import asyncio
from typing import Final

PROBATION_S: Final = 2.0
"""For so long a job that is suspected runs without another suspect beside it."""


class Probation:
    """Lets suspected jobs begin one after the other, so that it is seen which of them kills.

    A worker that dies takes all that it holds along, and each of these jobs looks guilty. They
    come to the next worker together; begun one by one, only the guilty one is there when it dies.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def begin(self) -> asyncio.TimerHandle:
        """Wait until no other suspect is on probation; this one is from here on."""
        await self._lock.acquire()
        return asyncio.get_running_loop().call_later(PROBATION_S, self._lock.release)

    def end(self, handle: asyncio.TimerHandle) -> None:
        """The job came to its end before its time was over."""
        if not handle.cancelled() and handle.when() > asyncio.get_running_loop().time():
            handle.cancel()
            self._lock.release()
