"""The harness of every worker: claims in, one coroutine per claim, nothing lost on the way out.

A worker is a role, a number of slots and a coroutine. The harness asks JetStream for as many jobs
as there are free slots, writes each claim with compare-and-set (the sequence is the epoch), keeps
it alive while the coroutine runs, and acknowledges it at its end. On SIGTERM it stops asking, lets
short work end, and hands the rest to other workers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

import structlog

from schemas.event import Event
from schemas.llm import GenerateRequest, Round, SummariseRequest
from schemas.tool import ToolRequest
from subjects.jobs import job_of
from voicebus import metrics, zeros
from voicebus.bus.client import Bus
from voicebus.bus.delivery import ACK, NAK, Delivery
from voicebus.bus.jobs import JobSource
from voicebus.claim import Claim
from voicebus.edges import EdgeWatch
from voicebus.errors import BusError, BusUnavailable, CodecError, Fenced, VoicebusError
from voicebus.letting_go import LET_GO_S, let_end, let_go, to_the_end
from voicebus.probation import Probation
from voicebus.pulse import end_process
from voicebus.role import Role
from voicebus.tenure import Tenure
from voicebus.tracing.context import exemplar
from voicebus.tracing.tracing import Job
from voicebus.unreadable import Unreadable, read
from voicebus.vitals import PRESENCE_S, Vitals

__all__ = ["PRESENCE_S", "SESSION_JOB", "Role", "Work", "Worker", "job_name"]

log: Final = structlog.get_logger()

GIVE_BACK_S: Final = 1.0
"""How long a worker whose engine is stuck waits for its short work to end."""

SESSION_JOB: Final = "session"
"""Name of a job that lasts as long as the session; other jobs last a turn."""

Work = Callable[[Claim], Awaitable[None]]

GiveUp = Callable[[str, int], None]
"""Ends the process at once: why, and its exit code. With 0 nobody starts it anew."""


class Worker:
    """Takes claims and runs ``work`` for each. One per process.

    Args:
        bus: The connection.
        role: What it offers.
        work: Runs once per claim; returning ends the claim.
        give_up: Ends the process: something hangs, and would be waited for.
    """

    def __init__(self, bus: Bus, role: Role, work: Work, give_up: GiveUp = end_process) -> None:
        self._give_up = give_up
        self._bus = bus
        self._role = role
        self._work = work
        self._held: dict[str, tuple[Claim, asyncio.Task[None]]] = {}
        self._freed = asyncio.Event()
        self._probation = Probation()
        self._state = "starting"
        self._edges = EdgeWatch(bus)
        self._vitals = Vitals(bus, role, self._held, lambda: self._state, self._edges.arrived)
        self._jobs = JobSource(bus, role.name, self._free)
        self._unreadable = Unreadable(bus, role)

    @property
    def is_ready(self) -> bool:
        """Whether the worker takes claims right now."""
        return self._state == "ready" and self._bus.is_connected

    async def run(self, stop: asyncio.Event, drain_s: float) -> None:
        """Take claims until ``stop`` is set or a person orders it, then drain.

        Args:
            stop: Set on SIGTERM.
            drain_s: How long work that lasts a turn may go on after that. What does not let go
                then costs ``2 * LET_GO_S`` more, and no longer.
        """
        zeros.worker(self._role.name)
        metrics.SLOTS.labels(self._role.name).set(self._role.slots)
        async with asyncio.TaskGroup() as group:
            asking = group.create_task(self._jobs.run())
            helpers = [
                group.create_task(self._accept(group)),
                group.create_task(self._vitals.keep_alive()),
                group.create_task(self._vitals.keep_asking(self._jobs)),
                group.create_task(self._vitals.announce()),
                group.create_task(self._vitals.doubt()),
                group.create_task(self._vitals.look_after_engine()),
                group.create_task(self._edges.run()),
            ]
            self._state = "ready"
            metrics.READY.labels(self._role.name).set(1)
            self._jobs.ask()
            orders = [
                group.create_task(self._vitals.asked_to_drain()),
                group.create_task(_set(stop)),
            ]
            stuck = self._vitals.stuck
            ends: list[asyncio.Future[Any]] = [*orders, stuck]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            # First of all, or what is handed on would come straight back.
            asking.cancel()
            await asyncio.wait((asking,))
            await self._drain(GIVE_BACK_S if stuck.done() else drain_s)
            left_behind = await self._give_away()
            if stuck.done():
                why = f"{stuck.result().what} hangs in its engine: the work was handed on"
                self._give_up(why, 1)
            if left_behind:
                self._state = "drained"
                await self._vitals.say()
                await self._flushed()
                self._give_up(f"{left_behind} jobs do not let go: they were given to others", 0)
            self._state = "drained"
            await self._vitals.say()
            for helper in (*helpers, *orders):
                helper.cancel()

    async def _accept(self, group: asyncio.TaskGroup) -> None:
        while True:
            delivery = await self._jobs.next()
            # More than is free may come when a request was sent both before and after reconnecting.
            while self._state == "ready" and len(self._held) >= self._role.slots:
                self._freed.clear()
                await self._freed.wait()
            if self._state != "ready":
                await self._jobs.settle(delivery, NAK)
                continue
            try:
                request = read(delivery)
            except CodecError as error:
                # Beside the others: the store may take its time, and they do not wait for it.
                group.create_task(self._put_aside(delivery, error))
                continue
            job = job_of(delivery.subject)
            claim = Claim(self._bus, self._role.name, delivery, request, job)
            task = group.create_task(self._hold(claim, delivery))
            self._held[delivery.ack] = (claim, task)
            metrics.BUSY.labels(self._role.name).set(len(self._held))

    async def _put_aside(self, delivery: Delivery, error: CodecError) -> None:
        await self._jobs.settle(delivery, await self._unreadable.bury(delivery, error))
        self._jobs.ask()

    async def _hold(self, claim: Claim, delivery: Delivery) -> None:
        turn = {"turn": claim.request.turn} if claim.request.turn else {}
        structlog.contextvars.bind_contextvars(session=claim.place.session, **turn)
        tenure = Tenure(self._bus, self._role.worker, claim, delivery, self._probation)
        verb, outcome = ACK, "done"
        traced = self._traced(claim, delivery)
        try:
            await tenure.begin()
            # The store's clock is a wall clock, so this one has to be.
            waited_s = time.time() - delivery.stored_ns / 1e9  # noqa: TID251
            traced.queue_ms = max(0.0, waited_s) * 1000
            metrics.CLAIM_WAIT_SECONDS.labels(self._role.name).observe(
                max(0.0, waited_s), exemplar()
            )
            await self._run_work(claim)
        except asyncio.CancelledError:
            verb, outcome = NAK, "handed_on"
            await to_the_end(tenure.hand_on(self._vitals.blame(claim)))
            if claim.lost.done():
                verb, outcome = b"", "fenced"
        except Exception as error:  # the process boundary: a bug must not end other sessions
            verb, outcome = NAK, "failed"  # should we be cancelled while it is found out
            verb, outcome = await tenure.end(error)
        finally:
            tenure.close()
            self._held.pop(delivery.ack, None)
            self._freed.set()
            metrics.BUSY.labels(self._role.name).set(len(self._held))
            metrics.CLAIMS.labels(self._role.name, outcome).inc()
            traced.outcome = outcome
            if claim.is_of_turn:
                self._bus.tracing.worked(
                    self._role.name, claim.place.session, claim.request, traced
                )
            if verb:
                await asyncio.shield(self._jobs.settle(delivery, verb))
            self._jobs.ask()

    def _traced(self, claim: Claim, delivery: Delivery) -> Job:
        """Go on with the trace that a job came with."""
        tracing, session = self._bus.tracing, claim.place.session
        if delivery.trace:
            tracing.heard(delivery.subject, claim.request, delivery.trace)
        if claim.is_of_turn:
            tracing.enter(session, claim.request)
        return Job(claim.attempt)

    async def _run_work(self, claim: Claim) -> None:
        """Run the work until it ends, the claim is lost, or its session moves on or has no edge."""
        gone = self._edges.gone(claim.place.edge, getattr(claim.request, "life", ""))
        work = asyncio.ensure_future(self._work(claim))
        rivals = asyncio.ensure_future(claim.watch())
        try:
            ends = (work, claim.lost, claim.moved, gone)
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ending = [task for task in (work, rivals) if not task.done()]
            for task in ending:
                task.cancel()
            if ending:
                await asyncio.wait(ending)
        if claim.lost.done():
            raise Fenced("another worker owns this session now")
        if work.cancelled():
            if claim.moved.done():
                log.info("claim.moved_on", edge=claim.place.edge, job=claim.job)
                return
            if gone.done():
                log.info("claim.orphaned", edge=claim.place.edge, job=claim.job)
                return
            raise asyncio.CancelledError
        try:
            work.result()
        except ExceptionGroup as group:
            # The work has tasks of its own. When it failed in a known way, that is what counts.
            known = group.split(VoicebusError)[0]
            raise (group if known is None else first_of(known)) from None

    async def _drain(self, drain_s: float) -> None:
        self._state = "draining"
        self._freed.set()
        metrics.READY.labels(self._role.name).set(0)
        log.info("worker.draining", held=len(self._held))
        held = self._held.values()
        sessions = [task for claim, task in held if claim.job == SESSION_JOB]
        short = [task for claim, task in held if claim.job != SESSION_JOB]
        await asyncio.gather(
            let_go(sessions), let_end(short, drain_s), self._jobs.settle_waiting(NAK)
        )
        left = sorted(claim.job for claim, _ in self._held.values())
        log.info("worker.drained", left_behind=left)

    async def _give_away(self) -> int:
        """Give what does not let go to others; return how many jobs that were.

        Not what others have already: to settle that would take it from them.
        """
        left = list(self._held.items())
        for ack, (claim, _) in left:
            if not claim.lost.done():
                with suppress(BusUnavailable):
                    await self._bus.publish_raw(ack, NAK)
        await self._flushed()
        return len(left)

    async def _flushed(self) -> None:
        with suppress(BusError, TimeoutError):
            async with asyncio.timeout(LET_GO_S):
                await self._bus.flush()

    def _free(self) -> int:
        return self._role.slots - len(self._held) if self._state == "ready" else 0


async def _set(event: asyncio.Event) -> None:
    await event.wait()


def first_of(group: BaseExceptionGroup[VoicebusError]) -> VoicebusError:
    """Return the first error of a group, however deep it is."""
    first = group.exceptions[0]
    return first_of(first) if isinstance(first, BaseExceptionGroup) else first


def job_name(event: Event) -> str:
    """Name a turn's job: turn and revision, so that an attempt is never mistaken for another.

    Where functions are called in between, the number of the round follows, and that of the call.
    """
    name = f"{event.turn}-{event.revision}"
    match event:
        case SummariseRequest():
            return f"summary-{event.through}"
        case ToolRequest():
            return f"{name}-{event.round}-{event.seq}"
        case GenerateRequest(round=Round(number=number)) if number:
            return f"{name}-{number}"
    return name
