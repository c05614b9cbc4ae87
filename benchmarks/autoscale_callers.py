"""As many callers as are wanted: each says something, stays on the line, and may be sent away."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Final

from benchmarks.recordings import Recording
from voicebus.caller import call
from voicebus.errors import Busy, VoicebusError

_STEP_S: Final = 0.05
_AGAIN_S: Final = 20.0
"""A caller says something as often as this: nobody is thrown out for silence."""


class Crowd:
    """Callers. Made by :meth:`calling`.

    Attributes:
        size: How many there are to be; set by whoever wants them.
        count: How many are on the line and have been heard.
        refused: How often one was told that all are busy.
        errors: What else they met.
    """

    def __init__(self, url: str, spoken: Recording) -> None:
        self.size = 0
        self.count = 0
        self.refused = 0
        self.errors: tuple[str, ...] = ()
        self._url = url
        self._spoken = spoken

    @classmethod
    @asynccontextmanager
    async def calling(cls, url: str, spoken: Recording) -> AsyncIterator[Crowd]:
        """Have as many call as its ``size`` says while the context lasts.

        Args:
            url: Address of /ws.
            spoken: What each of them says.
        """
        crowd = cls(url, spoken)
        keeping = asyncio.create_task(crowd._keep())
        try:
            yield crowd
        finally:
            keeping.cancel()
            await asyncio.wait((keeping,))

    async def served(self, limit_s: float) -> float:
        """Wait until all have been heard; return when.

        Raises:
            TimeoutError: That is not so in time.
        """
        async with asyncio.timeout(limit_s):
            while True:
                if self.count >= self.size:
                    return time.perf_counter()
                await asyncio.sleep(_STEP_S)

    async def _keep(self) -> None:
        calls: list[asyncio.Task[None]] = []
        try:
            while True:
                calls = [task for task in calls if not task.done()]
                while len(calls) < self.size:
                    calls.append(asyncio.create_task(self._call()))
                while len(calls) > self.size:
                    calls.pop(0).cancel()  # who has been there for longest hangs up
                await asyncio.sleep(_STEP_S)
        finally:
            for task in calls:
                task.cancel()
            if calls:
                await asyncio.wait(calls)

    async def _call(self) -> None:
        """Call until there is a place, as often as one is told to, and stay."""
        while True:
            try:
                async with call(self._url) as caller:
                    await caller.speak(self._spoken.samples)
                    with self._counted():
                        while True:
                            await asyncio.sleep(_AGAIN_S)
                            await caller.speak(self._spoken.samples)
            except Busy as busy:
                self.refused += 1
                await asyncio.sleep(busy.retry_after_s)
            except VoicebusError as err:
                self.errors += (f"{err.code}: {err}",)
                return

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        self.count += 1
        try:
            yield
        finally:
            self.count -= 1
