"""One Realtime client on its socket: the shell around the state machine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec
import structlog
from starlette.websockets import WebSocketDisconnect

from edge.call import refusal as close_code
from edge.clock import now_s
from edge.connection import Connection, Frame
from edge.line import GOODBYES
from edge.measuring import Measuring
from edge.openai.endpoint import Api
from edge.openai.errors import refusal
from edge.openai.realtime import client, told
from edge.openai.realtime.answering import Orders
from edge.openai.realtime.errors import BadEvent
from edge.openai.realtime.machine import Realtime
from edge.openai.realtime.overdue import Overdue
from edge.openai.realtime.session import Format, Pcm
from edge.openai.realtime.sound import rate_of
from edge.openai.realtime.timing import Timing
from edge.openai.realtime.told import ServerEvent
from edge.outbox import Outbox, Parcel
from edge.timeline import AudioClock
from edge.visit import Visit
from schemas.audio import AudioChunk, AudioEnded
from schemas.session import AnswerAsked, CancelAsked
from schemas.settings import SessionSettings
from schemas.stt import TranscribeRequest
from schemas.tts import ReplyChunk
from schemas.turn import ConverseRequest, HangUp
from voicebus import metrics
from voicebus.errors import (
    BusUnavailable,
    EngineTimeout,
    LimitReached,
    NoWorker,
    ProtocolError,
    VoicebusError,
)
from voicebus.sessions.session import Session

log: Final = structlog.get_logger()

KIND: Final = "openai-realtime"
"""Kind of client, for the log and the metrics."""

Spelling = Callable[[ServerEvent], list[ServerEvent]]
"""Puts an event into the words that the client asked for."""

_DONE: Final = 1000
_GOING_AWAY: Final = 1012
_INTERNAL: Final = 1011
_FLUSH_S: Final = 1.0
_LOOK_S: Final = 1.0
_MESSAGE_CHARS: Final = 64 * 1024
_LATE: Final = (EngineTimeout.code, "the answer did not come in time")


def as_error(err: VoicebusError) -> ServerEvent:
    """Return the event that tells a client why its session ends."""
    refused = refusal(err).error
    metrics.CLIENT_ERRORS.labels(KIND, refused["code"]).inc()
    kind = "server_error" if err.retryable else "invalid_request_error"
    return {**told.error(kind, refused["code"], refused["message"]), "event_id": "event_end"}


class RealtimeCall:
    """One client's session.

    Args:
        session: Its place on the bus.
        machine: Decides what is said to whom.
        api: The limits.
        visit: The caller.
        spelling: In which words the client is told.
    """

    def __init__(
        self, session: Session, machine: Realtime, api: Api, visit: Visit, spelling: Spelling
    ) -> None:
        self._session = session
        self._machine = machine
        self._api = api
        self._visit = visit
        self._spelling = spelling
        self._outbox = Outbox(api.edge.outbox_bytes)
        self._turn = asyncio.Lock()
        self._begun_s = now_s()
        roles = ("turn",) if machine.session.type == "realtime" else ()
        stall_s = api.settings.stall_s
        self._overdue = Overdue(api.edge.claim_s, stall_s, roles, self._begun_s)
        self._heard_since_s: float | None = None
        self._heard_s = 0.0
        self._listening: TranscribeRequest | None = None
        self._clock = AudioClock()
        self._timing = Timing(self._clock, Measuring(self._clock, KIND, session.responded))

    async def serve(self, connection: Connection) -> None:
        """Run the session until one of the two sides ends it."""
        session = self._session
        await self._carry(self._machine.open())
        if self._machine.session.type == "realtime":
            settings = SessionSettings(max_session_s=self._api.edge.max_session_s)
            await session.converse(ConverseRequest(settings=settings, automatic=False))
        sending = asyncio.create_task(self._send(connection))
        tasks = [
            sending,
            asyncio.create_task(self._read(connection)),
            asyncio.create_task(self._hear()),
            asyncio.create_task(self._limits()),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            await self._finish(connection, tasks, sending)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _finish(
        self,
        connection: Connection,
        tasks: list[asyncio.Task[None]],
        sending: asyncio.Task[None],
    ) -> None:
        failures = (task.exception() for task in tasks if task.done())
        ended = next((failure for failure in failures if failure is not None), None)
        session = self._session
        if isinstance(ended, WebSocketDisconnect):
            session.close_reason = "client" if ended.code in (*GOODBYES, 1005) else "lost"
            return
        for task in tasks:
            if task is not sending:
                task.cancel()
        self._outbox.close()
        await asyncio.wait((sending,), timeout=_FLUSH_S)
        sending.cancel()
        await asyncio.wait(tasks)
        if ended is None and session.close_reason == "limit":
            await connection.close(_DONE, "limit")
            return
        if ended is None:
            ended = BusUnavailable("this server is shutting down")
            await connection.close(_GOING_AWAY, str(ended), as_error(ended))
            return
        if isinstance(ended, VoicebusError):
            last = as_error(ended)
            session.close_reason = last["error"]["code"]
            await connection.close(close_code(ended), str(ended), last)
            return
        await connection.close(_INTERNAL, "internal error")
        raise ended

    async def _send(self, connection: Connection) -> None:
        while (parcel := await self._outbox.next()) is not None:
            await connection.send(parcel.data)

    async def _read(self, connection: Connection) -> None:
        while True:
            frame = await connection.receive()
            try:
                await self._understand(frame)
            except BadEvent as err:
                metrics.CLIENT_ERRORS.labels(KIND, err.reason).inc()
                await self._do(partial(self._machine.refuse, err))

    async def _understand(self, frame: Frame) -> None:
        if isinstance(frame, bytes):
            raise BadEvent("Events are sent as text frames.", "invalid_event")
        event = client.parse(frame)
        if isinstance(event, client.Append):
            await self._visit.pace_frame(b"", _unsaid)
            await self._append(event.decoded())
            return
        for _ in range(0, len(frame), _MESSAGE_CHARS):  # a large one is work for as many
            await self._visit.pace_frame(frame, _unsaid)
        asked_s = now_s()
        if isinstance(event, client.ResponseCreate):
            self._expect_turn(event.event_id or "")
        await self._do(partial(self._machine.take, event), asked_s)

    async def _append(self, data: bytes) -> None:
        """Hand audio on second by second, so that a large event holds nobody up."""
        per_s = _bytes_per_s(self._machine.session.audio.input.format)
        for first in range(0, len(data), per_s):
            piece = data[first : first + per_s]
            await self._do(partial(self._machine.hear, piece))
            await self._pace(len(piece) / per_s)

    async def _pace(self, audio_s: float) -> None:
        """Read on when the caller may send more, and no more than the limit is ahead."""
        await self._visit.pace_audio(audio_s, _unsaid)
        now = now_s()
        self._overdue.ask("stt", now)
        if self._heard_since_s is None:
            self._heard_since_s = now
        self._heard_s += audio_s
        metrics.EDGE_AUDIO_SECONDS.labels(KIND, "up").inc(audio_s)
        ahead_s = self._heard_s - (now - self._heard_since_s)
        if ahead_s < 0:
            # Who paused has not earned a burst of that length.
            self._heard_since_s -= ahead_s
        elif ahead_s > self._api.edge.ahead_s:
            await asyncio.sleep(ahead_s - self._api.edge.ahead_s)

    def _expect_turn(self, event_id: str) -> None:
        try:
            self._visit.expect_turn()
        except LimitReached as err:
            raise BadEvent(str(err), "rate_limit_exceeded", "", event_id) from err

    async def _hear(self) -> None:
        async for _, event in (inbox := self._session.inbox):
            if inbox.lost:  # the end of a turn, perhaps: better no session than a deaf one
                raise BusUnavailable("this server is too busy for the session; try again later")
            self._timing.heard(event, now_s())
            self._overdue.heard(event, now_s())
            match event:
                case ReplyChunk():
                    spoken_s = len(event.pcm) / 2 / event.rate_hz
                    metrics.EDGE_AUDIO_SECONDS.labels(KIND, "down").inc(spoken_s)
                case HangUp():
                    self._session.close_reason = event.reason
                    return
            await self._do(partial(self._machine.told, event))
            for over in self._visit.count(event):
                await self._do(partial(self._machine.refuse_answer, over["code"], over["message"]))

    async def _do(self, step: Callable[[], Orders], asked_s: float | None = None) -> None:
        """Take a step of the machine and carry out its orders before the next one's.

        Args:
            step: The step.
            asked_s: When the client asked for it; None where it did not.
        """
        async with self._turn:
            await self._carry(step(), asked_s)

    async def _carry(self, orders: Orders, asked_s: float | None = None) -> None:
        for order in orders:
            match order:
                case dict():
                    self._time(order, asked_s)
                    self._tell(order)
                case AudioChunk():
                    self._clock.note(order.offset + len(order.pcm) // 2, now_s())
                    self._listening = self._listening or self._machine.listening
                    await self._session.send_audio(order.pcm, self._listening)
                case AudioEnded():
                    await self._session.end_audio()
                case AnswerAsked() | CancelAsked():
                    if isinstance(order, AnswerAsked) and not order.generate.speculative:
                        self._timing.ordered(order.seq)
                    await self._session.relay(order, order.seq)

    def _time(self, event: ServerEvent, asked_s: float | None) -> None:
        self._timing.told(event, at_s := now_s(), asked_s)
        match event:
            case {"type": "response.output_audio.delta", "delta": str(coded)}:
                per_s = _bytes_per_s(self._machine.session.audio.output.format)
                self._timing.sounded(len(coded) * 3 / 4 / per_s, at_s)
            case {"type": "input_audio_buffer.speech_started"}:
                if self._machine.session.is_interruptible:
                    self._timing.interrupted(at_s)

    def _tell(self, event: ServerEvent) -> None:
        for spelt in self._spelling(event):
            self._outbox.put(Parcel(msgspec.json.encode(spelt).decode()))

    async def _limits(self) -> None:
        edge, machine, overdue = self._api.edge, self._machine, self._overdue
        while now_s() - self._begun_s < edge.max_session_s:
            await asyncio.sleep(min(_LOOK_S, edge.claim_s / 4))
            self._visit.check()
            if overdue.lacks_worker(now_s()):
                raise NoWorker("no worker is free to take this session; try again later")
            if overdue.lacks_words(now_s(), are_due=machine.waits_for_words):
                await self._do(machine.give_up_words)
            if overdue.lacks_answer(now_s(), is_active=machine.is_answering):
                await self._do(partial(machine.refuse_answer, *_LATE))
        raise ProtocolError("the session has reached its longest time", "session_expired")


def _bytes_per_s(wanted: Format) -> int:
    return rate_of(wanted) * (2 if isinstance(wanted, Pcm) else 1)


def _unsaid(err: ProtocolError) -> None:
    """Clients of this API end a call at any error: that they are read more slowly is logged."""
    log.info("client.slowed", code=err.reason)
