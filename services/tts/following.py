"""What the bus keeps for all workers: each of them knows it, and learns what comes and goes.

What is published while a connection is broken, nobody hears afterwards, and what is removed says
nothing at all. So the stream is read again when the connection is back, and now and then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Set
from typing import Final

import structlog

from schemas.codec import decode
from schemas.event import Event
from voicebus.bus.client import Bus
from voicebus.bus.inbox import Inbox
from voicebus.errors import BusError

log: Final = structlog.get_logger()

AGAIN_S: Final = 5.0
"""After so long a stream that could not be read is read again."""

LOOK_S: Final = 30.0
"""So often it is asked for what has come since: a full queue drops messages, too."""

WHOLE_S: Final = 600.0
"""So often all of it is read. It may be 64 MB, which the bus sends to each worker."""

Hear = Callable[[str, Event], None]
"""Takes a message and its subject."""

Only = Callable[[Set[str]], None]
"""Is told which subjects the stream holds: what was on others is there no more."""


class Following:
    """Follows what a stream holds on some subjects.

    Args:
        bus: The connection.
        stream: The stream.
        subject: Subject or wildcard.
        hear: Takes each message, what is there and what comes. It may be given one again.
        only: Told each time all of it was read.
    """

    def __init__(self, bus: Bus, stream: str, subject: str, hear: Hear, only: Only) -> None:
        self._bus = bus
        self._stream = stream
        self._subject = subject
        self._hear = hear
        self._only = only
        self._next = 1
        self._whole_s = 0.0
        self._is_doubtful = True
        self._waiting: asyncio.Timeout | None = None
        self.read = asyncio.Event()
        """Set once all of it was read."""

    async def run(self) -> None:
        """Follow it until cancelled."""
        self._bus.on_reconnect.append(self._returned)
        try:
            while True:
                try:
                    async with self._bus.listen(self._subject) as inbox:
                        await self._bus.flush()
                        await self._keep_up(inbox)
                except BusError as err:
                    log.warning("tts.stream_unread", stream=self._stream, error=str(err))
                self._is_doubtful = True
                await asyncio.sleep(AGAIN_S)
        finally:
            self._bus.on_reconnect.remove(self._returned)

    async def _keep_up(self, inbox: Inbox) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            # What came before is older than what is read now, and must not be taken in behind it.
            while len(inbox):
                self._hear(*await inbox.next())
            if self._is_doubtful or clock() >= self._whole_s:
                self._is_doubtful, self._whole_s = False, clock() + WHOLE_S
                self._only(await self._read(since=1))
                self.read.set()
            else:
                await self._read(since=self._next)
            await self._listen(inbox)

    async def _read(self, since: int) -> Set[str]:
        found: set[str] = set()
        self._next = since
        async for message in self._bus.read(self._stream, self._subject, sequence=since):
            self._hear(message.subject, decode(message.payload))
            self._next = message.sequence + 1
            found.add(message.subject)
        return found

    async def _listen(self, inbox: Inbox) -> None:
        """Take what comes, until it is time to look, or the connection was made anew."""
        try:
            async with asyncio.timeout(LOOK_S) as self._waiting:
                while not self._is_doubtful:
                    self._hear(*await inbox.next())
        except TimeoutError:
            return
        finally:
            self._waiting = None

    def _returned(self) -> None:
        self._is_doubtful = True
        if self._waiting is not None:
            self._waiting.reschedule(asyncio.get_running_loop().time())
