"""What a listener says, in the order in which it was decided."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from schemas.event import Event
from voicebus.errors import EngineError

Emit: TypeAlias = Callable[[Event], Awaitable[None]]
Fail: TypeAlias = Callable[[EngineError], Awaitable[None]]


class Outbox:
    """Takes events without waiting and emits them one after the other.

    What a listener decides it decides at once; if it waited for the bus in between, events of
    two of its tasks could overtake each other.
    """

    def __init__(self, emit: Emit, fail: Fail) -> None:
        self._emit = emit
        self._fail = fail
        self._waiting: asyncio.Queue[Event | EngineError] = asyncio.Queue()

    def say(self, event: Event | EngineError) -> None:
        """Emit this after all that was said before."""
        self._waiting.put_nowait(event)

    async def run(self) -> None:
        """Emit until cancelled."""
        while True:
            event = await self._waiting.get()
            try:
                if isinstance(event, EngineError):
                    await self._fail(event)
                else:
                    await self._emit(event)
            finally:
                self._waiting.task_done()

    async def emptied(self) -> None:
        """Wait until all that was said has been emitted."""
        await self._waiting.join()
