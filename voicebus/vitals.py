"""A worker's signs of life, and its watch over itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

import structlog

from schemas.claim import Presence
from schemas.codec import encode
from subjects.processes import order_subject, presence_subject
from voicebus.bus.client import Bus
from voicebus.bus.delivery import IN_PROGRESS
from voicebus.bus.jobs import JobSource
from voicebus.claim import Claim
from voicebus.engine_thread import Hang
from voicebus.errors import BusError, BusUnavailable
from voicebus.role import Role

log: Final = structlog.get_logger()

KEEP_ALIVE_S: Final = 5.0
"""A third of the wait after which a claim is handed on."""

PRESENCE_S: Final = 2.0

LOOK_S: Final = 1.0
"""How often the worker looks after its engine and its requests for jobs."""

_ASLEEP_S: Final = 3.0
"""A look that comes this late was not made by a process that ran."""

Held = Mapping[str, tuple[Claim, asyncio.Task[Any]]]
"""What the worker holds, by the subject that settles it."""


class Vitals:
    """Keeps a worker's claims alive, tells others of it, and notices when it hangs.

    Args:
        bus: The connection.
        role: What the worker offers.
        held: What it holds, as of now.
        state: What it does: ``starting``, ``ready``, ``draining``, ``drained``.
        asked: Set by whoever does not know yet that the worker is there.

    Attributes:
        stuck: The engine's call that never ends, once there is one.
    """

    def __init__(
        self, bus: Bus, role: Role, held: Held, state: Callable[[], str], asked: asyncio.Event
    ) -> None:
        self._bus = bus
        self._role = role
        self._held = held
        self._state = state
        self._asked = asked
        self._reconnected = asyncio.Event()
        self.stuck: asyncio.Future[Hang] = asyncio.get_running_loop().create_future()
        bus.on_reconnect.append(self._reconnected.set)

    async def keep_alive(self) -> None:
        """Tell the server from time to time that the work goes on; runs until cancelled."""
        while True:
            await asyncio.sleep(KEEP_ALIVE_S)
            for ack in list(self._held):
                # Not dropped without a connection: it may be what keeps the claim when it is back.
                with suppress(BusUnavailable):
                    await self._bus.publish_raw(ack, IN_PROGRESS)

    async def keep_asking(self, jobs: JobSource) -> None:
        """Ask anew for jobs when the server has forgotten that we did; runs until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            jobs.expire()
            jobs.ask()

    async def announce(self) -> None:
        """Tell others of the worker; runs until cancelled.

        Who has just come is told at once: an edge lets nobody in before it knows who is there.
        """
        while True:
            self._asked.clear()
            await self.say()
            with suppress(TimeoutError):
                async with asyncio.timeout(PRESENCE_S):
                    await self._asked.wait()

    async def say(self) -> None:
        """Give one sign of life."""
        p50_ms, p99_ms = self._role.answers_ms()
        presence = Presence(
            role=self._role.name,
            worker=self._role.worker,
            slots=self._role.slots,
            busy=len(self._held),
            state=self._state(),
            engine=self._role.engine,
            metrics=self._role.metrics_url,
            p50_ms=p50_ms,
            p99_ms=p99_ms,
            models=self._role.models(),
            voices=self._role.voices(),
            servers=self._role.servers,
        )
        subject = presence_subject(self._bus.cell, self._role.name, self._role.worker)
        await self._bus.announce(subject, encode(presence))

    async def asked_to_drain(self) -> None:
        """Wait until a person wants the worker to end."""
        subject = order_subject(self._bus.cell, self._role.name, self._role.worker)
        async with self._bus.listen(subject, limit=16) as inbox:
            await inbox.next()
        log.info("worker.asked_to_drain")

    async def doubt(self) -> None:
        """Ask the log about every claim after the connection was made anew; runs until cancelled.

        While nobody could be heard, others may have taken what is held here.
        """
        while True:
            await self._reconnected.wait()
            self._reconnected.clear()
            for claim, _ in list(self._held.values()):
                try:
                    await claim.check()
                except BusError as error:  # a later write is refused all the same
                    log.warning("claim.unchecked", job=claim.job, error=str(error))

    def blame(self, claim: Claim) -> str:
        """Say what never ends in the engine when that may be the work of this claim."""
        if self.stuck.done() and self.stuck.result().is_due_to(claim.place.session):
            return f"{self.stuck.result().what} hangs"
        return ""

    async def look_after_engine(self) -> None:
        """Set :attr:`stuck` when a call of the engine does not end; runs until then."""
        looked_s = since_s = time.monotonic()
        while True:
            await asyncio.sleep(LOOK_S)
            now_s = time.monotonic()
            if now_s - looked_s > _ASLEEP_S:
                since_s = now_s
            looked_s = now_s
            if (hang := self._role.stuck(since_s)) is not None:
                self.stuck.set_result(hang)
                return
