"""Calls of the Bot API: within the flood limits, tried again where that is safe, and counted."""

from __future__ import annotations

import asyncio
import math
import time
from http import HTTPStatus
from typing import Any, Final, TypeVar

import structlog
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import (
    ClientDecodeError,
    TelegramAPIError,
    TelegramMigrateToChat,
    TelegramNetworkError,
    TelegramRetryAfter,
    TelegramServerError,
)
from aiogram.methods import (
    EditMessageText,
    SendMessage,
    SendVoice,
    TelegramMethod,
)
from aiogram.methods.base import Response
from aiohttp import ClientConnectorError

from bridges.telegram.limits import SPARE, Limiter
from voicebus import channel_metrics
from voicebus.errors import VoicebusError

log: Final = structlog.get_logger()

T = TypeVar("T")

CALL_S: Final = 20.0
"""How long an answer of the Bot API is waited for, uploads included."""

_MESSAGES: Final = (SendMessage, SendVoice, EditMessageText)
"""What a chat's own limits count."""

_ONCE: Final = (SendMessage, SendVoice)
"""What is said twice when it is called twice."""

_AGAIN_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0)

_UNANSWERED: Final = (HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT)
"""What a gateway says that has passed a call on and heard nothing: it may have been done."""

_NO_VOICE: Final = (
    "VOICE_MESSAGES_FORBIDDEN",
    "restricted receiving of voice",
    "rights to send voice notes",
    "CHAT_SEND_VOICES_FORBIDDEN",
)
"""How Telegram says that a person, and that a group, takes no voice messages."""

_NOT_THERE: Final = ("message to edit not found", "message can't be edited", "MESSAGE_ID_INVALID")
"""How it says that a message cannot be changed, and never will."""


class Unreachable(VoicebusError):
    """Raised when the Bot API could not be reached for too long: nothing was sent."""

    code = "telegram_unreachable"
    retryable = True


class OutcomeUnknown(VoicebusError):
    """Raised when a message may have been sent or not: it is not sent again."""

    code = "telegram_unknown"


class Refused(VoicebusError):
    """Raised when Telegram does not do what was asked, and will not if it is asked again.

    Args:
        reason: As Telegram said it.
        status: Which kind of error: the name of aiogram's class.
    """

    code = "telegram_refused"

    def __init__(self, reason: str, status: str) -> None:
        super().__init__(reason)
        self.status = status

    @property
    def is_voice_forbidden(self) -> bool:
        """Whether the person or the group takes no voice messages."""
        return self._says(_NO_VOICE)

    @property
    def is_message_gone(self) -> bool:
        """Whether the message that was to be changed has been deleted, or is not ours to change."""
        return self._says(_NOT_THERE)

    def _says(self, phrases: tuple[str, ...]) -> bool:
        said = str(self).lower()
        return any(phrase.lower() in said for phrase in phrases)


class GatewayError(TelegramServerError):
    """Raised when a gateway answers instead of the Bot API."""


class _Session(AiohttpSession):
    """aiogram's, whose errors do not say with which status Telegram answered."""

    def check_response(
        self, bot: Bot, method: TelegramMethod[T], status_code: int, content: str
    ) -> Response[T]:
        try:
            return super().check_response(bot, method, status_code, content)
        except TelegramServerError as err:
            if status_code in _UNANSWERED:
                raise GatewayError(method, err.message) from err
            raise


def bot_of(token: str, api_url: str) -> Bot:
    """Return aiogram's bot, for any server that speaks the Bot API."""
    api = TelegramAPIServer.from_base(api_url.rstrip("/"))
    return Bot(token, session=_Session(api=api, timeout=CALL_S))


class Api:
    """One bot's calls. One per bot: it keeps the limits of all of them.

    Args:
        bot: aiogram's bot.
        deliver_s: How long a call is tried while the Bot API cannot be reached.
    """

    def __init__(self, bot: Bot, deliver_s: float) -> None:
        self.bot: Final = bot
        self._deliver_s = deliver_s
        self._limiter = Limiter()
        self._ended = asyncio.Event()

    async def call(self, method: TelegramMethod[T]) -> T:
        """Call, as soon as the limits allow it, until Telegram has answered.

        Raises:
            Refused: Telegram does not do it.
            Unreachable: It could not be reached.
            OutcomeUnknown: It may have been done, and must not be done twice.
        """
        begun_s, tries = _now_s(), 0
        while True:
            chat = _chat_of(method)
            await self._wait(chat)
            try:
                return await self._once(method, chat)
            except TelegramRetryAfter as err:
                self._limiter.refused(_place_of(method), err.retry_after, _now_s())
            except TelegramMigrateToChat as err:
                # The group has become a supergroup meanwhile; nothing was done in the old one.
                method = method.model_copy(update={"chat_id": err.migrate_to_chat_id})
            except (TelegramNetworkError, TelegramServerError, ClientDecodeError) as err:
                if isinstance(method, _ONCE) and not _was_not_done(err):
                    channel_metrics.TELEGRAM_CALLS.labels(_name(method), "unknown").inc()
                    raise OutcomeUnknown("Telegram did not say whether it was sent") from err
                if _now_s() - begun_s > self._deliver_s:
                    raise Unreachable("Telegram cannot be reached") from err
                await asyncio.sleep(_AGAIN_S[min(tries, len(_AGAIN_S) - 1)])
                tries += 1
            except TelegramAPIError as err:
                channel_metrics.TELEGRAM_CALLS.labels(_name(method), "refused").inc()
                raise Refused(err.message, type(err).__name__) from err

    async def show(self, method: TelegramMethod[Any]) -> bool:
        """Call if the limits have room to spare, and only once: it is no loss if it fails.

        Returns:
            Whether it was done.
        """
        chat, where = _chat_of(method), _place_of(method)
        if self._limiter.wait_s(chat, _now_s(), SPARE) > 0:
            return False
        if where is not None and self._limiter.is_closed(where, _now_s()):
            return False
        try:
            await self._once(method, chat)
        except TelegramRetryAfter as err:
            self._limiter.refused(where, err.retry_after, _now_s())
        except (TelegramAPIError, ClientDecodeError) as err:
            log.debug("telegram.not_shown", method=_name(method), error=str(err))
        else:
            return True
        return False

    async def close(self) -> None:
        """End all connections."""
        await self.bot.session.close()

    async def _once(self, method: TelegramMethod[T], chat: int | None) -> T:
        self._limiter.begin(chat, _now_s())
        outcome = "unreachable"
        try:
            result = await self.bot(method)
            outcome = "ok"
        except TelegramRetryAfter:
            outcome = "flood"
            raise
        finally:
            self._limiter.end(chat, _now_s())
            self._ended.set()
            self._ended = asyncio.Event()
            if outcome != "unreachable":
                channel_metrics.TELEGRAM_CALLS.labels(_name(method), outcome).inc()
        return result

    async def _wait(self, chat: int | None) -> None:
        begun_s = _now_s()
        while (wait_s := self._limiter.wait_s(chat, _now_s())) > 0:
            ended = self._ended
            try:
                async with asyncio.timeout(None if math.isinf(wait_s) else wait_s):
                    await ended.wait()
            except TimeoutError:
                pass
        channel_metrics.TELEGRAM_LIMIT_SECONDS.observe(_now_s() - begun_s)


def _was_not_done(err: Exception) -> bool:
    """Whether it is certain that nothing was sent: no connection, or Telegram's own word."""
    if isinstance(err, TelegramServerError):
        return not isinstance(err, GatewayError)
    return isinstance(err.__cause__, ClientConnectorError)


def _chat_of(method: TelegramMethod[Any]) -> int | None:
    return _place_of(method) if isinstance(method, _MESSAGES) else None


def _place_of(method: TelegramMethod[Any]) -> int | None:
    chat = getattr(method, "chat_id", None)
    return chat if isinstance(chat, int) else None


def _name(method: TelegramMethod[Any]) -> str:
    return str(method.__api_method__)


def _now_s() -> float:
    return time.monotonic()
