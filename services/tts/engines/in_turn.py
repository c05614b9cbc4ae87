"""One text at a time, for a library that keeps in its model what it is about."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from voicebus.engine_thread import EngineThread
from voicebus.errors import EngineTimeout

Samples = NDArray[np.int16]


class InTurn:
    """Has texts spoken one after the other. Belongs to one event loop.

    Nobody is late who has to wait for others, and nobody waits for one who is slow to listen: what
    is made meanwhile is kept for that one, a text at most.

    Args:
        thread: Where they are made.
        piece_s: Deadline of each piece, from the moment when the text has its turn.
    """

    def __init__(self, thread: EngineThread, piece_s: float) -> None:
        self._thread = thread
        self._piece_s = piece_s
        self._turn = asyncio.Lock()

    async def spoken(self, making: Generator[Samples, None, None]) -> AsyncGenerator[Samples, None]:
        """Yield the pieces of a text as they are made. To close it is to give up the rest.

        Args:
            making: Makes them; runs in the thread.

        Raises:
            EngineTimeout: A piece did not come in time.
        """
        made = asyncio.Queue[Samples | None]()
        working = asyncio.create_task(self._make(making, made))
        try:
            while (piece := await made.get()) is not None:
                yield piece
            await working
        finally:
            if not working.cancel() and not working.cancelled():
                working.exception()  # who has left is told of none

    async def _make(
        self, making: Generator[Samples, None, None], made: asyncio.Queue[Samples | None]
    ) -> None:
        run = asyncio.get_running_loop().run_in_executor
        try:
            async with self._turn:
                try:
                    # Who was interrupted may still be at work there: that is not this one's time.
                    await run(self._thread, _nothing)
                    while True:
                        async with asyncio.timeout(self._piece_s):
                            piece = await run(self._thread, next, making, None)
                        if piece is None:
                            return
                        made.put_nowait(piece)
                except TimeoutError as err:
                    raise EngineTimeout("The voice did not speak in time.") from err
                finally:
                    # Behind what is running: nobody waits for that.
                    with suppress(RuntimeError):  # unless the thread has been stopped
                        self._thread.submit(making.close)
        finally:
            made.put_nowait(None)


def _nothing() -> None:
    """Be done when the thread is free."""
