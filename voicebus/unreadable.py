"""A job that its worker cannot read: kept among the dead letters, and its session is told."""

from __future__ import annotations

import time
from typing import Final

import structlog

from schemas.dead import DeadLetter
from schemas.failure import Failure
from schemas.llm import SummaryMade
from subjects.catalog import Place, place_of
from subjects.jobs import job_of
from subjects.streams import MAX_BUS_FAILURES
from voicebus import metrics
from voicebus.bus.client import Bus
from voicebus.bus.delivery import NAK, TERM, Delivery
from voicebus.errors import BusError, CodecError
from voicebus.role import Role

log: Final = structlog.get_logger()

_SUMMARY: Final = "summary"


async def bury(bus: Bus, role: Role, delivery: Delivery, error: Exception) -> bytes:
    """Put a job that is no message among the dead letters; return the verb for it.

    Whose it is and what it is called is known from its subject alone. It is not given to others
    first: they would most likely run the same release, and a caller waits.

    Args:
        bus: The connection.
        role: Of the worker that was given the job.
        delivery: The job.
        error: What is wrong with it.
    """
    metrics.BUS_MALFORMED.inc()
    try:
        place = place_of(delivery.subject)
    except ValueError:
        log.warning("job.nobodys", subject=delivery.subject)
        return TERM
    job, reason = job_of(delivery.subject), f"{type(error).__name__}: {error}"[:500]
    turn, revision = attempt_of(job)
    now_ns = time.time_ns()
    letter = DeadLetter(
        role=role.name,
        turn=turn,
        revision=revision,
        request=delivery.payload,
        reason=reason,
        failures=1,
        workers=(role.worker,),
        first_ns=now_ns,
        last_ns=now_ns,
    )
    try:
        await bus.store(letter, place, job=job, role=role.name)
    except BusError as unburied:
        log.warning("job.unburied", session=place.session, job=job, error=str(unburied))
        if delivery.attempt < MAX_BUS_FAILURES:
            return NAK
    else:
        metrics.DEAD_LETTERS.labels(role.name).inc()
    log.error("job.unreadable", session=place.session, job=job, reason=reason)
    await _tell(bus, role.name, place, job)
    return TERM


def attempt_of(job: str) -> tuple[int, int]:
    """Return turn and revision from a job's name; zeros where it belongs to no turn."""
    match job.split("-"):
        case [turn, revision, *_] if turn.isdecimal() and revision.isdecimal():
            return int(turn), int(revision)
    return 0, 0


async def _tell(bus: Bus, role: str, place: Place, job: str) -> None:
    error = CodecError("A worker could not read this request.")
    metrics.FAILURES.labels(role, error.code).inc()
    name, _, through = job.partition("-")
    turn, revision = attempt_of(job)
    told: SummaryMade | Failure = Failure(
        stage=role,
        code=error.code,
        message=str(error),
        retryable=error.retryable,
        turn=turn,
        revision=revision,
    )
    if name == _SUMMARY and through.isdecimal():  # without it the chat is what it would be anyway
        told = SummaryMade(through=int(through), error=error.code)
    try:
        await bus.publish(told, place)
    except BusError as untold:
        log.warning("job.untold", session=place.session, job=job, error=str(untold))
