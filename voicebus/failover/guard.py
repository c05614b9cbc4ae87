"""The supervisor's work: it hears who died and hands their claims on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final

import msgspec
import structlog
from msgspec import Struct

from schemas.claim import Claimed, ClaimLeft, Presence
from schemas.event import Event
from subjects.catalog import Place, subject_of
from subjects.jobs import claim_of, job_behind
from subjects.processes import presence_subject
from subjects.streams import ROLES, every_job
from voicebus import metrics
from voicebus.bus.acks import ApiError, error_of
from voicebus.bus.client import Bus
from voicebus.bus.delivery import NAK
from voicebus.bus.envelope import opened
from voicebus.errors import BusError, BusUnavailable
from voicebus.failover.ledger import Ledger, held
from voicebus.failover.roster import Link, Roster
from voicebus.failover.system import Change, System

log: Final = structlog.get_logger()

LOOK_S: Final = 0.5
"""How often silence is looked for."""

SWEEP_S: Final = 30.0
"""How often the jobs that are done are forgotten."""

KICK_S: Final = 1.0
"""How long the server may take to end a connection."""

_AT_ONCE: Final = 64
_HEARD: Final = 65_536


class _State(Struct):
    subjects: dict[str, int] = {}


class _Info(Struct):
    state: _State | None = None
    error: ApiError | None = None


class Guard:
    """Hands on the claims of workers that died or fell silent.

    Args:
        bus: Connection of a user that may settle jobs.
        name: Name of this process on the bus.

    Attributes:
        ready: Set once it knows who holds what.
    """

    def __init__(self, bus: Bus, name: str) -> None:
        self._bus = bus
        self._ledger = Ledger()
        self._roster = Roster(name, time.monotonic())
        self._system: System | None = None
        self._workers: set[str] = set()
        self._kicked: dict[Link, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.ready = asyncio.Event()
        bus.on_reconnect.append(self._on_reconnect)

    def began(self, change: Change) -> None:
        """Take note of a connection that began."""
        self._roster.connected(change.client.name, change.link)

    def ended(self, change: Change) -> None:
        """Take note of a connection that ended."""
        name, link = change.client.name, change.link
        if link in self._kicked:
            self._kicked[link].set()
        patience_s = self._roster.disconnected(name, link, change.reason, time.monotonic())
        if patience_s is not None:
            self._spawn(self._bury(name, link, change.reason, patience_s))

    def returned(self) -> None:
        """The connection to the server's own account was made anew: much may have been missed."""
        self._roster.unlinked()
        if self._system is not None:
            self._spawn(self._list(self._system))

    async def run(self, system: System | None) -> None:
        """Guard until cancelled.

        Args:
            system: The server's own account; without it the dead are known by their silence only.
        """
        self._system = system
        claims = subject_of(Claimed, Place(self._bus.cell, "*", "*"))
        beats = presence_subject(self._bus.cell, "*", "*")
        async with self._bus.listen(claims, beats, limit=_HEARD) as inbox:
            await self._bus.flush()
            if system is not None:
                # Nobody waits for it: the end of a connection that is not known counts.
                self._spawn(self._list(system))
            await self._learn()
            self.ready.set()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._look())
                group.create_task(self._sweep())
                async for subject, event in inbox:
                    self._hear(subject, event)

    def _hear(self, subject: str, event: Event) -> None:
        match event:
            case Claimed():
                self._record(subject, event)
            case ClaimLeft(cause="drained"):
                self._ledger.left(job_behind(subject), event.worker)
            case Presence(role="supervisor"):
                self._roster.seen_beside(event.worker, time.monotonic())
            case Presence():
                self._roster.seen(event.worker, time.monotonic())
                if event.state == "drained":
                    self._workers.discard(event.worker)
                    self._ledger.take(event.worker)  # it has handed on all that was not done
                elif event.role in ROLES:
                    self._workers.add(event.worker)

    def _record(self, subject: str, claimed: Claimed) -> None:
        try:
            self._ledger.record(held(job_behind(subject), claimed))
        except ValueError:
            metrics.BUS_MALFORMED.inc()

    async def _list(self, system: System) -> None:
        for name, link in await system.everyone():
            self._roster.listed(name, link)

    async def _bury(self, name: str, link: Link, reason: str, patience_s: float) -> None:
        await asyncio.sleep(patience_s)
        if self._roster.is_gone(name, link):
            self._roster.forget(name)
            await self._hand_on(name, "disconnected", reason)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            now_s = time.monotonic()
            if not self._bus.is_connected:
                self._roster.deafened(now_s)
                continue
            # One that holds nothing is looked for, too: it would be given jobs.
            for name in self._roster.silent(self._workers.union(self._ledger.workers), now_s):
                link = self._roster.link(name)
                self._roster.forget(name)
                self._spawn(self._give_up(name, link))

    async def _give_up(self, name: str, link: Link | None) -> None:
        """Hand on what a silent worker holds.

        First of all its connection is ended. Its requests for jobs are still open, and it would be
        given the very jobs that are taken from it.
        """
        if self._system is not None and link is not None:
            await self._kick(self._system, link)
        await self._hand_on(name, "silent", "no sign of life")

    async def _kick(self, system: System, link: Link) -> None:
        ended = self._kicked[link] = asyncio.Event()
        try:
            async with asyncio.timeout(KICK_S):
                await system.kick(link)
                await ended.wait()
        except (BusError, TimeoutError) as error:
            log.warning("worker.unkicked", server=link.server, error=str(error))
        finally:
            del self._kicked[link]

    async def _hand_on(self, name: str, sign: str, reason: str) -> None:
        self._workers.discard(name)
        claims = self._ledger.take(name)
        for claim in claims:
            with suppress(BusUnavailable):  # as when this one's own connection is gone for long
                await self._bus.publish_raw(claim.ack, NAK)
            metrics.HANDOVERS.labels(claim.role, sign).inc()
        if claims:
            log.warning("worker.lost", worker=name, reason=reason, handed_on=len(claims))

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            clock = self._ledger.clock
            try:
                self._ledger.keep(await self._open_jobs(), clock)
            except BusError as error:
                log.warning("jobs.unlisted", error=str(error))
            self._roster.prune(time.monotonic(), 2 * SWEEP_S)

    async def _learn(self) -> None:
        """Learn who holds what already."""
        jobs = sorted(await self._open_jobs())
        for first in range(0, len(jobs), _AT_ONCE):
            async with asyncio.TaskGroup() as group:
                for job in jobs[first : first + _AT_ONCE]:
                    group.create_task(self._look_up(job))
        log.info("claims.learnt", jobs=len(jobs), claims=len(self._ledger))

    async def _look_up(self, job: str) -> None:
        subject = claim_of(job)
        last = await self._bus.last("SESSION", subject)
        if last is None:
            return
        event = opened(subject, last.payload)
        if isinstance(event, Claimed):
            self._record(subject, event)

    async def _open_jobs(self) -> set[str]:
        body = msgspec.json.encode({"subjects_filter": every_job(self._bus.cell)})
        answer = await self._bus.request("$JS.API.STREAM.INFO.JOBS", body)
        info = msgspec.json.decode(answer, type=_Info)
        if info.error is not None:
            raise error_of(info.error)
        return set(info.state.subjects) if info.state is not None else set()

    def _on_reconnect(self) -> None:
        self._roster.deafened(time.monotonic())
        self._spawn(self._learn_again())

    async def _learn_again(self) -> None:
        try:
            await self._learn()
        except* BusError as errors:
            log.warning("claims.unlearnt", error=str(errors.exceptions[0]))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
