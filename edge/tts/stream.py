"""POST /tts/stream: a text in, its audio out in chunks while it is spoken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import AsyncExitStack, suppress
from typing import Any, Final, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from edge.answers import refused
from edge.errand import Errand, Patience, open_errand
from edge.openai.stream import Streamed, begun
from edge.settings import EdgeSettings
from edge.tts.asked import MAX_BYTES, MIMES, Asked, body
from edge.tts.utterance import Utterance
from edge.upload import read_body
from edge.visit import Visit
from voicebus import metrics
from voicebus.audio.wav import wav_header
from voicebus.errors import VoicebusError
from voicebus.sessions.sessions import Sessions

T = TypeVar("T")

KIND: Final = "tts"
"""Kind of client, for the log and the metrics."""

STALL_S: Final = 60.0
"""Longest silence of a worker that has taken a text."""


def patience(settings: EdgeSettings) -> Patience:
    """Return how long a text waits for workers."""
    return Patience(claim_s=settings.claim_s, stall_s=STALL_S)


async def stream(
    request: Request, sessions: Sessions, settings: EdgeSettings, visit: Visit
) -> Response:
    """Speak a text. All errors before its first audio are answers of their own."""
    async with AsyncExitStack() as stack:
        try:
            asked = body(await read_body(request, MAX_BYTES, settings.upload_s, visit.upload))
            opening = open_errand(sessions, visit, KIND, ("tts",), patience(settings))
            errand = await stack.enter_async_context(opening)
            pieces = await _unless_left(begun(_audio(errand, asked)), request.receive)
        except ClientDisconnect:
            return Response(status_code=499)
        except VoicebusError as err:
            return refused(err, KIND)
        headers = {"x-sample-rate": str(asked.sound.rate_hz), "cache-control": "no-store"}
        return _Spoken(Streamed(pieces, MIMES[asked.format], headers), stack.pop_all())


async def _audio(errand: Errand, asked: Asked) -> AsyncGenerator[bytes, None]:
    utterance = Utterance(asked)
    await errand.ask(utterance.whole(asked.text))
    head = wav_header(asked.sound.rate_hz) if asked.format == "wav" else b""
    async for event in errand.events():
        for piece in utterance.take(event):
            yield head + piece
            head = b""
        if utterance.is_done:
            break
    rest = head + utterance.flush()
    metrics.EDGE_AUDIO_SECONDS.labels(KIND, "down").inc(utterance.seconds)
    if rest:
        yield rest


class _Spoken(Response):
    """An answer that is given up when its client leaves.

    Args:
        streamed: The answer.
        opened: Closed at its end.
    """

    def __init__(self, streamed: Streamed, opened: AsyncExitStack) -> None:
        super().__init__()
        self._streamed = streamed
        self._opened = opened

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        async with self._opened:
            with suppress(ClientDisconnect):
                await _unless_left(self._streamed(scope, receive, send), receive)


async def _unless_left(work: Coroutine[Any, Any, T], receive: Receive) -> T:
    """Do work for a client whose request has been read.

    Raises:
        ClientDisconnect: It has left, and the work was given up.
    """
    working, leaving = asyncio.create_task(work), asyncio.create_task(_left(receive))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.wait((working, leaving))
    if working.cancelled():
        raise ClientDisconnect
    return working.result()


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
