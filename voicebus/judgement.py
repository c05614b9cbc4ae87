"""What the claims on a job say about it: whether it is the job that kills its workers. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from schemas.claim import Claimed, ClaimLeft
from schemas.event import Event
from voicebus.engine_thread import STUCK_S

HEALTHY_NS: Final = 60 * 1_000_000_000
"""A job that was held for longer is not what its worker died of: a session goes on for hours, and
many workers may come and go meanwhile. Longer than the wait after which a lost claim is handed on,
which is a part of the time for which a dead worker seems to hold it."""

_IN_VAIN_NS: Final = round(STUCK_S * 1e9)
"""So much of the time for which a job was held went by in the call that hung."""

LOST: Final = "the worker was lost"


class Record(Struct, frozen=True):
    """A message on a claim's subject, and where it is in the log.

    Fields
        sequence: Its place in the stream.
        stored_ns: When it was stored, in ns since 1970.
        event: The message.
    """

    sequence: int
    stored_ns: int
    event: Event


class Judgement(Struct, frozen=True, kw_only=True):
    """What is known of a job by its claims.

    Fields
        last: Sequence of the newest record; 0 when there is none.
        claims: How many workers had a job of this name, those on earlier ones included.
        begun_ns: When the first of them claimed it; 0 when nobody did.
        is_held: Whether nobody gave the claim back since.
        delivery: Which delivery of the job the newest claim is of.
        failures: How many workers the job has killed or failed lately, one after the other.
        deaths: How many of them it took along: they were lost without a word, or hung.
        bus_failures: How often in a row the bus failed its workers.
        reason: What the last failure was; empty without one.
        workers: Those that it killed or failed.
        first_ns: When the first of these claimed it.
        last_ns: When the last of these did.
    """

    last: int = 0
    claims: int = 0
    begun_ns: int = 0
    is_held: bool = False
    delivery: int = 0
    failures: int = 0
    deaths: int = 0
    bus_failures: int = 0
    reason: str = ""
    workers: tuple[str, ...] = ()
    first_ns: int = 0
    last_ns: int = 0


UNKNOWN: Final = Judgement()
"""Nobody has claimed the job yet."""


class _Failed(Struct, frozen=True):
    worker: str
    at_ns: int
    reason: str
    is_dead: bool


def judge(records: Iterable[Record], since_ns: int, now_ns: int) -> Judgement:
    """Judge a job by the records on its claim's subject.

    A claim that was given back because its worker drains, or because the bus failed, says nothing
    about the job. One that was given back because the work failed counts against it, and so does
    one that was never given back, unless it was held for long. One in which the engine hung counts
    always: nobody notices that in less than a minute.

    Args:
        records: In their order.
        since_ns: When the job was published: what is older belongs to a job of the same name.
        now_ns: The time, by the store's clock.
    """
    known = list(records)
    ours = [record for record in known if record.stored_ns >= since_ns]
    failed: list[_Failed] = []
    bus_failures = 0
    follower: Record | None
    for number, record in enumerate(ours):
        if not isinstance(record.event, Claimed):
            continue
        follower = ours[number + 1] if number + 1 < len(ours) else None
        left = follower.event if follower is not None else None
        held_ns = (follower.stored_ns if follower is not None else now_ns) - record.stored_ns
        cause = left.cause if isinstance(left, ClaimLeft) else ""
        if held_ns - _IN_VAIN_NS * (cause == "hung") > HEALTHY_NS:
            failed.clear()
        bus_failures = bus_failures + 1 if cause == "bus" else 0
        worker = record.event.worker
        if isinstance(left, ClaimLeft) and cause in {"failed", "hung"}:
            failed.append(_Failed(worker, record.stored_ns, left.reason, cause == "hung"))
        elif not cause and held_ns <= HEALTHY_NS:
            failed.append(_Failed(worker, record.stored_ns, LOST, is_dead=True))
    claims = [record.event for record in ours if isinstance(record.event, Claimed)]
    return Judgement(
        delivery=claims[-1].delivery if claims else 0,
        last=known[-1].sequence if known else 0,
        claims=sum(isinstance(record.event, Claimed) for record in known),
        begun_ns=known[0].stored_ns if known else 0,
        is_held=bool(ours) and isinstance(ours[-1].event, Claimed),
        failures=len(failed),
        deaths=sum(failure.is_dead for failure in failed),
        bus_failures=bus_failures,
        reason=failed[-1].reason if failed else "",
        workers=tuple(failure.worker for failure in failed),
        first_ns=failed[0].at_ns if failed else 0,
        last_ns=failed[-1].at_ns if failed else 0,
    )
