"""All bots of one process: started, changed and ended while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import structlog

from bridges.telegram.bots import BotConfig, Bots, read, stamp
from bridges.telegram.house import Common, House
from bridges.telegram.ownership import Ownership
from bridges.telegram.rooms import Rooms
from bridges.telegram.sources import expect_webhook, introduce, poll
from voicebus import channel_metrics
from voicebus.errors import ConfigError

log: Final = structlog.get_logger()

_LOOK_S: Final = 1.0
_AGAIN_S: Final = 5.0


class Runner:
    """One bot: stands by, and serves while this process is its owner.

    Args:
        config: What the bot is like.
        common: What it shares with others.

    Attributes:
        house: The bot.
    """

    def __init__(self, config: BotConfig, common: Common) -> None:
        self.house: Final = House(config, common)
        self._url = common.settings.webhook_url
        updates = self.house.updates
        self._ownership = Ownership(
            common.bus, config.id, common.process, lambda: updates.unsettled
        )
        self._leaving = asyncio.Event()
        self._drain_s = 0.0
        self._task = asyncio.ensure_future(self._run())

    @property
    def is_owner(self) -> bool:
        """Whether this process answers for the bot."""
        return self._ownership.is_held

    async def stop(self, drain_s: float) -> None:
        """End: what runs has some time, the rest is dealt with by the next process."""
        self._drain_s = drain_s
        self._leaving.set()
        if not self.is_owner:
            self._task.cancel()
        await asyncio.wait((self._task,))
        await self.house.api.close()

    async def _run(self) -> None:
        while not self._leaving.is_set():
            try:
                await self._ownership.run(self._serve)
            except Exception:  # a bug must not end the other bots
                log.exception("telegram.bot_failed", bot=self.house.config.id)
                await asyncio.sleep(_AGAIN_S)

    async def _serve(self, since: int) -> None:
        rooms = Rooms(self.house)
        tasks: list[asyncio.Future[Any]] = [
            asyncio.ensure_future(work)
            for work in (self._source(), self._dispatch(rooms, since), self._leaving.wait())
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            await _end(*tasks[:2])
            if self._leaving.is_set():
                async with asyncio.timeout(self._drain_s):
                    await rooms.finished()
        except TimeoutError:
            log.warning("telegram.drained_late", bot=self.house.config.id, rooms=len(rooms))
        finally:
            await rooms.close()
            await _end(*tasks)
        for task in tasks[:2]:
            if not task.cancelled():
                task.result()

    async def _source(self) -> None:
        if self.house.config.updates == "polling":
            await poll(self.house)
        else:
            await expect_webhook(self.house, self._url)
            await asyncio.get_running_loop().create_future()  # they come by themselves

    async def _dispatch(self, rooms: Rooms, since: int) -> None:
        await introduce(self.house)
        async for accepted in self.house.updates.arriving(since):
            await rooms.take(accepted)


class Bridge:
    """The bots of this process.

    Args:
        common: What they share.
    """

    def __init__(self, common: Common) -> None:
        self._common = common
        self._runners: dict[int, Runner] = {}

    def __len__(self) -> int:
        return len(self._runners)

    @property
    def owned(self) -> int:
        """For how many bots this process answers."""
        return sum(runner.is_owner for runner in self._runners.values())

    def webhook(self, bot: int) -> House | None:
        """Return the bot of a number, if its updates are to be sent."""
        runner = self._runners.get(bot)
        if runner is None or runner.house.config.updates != "webhook":
            return None
        return runner.house

    async def use(self, bots: Bots, drain_s: float = 0.0) -> None:
        """Have these bots from now on: others end, new ones begin, changed ones change."""
        wanted = {config.id: config for config in bots.values()}
        ending = []
        for number, runner in list(self._runners.items()):
            config, now = wanted.get(number), runner.house.config
            if config is None or (config.token, config.updates) != (now.token, now.updates):
                ending.append(self._runners.pop(number).stop(drain_s))
                log.info("telegram.bot_removed", bot=number)
            else:
                runner.house.config = config
        await asyncio.gather(*ending)
        for number, config in wanted.items():
            if number not in self._runners:
                self._runners[number] = Runner(config, self._common)
                log.info("telegram.bot_added", bot=number)

    async def follow(self, path: Path, drain_s: float) -> None:
        """Use what the file of the bots says, whenever it changes; until cancelled.

        One that cannot be used is read again until it can: what is wrong may be a file with a
        token, and which files have one it does not say before.
        """
        known: tuple[tuple[int, ...], ...] = ()  # it may have changed since it was read
        wrong = ""
        while True:
            await asyncio.sleep(_LOOK_S)
            configs = (runner.house.config for runner in self._runners.values())
            if (found := stamp(path, configs)) == known and not wrong:
                continue
            known = found
            try:
                bots = await asyncio.to_thread(read, path, self._common.settings)
            except ConfigError as err:
                channel_metrics.TELEGRAM_BOTS_UNREADABLE.set(1)
                if str(err) != wrong:
                    log.error("telegram.bots_unreadable", error=str(err))
                wrong = str(err)
                continue
            wrong = ""
            channel_metrics.TELEGRAM_BOTS_UNREADABLE.set(0)
            await self.use(bots, drain_s)

    @asynccontextmanager
    async def running(self, bots: Bots, drain_s: float) -> AsyncIterator[None]:
        """Have these bots while the context lasts."""
        await self.use(bots)
        try:
            yield
        finally:
            await self.use({}, drain_s)


async def _end(*tasks: asyncio.Future[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
