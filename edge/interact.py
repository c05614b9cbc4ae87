"""POST /interact: an audio file in, the spoken answer out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any, Final

import msgspec
from msgspec import Struct
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from edge import wire
from edge.answers import refused
from edge.clock import now_s
from edge.downlink import Downlink
from edge.settings import EdgeSettings
from edge.timeline import AudioClock
from edge.upload import read_body
from edge.visit import Visit
from schemas.audio import CALLER_RATE_HZ
from schemas.settings import Language, Name, SessionSettings
from schemas.stt import TranscribeRequest
from schemas.turn import ConverseRequest
from voicebus.audio.sniff import sniff_file
from voicebus.audio.stream import StreamDecoder
from voicebus.audio.wav import wav_header
from voicebus.errors import EngineTimeout, NoWorker, ProtocolError, VoicebusError
from voicebus.sessions.session import Session
from voicebus.sessions.sessions import Sessions

KIND: Final = "interact"
_FEED_BYTES: Final = 64 * 1024
_STALL_S: Final = 60.0
"""Longest silence of the workers: a long file's finals come one after the other."""


class Asked(Struct, frozen=True, kw_only=True):
    """Query parameters: as the fields of /ws' start message."""

    language: Language = ""
    voice: Name = ""
    sample_rate: int = 24_000
    format: str = "wav"

    def __post_init__(self) -> None:
        """Refuse rates that no voice is resampled to."""
        if self.sample_rate not in (8_000, 16_000, 24_000, 48_000):
            raise ValueError("expected 8000, 16000, 24000 or 48000 - at `$.sample_rate`")
        if self.format not in ("wav", "json"):
            raise ValueError("expected wav or json - at `$.format`")


async def interact(
    request: Request, sessions: Sessions, settings: EdgeSettings, visit: Visit
) -> Response:
    """Answer one recording."""
    try:
        asked = _asked(request)
        visit.expect_audio()
        visit.expect_turn()
        await sessions.expect_place()
        body = await read_body(request, settings.max_upload_bytes, settings.upload_s, visit.upload)
        kind = sniff_file(body)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(visit.session())
            session = await stack.enter_async_context(sessions.open(KIND))
            exchange = _Exchange(session, visit)
            await exchange.ask(asked, StreamDecoder(kind, max_seconds=settings.max_file_s), body)
            answer = exchange.answer(settings.claim_s)
            if asked.format == "json":
                async for _ in answer:
                    pass
                return JSONResponse(exchange.told(session))
            first = await anext(answer, b"")
            kept = stack.pop_all()
            return StreamingResponse(
                _wav(asked.sample_rate, first, answer, kept),
                media_type="audio/wav",
                headers={"x-session-id": session.place.session},
            )
    except ClientDisconnect:
        return Response(status_code=499)
    except VoicebusError as err:
        return refused(err, KIND)


def _asked(request: Request) -> Asked:
    given = dict(request.query_params)
    if "application/json" in request.headers.get("accept", ""):
        given.setdefault("format", "json")
    try:
        return msgspec.convert(given, Asked, strict=False)
    except msgspec.ValidationError as err:
        raise ProtocolError(str(err), "bad_field") from err


class _Exchange:
    """One question and its answer."""

    def __init__(self, session: Session, visit: Visit) -> None:
        self._session = session
        self._visit = visit
        self._downlink = Downlink(AudioClock(), wire.Medium.SPEECH, KIND, session.responded)
        self._finals: list[str] = []
        self._told: dict[str, Any] = {}

    async def ask(self, asked: Asked, decoder: StreamDecoder, body: bytes) -> None:
        """Publish the recording.

        Raises:
            AudioError: It cannot be decoded, or is too long.
        """
        settings = SessionSettings(language=asked.language, voice=asked.voice, turn_taking="manual")
        await self._session.converse(
            ConverseRequest(settings=settings, output_rate_hz=asked.sample_rate)
        )
        request = TranscribeRequest(settings=settings, live=False)
        async with decoder:
            feeding = asyncio.create_task(_feed(decoder, body))
            try:
                async for pcm in decoder:
                    await self._session.send_audio(pcm, request)
                    self._visit.hear(len(pcm) / 2 / CALLER_RATE_HZ)
            finally:
                feeding.cancel()
                await asyncio.wait((feeding,))
        self._downlink.audio_ended(now_s())
        await self._session.end_audio()

    async def answer(self, claim_s: float) -> AsyncIterator[bytes]:
        """Yield the answer's audio as it comes.

        Raises:
            VoicebusError: There is no answer.
        """
        deadline_s = claim_s
        while True:
            try:
                async with asyncio.timeout(deadline_s):
                    _, event = await self._session.inbox.next()
            except TimeoutError as err:
                if deadline_s == _STALL_S:
                    raise EngineTimeout("the answer did not come in time") from err
                raise NoWorker("no worker is free to take this; try again later") from err
            except StopAsyncIteration as err:
                raise NoWorker("this server is shutting down") from err
            if {"turn", "stt"} <= self._downlink.claimed:
                deadline_s = _STALL_S
            for told in (*self._downlink.take(event, now_s()), *self._visit.count(event)):
                if isinstance(told, bytes):
                    yield told
                elif self._note(told):
                    return

    def told(self, session: Session) -> dict[str, Any]:
        """Return the JSON answer."""
        latency = self._told.get("latency", {})
        stages = latency.get("stages", [])
        return {
            "transcript": " ".join(self._finals),
            "reply": self._told.get("reply_done", {}).get("text", ""),
            "audio_seconds": self._told.get("audio_complete", {}).get("audio_seconds", 0.0),
            "latency_ms": {
                "response": latency.get("response_ms"),
                **{s["name"]: round(s["end_ms"] - s["start_ms"], 2) for s in stages},
            },
            "session_id": session.place.session,
        }

    def _note(self, told: wire.Outgoing) -> bool:
        """Keep what the client is told; return True when that was all."""
        if isinstance(told, bytes):
            return False
        match told["type"]:
            case "final" if told["text"]:
                self._finals.append(told["text"])
            case "latency" | "reply_done" | "audio_complete":
                self._told[told["type"]] = told
            case "error":
                raise _Told(told)
            case "nothing_heard":
                raise ProtocolError("there are no words in this audio", "nothing_heard")
            case "turn_ended":
                return True
        return False


class _Told(ProtocolError):
    """A Failure of a stage, as it goes on to the client."""

    def __init__(self, told: dict[str, Any]) -> None:
        super().__init__(told["message"], told["code"])
        self.retryable = told["retryable"]  # type: ignore[misc]  # this one error's own
        self.retry_after_s = told.get("retry_after_s", 0.0)


async def _feed(decoder: StreamDecoder, body: bytes) -> None:
    view = memoryview(body)
    for first in range(0, len(view), _FEED_BYTES):
        await decoder.feed(bytes(view[first : first + _FEED_BYTES]))
    await decoder.finish()


async def _wav(
    rate_hz: int, first: bytes, rest: AsyncIterator[bytes], kept: AsyncExitStack
) -> AsyncIterator[bytes]:
    async with kept:
        yield wav_header(rate_hz) + first
        async for pcm in rest:
            yield pcm
