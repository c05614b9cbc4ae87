"""What waits for the model: urgent work first, the sessions in turn, what can go together. Pure."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Hashable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from services.stt.engine import Hint, Recognition


class Priority(IntEnum):
    """What goes first when several wait."""

    FINAL = 0
    DRAFT = 1
    FILE = 2
    PARTIAL = 3


BATCH: Final = {Priority.FINAL: 8, Priority.DRAFT: 4, Priority.FILE: 1, Priority.PARTIAL: 1}
"""How many utterances share one pass at most. A step of a large batch is long, and a final that
comes meanwhile waits for it: what can wait is kept in small ones."""


class Timed(msgspec.Struct, frozen=True):
    """A recognition and what it cost.

    Fields
        recognition: What was understood.
        queue_ms: How long it waited for the model, interruptions included.
        compute_ms: How long the model worked, for all utterances of the batch.
    """

    recognition: Recognition
    queue_ms: float
    compute_ms: float


@dataclass(slots=True, eq=False)
class Job:
    """An utterance that waits.

    Attributes:
        samples: Mono at 16 kHz.
        hint: What is known about it.
        priority: What it is.
        owner: Whose it is; owners of one priority take turns.
        bucket: What it must have in common with others to share a pass.
        answer: Where the recognition goes; done early when nobody wants it any more.
        queued_s: When it came, by ``perf_counter``.
    """

    samples: NDArray[np.float32]
    hint: Hint
    priority: Priority
    owner: Hashable
    bucket: Hashable
    answer: asyncio.Future[Timed]
    queued_s: float


@dataclass(slots=True, eq=False)
class _Place:
    job: Job
    round: int
    order: int


class Waiting:
    """Jobs in the order in which they are served.

    Owners are served round by round: an owner's second job belongs to the round after its first,
    so that it goes behind the first of everybody who is here by then, and not behind all that
    others bring later.
    """

    def __init__(self) -> None:
        self._places: list[_Place] = []
        self._order = itertools.count()
        self._round = dict.fromkeys(Priority, 0)

    def __len__(self) -> int:
        return sum(not place.job.answer.done() for place in self._places)

    def push(self, job: Job) -> None:
        """Let a job wait."""
        ahead = sum(
            place.job.owner == job.owner and place.job.priority is job.priority
            for place in self._places
            if not place.job.answer.done()
        )
        self._places.append(_Place(job, self._round[job.priority] + ahead, next(self._order)))

    def hasten(self, owner: Hashable) -> None:
        """Make finals of an owner's drafts."""
        for place in self._places:
            if place.job.owner == owner and place.job.priority is Priority.DRAFT:
                place.job.priority = Priority.FINAL
                place.round = self._round[Priority.FINAL]

    @property
    def urgency(self) -> Priority | None:
        """The priority of what is served next; None when nothing waits."""
        live = (place.job.priority for place in self._places if not place.job.answer.done())
        return min(live, default=None)

    def take(self, among: int = 1) -> tuple[Job, ...]:
        """Take out what is served next: a job, and what may go with it; empty for nothing.

        Args:
            among: How many passes there may be at once: none of them gets more than its share.
        """
        live = [place for place in self._places if not place.job.answer.done()]
        live.sort(key=lambda place: (place.job.priority, place.round, place.order))
        if not live:
            self._places.clear()
            return ()
        first = live[0].job
        self._round[first.priority] = live[0].round
        fitting = [
            place
            for place in live
            if place.job.priority is first.priority and place.job.bucket == first.bucket
        ]
        taken = fitting[: min(BATCH[first.priority], -(-len(fitting) // among))]
        self._places = [place for place in live if place not in taken]
        return tuple(place.job for place in taken)

    def clear(self) -> tuple[Job, ...]:
        """Take out everything."""
        jobs = tuple(place.job for place in self._places if not place.job.answer.done())
        self._places.clear()
        return jobs
