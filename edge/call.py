"""One client's session at /ws, over one socket or several: see docs/reference/websocket.md."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Any, Final

import structlog
from starlette.websockets import WebSocketDisconnect

from edge import wire
from edge.clock import now_s
from edge.connection import Connection, Frame
from edge.delivery import Delivery
from edge.downlink import Downlink
from edge.joining import ask, code_told, converse
from edge.line import GOODBYES, REPLACED, TAKEN_OVER, Line, Lines
from edge.opening import Opening
from edge.outbox import Outbox
from edge.resumption import Kept
from edge.settings import EdgeSettings
from edge.timeline import AudioClock
from edge.uplink import Uplink
from edge.visit import Visit
from schemas.event import Event
from schemas.failure import Failure
from schemas.session import CancelAsked, ClientLost, ClientReturned, KeysPressed, UserText
from schemas.turn import Resumed, SessionMoved
from voicebus import metrics
from voicebus.conversations import Codes
from voicebus.errors import (
    AudioError,
    BusUnavailable,
    NoWorker,
    ProtocolError,
    SessionExpired,
    VoicebusError,
)
from voicebus.sessions.session import Session

log: Final = structlog.get_logger()

KIND: Final = "websocket"
"""Kind of client, for the log and the metrics."""

_FAREWELL_S: Final = 10.0
"""How long the reply that runs may take when the session is to end."""

_MOVED: Final = "moved"
_DONE: Final = 1000
_TRY_LATER: Final = 1013
_GOING_AWAY: Final = 1012
_POLICY: Final = 1008
_INTERNAL: Final = 1011


def refusal(err: VoicebusError) -> int:
    """Return the close code for who is not served."""
    return _TRY_LATER if err.retryable else _POLICY


def counted(err: VoicebusError, kind: str) -> dict[str, Any]:
    """Return what a client is told of an error, which is counted."""
    told = wire.error(err)
    metrics.CLIENT_ERRORS.labels(kind, told["code"]).inc()
    return told


class Call:
    """One client's session, over whichever socket it comes."""

    def __init__(
        self, session: Session, settings: EdgeSettings, lines: Lines, visit: Visit, kind: str
    ) -> None:
        self._kind = kind
        self._session = session
        self._visit = visit
        self._settings = settings
        self._lines = lines
        self._outbox = Outbox(settings.outbox_bytes)
        self._clock = AudioClock()
        self._codes = Codes(session)
        self._goodbye: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def serve(self, connection: Connection, begun: Opening, brought: Frame | None) -> None:
        """Run the session: what the client says goes up, what the workers say goes down."""
        session, settings = self._session, self._settings
        begun, early = await converse(session, begun, settings.claim_s)
        start = begun.start
        kept = Kept() if begun.ticket is not None else None
        self._downlink = Downlink(self._clock, start.output.medium, self._kind, session.responded)
        self._uplink = Uplink(session, self._clock, settings, start, self)
        self._delivery = Delivery(self._outbox, session.tell, begun.playback(), kept, begun.known())
        self._line = Line(
            session, self._delivery, self._take, settings.resume_s, begun.ticket, begun.at
        )
        metadata = begun.metadata(session.place.session, settings.resume_s)
        if begun.resume is None:
            self.tell(metadata)
        else:
            await self._arrive(connection, begun.resume, metadata)
        self._tell_all(early)
        self._lines.add(session.place.session, self._line)
        tasks = [
            asyncio.create_task(self._down()),
            asyncio.create_task(self._delivery.report()),
            asyncio.create_task(self._limits()),
            asyncio.create_task(self._farewell()),
            asyncio.create_task(self._line.absence()),
        ]
        serving = asyncio.create_task(self._line.open(connection, brought))
        try:
            ends: list[asyncio.Future[Any]] = [*tasks, self._line.ended]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            await self._stop(tasks)
            await self._finish(ends)
        finally:
            await self._stop(tasks)
            serving.cancel()
            await asyncio.wait((serving,))

    async def _arrive(
        self, connection: Connection, resume: wire.Resume, metadata: dict[str, Any]
    ) -> None:
        """Wait until the session has come from another edge, and tell the client.

        Raises:
            SessionExpired: It does not come.
            NoWorker: Nobody brought it in time.
        """
        await self._session.tell(ClientLost())  # it is silent until it is told how to go on
        try:
            async with asyncio.timeout(self._settings.claim_s):
                await self._moved_here()
        except TimeoutError:
            raise NoWorker("no worker is free to take this session; try again later") from None
        await self._uplink.go_on(resume.at, resume.has.utterance)
        if "pause" in resume.has.told:
            self.tell({"type": "resume", "turn": resume.has.turn})
        metrics.SESSIONS_RESUMED.inc()
        resumed = {**metadata, "type": "resumed", "frames": resume.at.frames}
        with contextlib.suppress(WebSocketDisconnect):  # whoever reads from it notices
            await connection.send(wire.encode(resumed))
        await self._session.tell(ClientReturned())

    async def _moved_here(self) -> None:
        async for _, event in self._session.inbox:
            match event:
                case Resumed():
                    return
                case Failure(turn=0):
                    expired = event.code == SessionExpired.code
                    raise SessionExpired if expired else BusUnavailable(event.message)
            self._tell_all((event,))
        raise BusUnavailable("this server is shutting down")

    def _tell_all(self, events: Iterable[Event]) -> None:
        for told in (told for event in events for told in self._downlink.take(event, now_s())):
            self._delivery.put(told)

    async def _stop(self, tasks: list[asyncio.Task[None]]) -> None:
        self._lines.remove(self._session.place.session)
        await self._line.stop()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await self._uplink.close()
        self._outbox.close()

    def tell(self, message: dict[str, Any]) -> None:
        """Send the client a message."""
        self._delivery.put(message)

    def report(self, err: VoicebusError) -> None:
        """Send the client an error."""
        message = counted(err, self._kind)
        log.info("client.error_sent", code=message["code"])
        self.tell(message)

    async def pay(self, audio_s: float) -> None:
        """Wait until the client may send more, after this much audio."""
        await self._visit.pace_audio(audio_s, self.report)

    async def _finish(self, ends: list[asyncio.Future[Any]]) -> None:
        session = self._session
        if session.close_reason == _MOVED:
            await self._line.close(REPLACED, TAKEN_OVER)
            return
        ended = next((e.exception() for e in ends if not e.cancelled() and e.exception()), None)
        if isinstance(ended, WebSocketDisconnect):
            session.close_reason = "client" if ended.code in (*GOODBYES, 1005) else "lost"
            # Nobody is there to be told, unless the client came back as its time was over.
            await self._line.close(_POLICY, str(expired := SessionExpired()), wire.error(expired))
            return
        if isinstance(ended, VoicebusError):
            told = counted(ended, self._kind)
            session.close_reason = told["code"]
            await self._line.close(refusal(ended), str(ended), told)
            return
        if ended is not None:
            await self._line.close(_INTERNAL, "internal error")
            raise ended
        if session.is_left:
            await self._line.close(_GOING_AWAY, "go on elsewhere", {"type": "going_away"})
            return
        # The session is over, or the edge drains: the client gets what is waiting for it first.
        await self._line.flush()
        if self._goodbye.done():
            session.close_reason = self._goodbye.result()
            await self._line.close(_DONE, session.close_reason)
            return
        shutdown = BusUnavailable("this server is shutting down")
        await self._line.close(_GOING_AWAY, str(shutdown), wire.error(shutdown))

    async def _take(self, frame: Frame, number: int) -> wire.At | None:
        """Take the client's next frame; return where its stream is, if nothing of it waits here."""
        await self._visit.pace_frame(frame, self.report)
        try:
            await self._understand(frame if isinstance(frame, bytes) else wire.parse(frame), number)
        except (AudioError, ProtocolError) as err:
            self.report(err)
        return None if self._uplink.is_pending else self._uplink.at

    async def _understand(self, frame: bytes | wire.ClientMessage, number: int) -> None:
        match frame:
            case bytes():
                await self._uplink.take(frame)
            case wire.EndStream():
                await self._end_stream()
            case wire.Text() | wire.Keys() | wire.Cancel():
                await self._hand_on(frame, number)
            case wire.Mute():
                self._uplink.is_muted = frame.muted
            case wire.Heard() | wire.Flushed():
                self._delivery.heard(frame)
            case wire.Received():
                self._delivery.received(frame.seq)
            case wire.Link() | wire.Forget():
                await ask(frame, self._session, self._codes)
            case wire.Ping():
                self.tell({"type": "pong"})
            case wire.Start() | wire.Resume():
                raise ProtocolError("this must be the first message", "bad_field")

    async def _end_stream(self) -> None:
        if self._uplink.is_manual:
            self._downlink.audio_ended(now_s())
        if not await self._uplink.end():
            self._downlink.nothing_sent()

    async def _hand_on(self, asked: wire.Text | wire.Keys | wire.Cancel, number: int) -> None:
        match asked:
            case wire.Text():
                self._visit.expect_turn()
                self._downlink.typed(now_s())
                await self._session.relay(UserText(text=asked.text), number)
            case wire.Keys():
                self._visit.expect_turn()
                self._downlink.typed(now_s())
                await self._session.relay(KeysPressed(digits=asked.digits), number)
            case wire.Cancel():
                await self._session.relay(CancelAsked(), number)

    async def _down(self) -> None:
        async for _, event in self._session.inbox:
            if isinstance(event, SessionMoved):
                self._session.close_reason = _MOVED
                return
            news = (*self._downlink.take(event, now_s()), *code_told(self._codes, event))
            for told in (*news, *self._visit.count(event)):
                self._delivery.put(told)
                match told:
                    case {"type": "error", "stage": "edge", "turn": int()}:
                        # What could not be held is lost: a reply without its head is none.
                        await self._session.tell(CancelAsked())
                    case {"type": "hang_up", "reason": str(reason)} if not self._goodbye.done():
                        self._goodbye.set_result(reason)

    async def _farewell(self) -> None:
        """Return when the session is to end and what is being said has been heard."""
        await asyncio.wait((self._goodbye,))
        try:
            async with asyncio.timeout(_FAREWELL_S):
                await self._delivery.quiet.wait()
        except TimeoutError:
            log.info("session.farewell_cut_short")

    async def _limits(self) -> None:
        begun_s, claim_s = now_s(), self._settings.claim_s
        while now_s() - begun_s < self._settings.max_session_s or self._goodbye.done():
            await asyncio.sleep(min(1.0, claim_s / 4))
            self._visit.check()
            # A listener is asked for with the first audio.
            for role, asked_s in (("turn", begun_s), ("stt", self._clock.begun_s)):
                waited_s = now_s() - asked_s if asked_s is not None else 0.0
                if role not in self._downlink.claimed and waited_s > claim_s:
                    raise NoWorker("no worker is free to take this session; try again later")
        raise ProtocolError("the session has reached its longest time", "session_too_long")
