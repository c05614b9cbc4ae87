"""Where is a place free for one more session? Pure: what was heard goes in, with its time.

Workers say every two seconds how many claims they hold. In between, this edge knows of its own
sessions only: those that it has promised a place, those that a worker has claimed since it spoke
last, and those that have ended since. What other edges do becomes known with the next signs of
life; a session that was let in for a place that was gone waits for its claim as long as any other.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from schemas.claim import Claimed, Presence

GONE_S: Final = 20.0
"""A worker is gone when it gave no sign of life for this long: ten of them are lost.

Not shorter: on a machine that is overloaded, workers that serve were silent for more than seven
seconds. Who is let in for a worker that is dead is told so by the claim's deadline.
"""

PROMISED_S: Final = 30.0
"""How long a place is kept for a session that does not need it yet, as it has not spoken."""

RETRY_S: Final = 5.0
"""After how long a caller who was sent away is told to come back. Until then it counts as one who
wants a place: it does, and nobody else would know of it."""

PROMISED: Final = "stt"
"""The role whose place is kept: that of the others is asked for as the session opens."""

HELD_BY_SESSIONS: Final = ("turn", "stt")
"""Roles whose claims last as long as a session; the others' last a turn, and wait in a queue."""


@dataclass(slots=True)
class _Worker:
    role: str
    slots: int
    busy: int
    is_ready: bool
    seen_s: float
    ended: int = 0
    """Sessions of this edge that ended since, and are in ``busy``."""


@dataclass(slots=True)
class _Place:
    """What one session has of one role: a promise, then a claim of a worker."""

    asked_s: float
    worker: str = ""
    is_counted: bool = False
    """Whether the worker has spoken since, so that ``busy`` has it."""


@dataclass(slots=True)
class Room:
    """What this edge knows of the workers."""

    _workers: dict[str, _Worker] = field(default_factory=dict)
    _sessions: dict[str, dict[str, _Place]] = field(default_factory=dict)
    _refused_s: deque[float] = field(default_factory=deque)

    def heard(self, presence: Presence, now_s: float) -> None:
        """Take a worker's sign of life: it has counted all claims that came before."""
        self._workers[presence.worker] = _Worker(
            presence.role,
            presence.slots,
            presence.busy,
            presence.state == "ready",
            now_s,
        )
        for places in self._sessions.values():
            place = places.get(presence.role)
            if place is not None and place.worker == presence.worker:
                place.is_counted = True

    def expire(self, now_s: float) -> None:
        """Forget the workers that are silent for too long."""
        for name in [n for n, w in self._workers.items() if now_s - w.seen_s > GONE_S]:
            del self._workers[name]

    def reset_clock(self, now_s: float) -> None:
        """Count the silence anew: nobody could be heard."""
        for worker in self._workers.values():
            worker.seen_s = now_s

    def is_there(self, role: str) -> bool:
        """Whether a worker of a role takes claims."""
        return any(w.role == role and w.is_ready for w in self._workers.values())

    def free(self, role: str, now_s: float) -> int:
        """Return how many more sessions the workers of a role can hold."""
        free = sum(
            max(0, worker.slots - worker.busy + worker.ended)
            for worker in self._workers.values()
            if worker.role == role and worker.is_ready
        )
        taken = sum(
            not place.is_counted and (place.worker != "" or now_s - place.asked_s < PROMISED_S)
            for places in self._sessions.values()
            if (place := places.get(role)) is not None
        )
        return free - taken

    def promised(self, role: str, now_s: float) -> tuple[str, ...]:
        """Return the sessions for which a place of a role is kept that no worker has taken."""
        return tuple(
            session
            for session, places in self._sessions.items()
            if (place := places.get(role)) is not None
            and not place.worker
            and now_s - place.asked_s < PROMISED_S
        )

    def refuse(self, now_s: float) -> None:
        """A caller was sent away because no place was free."""
        self._refused_s.append(now_s)

    def refused(self, now_s: float) -> int:
        """Return how many callers were sent away who have not been told to be back yet."""
        while self._refused_s and now_s - self._refused_s[0] > RETRY_S:
            self._refused_s.popleft()
        return len(self._refused_s)

    def promise(
        self, session: str, now_s: float, roles: tuple[str, ...] = HELD_BY_SESSIONS
    ) -> None:
        """A session was let in that these roles will hold."""
        self._sessions[session] = {role: _Place(now_s) for role in roles}

    def claimed(self, session: str, claim: Claimed) -> None:
        """A worker has taken a session, or taken it over."""
        place = self._sessions.get(session, {}).get(claim.role)
        if place is not None:
            place.worker, place.is_counted = claim.worker, False

    def ended(self, session: str) -> None:
        """A session is over: who holds it lets it go."""
        for place in self._sessions.pop(session, {}).values():
            worker = self._workers.get(place.worker)
            if worker is not None and place.is_counted:
                worker.ended += 1
