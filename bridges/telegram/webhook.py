"""POST /telegram/BOT: Telegram sends an update. It is stored, and answered by the bot's owner."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable
from typing import Final

import msgspec
import structlog
from msgspec import Struct
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from bridges.telegram.house import House
from voicebus import channel_metrics
from voicebus.errors import BusError

log: Final = structlog.get_logger()

SECRET_HEADER: Final = "x-telegram-bot-api-secret-token"
MAX_BODY_BYTES: Final = 256 * 1024
"""More than any update has: the longest message is of 4096 characters."""

_BODY_S: Final = 5.0

Find = Callable[[int], House | None]
"""Returns the bot of a number, if its updates are to be sent."""


class _Numbered(Struct):
    update_id: int
    """The one field that must be there to store it."""


def create_app(find: Find) -> Starlette:
    """Return the application that takes updates.

    Args:
        find: Finds bots.
    """

    async def take(request: Request) -> Response:
        house = find(request.path_params["bot"])
        given = request.headers.get(SECRET_HEADER, "")
        # Compared even where there is no such bot: the time tells nothing.
        wanted = "" if house is None else house.config.secret
        is_right = hmac.compare_digest(given.encode(), wanted.encode())
        if house is None or not is_right:
            return _refused("secret", 403)
        try:
            async with asyncio.timeout(_BODY_S):
                body = await _body(request)
        except TimeoutError:
            return _refused("slow", 408)
        return _refused("size", 413) if body is None else await _accepted(house, body)

    return Starlette(routes=[Route("/telegram/{bot:int}", take, methods=["POST"])])


async def _accepted(house: House, body: bytes) -> Response:
    try:
        update = msgspec.json.decode(body, type=_Numbered).update_id
    except msgspec.DecodeError:
        return _refused("form", 400)
    try:
        await house.updates.accept(update, body)
    except BusError as err:
        log.warning("telegram.not_accepted", bot=house.config.id, error=str(err))
        return Response(status_code=503, headers={"retry-after": "1"})
    return Response()


async def _body(request: Request) -> bytes | None:
    """Return what was sent; None when it is too much."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                return None
    except ClientDisconnect:
        return b""
    return bytes(body)


def _refused(reason: str, status: int) -> Response:
    channel_metrics.TELEGRAM_WEBHOOKS_REFUSED.labels(reason).inc()
    # The rest of what it sends is not waited for.
    headers = {"connection": "close"} if reason in ("slow", "size") else None
    return Response(status_code=status, headers=headers)
