"""The signal that the number of workers follows: how much work there is against how much fits.

A claim is held for as long as its work lasts, so queued and held claims together are exactly the
work that there is; and edges say for how many sessions they keep a place that none of them has
used yet. Two supervisors may run: both count and show it, and the first of them tells it.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

import msgspec
import structlog
from msgspec import Struct

from schemas.claim import Demand, Presence
from schemas.codec import encode
from subjects.jobs import demand_subject
from subjects.processes import presence_subject
from subjects.streams import STAGES, consumer_name
from voicebus import metrics
from voicebus.bus.acks import ApiError, error_of
from voicebus.bus.client import Bus
from voicebus.errors import BusError
from voicebus.failover.queue import Queue
from voicebus.haste import Haste
from voicebus.headcount import Headcount
from voicebus.sessions.room import HELD_BY_SESSIONS, PROMISED
from voicebus.worker import PRESENCE_S

log: Final = structlog.get_logger()

TELL_S: Final = 1.0
"""How often the demand is counted and told, at least."""

_LISTEN_S: Final = PRESENCE_S + 0.5
"""Who is there has spoken by then: nothing is told of workers before they were heard."""


class _Delivered(Struct, frozen=True):
    consumer_seq: int = 0


class _Info(Struct):
    delivered: _Delivered = _Delivered()
    num_pending: int = 0
    num_ack_pending: int = 0
    error: ApiError | None = None


class Teller:
    """Counts each stage's demand, shows it as metrics and tells it on the bus.

    Args:
        bus: Connection of the supervisor.
        name: Name of this process on the bus.
    """

    def __init__(self, bus: Bus, name: str) -> None:
        self._bus = bus
        self._name = name
        self._headcount = Headcount()
        self._haste = Haste()
        self._queues = {role: Queue() for role in STAGES}
        bus.on_reconnect.append(lambda: self._headcount.deafened(time.monotonic()))

    async def run(self) -> None:
        """Count and tell until cancelled."""
        async with (
            self._bus.listen(presence_subject(self._bus.cell, "*", "*")) as inbox,
            asyncio.TaskGroup() as group,
        ):
            group.create_task(self._keep_telling())
            async for _, event in inbox:
                if isinstance(event, Presence):
                    now_s = time.monotonic()
                    before = self._headcount.refused(now_s)
                    self._headcount.heard(event, now_s)
                    if self._headcount.refused(now_s) > before:
                        self._haste.hurry()  # callers wait for those who follow the demand

    async def _keep_telling(self) -> None:
        await asyncio.sleep(_LISTEN_S)
        while True:
            for role in STAGES:
                try:
                    await self._tell(role)
                except BusError as error:  # whoever follows it waits for the next one
                    log.warning("demand.uncounted", role=role, error=str(error))
            await self._haste.pause(TELL_S)

    async def _tell(self, role: str) -> None:
        subject = f"$JS.API.CONSUMER.INFO.JOBS.{consumer_name(self._bus.cell, role)}"
        info = msgspec.json.decode(await self._bus.request(subject, b""), type=_Info)
        if info.error is not None:
            raise error_of(info.error)
        now_s = time.monotonic()
        able = self._headcount.strength(role, now_s)
        demand = Demand(
            role=role,
            waiting=info.num_pending,
            held=info.num_ack_pending,
            slots=able.slots,
            workers=able.workers,
            promised=self._headcount.promised(now_s) if role == PROMISED else 0,
            refused=self._refused(role, able.slots, now_s),
        )
        age_s = self._queues[role].look(info.num_pending, info.delivered.consumer_seq, now_s)
        metrics.QUEUE_AGE_SECONDS.labels(role).set(age_s)
        metrics.DEMAND.labels(role).set(demand.whole)
        metrics.DEMAND_WAITING.labels(role).set(demand.waiting)
        metrics.DEMAND_PROMISED.labels(role).set(demand.promised)
        metrics.DEMAND_REFUSED.labels(role).set(demand.refused)
        metrics.FLEET_SLOTS.labels(role).set(demand.slots)
        metrics.FLEET_WORKERS.labels(role).set(demand.workers)
        if self._headcount.is_first(self._name, now_s):
            await self._bus.announce(demand_subject(self._bus.cell, role), encode(demand))

    def _refused(self, role: str, slots: int, now_s: float) -> int:
        """Return how many more callers there would be.

        No more than there are slots: who calls again and again does not want a hundred places.
        """
        return min(self._headcount.refused(now_s), slots) if role in HELD_BY_SESSIONS else 0
