"""Who holds which job, as far as it was heard. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from msgspec import Struct

from schemas.claim import Claimed
from subjects.streams import consumer_name
from voicebus.bus.delivery import parse


class Held(Struct, frozen=True):
    """A claim that somebody has.

    Fields
        job: The job's subject.
        worker: Name of the process that has it.
        role: The worker's role.
        ack: Subject that settles the delivery.
        order: The job's sequence in its stream and the number of the delivery: a claim with a
            higher one replaces this one.
    """

    job: str
    worker: str
    role: str
    ack: str
    order: tuple[int, int]


def held(job: str, claimed: Claimed) -> Held:
    """Read what a claim says.

    Args:
        job: The job's subject.
        claimed: The claim on it.

    Raises:
        ValueError: It names no acknowledgement subject, or that of another role's jobs: who may
            write claims of one role shall not have those of another taken away.
    """
    delivery = parse(job, b"", claimed.ack)
    _, cell, _, role, *_ = job.split(".")
    if f".JOBS.{consumer_name(cell, role)}." not in claimed.ack:
        raise ValueError(f"not an acknowledgement subject of {role}: {claimed.ack!r}")
    order = (delivery.sequence, delivery.attempt)
    return Held(job, claimed.worker, claimed.role, claimed.ack, order)


class Ledger:
    """The newest claim on each job.

    The server does not look at the delivery that an acknowledgement subject names: to hand on an
    old delivery takes the job from whoever has it now. So only the newest claim may be handed on,
    and only once.
    """

    def __init__(self) -> None:
        self._claims: dict[str, Held] = {}
        self._of_worker: dict[str, set[str]] = {}
        self._heard: dict[str, int] = {}
        self._clock = 0

    def __len__(self) -> int:
        return len(self._claims)

    @property
    def clock(self) -> int:
        """Number of the latest entry; see :meth:`keep`."""
        return self._clock

    @property
    def workers(self) -> Collection[str]:
        """Those who hold something."""
        return self._of_worker.keys()

    def knows(self, job: str) -> bool:
        """Whether somebody has claimed the job, as far as it was heard."""
        return job in self._claims

    def record(self, claim: Held) -> None:
        """Take note of a claim; one that is older than what is known is ignored.

        Such a one is heard, too: what the store refuses was published all the same.
        """
        known = self._claims.get(claim.job)
        if known is not None and claim.order <= known.order:
            return
        if known is not None:
            self._release(known)
        self._clock += 1
        self._heard[claim.job] = self._clock
        self._claims[claim.job] = claim
        self._of_worker.setdefault(claim.worker, set()).add(claim.job)

    def take(self, worker: str) -> tuple[Held, ...]:
        """Return all that a worker holds; it holds nothing afterwards."""
        return tuple(self._claims[job] for job in sorted(self._of_worker.pop(worker, ())))

    def left(self, job: str, worker: str) -> None:
        """A worker gave a job back: its end takes nothing from whoever has the job next."""
        known = self._claims.get(job)
        if known is not None and known.worker == worker:
            self._release(self._claims.pop(job))
            del self._heard[job]

    def keep(self, jobs: Iterable[str], clock: int) -> None:
        """Forget the jobs that are done.

        Args:
            jobs: Those that are not.
            clock: :attr:`clock` of the moment before they were asked for: what was heard later is
                kept in any case.
        """
        for job in self._claims.keys() - set(jobs):
            if self._heard[job] <= clock:
                self._release(self._claims.pop(job))
                del self._heard[job]

    def _release(self, claim: Held) -> None:
        jobs = self._of_worker.get(claim.worker)
        if jobs is not None:
            jobs.discard(claim.job)
            if not jobs:
                del self._of_worker[claim.worker]
