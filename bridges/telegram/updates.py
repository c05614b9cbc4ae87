"""What becomes of a bot's updates, on the bus: each is accepted once, answered once, and settled.

::

    (nothing) --accept--> UpdateAccepted --begin--> UpdateAnswering --settle--> UpdateSettled

Each step replaces the one before with compare-and-set, on a subject of the update's own. An update
that comes again is refused, whoever takes it and after whatever restart. One that was accepted and
not answered when its process died is dealt with by the next one. One whose answer was about to be
sent is not: nobody knows whether it was, and nothing is said twice.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Final

import structlog

from schemas.codec import decode
from schemas.telegram import UpdateAccepted, UpdateAnswering, UpdateSettled
from subjects.catalog import CATALOG
from subjects.telegram import update_subject, updates
from voicebus import channel_metrics
from voicebus.bus.client import Bus
from voicebus.errors import BusError, Fenced

log: Final = structlog.get_logger()

_STREAM: Final = CATALOG[UpdateAccepted].stream
_LOOK_S: Final = 2.0
_REMEMBERED: Final = 1024
_SOON_S: Final = (0.01, 0.1)
"""What is heard live is stored at about the same time: one looks at once, and again."""


@dataclass(slots=True)
class Accepted:
    """An update that nobody has answered yet.

    Attributes:
        id: Telegram's number of it.
        payload: The update in JSON.
        sequence: Of its newest message on the bus.
        shown: Number of the message that already shows the beginning of the answer; 0 for none.
        is_answering: Whether its answer is on its way.
    """

    id: int
    payload: bytes
    sequence: int
    shown: int = 0
    is_answering: bool = False


class Updates:
    """The updates of one bot.

    Args:
        bus: The connection.
        bot: The bot's number.
        owner: This process, by a name that no other process has or has had.
    """

    def __init__(self, bus: Bus, bot: int, owner: str) -> None:
        self._bus = bus
        self._bot = bot
        self._owner = owner
        self._cursor = 0
        self._open: dict[int, int] = {}
        self._closed: deque[int] = deque(maxlen=_REMEMBERED)
        self._news = asyncio.Event()

    @property
    def unsettled(self) -> int:
        """Sequence of the oldest update that may not be settled."""
        return min(self._open.values(), default=self._cursor)

    async def accept(self, update: int, payload: bytes) -> bool:
        """Store an update; return whether it is new.

        Raises:
            BusError: It is not known to be stored: take it again.
        """
        try:
            await self._bus.keep(UpdateAccepted(payload=payload), self._subject(update), 0)
        except Fenced:
            channel_metrics.TELEGRAM_UPDATES.labels("known").inc()
            return False
        channel_metrics.TELEGRAM_UPDATES.labels("new").inc()
        self._news.set()
        return True

    async def arriving(self, since: int) -> AsyncGenerator[Accepted, None]:
        """Yield the updates that are to be dealt with, in order, each once. Never ends.

        Args:
            since: Stream sequence to begin with.
        """
        self._cursor, self._open = max(0, since - 1), {}
        wildcard = updates(self._bus.cell, self._bot)
        async with self._bus.listen(wildcard) as inbox:
            hearing = asyncio.ensure_future(self._hear(inbox))
            try:
                while True:
                    self._news.clear()
                    try:
                        async for accepted in self._stored(wildcard):
                            yield accepted
                    except BusError as err:
                        log.warning("telegram.updates_unread", bot=self._bot, error=str(err))
                    try:
                        async with asyncio.timeout(_LOOK_S):
                            await self._news.wait()
                    except TimeoutError:
                        pass
            finally:
                hearing.cancel()
                await asyncio.wait((hearing,))

    async def show(self, accepted: Accepted, message: int) -> None:
        """Note the message that shows the beginning of the answer: whoever goes on goes on in it.

        Raises:
            BusError: It could not be noted, or somebody else answers.
        """
        event = UpdateAccepted(payload=accepted.payload, shown=message)
        subject = self._subject(accepted.id)
        accepted.sequence = await self._bus.keep(event, subject, accepted.sequence)
        accepted.shown = message
        if accepted.id in self._open:
            self._open[accepted.id] = accepted.sequence

    async def begin(self, accepted: Accepted) -> bool:
        """The answer is about to be sent; False: somebody else has done so.

        Raises:
            BusError: It could not be said; nothing may be sent.
        """
        if accepted.is_answering:
            return True
        answering = UpdateAnswering(owner=self._owner)
        try:
            sequence = await self._bus.keep(
                answering, self._subject(accepted.id), accepted.sequence
            )
        except Fenced:
            channel_metrics.TELEGRAM_FENCED.inc()
            self._open.pop(accepted.id, None)
            return False
        accepted.sequence, accepted.is_answering = sequence, True
        return True

    async def settle(self, accepted: Accepted, outcome: str) -> None:
        """It has been dealt with.

        Where that cannot be said, the next process deals with it again, if no answer has begun.
        """
        settled = UpdateSettled(outcome=outcome)
        self._open.pop(accepted.id, None)
        self._closed.append(accepted.id)
        try:
            await self._bus.keep(settled, self._subject(accepted.id), accepted.sequence)
        except Fenced:
            return
        except BusError as err:
            log.warning("telegram.unsettled", bot=self._bot, update=accepted.id, error=str(err))
        channel_metrics.TELEGRAM_SETTLED.labels(outcome).inc()

    def _subject(self, update: int) -> str:
        return update_subject(self._bus.cell, self._bot, update)

    def _is_ours(self, update: int) -> bool:
        """Whether it is dealt with here, or was a moment ago: what is read may be older."""
        return update in self._open or update in self._closed

    async def _hear(self, inbox: AsyncIterator[object]) -> None:
        async for _ in inbox:
            self._news.set()
            for wait_s in _SOON_S:
                await asyncio.sleep(wait_s)
                self._news.set()

    async def _stored(self, wildcard: str) -> AsyncIterator[Accepted]:
        since = self._cursor + 1
        async for recorded in self._bus.read(_STREAM, wildcard, sequence=since):
            self._cursor = max(self._cursor, recorded.sequence)
            update = int(recorded.subject.rsplit(".", 1)[1])
            match decode(recorded.payload):
                case UpdateAccepted() as event if update not in self._open:
                    self._open[update] = recorded.sequence
                    yield Accepted(update, event.payload, recorded.sequence, event.shown)
                case UpdateAnswering(owner=owner) if not self._is_ours(update):
                    lost = Accepted(update, b"", recorded.sequence, is_answering=True)
                    log.warning("telegram.answer_unknown", update=update, owner=owner)
                    await self.settle(lost, "unknown")
