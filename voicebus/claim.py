"""A claim: one job in one worker's hands, and the only way for it to write to the session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Final

import msgspec
import structlog

from schemas.claim import Claimed
from schemas.codec import decode
from schemas.event import Event
from schemas.failure import Failure
from schemas.llm import ClauseReady, SummariseRequest, SummaryMade
from schemas.tool import ToolRequest
from schemas.tts import ReplyChunk
from schemas.turn import SessionMoved
from subjects.catalog import CATALOG, Place, place_of, session_log, subject_of
from voicebus import metrics
from voicebus.bus.client import Bus, Fence
from voicebus.bus.delivery import Delivery
from voicebus.bus.inbox import Inbox
from voicebus.bus.replay import Recorded
from voicebus.errors import BusError, BusTimeout, Fenced, VoicebusError
from voicebus.outcomes import undone

log: Final = structlog.get_logger()

_SKEW_NS: Final = 1_000_000_000
"""The clocks of two servers of a cluster may differ by this much."""

_CATCH_UP_TRIES: Final = 100
_CATCH_UP_S: Final = 0.02


class Claim:
    """A job, its session's place, and the epoch under which this worker writes.

    Attributes:
        role: The worker's role.
        place: Whose session it is.
        job: The job's name: ``session``, or turn and revision.
        request: The decoded job.
        attempt: 1 unless another worker held the job before.
        stored_ns: When the job was published, by the server's clock.
        is_takeover: Whether another worker may have done a part of the work.
        from_lost: Whether the worker before was lost: it has not given the job back.
        since_ns: When the first job of this name was published, or was claimed: what was said for
            it is not older.
        forerunners: How many workers had a job of this name before, also one that was given up and
            is tried again.
        has_spoken: Whether something was published that is heard, or will be.
        lost: Done once another worker has the job.
        moved: Done once the session goes on at another edge, with other claims.
        epoch: Ownership number that goes with every message.
    """

    def __init__(self, bus: Bus, role: str, delivery: Delivery, request: Event, job: str) -> None:
        self.bus: Final = bus
        self.role: Final = role
        self.place: Final[Place] = place_of(delivery.subject)
        self.job: Final = job
        self.request: Final = request
        self.attempt: Final = delivery.attempt
        self.stored_ns: Final = delivery.stored_ns
        self.since_ns = delivery.stored_ns
        self.is_takeover = delivery.attempt > 1
        self.from_lost = False
        self.forerunners = delivery.attempt - 1
        self.has_spoken = False
        self.epoch = 0
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.moved: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._failures = 0
        self._fence: Fence | None = None

    @property
    def is_of_turn(self) -> bool:
        """Whether the job lasts a turn; the others last as long as the session."""
        return self.request.turn > 0

    def took_over(self, outcome: str) -> None:
        """Count what becomes of the work of a lost worker.

        Work that was given back in good order, or comes from another edge, is gone on with in the
        same way, but nobody was lost: it is not counted.

        Args:
            outcome: ``continued``, ``anew``, ``cut`` or ``done``.
        """
        if self.from_lost:
            metrics.TAKEOVERS.labels(self.role, outcome).inc()

    def own(self, fence: Fence) -> None:
        """Take note of the claim that was written for this job."""
        self._fence = fence
        self.epoch = fence.epoch

    async def watch(self) -> None:
        """Set :attr:`lost` once another worker takes the job, :attr:`moved` once none is to.

        A write would be refused from then on, but who waits for a caller to speak writes nothing.
        """
        subject = subject_of(Claimed, self.place, self.role, self.job)
        async with self.bus.listen(subject, self.subject(SessionMoved), limit=64) as inbox:
            async for _, event in inbox:
                if isinstance(event, SessionMoved):
                    self.moved.set_result(None)
                    return
                # A claim that the store refuses is heard, too: that of an older delivery.
                if isinstance(event, Claimed) and event.delivery > self.attempt:
                    self._lose()
                    return

    async def check(self) -> None:
        """Ask the log whether the claim is still ours, and set :attr:`lost` if it is not.

        Raises:
            BusError: The log does not answer.
        """
        subject = subject_of(Claimed, self.place, self.role, self.job)
        newest = await self.bus.last("SESSION", subject)
        if self.epoch and newest is not None and newest.sequence > self.epoch:
            self._lose()

    async def publish(self, event: Event) -> None:
        """Publish a message under this claim's epoch.

        What is recorded is acknowledged aside. When the store refuses it because the claim is no
        longer ours, :attr:`lost` ends the work.

        Raises:
            BusUnavailable: The connection is gone and its buffer is full.
        """
        self.has_spoken |= isinstance(event, ClauseReady | ReplyChunk)
        stamped = msgspec.structs.replace(event, epoch=self.epoch)
        await self.bus.publish(stamped, self.place, self._fence, self._settled)

    async def settled(self) -> None:
        """Wait until the store has all that was written under this claim, or has refused it."""
        if self._fence is not None:
            await self.bus.settled(self._fence.subject)

    async def start_job(self, request: Event, job: str) -> None:
        """Publish a job for another worker of this session.

        Should the store refuse it, the session is told so; see :meth:`lose`.
        """
        loop = asyncio.get_running_loop()

        def settled(_: int, error: BusError | None) -> None:
            if error is not None:
                loop.create_task(self.lose(request, error, "bus"))  # noqa: RUF006

        await self.bus.publish(request, self.place, None, settled, job=job)

    async def lose(self, request: Event, error: VoicebusError, stage: str = "") -> None:
        """Tell the session that a job is not done: by a Failure, or a call's result.

        A call is not the whole of a turn, and nobody else's matter: the model is told of it. Nor is
        a summary: without it the chat is what it would be anyway.

        Args:
            request: The job.
            error: What went wrong.
            stage: Where; empty for the worker's own stage.
        """
        if isinstance(request, SummariseRequest):
            metrics.FAILURES.labels(stage or self.role, error.code).inc()
            log.warning("summary.lost", code=error.code, error=str(error))
            await self.publish(SummaryMade(through=request.through, error=error.code))
            return
        if not isinstance(request, ToolRequest):
            await self.fail(error, request.turn, stage, request.revision)
            return
        metrics.TOOL_CALLS.labels(request.server, "failed").inc()
        log.warning("tool.lost", server=request.server, tool=request.name, code=error.code)
        await self.publish(undone(request, error))

    async def fail(
        self, error: VoicebusError, turn: int = 0, stage: str = "", revision: int = 0
    ) -> None:
        """Tell the session that something could not be done.

        Args:
            error: What went wrong.
            turn: The turn it belongs to; 0 for none.
            stage: Where; empty for the worker's own stage.
            revision: The attempt at the turn it belongs to.
        """
        stage = stage or self.role
        metrics.FAILURES.labels(stage, error.code).inc()
        log.warning("stage.failed", stage=stage, code=error.code, turn=turn, error=str(error))
        number, self._failures = self._failures, self._failures + 1
        await self.publish(
            Failure(
                stage=stage,
                code=error.code,
                message=str(error),
                retryable=error.retryable,
                turn=turn,
                revision=revision,
                seq=number,
            )
        )

    def past(self, kind: type[Event]) -> AsyncIterator[Recorded]:
        """Read what is recorded on the subject of a kind since the job began.

        Raises:
            BusError: The stream does not answer.
        """
        stream = CATALOG[kind].stream
        return self.bus.read(stream, self.subject(kind), since_ns=self.since_ns - _SKEW_NS)

    async def history(self) -> list[Event]:
        """Read what the session's log holds since the job began.

        Nothing of what is fenced by this claim is missing, whoever wrote it: writes of older epochs
        are refused behind our claim, and a replica of the stream that does not have our claim yet
        is asked again.

        Raises:
            BusError: The log cannot be read, or does not catch up.
        """
        _, down = session_log(self.place.cell, self.place.session, self.place.edge)
        since_ns = self.since_ns - _SKEW_NS
        for _ in range(_CATCH_UP_TRIES):
            log = [m async for m in self.bus.read("SESSION", down, since_ns=since_ns)]
            if any(message.sequence == self.epoch for message in log):
                return [decode(message.payload) for message in log]
            await asyncio.sleep(_CATCH_UP_S)
        raise BusTimeout("the log does not catch up with this claim")

    def listen(self, *kinds: type[Event], limit: int = 4096) -> AbstractAsyncContextManager[Inbox]:
        """Receive this session's messages on the subjects of some kinds."""
        subjects = dict.fromkeys(subject_of(kind, self.place) for kind in kinds)
        return self.bus.listen(*subjects, limit=limit)

    def subject(self, kind: type[Event]) -> str:
        """Return the subject of a kind of message in this session."""
        return subject_of(kind, self.place)

    def _settled(self, _: int, error: BusError | None) -> None:
        if isinstance(error, Fenced):
            self._lose()

    def _lose(self) -> None:
        if not self.lost.done():
            self.lost.set_result(None)
