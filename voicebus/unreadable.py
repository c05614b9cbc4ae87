"""A job that its worker cannot read: kept for people among the dead letters; no session is told.

Only whoever may publish jobs can put one there, and what such a one forged shall cost a session
nothing. A flood of them shall cost the other dead letters little: how many a worker keeps in a
minute is bounded, and so is what is kept of each. What may be a job of another release is kept
whole.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Final

import structlog

from schemas.codec import MalformedMessage, decode, type_of
from schemas.dead import DeadLetter
from schemas.event import Event
from subjects.catalog import belongs, place_of
from subjects.jobs import job_of
from subjects.streams import MAX_BUS_FAILURES
from voicebus import metrics
from voicebus.bus.client import Bus
from voicebus.bus.delivery import NAK, TERM, Delivery
from voicebus.errors import BusError, CodecError
from voicebus.role import Role

log: Final = structlog.get_logger()

KEPT_BYTES: Final = 16 << 10
"""What is kept of what is no message of any release: enough to see who sent it."""

WHOLE_BYTES_PER_MIN: Final = 1_000_000
"""How many bytes of longer ones that may be jobs of another release a worker keeps in a minute.
A letter with that much in it is the largest that the bus carries, nearly; of what does not fit any
more only the beginning is kept."""

KEPT_PER_MIN: Final = 10
"""How many of them a worker keeps in a minute; others are counted and dropped."""

_WINDOW_S: Final = 60.0

_STORE_S: Final = 5.0
"""Long before the job would be handed to the next worker meanwhile."""


def read(delivery: Delivery) -> Event:
    """Return the request in a job.

    Raises:
        CodecError: It is no message, or none that belongs on the job's subject.
    """
    try:
        request = decode(delivery.payload)
    except MalformedMessage as error:
        raise CodecError(f"{type(error).__name__}: {error}") from error
    if not belongs(type(request), delivery.subject):
        raise CodecError(f"a {type(request).__name__} is no job of this role")
    return request


class Unreadable:
    """Buries the jobs that a worker cannot read. One per worker.

    Args:
        bus: The connection.
        role: Of the worker.
    """

    def __init__(self, bus: Bus, role: Role) -> None:
        self._bus = bus
        self._role = role
        self._kept_s: deque[float] = deque(maxlen=KEPT_PER_MIN)
        self._whole: deque[tuple[float, int]] = deque(maxlen=KEPT_PER_MIN)

    async def bury(self, delivery: Delivery, error: CodecError) -> bytes:
        """Put a job among the dead letters; return the verb for it.

        It is not given to others first: most likely they run the same release.

        Args:
            delivery: The job.
            error: What is wrong with it.
        """
        metrics.BUS_MALFORMED.inc()
        if not self._may_keep(time.monotonic()):
            return TERM
        place, job = place_of(delivery.subject), job_of(delivery.subject)
        letter = self._letter(delivery, str(error))
        try:
            async with asyncio.timeout(_STORE_S):
                await self._bus.store(letter, place, job=job, role=self._role.name)
        except (BusError, TimeoutError) as unburied:
            log.warning("job.unburied", session=place.session, job=job, error=str(unburied))
            return NAK if delivery.attempt < MAX_BUS_FAILURES else TERM
        metrics.DEAD_LETTERS.labels(self._role.name).inc()
        log.error("job.unreadable", session=place.session, job=job, reason=letter.reason)
        return TERM

    def _may_keep(self, now_s: float) -> bool:
        kept_s = self._kept_s
        if len(kept_s) == KEPT_PER_MIN and now_s - kept_s[0] < _WINDOW_S:
            return False
        kept_s.append(now_s)
        return True

    def _kept_bytes(self, payload: bytes, now_s: float) -> int:
        """Return how many bytes of a job are kept."""
        size = len(payload)
        if size <= KEPT_BYTES:
            return size
        taken = sum(taken for at_s, taken in self._whole if now_s - at_s < _WINDOW_S)
        if taken + size > WHOLE_BYTES_PER_MIN or not _may_be_of_another_release(payload):
            return KEPT_BYTES
        self._whole.append((now_s, size))
        return size

    def _letter(self, delivery: Delivery, reason: str) -> DeadLetter:
        size, now_ns = len(delivery.payload), time.time_ns()
        kept_bytes = self._kept_bytes(delivery.payload, time.monotonic())
        cut = f" (of {size} bytes the first {kept_bytes} are kept)" if size > kept_bytes else ""
        return DeadLetter(
            role=self._role.name,
            request=delivery.payload[:kept_bytes],
            cut_bytes=size - kept_bytes,
            reason=f"{reason[:400]}{cut}",
            failures=1,
            workers=(self._role.worker,),
            first_ns=now_ns,
            last_ns=now_ns,
        )


def _may_be_of_another_release(payload: bytes) -> bool:
    """Say whether it has the form of a message, and it is only this release that cannot read it."""
    try:
        type_of(payload)
    except MalformedMessage:
        return False
    try:
        decode(payload)
    except MalformedMessage:
        return True
    return False  # we know it: it belongs elsewhere
