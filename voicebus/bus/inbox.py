"""A bounded queue of received messages with one reader."""

from __future__ import annotations

import asyncio
from collections import deque

from schemas.event import Event
from voicebus import metrics


class Inbox:
    """Messages in order of arrival. When full, the oldest is dropped and counted.

    Whoever must not lose one notices the gap by ``seq`` or ``offset`` and reads the stream, or ends
    its work when some were lost.

    Attributes:
        lost: How many were dropped.
    """

    def __init__(self, limit: int) -> None:
        self._messages: deque[tuple[str, Event]] = deque(maxlen=limit)
        self._arrived = asyncio.Event()
        self._closed = False
        self.lost = 0

    def __len__(self) -> int:
        return len(self._messages)

    def put(self, subject: str, event: Event) -> None:
        """Add a message."""
        if len(self._messages) == self._messages.maxlen:
            metrics.INBOX_DROPPED.inc()
            self.lost += 1
        self._messages.append((subject, event))
        self._arrived.set()

    def close(self) -> None:
        """End the reader's iteration once it has read what is there."""
        self._closed = True
        self._arrived.set()

    async def next(self) -> tuple[str, Event]:
        """Wait for the next message and return (subject, message).

        Raises:
            StopAsyncIteration: The inbox was closed and is empty.
        """
        while not self._messages:
            if self._closed:
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        return self._messages.popleft()

    def __aiter__(self) -> Inbox:
        return self

    async def __anext__(self) -> tuple[str, Event]:
        return await self.next()
