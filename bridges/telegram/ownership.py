"""Which of several processes answers for a bot: one at a time, and another one soon after its end.

Telegram gives a bot's updates to one poller only, and flood limits are kept by who sends alone. So
processes agree on an owner by a message that each write of it replaces, with compare-and-set: of
two that want the place one gets it. The owner writes again every two seconds. Whoever has seen no
news for six, by its own clock, tries to take over; an owner that cannot write stops after four.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from schemas.codec import decode
from schemas.telegram import BotOwned
from subjects.catalog import CATALOG
from subjects.telegram import owner_subject
from voicebus import channel_metrics
from voicebus.bus.client import Bus
from voicebus.errors import BusError, Fenced

log: Final = structlog.get_logger()

RENEW_S: Final = 2.0
GIVE_UP_S: Final = 4.0
LEASE_S: Final = 6.0

_LOOK_S: Final = 1.0
_STREAM: Final = CATALOG[BotOwned].stream

Serve = Callable[[int], Awaitable[None]]
"""Runs while the process owns the bot, and returns only to give it up; is told where the oldest
update is that may be unsettled."""


class Ownership:
    """One process's claim to one bot.

    Args:
        bus: The connection.
        bot: The bot's number.
        owner: This process, by a name that no other process has or has had.
        unsettled: Says where the oldest update is that may not be settled; it grows.

    Attributes:
        is_held: Whether this process answers for the bot.
    """

    def __init__(self, bus: Bus, bot: int, owner: str, unsettled: Callable[[], int]) -> None:
        self._bus = bus
        self._subject = owner_subject(bus.cell, bot)
        self._bot = str(bot)
        self._owner = owner
        self._sequence = 0
        self._written_s = 0.0
        self._known_unsettled = 0
        self._unsettled = unsettled
        self.is_held = False

    async def run(self, serve: Serve) -> None:
        """Stand by until the place is free, and serve until it is lost or ``serve`` returns.

        Whether to stand by again is the caller's to say: who is leaving does not.
        """
        await self._acquire()
        serving = asyncio.ensure_future(serve(self._known_unsettled))
        keeping = asyncio.ensure_future(self._keep())
        try:
            await asyncio.wait((serving, keeping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            serving.cancel()
            keeping.cancel()
            await asyncio.wait((serving, keeping))
            was_held, self.is_held = self.is_held, False
            channel_metrics.TELEGRAM_OWNED.labels(self._bot).set(0)
            if was_held:
                await asyncio.shield(self._leave())
        if serving.cancelled():
            log.warning("telegram.owner_lost", bot=self._bot)
        else:
            serving.result()

    async def _acquire(self) -> None:
        seen, seen_s = -1, time.monotonic()
        async with self._bus.listen(self._subject) as inbox:
            while True:
                try:
                    newest = await self._bus.last(_STREAM, self._subject)
                    sequence = 0 if newest is None else newest.sequence
                    owned = BotOwned(owner="") if newest is None else decode(newest.payload)
                    if sequence != seen:
                        seen, seen_s = sequence, time.monotonic()
                    is_free = isinstance(owned, BotOwned) and not owned.owner
                    if is_free or time.monotonic() - seen_s > LEASE_S:
                        if isinstance(owned, BotOwned):
                            self._known_unsettled = owned.unsettled
                        await self._write(self._owner, sequence)
                        self.is_held = True
                        channel_metrics.TELEGRAM_OWNED.labels(self._bot).set(1)
                        log.info("telegram.owned", bot=self._bot)
                        return
                except Fenced:
                    continue  # somebody else was faster
                except BusError as err:
                    log.warning("telegram.owner_unknown", bot=self._bot, error=str(err))
                    seen_s = time.monotonic()  # who cannot look cannot tell that nothing came
                try:
                    async with asyncio.timeout(_LOOK_S):
                        await inbox.next()
                except TimeoutError:
                    pass

    async def _keep(self) -> None:
        """Return when the place is lost."""
        while time.monotonic() - self._written_s < GIVE_UP_S:
            await asyncio.sleep(RENEW_S)
            left_s = self._written_s + GIVE_UP_S - time.monotonic()
            try:
                async with asyncio.timeout(left_s):
                    await self._write(self._owner, self._sequence)
            except Fenced:
                if not await self._is_ours():
                    self.is_held = False
                    return
            except (BusError, TimeoutError) as err:
                log.warning("telegram.owner_unwritten", bot=self._bot, error=str(err))

    async def _is_ours(self) -> bool:
        """Whether the newest write is ours: its acknowledgement may have been lost."""
        try:
            newest = await self._bus.last(_STREAM, self._subject)
        except BusError:
            return True  # the deadline decides
        owned = None if newest is None else decode(newest.payload)
        if newest is None or not isinstance(owned, BotOwned) or owned.owner != self._owner:
            return False
        self._sequence = newest.sequence
        return True

    async def _write(self, owner: str, last: int) -> None:
        begun_s = time.monotonic()
        unsettled = max(self._known_unsettled, self._unsettled())
        owned = BotOwned(owner=owner, unsettled=unsettled)
        self._sequence = await self._bus.keep(owned, self._subject, last)
        self._written_s = begun_s

    async def _leave(self) -> None:
        try:
            async with asyncio.timeout(RENEW_S):
                await self._write("", self._sequence)
        except (BusError, TimeoutError) as err:
            log.info("telegram.owner_left_unsaid", bot=self._bot, error=str(err))
