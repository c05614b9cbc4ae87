"""How work ends that others are to go on with: it is told to, and nobody waits for it for long."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any, Final

LET_GO_S: Final = 1.25
"""How long work may take to let go when it is told to. Then it is told once more, which hands it on
even while something in it does not end; for that there is as long again."""

Tasks = Sequence[asyncio.Task[Any]]


async def let_go(tasks: Tasks) -> None:
    """Cancel tasks, and once more those that are still there then.

    Takes ``2 * LET_GO_S`` at most; what has not ended by then goes on.
    """
    for _ in range(2):
        tasks = [task for task in tasks if not task.done()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=LET_GO_S)


async def to_the_end(handing_on: Coroutine[Any, Any, None]) -> None:
    """Wait for what has to be done when work is told to let go, though it is told once more.

    Half done it would count as the death of a worker.
    """
    doing = asyncio.ensure_future(handing_on)
    while not doing.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait((doing,))
    doing.result()


async def let_end(tasks: Tasks, limit_s: float) -> None:
    """Give tasks some time to end by themselves, then have them let go."""
    if tasks:
        await asyncio.wait(tasks, timeout=limit_s)
    await let_go(tasks)
