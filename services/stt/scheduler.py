"""Who is served when: one model, which all sessions share.

The queue lives on the event loop and needs no lock: a thread is given one step of work at a time,
and what it answers comes back to the loop, which picks the next one.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.stt.boundary import settle, translated
from services.stt.engine import MAX_SAMPLES, Engine, Hint, Outcome, Step, Steps
from services.stt.lane import VadLane
from services.stt.pieces import Part, continued, joined, pieces
from services.stt.waiting import Job, Priority, Timed, Waiting
from voicebus.engine_thread import EngineThread, Hang
from voicebus.errors import EngineError, EngineOverloaded, EngineUnavailable

__all__ = ["Priority", "Scheduler", "Timed", "VadLane"]

_AWAITED: Final = frozenset({Priority.FINAL, Priority.DRAFT})
"""Somebody waits for these in silence."""


@dataclass(slots=True, eq=False)
class _Batch:
    """Jobs in one pass, at some step of it."""

    jobs: tuple[Job, ...]
    steps: Steps
    compute_s: float = 0.0

    @property
    def priority(self) -> Priority:
        return min(job.priority for job in self.jobs)

    @property
    def wanted(self) -> bool:
        return not all(job.answer.done() for job in self.jobs)


class Scheduler:
    """Serves all sessions from one engine. All methods belong to one event loop.

    A recognition runs in steps, and between two of them what is more urgent goes first: a final
    never waits for a whole partial. Where the engine can do several things at once, what somebody
    waits for begins at once, beside whatever runs, and many such are shared out evenly. What nobody
    waits for runs alone: the cores are not ours only.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._threads = tuple(EngineThread("stt-inference") for _ in range(engine.parallel))
        self._waiting = Waiting()
        self._paused: list[_Batch] = []
        self._running: dict[EngineThread, _Batch] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False

    @property
    def waiting(self) -> int:
        """How many jobs wait for the model; those that it has begun are not counted."""
        return len(self._waiting)

    def stuck(self, since_s: float) -> Hang | None:
        """Return the call that hangs: see :class:`voicebus.engine_thread.EngineThread`."""
        hangs = (thread.stuck(since_s) for thread in self._threads)
        return next((hang for hang in hangs if hang is not None), None)

    async def start(self) -> None:
        """Load and warm the engine in one of its threads.

        Raises:
            EngineError: The engine cannot start.
        """
        await asyncio.get_running_loop().run_in_executor(
            self._threads[0], translated, self._engine.warm
        )

    async def recognise(
        self,
        samples: NDArray[np.float32],
        hint: Hint,
        priority: Priority,
        owner: Hashable = None,
    ) -> Timed:
        """Recognise audio when its turn comes.

        More than 30 s are cut into pieces that queue one after the other, so that a long file
        holds up a live caller by one step of a piece at most. Cancelling the caller's task takes
        what still waits out of the queue; a step that already runs is finished and forgotten.

        Args:
            samples: Mono at 16 kHz, shape (n,), any length; not to be changed until it returns.
            hint: What is known about it.
            priority: What it is; see :class:`Priority`.
            owner: Whose it is, such as the session: owners take turns. None is an owner of its own
                each time.

        Raises:
            EngineOverloaded: It is a partial and other work waits already, or it is one that
                would need a second, longer try: let it go, the next partial replaces it.
            EngineUnavailable: The scheduler is closed.
            EngineError: The engine failed.
        """
        if len(samples) <= MAX_SAMPLES:
            return await self._queue(samples, hint, priority, owner)
        parts: list[Part] = []
        queue_ms = compute_ms = 0.0
        for begin, piece in pieces(samples):
            timed = await self._queue(piece, hint, priority, owner)
            parts.append(Part(timed.recognition, begin, len(piece)))
            queue_ms += timed.queue_ms
            compute_ms += timed.compute_ms
            # One language per file: a piece of few words would often be taken for another.
            hint = continued(hint, timed.recognition)
        return Timed(joined(parts, hint.language), queue_ms, compute_ms)

    def hasten(self, owner: Hashable) -> None:
        """Treat an owner's drafts as finals from now on: its turn is over."""
        self._waiting.hasten(owner)
        for job in itertools.chain.from_iterable(batch.jobs for batch in self._paused):
            if job.owner == owner and job.priority is Priority.DRAFT:
                job.priority = Priority.FINAL

    async def close(self) -> None:
        """Refuse what waits and what comes, and wait for what runs."""
        self._closed = True
        refused = [*self._waiting.clear(), *(job for batch in self._paused for job in batch.jobs)]
        for job in refused:
            settle(job.answer, EngineUnavailable("speech recognition is shutting down"))
        await self._idle.wait()
        for thread in self._threads:
            await asyncio.to_thread(thread.shutdown)

    async def _queue(
        self, samples: NDArray[np.float32], hint: Hint, priority: Priority, owner: Hashable
    ) -> Timed:
        if self._closed:
            raise EngineUnavailable("speech recognition is shutting down")
        if priority is Priority.PARTIAL and (self.waiting or self._paused):
            raise EngineOverloaded("speech recognition is busy; this partial is skipped")
        job = Job(
            samples,
            hint,
            priority,
            object() if owner is None else owner,
            self._engine.bucket(samples, hint),
            asyncio.get_running_loop().create_future(),
            perf_counter(),
        )
        self._waiting.push(job)
        self._go_on()
        return await job.answer

    def _go_on(self) -> None:
        loop = asyncio.get_running_loop()
        for thread in self._threads:
            if thread in self._running:
                continue
            batch = self._next()
            if batch is None:
                break
            self._running[thread] = batch
            owners = [job.owner for job in batch.jobs]
            thread.submit_for(owners, self._compute, batch, thread, loop)
        if self._running:
            self._idle.clear()
        else:
            self._idle.set()

    def _next(self) -> _Batch | None:
        for batch in [batch for batch in self._paused if not batch.wanted]:
            batch.steps.close()
            self._paused.remove(batch)
        begun = min(self._paused, key=lambda batch: batch.priority, default=None)
        urgency = self._waiting.urgency
        if self._running and not any(
            one is not None and one in _AWAITED
            for one in (urgency, begun.priority if begun is not None else None)
        ):
            return None
        if begun is not None and (urgency is None or begun.priority <= urgency):
            self._paused.remove(begun)
            return begun
        jobs = self._waiting.take(len(self._threads))
        if not jobs:
            return None
        return _Batch(jobs, self._engine.steps([(job.samples, job.hint) for job in jobs]))

    def _compute(
        self, batch: _Batch, thread: EngineThread, loop: asyncio.AbstractEventLoop
    ) -> None:
        """Run in the thread."""
        begun = perf_counter()
        found: Step | Sequence[Outcome]
        try:
            found = translated(lambda: _stepped(batch.steps))
        except EngineError as err:
            found = [err] * len(batch.jobs)
        ended = perf_counter()
        batch.compute_s += ended - begun
        loop.call_soon_threadsafe(self._on_step, batch, thread, found, ended)

    def _on_step(
        self, batch: _Batch, thread: EngineThread, found: Step | Sequence[Outcome], ended: float
    ) -> None:
        del self._running[thread]
        if not isinstance(found, str):
            for job, outcome in zip(batch.jobs, found, strict=True):
                settle(job.answer, _timed(outcome, ended - job.queued_s, batch.compute_s))
        elif found == "doubtful" and batch.priority is Priority.PARTIAL:
            batch.steps.close()
            for job in batch.jobs:
                settle(job.answer, EngineOverloaded("a second try is not made for a partial"))
        else:
            self._paused.append(batch)
        self._go_on()


def _stepped(steps: Steps) -> Step | Sequence[Outcome]:
    """Do the next step; return its name, or what the last one ends with."""
    try:
        return next(steps)
    except StopIteration as ended:
        outcomes: Sequence[Outcome] = ended.value
        return outcomes


def _timed(outcome: Outcome, took_s: float, compute_s: float) -> Timed | EngineError:
    if isinstance(outcome, EngineError):
        return outcome
    return Timed(outcome, (took_s - compute_s) * 1000, compute_s * 1000)
