"""How many claims the workers of each role can hold, by their signs of life. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from msgspec import Struct

from schemas.claim import Presence
from voicebus.sessions.room import GONE_S

_SUPERVISOR: Final = "supervisor"
_EDGE: Final = "edge"


class Strength(Struct, frozen=True):
    """What a role's ready workers are.

    Fields
        workers: How many there are.
        slots: How many claims they can hold.
    """

    workers: int = 0
    slots: int = 0


@dataclass(slots=True)
class Headcount:
    """Follows who is there; the clock is the caller's."""

    _present: dict[tuple[str, str], tuple[Presence, float]] = field(default_factory=dict)

    def heard(self, presence: Presence, now_s: float) -> None:
        """Take a sign of life."""
        self._present[presence.role, presence.worker] = (presence, now_s)

    def deafened(self, now_s: float) -> None:
        """Nobody could be heard until now: everybody's silence is counted anew."""
        for key, (presence, _) in self._present.items():
            self._present[key] = (presence, now_s)

    def ready(self, role: str, now_s: float) -> tuple[Presence, ...]:
        """Return the last words of a role's workers that take claims."""
        for key in [k for k, (_, at_s) in self._present.items() if now_s - at_s > GONE_S]:
            del self._present[key]
        heard = (presence for presence, _ in self._present.values())
        return tuple(p for p in heard if p.role == role and p.state == "ready")

    def strength(self, role: str, now_s: float) -> Strength:
        """Return what a role's workers can do together."""
        ready = self.ready(role, now_s)
        return Strength(len(ready), sum(presence.slots for presence in ready))

    def promised(self, now_s: float) -> int:
        """Return how many places of ``stt`` the edges keep for sessions that need none yet."""
        return sum(presence.promised for presence in self.ready(_EDGE, now_s))

    def refused(self, now_s: float) -> int:
        """Return how many callers edges have sent away of late."""
        return sum(presence.refused for presence in self.ready(_EDGE, now_s))

    def is_first(self, name: str, now_s: float) -> bool:
        """Say whether no living supervisor comes before the one of this name."""
        return all(name <= presence.worker for presence in self.ready(_SUPERVISOR, now_s))
