"""Answers that come piece by piece: bytes as they are made, and server-sent events.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Any, Final

import msgspec
import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from edge.openai.errors import refusal
from voicebus.errors import VoicebusError

log: Final = structlog.get_logger()

DONE: Final = b"data: [DONE]\n\n"
"""The end of a stream of chat completions."""

KEEPALIVE: Final = b": keepalive\n\n"
"""A comment: clients pass over it, and proxies see that the stream lives."""

Pieces = AsyncGenerator[bytes, None]


class Streamed(Response):
    """An answer of pieces. Who sends them is closed when the answer ends, whatever ended it.

    An error behind the first piece breaks the answer off: the client sees that it is not whole.

    Args:
        pieces: The pieces.
        media_type: What they are.
        headers: Further headers.
    """

    def __init__(
        self, pieces: Pieces, media_type: str, headers: dict[str, str] | None = None
    ) -> None:
        self._pieces = pieces
        self.status_code = 200
        self.media_type = media_type
        self.background = None
        self.init_headers({**(headers or {}), "content-type": media_type})

    def init_headers(self, headers: Any = None) -> None:
        """Set the headers; the length is not known."""
        self.raw_headers = [(k.encode("latin-1"), v.encode("latin-1")) for k, v in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the pieces."""
        start = {
            "type": "http.response.start",
            "status": self.status_code,
            "headers": self.raw_headers,
        }
        await send(start)
        try:
            async with aclosing(self._pieces) as pieces:
                async for piece in pieces:
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
        except VoicebusError as err:
            log.warning("stream.broken_off", code=refusal(err).error["code"])
            return  # the server closes the connection: the answer has no end
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def event_stream(events: Pieces, keepalive_s: float) -> Streamed:
    """Return an answer of server-sent events, with errors as events of their own.

    Args:
        events: Made by :func:`event`.
        keepalive_s: How long it may be silent.
    """
    headers = {"cache-control": "no-cache", "x-accel-buffering": "no"}
    return Streamed(_told(_lively(events, keepalive_s)), "text/event-stream", headers)


async def begun_events(events: Pieces, keepalive_s: float) -> Streamed:
    """Return the same once its first event is there: what fails before is raised.

    Where nothing comes for as long as a stream may be silent, it begins all the same: proxies give
    up an answer that does not, and clients see nothing else in the longest wait of all.

    Raises:
        VoicebusError: There will be no event.
    """
    return event_stream(await begun(events, keepalive_s), keepalive_s)


def event(data: Any, name: str = "") -> bytes:
    """Return one event.

    Args:
        data: Encoded as JSON, in one line.
        name: Its type; empty for streams whose events have none.
    """
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + msgspec.json.encode(data) + b"\n\n"


async def begun(pieces: Pieces, within_s: float | None = None) -> Pieces:
    """Wait for the first piece: what fails before it is an answer of its own, with a status.

    Args:
        pieces: The pieces.
        within_s: How long an answer of events waits at most; then it begins with a comment. None:
            for as long as it takes.
    """
    all_of_them = _waited_for(pieces, within_s)
    await anext(all_of_them)
    return all_of_them


async def _waited_for(pieces: Pieces, within_s: float | None) -> Pieces:
    """Yield nothing when the first piece is there, or does not come in time; then the pieces."""
    following = asyncio.ensure_future(anext(pieces, None))
    try:
        await asyncio.wait((following,), timeout=within_s)
        if following.done():
            following.result()
            yield b""
        else:
            yield b""
            yield KEEPALIVE
        if (first := await following) is None:
            return
        yield first
        async for piece in pieces:
            yield piece
    finally:
        await _ended(following)
        await pieces.aclose()


async def _told(events: Pieces) -> Pieces:
    async with aclosing(events) as told:
        try:
            async for one in told:
                yield one
        except VoicebusError as err:
            log.info("stream.failed", code=refusal(err).error["code"])
            yield event({"error": refusal(err).error})


async def _lively(events: Pieces, keepalive_s: float) -> Pieces:
    """Yield events, and a comment where none comes for some time."""
    following = asyncio.ensure_future(anext(events, None))
    try:
        while True:
            await asyncio.wait((following,), timeout=keepalive_s)
            if not following.done():
                yield KEEPALIVE
                continue
            one = following.result()
            if one is None:
                return
            yield one
            following = asyncio.ensure_future(anext(events, None))
    finally:
        await _ended(following)
        await events.aclose()


async def _ended(following: asyncio.Future[bytes | None]) -> None:
    following.cancel()
    await asyncio.wait((following,))
    with suppress(asyncio.CancelledError, VoicebusError):
        following.result()
