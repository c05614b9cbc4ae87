"""Where a bot's updates come from: Telegram is asked for them, or sends them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Final, TypeVar

import msgspec
import structlog
from aiogram.exceptions import (
    AiogramError,
    ClientDecodeError,
    TelegramConflictError,
    TelegramRetryAfter,
    TelegramUnauthorizedError,
)
from aiogram.methods import DeleteWebhook, GetMe, GetUpdates, SetMyCommands, SetWebhook
from aiogram.methods.base import TelegramMethod
from aiogram.types import BotCommand

from bridges.telegram.api import Refused
from bridges.telegram.house import House
from bridges.telegram.texts import COMMANDS
from voicebus.errors import BusError, VoicebusError

log: Final = structlog.get_logger()

T = TypeVar("T")

KINDS: Final = ("message", "callback_query", "stopped_message_generation")
"""What Telegram is asked for; nothing else is of use."""

POLL_S: Final = 25
"""How long Telegram may keep a question open in which nothing happens."""

_AGAIN_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
_CONFLICT_S: Final = 3.0
_STRANGER_S: Final = 30.0


async def introduce(house: House) -> None:
    """Learn the bot's name, and tell Telegram its commands, as soon as Telegram can be reached."""
    me = await _insist(house, GetMe())
    house.username = me.username or ""
    for language, commands in COMMANDS.items():
        listed = [BotCommand(command=c, description=d) for c, d in commands.items()]
        code = None if language == "en" else language
        await house.api.show(SetMyCommands(commands=listed, language_code=code))


async def expect_webhook(house: House, url: str) -> None:
    """Have Telegram send the updates.

    Args:
        house: The bot.
        url: Public address of this process, and of all others that have the bot.
    """
    hook = SetWebhook(
        url=f"{url.rstrip('/')}/telegram/{house.config.id}",
        secret_token=house.config.secret,
        allowed_updates=list(KINDS),
    )
    await _insist(house, hook)


async def poll(house: House) -> None:
    """Ask Telegram for updates and accept them, until cancelled.

    Telegram forgets an update once one behind it is asked for: that is done when it is stored.
    """
    await _insist(house, DeleteWebhook(drop_pending_updates=False))
    offset: int | None = None
    failures = 0
    while True:
        asked = GetUpdates(offset=offset, timeout=POLL_S, allowed_updates=list(KINDS))
        try:
            found = await _updates(house, asked)
        except (AiogramError, TimeoutError) as err:
            await _pause(house, err, failures)
            failures += 1
            continue
        failures = 0
        for update, payload in found:
            await _accept(house, update, payload)
            offset = update + 1


async def _insist(house: House, method: TelegramMethod[T]) -> T:
    """Call until it is done: Telegram may come back, and a wrong token be replaced in the file."""
    while True:
        try:
            return await house.api.call(method)
        except VoicebusError as err:
            wait_s = pause_s(err, len(_AGAIN_S))
            log.warning("telegram.not_begun", bot=house.config.id, error=str(err), again_s=wait_s)
            await asyncio.sleep(wait_s)


async def _updates(house: House, asked: GetUpdates) -> list[tuple[int, bytes]]:
    try:
        found = await house.api.bot(asked, request_timeout=POLL_S + 10)
    except ClientDecodeError as err:
        # One that aiogram cannot read must not hold up those behind it.
        listed = err.data.get("result") if isinstance(err.data, dict) else None
        if not isinstance(listed, list):
            raise
        return list(_readable(listed))
    return [
        (u.update_id, u.model_dump_json(by_alias=True, exclude_unset=True).encode()) for u in found
    ]


def _readable(listed: Iterable[Any]) -> Iterable[tuple[int, bytes]]:
    for update in listed:
        if isinstance(update, dict) and isinstance(update.get("update_id"), int):
            yield update["update_id"], msgspec.json.encode(update)


async def _accept(house: House, update: int, payload: bytes) -> None:
    while True:
        try:
            await house.updates.accept(update, payload)
        except BusError as err:
            log.warning("telegram.not_accepted", bot=house.config.id, error=str(err))
            await asyncio.sleep(_AGAIN_S[1])
        else:
            return


def pause_s(err: Exception, failures: int) -> float:
    """Return how long to wait before Telegram is asked again.

    Args:
        err: What it answered, or why it did not.
        failures: How many there were in a row before.
    """
    match err:
        case TelegramRetryAfter():
            return err.retry_after
        case TelegramConflictError():
            # Somebody else polls with this token, who is not on this bus; or a webhook is set.
            return _CONFLICT_S
        case TelegramUnauthorizedError() | Refused(status=TelegramUnauthorizedError.__name__):
            return _STRANGER_S
    return _AGAIN_S[min(failures, len(_AGAIN_S) - 1)]


async def _pause(house: House, err: Exception, failures: int) -> None:
    wait_s = pause_s(err, failures)
    log.warning("telegram.not_polled", bot=house.config.id, error=str(err), again_s=wait_s)
    await asyncio.sleep(wait_s)
