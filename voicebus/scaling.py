"""How many workers a role needs. Pure: what is there goes in, with its time; a decision comes out.

It grows at once, because callers are waiting, and shrinks late and by one worker after the other,
because a load that has gone often comes back. Two things keep it from swinging. It shrinks only to
what would have been enough at every moment of a window of time; and it counts that with some slack,
so that a load which varies by no more than the slack never has a worker ended and another started.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final

from msgspec import Struct

SCOPE: Final = "AUTOSCALE_"

_BLIND_S: Final = 5.0
"""Who has decided nothing for this long has not watched the window."""


class Policy(Struct, frozen=True, kw_only=True):
    """How a number of workers follows the demand.

    Fields
        target: Part of the slots that may be in use: beyond it workers are added.
        headroom: Slots that are free in any case, for callers who come while a worker starts.
        slack: Part by which the demand may fall and rise again without any change.
        window_s: Fewer workers have been enough for this long before one is ended.
    """

    target: float = 0.7
    headroom: int = 1
    slack: float = 0.3
    window_s: float = 180.0

    def __post_init__(self) -> None:
        """Refuse what cannot be followed."""
        if not 0.0 < self.target <= 1.0:
            raise ValueError("must be above 0 and at most 1 at `$.target`")
        if not 0.0 <= self.slack < 1.0:
            raise ValueError("must be at least 0 and below 1 at `$.slack`")
        if self.headroom < 0:
            raise ValueError("must not be negative at `$.headroom`")
        if self.window_s < 0:
            raise ValueError("must not be negative at `$.window_s`")

    def slots(self, demand: float) -> int:
        """Return how many slots a demand takes."""
        return max(math.ceil(demand / self.target), math.ceil(demand) + self.headroom)


class AutoscaleSettings(Struct, frozen=True, kw_only=True):
    """Who the workers are.

    Fields
        users_dir: Folder with the seeds of the roles' users and of *monitor*; empty for those of
            the ``voicebus up`` of this machine, or for a bus without users.
    """

    users_dir: str = ""


class Bounds(Struct, frozen=True):
    """Between how many workers of a role there are.

    Fields
        role: The role.
        least: At least so many.
        most: At most so many.
    """

    role: str
    least: int
    most: int


class Scene(Struct, frozen=True, kw_only=True):
    """What there is of a role.

    Fields
        demand: Claims that wait, that are held and that are promised a place; None while nobody
            tells.
        others: Slots of the workers that are not ours.
        each: Slots of one of our workers; 0 while none has said it.
        running: Our workers that were not asked to end, ready or not.
        starting: Those of them that are not ready.
        leaving: Our workers that were asked to end and have not.
    """

    demand: int | None
    others: int = 0
    each: int = 0
    running: int = 0
    starting: int = 0
    leaving: int = 0


class Scaler:
    """Decides about the workers of one role.

    Args:
        policy: How the demand is followed.
        bounds: Between how many workers.
    """

    def __init__(self, policy: Policy, bounds: Bounds) -> None:
        self._policy = policy
        self._bounds = bounds
        self._needs: deque[tuple[float, int]] = deque()  # falling: the first one is the largest
        self._watched_s: float | None = None
        self._looked_s = 0.0

    def step(self, scene: Scene, now_s: float) -> int:
        """Decide.

        Args:
            scene: What there is.
            now_s: The time; never before that of the last call.

        Returns:
            How many workers to start; -1 for one to drain and end.
        """
        self._watch(scene, now_s)
        least, most = self._bounds.least, self._bounds.most
        if scene.running < least:
            return least - scene.running
        if scene.demand is None:
            return 0
        needed = min(most, self._workers(self._own(scene, float(scene.demand)), scene))
        if needed > scene.running:
            return needed - scene.running
        if self._has_calmed(scene, now_s) and not scene.starting and not scene.leaving:
            enough = self._workers(self._needs[0][1], scene)
            return -1 if max(least, enough) < scene.running else 0
        return 0

    def _watch(self, scene: Scene, now_s: float) -> None:
        if scene.demand is None or now_s - self._looked_s > _BLIND_S:
            self._needs.clear()
            self._watched_s = None
        self._looked_s = now_s
        if scene.demand is None:
            return
        if self._watched_s is None:
            self._watched_s = now_s
        need = self._own(scene, scene.demand / (1.0 - self._policy.slack))
        while self._needs and self._needs[-1][1] <= need:
            self._needs.pop()
        self._needs.append((now_s, need))
        while self._needs[0][0] < now_s - self._policy.window_s:
            self._needs.popleft()

    def _has_calmed(self, scene: Scene, now_s: float) -> bool:
        watched_s = now_s if self._watched_s is None else self._watched_s
        return bool(scene.each) and now_s - watched_s >= self._policy.window_s

    def _own(self, scene: Scene, demand: float) -> int:
        """Return how many slots our workers need to have."""
        return self._policy.slots(demand) - scene.others

    def _workers(self, slots: int, scene: Scene) -> int:
        """Return how many workers have so many slots."""
        if scene.each:
            return max(0, math.ceil(slots / scene.each))
        # The first one will say how many it has.
        return max(scene.running, 1 if slots > 0 else 0)
