"""Who is there: connections that end, and signs of life that stop. Pure; time is an argument."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from msgspec import Struct

QUICK_S: Final = 0.05
"""A client whose connection broke asks for a new one at once. Who has not come back after this
long is dead. It also lets a worker that ends in good order hand its claims on itself."""

PATIENT_S: Final = 1.0
"""The same when it was the server that ended the connection: the process probably lives."""

BESIDE_S: Final = 0.3
"""How long each further supervisor waits for those before it."""

SILENT_S: Final = 6.0
"""Three beats: a worker that is connected and this silent is stopped or stuck."""

_ENDED_BY_CLIENT: Final = frozenset({"Client Closed", "Read Error", "Write Error"})


class Link(Struct, frozen=True):
    """One connection to one server.

    Fields
        server: The server's id.
        number: The connection's number there.
        user: Who connected, as the server has made sure of.
    """

    server: str
    number: int
    user: str = ""


class Roster:
    """Follows connections and signs of life.

    Args:
        name: The supervisor's own name.
        now_s: The time.
    """

    def __init__(self, name: str, now_s: float) -> None:
        self._name = name
        self._links: dict[str, Link] = {}
        self._leaving: dict[str, Link] = {}
        self._seen_s: dict[str, float] = {}
        self._beside: dict[str, float] = {}
        self._looked_s = now_s

    def connected(self, name: str, link: Link) -> None:
        """Somebody has connected.

        The name is the client's own word. It belongs to the user who had it first: nobody else can
        have the work of that process handed on by coming and going under its name.
        """
        if name in self._links and self._links[name].user != link.user:
            return
        self._links[name] = link
        self._leaving.pop(name, None)

    def listed(self, name: str, link: Link) -> None:
        """Somebody was connected when all were asked for: what was heard since then is newer."""
        if name not in self._links and self._leaving.get(name) != link:
            self._links[name] = link

    def unlinked(self) -> None:
        """Beginnings of connections were missed: what is known of them may not be so any more.

        The end of a connection that is not known counts. That of one which is not the known one
        does not, and nobody's death would be noticed.
        """
        self._links.clear()

    def disconnected(self, name: str, link: Link, reason: str, now_s: float) -> float | None:
        """Somebody's connection has ended.

        Returns:
            After how many seconds to ask :meth:`is_gone`; None when there is a newer connection.
        """
        if self._links.get(name, link) != link:
            return None
        self._leaving[name] = link
        self._beside.pop(name, None)
        patience_s = QUICK_S if reason in _ENDED_BY_CLIENT else PATIENT_S
        return patience_s + BESIDE_S * self.rank(now_s)

    def is_gone(self, name: str, link: Link) -> bool:
        """Whether somebody has not come back since this connection ended."""
        return self._leaving.get(name) == link

    def link(self, name: str) -> Link | None:
        """Return somebody's connection, if its beginning was heard."""
        return self._links.get(name)

    def seen(self, name: str, now_s: float) -> None:
        """Somebody gave a sign of life."""
        self._seen_s[name] = now_s

    def seen_beside(self, name: str, now_s: float) -> None:
        """Another supervisor gave a sign of life."""
        if name != self._name:
            self._beside[name] = now_s

    def rank(self, now_s: float) -> int:
        """Return how many living supervisors come before this one."""
        return sum(
            name < self._name and now_s - seen_s <= SILENT_S
            for name, seen_s in self._beside.items()
        )

    def silent(self, holders: Collection[str], now_s: float) -> tuple[str, ...]:
        """Return those of the holders who gave no sign of life for too long.

        Who was never heard is given as long from now on. If the question comes late, it was we
        who did not listen, and everybody's time begins anew.
        """
        if now_s - self._looked_s > SILENT_S / 3:
            self._seen_s = dict.fromkeys(self._seen_s, now_s)
        self._looked_s = now_s
        limit_s = SILENT_S + BESIDE_S * self.rank(now_s)
        return tuple(
            name for name in holders if now_s - self._seen_s.setdefault(name, now_s) > limit_s
        )

    def deafened(self, now_s: float) -> None:
        """Nobody could be heard until now: everybody's time begins anew."""
        self._seen_s = dict.fromkeys(self._seen_s, now_s)
        self._looked_s = now_s

    def forget(self, name: str) -> None:
        """Somebody is gone."""
        self._leaving.pop(name, None)
        self._links.pop(name, None)
        self._seen_s.pop(name, None)

    def prune(self, now_s: float, age_s: float) -> None:
        """Forget those who gave no sign of life for so long, and who never gave one."""
        alive = {name for name, seen_s in self._seen_s.items() if now_s - seen_s <= age_s}
        self._seen_s = {name: self._seen_s[name] for name in alive}
        self._links = {name: link for name, link in self._links.items() if name in alive}
        self._beside = {n: seen_s for n, seen_s in self._beside.items() if now_s - seen_s <= age_s}
