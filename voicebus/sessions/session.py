"""One client's session on the bus: what goes up, and what the workers say to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
import structlog

from schemas.audio import AudioChunk, AudioEnded
from schemas.event import Event
from schemas.failure import Failure
from schemas.stt import TranscribeRequest
from schemas.turn import ConverseRequest, TurnStarted
from subjects.catalog import Place, subject_of
from subjects.jobs import role_of
from voicebus.bus.client import Bus
from voicebus.bus.inbox import Inbox
from voicebus.errors import BusError
from voicebus.sessions.order import Order
from voicebus.sessions.publications import Publications
from voicebus.tracing.context import TraceContext, apart
from voicebus.worker import SESSION_JOB, job_name

log: Final = structlog.get_logger()

_SESSION_INBOX: Final = 8192


class Session:
    """One client on the bus. Made by :meth:`voicebus.sessions.sessions.Sessions.open`.

    Attributes:
        place: Where it is in the subject tree.
        asked: Roles that were asked for a job.
        inbox: What the workers say to it.
        offset: Samples sent so far.
        close_reason: Why it ended; set by whoever ends it.
        trace: That of the job that was asked for last, where it is kept.
        is_left: Whether it goes on without this edge, should its client come to another one.
        may_move: Whether its client is able to.
    """

    def __init__(self, bus: Bus, place: Place, life: str = "", *, may_move: bool = False) -> None:
        self.place: Final = place
        self.may_move: Final = may_move
        self.inbox: Final = Inbox(_SESSION_INBOX)
        self.offset = 0
        self.asked: set[str] = set()
        self.close_reason = "client"
        self.is_left = False
        self.trace: TraceContext | None = None
        self._bus = bus
        self._life = life
        self._controls = 0
        self._listening = False
        self._publications = Publications()
        self._order = Order()

    @property
    def bus(self) -> Bus:
        """The connection."""
        return self._bus

    @property
    def published(self) -> int:
        """How much was published that is to be stored."""
        return self._publications.issued

    @property
    def stored(self) -> int:
        """How much of it is stored, with all before it."""
        return self._publications.stored

    def arrive(self, subject: str, event: Event) -> None:
        """Take what a worker says."""
        if isinstance(event, Failure):
            self._failed(event)
        for ready in self._order.take(event):
            self.inbox.put(subject, ready)

    def doubt(self) -> None:
        """The bus was away: what is missing of what workers said will be said again."""
        self._order.doubt()

    def trust(self) -> None:
        """What is still missing will not come any more."""
        for late in self._order.trust():
            self.inbox.put("", late)

    async def converse(self, request: ConverseRequest) -> None:
        """Ask for a worker that leads the conversation."""
        begun = 0 if request.resumes is None else request.resumes.turn
        # Where each answer is asked for, it may be spoken or not.
        self._order = Order(speaks=request.speak and request.automatic, over=begun - 1)
        await self._job(request)

    async def ask(self, request: Event) -> None:
        """Ask for a worker that does a turn's work: nobody leads a conversation here."""
        await self._job(request, job_name(request))

    async def send_audio(self, pcm: bytes, request: TranscribeRequest) -> None:
        """Publish audio; the first call also asks for a worker that listens.

        Args:
            pcm: s16le mono at 16 kHz, whole samples.
            request: How to listen.
        """
        if not self._listening:
            self._listening = True
            await self._job(request)
        await self._publish(AudioChunk(pcm=pcm, offset=self.offset))
        self.offset += len(pcm) // 2

    async def end_audio(self) -> None:
        """Say that the turn's audio is complete."""
        await self._publish(AudioEnded(offset=self.offset))

    async def hear_on(self, request: TranscribeRequest, offset: int) -> None:
        """Go on behind what another edge had sent.

        Args:
            request: How to listen.
            offset: How many samples that were.
        """
        self.offset = offset
        if offset:
            self._listening = True
            await self._job(request)

    async def relay(self, event: Event, frame: int) -> None:
        """Publish what the client said, with the number of its frame.

        So it has the same number, should it be said again at another edge.
        """
        await self._publish(msgspec.structs.replace(event, seq=frame))

    async def tell(self, event: Event) -> None:
        """Publish a control message of the edge's own. They are numbered from -1 downwards."""
        self._controls -= 1
        numbered = msgspec.structs.replace(event, seq=self._controls)
        await self._publish(numbered)

    def called(self, traceparent: str) -> None:
        """Take note of the trace that the client says it belongs to; empty: none."""
        if traceparent:
            self._bus.tracing.called(self.place.session, traceparent)

    def responded(
        self, started: TurnStarted, stages: Mapping[str, tuple[float, float]]
    ) -> dict[str, str] | None:
        """Take note that the first sound of an answer has left.

        See :meth:`voicebus.tracing.tracing.Tracer.responded`.
        """
        return self._bus.tracing.responded(self.place.session, started, stages)

    def _failed(self, failure: Failure) -> None:
        session = self.place.session
        with apart():
            self._bus.tracing.enter(session, failure)
            told = {"stage": failure.stage, "code": failure.code, "turn": failure.turn}
            log.info("session.told_of_failure", session=session, **told)

    async def _publish(self, event: Event) -> None:
        if not self._bus.records(type(event)):
            await self._bus.publish(event, self.place)
            return
        publications = self._publications
        number = publications.issue()

        def settled(_: int, error: BusError | None) -> None:
            if error is None:
                publications.settle(number)
            else:
                publications.refuse(number)

        await self._bus.publish(event, self.place, None, settled)

    async def _job(self, request: Event, job: str = SESSION_JOB) -> None:
        def settled(_: int, error: BusError | None) -> None:
            if error is not None:
                failure = Failure(
                    stage="bus", code=error.code, message=str(error), retryable=error.retryable
                )
                self.inbox.put("", failure)

        asked = request
        self.asked.add(role_of(subject_of(type(request), self.place, job=job)))
        if job == SESSION_JOB:
            asked = msgspec.structs.replace(request, life=self._life)
        await self._bus.publish(asked, self.place, None, settled, job=job)
        self.trace = self._bus.tracing.named(self.place.session, asked) or self.trace
