"""How late the event loop is: whatever blocks it makes everybody's audio late."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from voicebus import metrics

LOOK_S: Final = 0.5


@contextmanager
def measured(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Measure a loop while the context lasts.

    Args:
        loop: The running loop.
    """
    looking = loop.create_task(_look(loop))
    try:
        yield
    finally:
        looking.cancel()


async def _look(loop: asyncio.AbstractEventLoop) -> None:
    while True:
        due_s = loop.time() + LOOK_S
        await asyncio.sleep(LOOK_S)
        metrics.LOOP_LAG_SECONDS.observe(max(0.0, loop.time() - due_s))
