"""One worker's time with one job: how it begins, and what becomes of the job at its end."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import structlog

from schemas.claim import Claimed, ClaimLeft
from schemas.codec import decode
from schemas.dead import DeadLetter
from subjects.catalog import subject_of
from subjects.streams import MAX_BUS_FAILURES, MAX_FAILURES
from voicebus import metrics
from voicebus.bus.client import Bus, Fence
from voicebus.bus.delivery import NAK, TERM, Delivery
from voicebus.claim import Claim
from voicebus.errors import (
    BusError,
    EngineTimeout,
    EngineUnavailable,
    Fenced,
    Poisoned,
    VoicebusError,
)
from voicebus.judgement import UNKNOWN, Judgement, Record, judge
from voicebus.probation import Probation

log: Final = structlog.get_logger()

RETRY_S: Final = 0.2
"""Pause before a failed job is handed on; it grows with each attempt."""

_CATCH_UP_TRIES: Final = 20
_CATCH_UP_S: Final = 0.02

_LEAVE_S: Final = 2.0
"""Without an answer of the bus for so long, a claim is not given back in the log."""


class Tenure:
    """A claim's beginning and end, as the log has them.

    Args:
        bus: The connection.
        worker: Name of this worker.
        claim: The job in this worker's hands.
        delivery: The job as it was handed out.
        probation: Of this worker.
    """

    def __init__(
        self, bus: Bus, worker: str, claim: Claim, delivery: Delivery, probation: Probation
    ) -> None:
        self._bus = bus
        self._worker = worker
        self._claim = claim
        self._delivery = delivery
        self._probation = probation
        self._suspected: asyncio.TimerHandle | None = None
        self._past = UNKNOWN
        self._fence: Fence | None = None
        self._writing: asyncio.Future[Fence] | None = None

    async def begin(self) -> None:
        """Write the claim.

        Raises:
            Fenced: Somebody else wrote one meanwhile.
            Poisoned: The job has killed or failed too many workers.
            BusError: The store refused the claim, or did not answer.
        """
        if self._claim.is_takeover:
            self._past = await self._judged()
            if self._is_outdated:
                raise Fenced("a later delivery of this job is in other hands")
            if self._past.deaths >= MAX_FAILURES - 1:
                self._suspected = await self._probation.begin()
        self._fence = await self._own()
        self._claim.own(self._fence)
        self._claim.from_lost = self._past.is_held
        self._claim.forerunners = max(self._claim.forerunners, self._past.claims)
        if self._past.begun_ns:
            self._claim.since_ns = min(self._claim.since_ns, self._past.begun_ns)
        if self._past.failures >= MAX_FAILURES:
            raise Poisoned(f"{self._claim.role} gave up on this request")

    async def hand_on(self, hung: str = "") -> None:
        """The worker goes, and another one is to go on.

        Args:
            hung: What never ended in the worker, if that is why it goes and this job may have done
                it. Without it the handover says nothing about the job.
        """
        await self._await_written()
        await self._ask_who_owns()
        await self._leave("hung" if hung else "drained", hung)

    async def end(self, error: Exception) -> tuple[bytes, str]:
        """The work failed: return the verb for the job, and what became of it."""
        claim = self._claim
        await self._ask_who_owns()
        if claim.lost.done():
            error = Fenced("another worker owns this job now")
        match error:
            case Fenced():
                # The job is in other hands, which will acknowledge it.
                log.warning("claim.fenced", job=claim.job, epoch=claim.epoch)
                return b"", "fenced"
            case BusError():  # no fault of the work: it may be done when the bus is well again
                log.warning("claim.bus_failed", job=claim.job, error=str(error))
                return await self._blame_bus(error), "failed"
            case Poisoned():
                return await self._bury(error, self._past.reason, self._past.failures), "poisoned"
            case VoicebusError():
                return await self._told(error), "failed"
        log.error("claim.crashed", job=claim.job, attempt=claim.attempt, exc_info=error)
        return await self._crashed(error)

    async def _ask_who_owns(self) -> None:
        """Look whether others took the job: who was stopped does not know it on waking.

        What it would say is neither fenced nor true any more, and to settle the job would take it
        from whoever has it now.
        """
        try:
            async with asyncio.timeout(_LEAVE_S):
                await self._claim.check()
        except (BusError, TimeoutError) as error:
            log.warning("claim.unchecked", job=self._claim.job, error=str(error))

    def close(self) -> None:
        """The job is out of this worker's hands."""
        if self._suspected is not None:
            self._probation.end(self._suspected)

    async def _told(self, error: VoicebusError) -> bytes:
        """Take an error that has a name: another worker's engine may be well."""
        if isinstance(error, EngineTimeout | EngineUnavailable) and self._may_be_tried_elsewhere():
            log.warning("claim.engine_failed", job=self._claim.job, error=str(error))
            return await self._retry(error)
        await self._report(error)
        return TERM

    async def _crashed(self, error: Exception) -> tuple[bytes, str]:
        failures = self._past.failures + 1
        if failures < MAX_FAILURES:
            return await self._retry(error), "failed"
        gave_up = Poisoned(f"{self._claim.role} gave up on this request")
        return await self._bury(gave_up, _described(error), failures), "poisoned"

    def _may_be_tried_elsewhere(self) -> bool:
        return self._claim.is_of_turn and not self._claim.has_spoken and not self._past.failures

    async def _retry(self, error: Exception) -> bytes:
        await self._leave("failed", _described(error))
        await asyncio.sleep(RETRY_S * (self._past.failures + 1))
        return NAK

    async def _blame_bus(self, error: BusError) -> bytes:
        if self._past.bus_failures + self._unwritten + 1 >= MAX_BUS_FAILURES:
            await self._report(error)
            return TERM
        await self._leave("bus", _described(error))
        await asyncio.sleep(RETRY_S * (self._past.bus_failures + 1))
        return NAK

    @property
    def _unwritten(self) -> int:
        """How many had the job and could not write that they did: a full store tells of nobody."""
        if self._past is UNKNOWN or self._fence is not None:
            return 0
        return max(0, self._delivery.attempt - 1 - self._past.claims)

    async def _bury(self, error: VoicebusError, reason: str, failures: int) -> bytes:
        """Put the job among the dead letters and tell the session."""
        claim, past = self._claim, self._past
        now_ns = time.time_ns()
        is_ours = failures > past.failures
        letter = DeadLetter(
            role=claim.role,
            turn=claim.request.turn,
            revision=claim.request.revision,
            request=self._delivery.payload,
            reason=reason,
            failures=failures,
            workers=(*past.workers, self._worker) if is_ours else past.workers,
            first_ns=past.first_ns or now_ns,
            last_ns=now_ns if is_ours else past.last_ns,
        )
        try:
            await self._bus.store(letter, claim.place, job=claim.job, role=claim.role)
        except BusError as unburied:
            log.warning("claim.unburied", job=claim.job, error=str(unburied))
            return await self._blame_bus(unburied)
        metrics.DEAD_LETTERS.labels(claim.role).inc()
        log.error("claim.poisoned", job=claim.job, reason=reason, failures=failures)
        await self._report(error)
        return TERM

    async def _report(self, error: VoicebusError) -> None:
        claim = self._claim
        try:
            await claim.lose(claim.request, error)
        except BusError:
            log.exception("claim.failure_unpublished")

    async def _leave(self, cause: str, reason: str) -> None:
        """Say in the log that the claim was given back, and why; if the bus can be told."""
        if self._fence is None:
            return
        left = ClaimLeft(
            role=self._claim.role,
            worker=self._worker,
            cause=cause,
            reason=reason,
            turn=self._claim.request.turn,
            revision=self._claim.request.revision,
        )
        try:
            async with asyncio.timeout(_LEAVE_S):
                # What was said under this claim is stored before it ends, or it would be refused.
                await self._bus.settled(self._fence.subject)
                await self._bus.claim(left, self._claim.place, self._claim.job, self._fence.epoch)
        except (BusError, TimeoutError) as error:
            log.warning("claim.unleft", job=self._claim.job, error=str(error))

    async def _own(self) -> Fence:
        """Write the claim behind the newest record; find out which one that is when it is refused.

        The record may have been written in this moment, as when the job was handed on, and not be
        on the replica that we read from. Or it belongs to an earlier job of the same name.
        """
        for _ in range(_CATCH_UP_TRIES):
            try:
                return await self._write(self._past.last)
            except Fenced:
                known, self._past = self._past.last, await self._judged()
                if self._past.last == known:
                    await asyncio.sleep(_CATCH_UP_S)
                elif self._is_outdated:
                    raise
                self._claim.is_takeover = True
        raise Fenced("another worker owns this session now")

    @property
    def _is_outdated(self) -> bool:
        """Whether somebody holds the job who was given it after us.

        A worker may be stopped between being given a job and claiming it. A claim of an earlier
        delivery is that of a worker from which the job was taken.
        """
        return self._past.is_held and self._past.delivery >= self._delivery.attempt

    async def _write(self, last: int) -> Fence:
        claimed = Claimed(
            role=self._claim.role,
            worker=self._worker,
            delivery=self._delivery.attempt,
            ack=self._delivery.ack,
            turn=self._claim.request.turn,
            revision=self._claim.request.revision,
        )
        writing = self._bus.claim(claimed, self._claim.place, self._claim.job, last)
        # Who is cancelled meanwhile has to know what became of it.
        self._writing = asyncio.ensure_future(writing)
        return await asyncio.shield(self._writing)

    async def _await_written(self) -> None:
        """Find out whether the claim stands, if it was being written when the work was cancelled.

        One that nobody takes back is taken for that of a worker that was lost.
        """
        if self._writing is None or self._fence is not None:
            return
        try:
            async with asyncio.timeout(_LEAVE_S):
                self._fence = await self._writing
        except (BusError, TimeoutError) as error:
            log.warning("claim.unwritten", job=self._claim.job, error=str(error))
        else:
            self._claim.own(self._fence)

    async def _judged(self) -> Judgement:
        claim = self._claim
        subject = subject_of(Claimed, claim.place, claim.role, claim.job)
        records = [
            Record(message.sequence, message.stored_ns, decode(message.payload))
            async for message in self._bus.read("SESSION", subject)
        ]
        return judge(records, self._delivery.stored_ns, time.time_ns())


def _described(error: Exception) -> str:
    """Name an error for people who look after the system; never shown to callers."""
    return f"{type(error).__name__}: {error}"[:500]
