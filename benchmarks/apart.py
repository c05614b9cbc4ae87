"""Parts that are started from a thread of their own.

To start a process takes a fork, which holds its event loop up for longer than callers in the same
loop can wait for their next frame. So where processes are started while callers talk, another loop
does it.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.systems import STEADY_S, Started, starter
from voicebus.supervisor import Departure, Part

T = TypeVar("T")


class Apart:
    """A :class:`benchmarks.systems.Started` behind a thread; made by :func:`starter_apart`.

    Attributes:
        folder: For logs and data.
    """

    def __init__(self, started: Started, loop: asyncio.AbstractEventLoop) -> None:
        self.folder = started.folder
        self._started = started
        self._loop = loop

    async def start(self, *starting: Part) -> None:
        """Start parts side by side and wait until all are ready.

        Raises:
            PartFailed: One of them ended before that.
        """
        await self._there(self._started.start(*starting))

    async def restart(self, name: str) -> Departure:
        """Start a part anew as an operator does; where it can be, before the old one ends.

        Raises:
            PartFailed: It does not come up.
        """
        return await self._there(self._started.restart(name))

    def pid(self, name: str) -> int:
        """Return the process of a part that runs."""
        return self._started.pid(name)

    def part(self, name: str) -> Part:
        """Return a part as it was started last."""
        return self._started.part(name)

    def readiness(self) -> dict[str, bool]:
        """Name the parts and say which are ready."""
        return self._started.readiness()

    def tell(self, event: asyncio.Event) -> None:
        """Set an event of the other loop."""
        self._loop.call_soon_threadsafe(event.set)

    async def _there(self, work: Coroutine[Any, Any, T]) -> T:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))


@asynccontextmanager
async def starter_apart(folder: Path, steady_s: float = STEADY_S) -> AsyncIterator[Apart]:
    """Run parts from another thread while the context lasts, and end them in good order.

    Args:
        folder: For their logs and data.
        steady_s: See :func:`benchmarks.systems.starter`.
    """
    here = asyncio.get_running_loop()
    made: asyncio.Future[tuple[Apart, asyncio.Event]] = here.create_future()
    ended: asyncio.Future[None] = here.create_future()

    async def run() -> None:
        async with starter(folder, steady_s) as started:
            stop = asyncio.Event()
            apart = Apart(started, asyncio.get_running_loop())
            here.call_soon_threadsafe(made.set_result, (apart, stop))
            await stop.wait()

    def over(failure: BaseException | None) -> None:
        for waiting in (made, ended):
            if not waiting.done() and failure is not None:
                waiting.set_exception(failure)
        if not ended.done():
            ended.set_result(None)

    def work() -> None:
        failure: BaseException | None = None
        try:
            asyncio.run(run())
        except BaseException as err:
            failure = err
        with contextlib.suppress(RuntimeError):  # who waited has been cut short, loop and all
            here.call_soon_threadsafe(over, failure)

    # The kernel ends the parts when the thread that started them does: it must outlive them.
    thread = threading.Thread(target=work, name="parts")
    thread.start()
    apart, stop = await made
    try:
        yield apart
    finally:
        apart.tell(stop)
        await ended
        thread.join()
