"""The workers of one role that this machine runs, and how their number changes."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

from schemas.claim import Demand, Presence
from voicebus import metrics
from voicebus.errors import VoicebusError
from voicebus.scaling import Bounds, Policy, Scaler, Scene
from voicebus.supervisor import Part, Supervisor

log: Final = structlog.get_logger()

STALE_S: Final = 5.0
"""A demand that is older says nothing: it is told every second."""

_FAILED_S: Final = 10.0
"""How long after a worker that did not come up the next one is tried."""

Make = Callable[[str, str], Part]
"""Makes a worker, from the name of its process here and its name on the bus."""


class Crew:
    """Keeps as many workers of a role as the demand takes.

    Args:
        bounds: The role, and between how many.
        policy: How the demand is followed.
        keeper: Runs the processes.
        make: Makes a worker.
        name: Head of the workers' names on the bus.
    """

    def __init__(
        self,
        bounds: Bounds,
        policy: Policy,
        keeper: Supervisor,
        make: Make,
        *,
        name: str,
    ) -> None:
        self.role = bounds.role
        self._scaler = Scaler(policy, bounds)
        self._keeper = keeper
        self._make = make
        self._name = name
        self._workers: dict[str, str] = {}  # by the name of the process: the name on the bus
        self._leaving: dict[str, asyncio.Task[None]] = {}
        self._following: set[asyncio.Task[None]] = set()
        self._made = 0
        self._each = 0
        self._demand: tuple[Demand, float] | None = None
        self._failed_s = -_FAILED_S

    def told(self, demand: Demand) -> bool:
        """Take the latest word about the demand; return whether it has grown."""
        before = 0 if self._demand is None else self._demand[0].whole
        self._demand = (demand, time.monotonic())
        return demand.whole > before

    async def step(self, group: asyncio.TaskGroup, ready: Sequence[Presence]) -> None:
        """Look, decide, and start or drain workers.

        Args:
            group: In which the processes are waited for.
            ready: Last words of all workers of the role that take claims.
        """
        now_s = time.monotonic()
        states = self._keeper.readiness()
        # One that a person has drained has left by itself.
        self._workers = {name: worker for name, worker in self._workers.items() if name in states}
        ours = [p for p in ready if p.worker in self._workers.values()]
        others = [p for p in ready if not p.worker.startswith(f"{self._name}-")]
        self._each = max((p.slots for p in ours), default=self._each)
        scene = Scene(
            demand=self._fresh(now_s),
            others=sum(p.slots for p in others),
            each=self._each,
            running=len(self._workers),
            starting=sum(not states[name] for name in self._workers),
            leaving=len(self._leaving),
        )
        self._show(scene)
        step = self._scaler.step(scene, now_s)
        if step > 0 and now_s - self._failed_s >= _FAILED_S:
            self._note("grows", step, scene)
            for _ in range(step):
                await self._start(group)
        elif step < 0 and ours:
            self._note("shrinks", step, scene)
            self._drain(group, ours)

    async def end(self) -> None:
        """Drain all of them, and wait until they have ended."""
        for following in self._following:
            following.cancel()
        await asyncio.gather(*self._leaving.values(), *map(self._retire, tuple(self._workers)))

    def _fresh(self, now_s: float) -> int | None:
        if self._demand is None or now_s - self._demand[1] > STALE_S:
            return None
        return self._demand[0].whole

    def _note(self, what: str, step: int, scene: Scene) -> None:
        metrics.AUTOSCALE_STEPS.labels(self.role, what).inc(abs(step))
        log.info(
            f"crew.{what}", role=self.role, by=step, demand=scene.demand, running=scene.running
        )

    def _show(self, scene: Scene) -> None:
        for state, count in (
            ("ready", scene.running - scene.starting),
            ("starting", scene.starting),
            ("draining", scene.leaving),
        ):
            metrics.AUTOSCALE_WORKERS.labels(self.role, state).set(count)

    async def _start(self, group: asyncio.TaskGroup) -> None:
        self._made += 1
        taken = {*self._workers, *self._leaving}
        numbered = (f"{self.role}-{number}" for number in itertools.count(1))
        name = next(free for free in numbered if free not in taken)
        self._workers[name] = f"{self._name}-{self.role}-{self._made}"
        ready = await self._keeper.start(group, self._make(name, self._workers[name]))
        following = group.create_task(self._follow(name, ready))
        self._following.add(following)
        following.add_done_callback(self._following.discard)

    async def _follow(self, name: str, ready: Awaitable[None]) -> None:
        try:
            await ready
        except VoicebusError as error:
            log.error("crew.failed", role=self.role, error=str(error))
            self._failed_s = time.monotonic()
            await self._retire(name)

    def _drain(self, group: asyncio.TaskGroup, ours: Sequence[Presence]) -> None:
        """Have one go: the one that holds the least, for what it holds moves to another."""
        names = {worker: name for name, worker in self._workers.items()}
        least = min(ours, key=lambda presence: (presence.busy, presence.worker))
        name = names[least.worker]
        task = group.create_task(self._retire(name))
        self._leaving[name] = task
        task.add_done_callback(lambda _: self._leaving.pop(name, None))

    async def _retire(self, name: str) -> None:
        self._workers.pop(name, None)
        await self._keeper.retire(name)
