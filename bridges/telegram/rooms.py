"""The rooms of one bot: each has a lane, in which one thing is done after the other."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Coroutine
from typing import Any, Final

import structlog
from aiogram.methods import AnswerCallbackQuery
from aiogram.types import Update
from pydantic import ValidationError
from structlog.contextvars import bound_contextvars

from bridges.telegram import menus
from bridges.telegram.answering import Answering
from bridges.telegram.api import OutcomeUnknown, Refused, Unreachable
from bridges.telegram.chats import Room
from bridges.telegram.commands import Desk
from bridges.telegram.house import House
from bridges.telegram.incoming import (
    Command,
    Halted,
    Moved,
    Pressed,
    Recording,
    Unknown,
    Whence,
    Wish,
    Words,
    wish_of,
)
from bridges.telegram.outgoing import Outgoing
from bridges.telegram.texts import error_text, text_of
from bridges.telegram.updates import Accepted
from voicebus import channel_metrics, metrics
from voicebus.errors import LimitReached, VoicebusError
from voicebus.guesses import Guesses

log: Final = structlog.get_logger()

_TOLD: Final = 4096
"""Of so many people it is known that they were told something already."""

_ANSWERED: Final = (menus.RETRY, menus.SPEAK)
"""Buttons that cost as much as a message does."""

Asked = tuple[Accepted, Whence, Wish]


class Rooms:
    """Deals with the updates of one bot.

    Args:
        house: The bot.
    """

    def __init__(self, house: House) -> None:
        self._house = house
        self._lanes: dict[Room, _Lane] = {}
        self._messages = Guesses(house.settings.user_messages_per_min)
        self._told: dict[tuple[str, int], float] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    async def take(self, accepted: Accepted) -> None:
        """Deal with an update, or have it wait for its turn. Returns at once."""
        try:
            update = Update.model_validate_json(accepted.payload)
        except ValidationError:
            channel_metrics.TELEGRAM_UPDATES.labels("malformed").inc()
            await self._house.updates.settle(accepted, "ignored")
            return
        wish = wish_of(update, self._house.config.id, self._house.username)
        if wish is None:
            await self._house.updates.settle(accepted, "ignored")
            return
        asked = (accepted, *wish)
        if not self._admit(asked):
            return
        self._lane(asked[1].room).put(asked)

    async def finished(self) -> None:
        """Wait until everything that was taken has been dealt with."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self) -> None:
        """Let go of everything at once: what is not settled is dealt with by the next process."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something beside the lanes."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _lane(self, room: Room) -> _Lane:
        lane = self._lanes.get(room)
        if lane is None:
            lane = self._lanes[room] = _Lane(self._house, self)
            self.spawn(self._run(room, lane))
        return lane

    async def _run(self, room: Room, lane: _Lane) -> None:
        try:
            await lane.run()
        finally:
            del self._lanes[room]

    def _admit(self, asked: Asked) -> bool:
        """Say whether somebody may have anything; who may not is told so now and then."""
        _, whence, wish = asked
        if isinstance(wish, Moved):
            return True  # Telegram says so, and nobody in the group; it is answered by nothing
        if not self._house.config.admits(whence.user, whence.room[0]):
            is_told = whence.is_private and self._is_news("not_admitted", whence.user)
            told = text_of("not_admitted", whence.language, number=whence.user)
            self.spawn(self._refuse(asked, told if is_told else ""))
            return False
        is_choice = isinstance(wish, Pressed) and wish.data not in _ANSWERED
        if is_choice or isinstance(wish, Halted):
            return True
        try:
            self._messages.take(str(whence.user), time.monotonic())
        except LimitReached:
            limit = self._house.settings.user_messages_per_min
            told = text_of("too_many", whence.language, limit=limit)
            is_told = self._is_news("too_many", whence.user)
            self.spawn(self._refuse(asked, told if is_told else ""))
            return False
        return True

    def refuse_full(self, asked: Asked) -> None:
        """A room has too much waiting already."""
        told = text_of("lane_full", asked[1].language)
        is_told = self._is_news("lane_full", asked[1].user)
        self.spawn(self._refuse(asked, told if is_told else ""))

    def _is_news(self, what: str, user: int) -> bool:
        now_s = time.monotonic()
        last_s = self._told.pop((what, user), -60.0)
        self._told[what, user] = now_s if now_s - last_s >= 60.0 else last_s
        if len(self._told) > _TOLD:
            del self._told[next(iter(self._told))]
        return now_s - last_s >= 60.0

    async def _refuse(self, asked: Asked, told: str) -> None:
        accepted, whence, wish = asked
        try:
            if isinstance(wish, Pressed):
                await acknowledge(self._house, wish, told)
            elif told and await self._house.updates.begin(accepted):
                await Outgoing(self._house.api, whence, whence.language).text(told)
        except VoicebusError as err:
            log.info("telegram.refusal_untold", code=err.code)
        await self._house.updates.settle(accepted, "refused")


class _Lane:
    """What one room wants, one after the other."""

    def __init__(self, house: House, rooms: Rooms) -> None:
        self._house = house
        self._rooms = rooms
        self._waiting: deque[Asked] = deque()
        self._answering: Answering | None = None

    def put(self, asked: Asked) -> None:
        """Add something; what is to stop an answer does not wait for it."""
        wish = asked[2]
        stops = isinstance(wish, Halted) or (
            isinstance(wish, Command) and wish.name == "stop" and self._answering is not None
        )
        if stops or (isinstance(wish, Pressed) and wish.data == menus.STOP):
            self._rooms.spawn(self._stop(asked))
        elif len(self._waiting) > self._house.settings.lane:
            self._rooms.refuse_full(asked)
        else:
            self._waiting.append(asked)

    async def run(self) -> None:
        """Serve until nothing waits."""
        await asyncio.sleep(0)  # who made the lane puts something in first
        while self._waiting:
            accepted, whence, wish = self._waiting.popleft()
            with bound_contextvars(bot=self._house.config.id, update=accepted.id):
                outcome = await self._serve(accepted, whence, wish)
                log.info("telegram.settled", outcome=outcome, kind=type(wish).__name__.lower())
                await self._house.updates.settle(accepted, outcome)

    async def _stop(self, asked: Asked) -> None:
        accepted, whence, wish = asked
        if self._answering is not None:
            await self._answering.stop()
        if isinstance(wish, Pressed):
            await acknowledge(self._house, wish, text_of("stopped", whence.language))
        await self._house.updates.settle(accepted, "answered")

    async def _serve(self, accepted: Accepted, whence: Whence, wish: Wish) -> str:
        language = whence.language
        try:
            kept = await self._house.chats.get(whence.room)
            language = kept.language or whence.language
            if isinstance(wish, Pressed):
                await acknowledge(self._house, wish)
            if (question := _question(wish, kept.asked)) is not None:
                self._answering = Answering(self._house, accepted, whence, kept, language)
                return await self._answering.run(question)
            if not await self._house.updates.begin(accepted):
                return "answered"
            await self._attend(Desk(self._house, whence, kept, language), whence, wish, language)
        except (Refused, Unreachable, OutcomeUnknown) as err:
            log.warning("telegram.unsent", code=err.code, error=str(err))
            return "unknown" if isinstance(err, OutcomeUnknown) else "failed"
        except VoicebusError as err:
            log.info("telegram.unanswered", code=err.code)
            return await self._apologise(accepted, whence, err, language)
        except Exception:  # a bug must not end the lane, nor other rooms
            log.exception("telegram.failed")
            return await self._apologise(accepted, whence, VoicebusError(), language)
        finally:
            self._answering = None
        return "answered"

    async def _attend(self, desk: Desk, whence: Whence, wish: Wish, language: str) -> None:
        match wish:
            case Command():
                await desk.obey(wish)
            case Moved():
                await desk.move(wish.chat)
            case Pressed(data=menus.SPEAK):
                await desk.speak(wish.text)
            case Pressed(data=menus.RETRY):
                await Outgoing(self._house.api, whence, language).text(
                    text_of("nothing_asked", language)
                )
            case Pressed():
                await desk.choose(wish)
            case Unknown() if whence.is_private:
                await Outgoing(self._house.api, whence, language).text(
                    text_of("not_understood", language)
                )

    async def _apologise(
        self, accepted: Accepted, whence: Whence, err: VoicebusError, language: str
    ) -> str:
        settings = self._house.settings
        told = error_text(
            err.code,
            language,
            seconds=round(settings.max_voice_s),
            megabytes=settings.max_file_bytes >> 20,
        )
        metrics.CLIENT_ERRORS.labels("telegram", err.code).inc()
        try:
            if await self._house.updates.begin(accepted):
                outgoing = Outgoing(self._house.api, whence, language)
                buttons = menus.again(language) if err.retryable else None
                await outgoing.text(told, buttons, instead=accepted.shown)
        except VoicebusError as untold:
            log.info("telegram.error_untold", code=untold.code)
        return "failed"


async def acknowledge(house: House, pressed: Pressed, text: str = "") -> None:
    """Tell Telegram that a button was seen, or it shows for long that it is waited for.

    Args:
        house: The bot.
        pressed: The button.
        text: Shown for a moment to who pressed it; empty for nothing.
    """
    await house.api.show(AnswerCallbackQuery(callback_query_id=pressed.query, text=text or None))


def _question(wish: Wish, asked: str) -> Words | Recording | None:
    match wish:
        case Words() | Recording():
            return wish
        case Command(name="retry") | Pressed(data=menus.RETRY):
            return Words(asked) if asked else None
    return None
