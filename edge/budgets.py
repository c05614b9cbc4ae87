"""Who has how much of the edge: sessions, connections, audio, turns and tokens. No I/O.

A caller is a key or, without one, a network address. What is counted is of this edge process: two
edges give a caller twice as much.
"""

from __future__ import annotations

import ipaddress
from typing import Final

from msgspec import Struct

from edge.buckets import Bucket
from voicebus.errors import Busy, LimitReached
from voicebus.keys import Allowance

_PRUNE_EVERY_S: Final = 60.0
_FULL_RETRY_S: Final = 5.0
"""When to come back after too many sessions at once: nobody knows when one of them ends."""

UNLIMITED: Final = Allowance(
    sessions=0, connections_per_min=0, audio_s_per_min=0, turns_per_min=0, tokens_per_min=0
)


class Left(Struct, frozen=True, order=True):
    """What a caller may have yet of something.

    Fields
        limit: How much of it in a minute.
        remaining: How much of it at once, from now on.
        reset_s: After how long it is all of the limit again.
    """

    limit: int
    remaining: float
    reset_s: float


class Meter:
    """What one caller, or one session, has used up.

    Args:
        allowance: Its share.
        whose: How it is called in an error: ``this key``, ``your address`` …

    Attributes:
        sessions: How many run.
        connections: How many are open, as far as is known here: that one is dead its client knows
            first.
        returnable: How many of the sessions wait for their clients, should they be lost.
        most_connections: How many may be open; 0: there is no limit.
    """

    def __init__(self, allowance: Allowance, whose: str) -> None:
        self.sessions = 0
        self.connections = 0
        self.returnable = 0
        self.most_connections = 0
        self._whose = whose
        self._codes: Bucket | None = None
        self.allow(allowance)

    def allow(self, allowance: Allowance) -> None:
        """Give it another share, with nothing of it used up; its sessions go on."""
        self.allowance = allowance
        self._connections = Bucket(allowance.connections_per_min or 0)
        self._audio = Bucket(allowance.audio_s_per_min or 0)
        self._turns = Bucket(allowance.turns_per_min or 0)
        self._tokens = Bucket(allowance.tokens_per_min or 0)

    def connect(self, now_s: float) -> None:
        """Count a connection or a request.

        Raises:
            LimitReached: ``too_many_connections``.
        """
        self.expect_connection(now_s)
        self._connections.take(1, now_s)

    def expect_connection(self, now_s: float) -> None:
        """Ask whether :meth:`connect` would count one more.

        Raises:
            LimitReached: ``too_many_connections``.
        """
        if wait_s := self._connections.wait_s(now_s):
            raise LimitReached(
                f"{self._whose} opens connections too often", "too_many_connections", wait_s
            )

    def expect_place(self) -> None:
        """Ask whether one more connection may be opened.

        Beyond its share it may have one for each session to which a client may come back, whose
        old connection may be dead: :meth:`expect_room` is for one that turns out to be another's.

        Raises:
            LimitReached: ``too_many_connections``.
        """
        self._expect_fewer(self.most_connections + self.returnable)

    def expect_room(self) -> None:
        """Ask whether all that are open are within its share.

        Raises:
            LimitReached: ``too_many_connections``.
        """
        self._expect_fewer(self.most_connections + 1)

    def _expect_fewer(self, limit: int) -> None:
        if self.most_connections and self.connections >= limit:
            raise LimitReached(
                f"{self._whose} has as many connections as it may",
                "too_many_connections",
                _FULL_RETRY_S,
            )

    def open_session(self) -> None:
        """Count a session that begins; ``sessions`` is counted down by whoever ends it.

        Raises:
            LimitReached: ``too_many_sessions``.
        """
        limit = self.allowance.sessions or 0
        if limit and self.sessions >= limit:
            raise LimitReached(
                f"{self._whose} has as many sessions as it may", "too_many_sessions", _FULL_RETRY_S
            )
        self.sessions += 1

    def hear(self, audio_s: float, now_s: float) -> float:
        """Count audio that was taken; return the seconds until more of it may come."""
        return self._audio.spend(audio_s, now_s)

    def expect_turn(self, now_s: float) -> None:
        """Ask whether a turn may begin.

        Raises:
            LimitReached: ``too_many_turns`` or ``too_many_tokens``.
        """
        if wait_s := self._turns.wait_s(now_s):
            raise LimitReached(f"{self._whose} begins turns too often", "too_many_turns", wait_s)
        self.expect_tokens(now_s)

    def begin_turn(self, now_s: float) -> None:
        """Count a turn that begins; raises what :meth:`expect_turn` raises."""
        self.expect_turn(now_s)
        self._turns.take(1, now_s)

    def spend_tokens(self, tokens: int, now_s: float) -> None:
        """Count tokens that were generated."""
        self._tokens.spend(tokens, now_s)

    def expect_tokens(self, now_s: float) -> None:
        """Ask whether a reply may go on.

        Raises:
            LimitReached: ``too_many_tokens``.
        """
        if wait_s := self._tokens.wait_s(now_s, 0.0):
            raise LimitReached(
                f"{self._whose} has used up its words for now", "too_many_tokens", wait_s
            )

    def try_code(self, per_min: int, now_s: float) -> None:
        """Count a link code that is tried; the limit holds for this machine's own callers, too.

        Raises:
            LimitReached: ``too_many_codes``.
        """
        if self._codes is None:
            self._codes = Bucket(per_min)
        if wait_s := self._codes.take(1, now_s):
            raise LimitReached(f"{self._whose} tries codes too often", "too_many_codes", wait_s)

    def left(self, now_s: float) -> dict[str, Left]:
        """Return what may be had yet of ``requests`` and ``tokens``, where they have a limit."""
        limits = (
            ("requests", self.allowance.turns_per_min, self._turns),
            ("tokens", self.allowance.tokens_per_min, self._tokens),
        )
        return {name: Left(limit, *bucket.level(now_s)) for name, limit, bucket in limits if limit}

    def is_idle(self, now_s: float) -> bool:
        """Whether it may be forgotten: a new one would say the same."""
        buckets = (self._connections, self._audio, self._turns, self._tokens, self._codes)
        return not (self.sessions or self.connections or self.returnable) and all(
            bucket is None or bucket.is_full(now_s) for bucket in buckets
        )


class Uploads:
    """The bytes of recordings that are being read, of all callers together.

    Args:
        limit_bytes: The most; 0: there is no limit.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self.bytes = 0

    def take(self, size: int) -> None:
        """Count bytes that came; :meth:`give_back` is for whoever has forgotten them.

        Raises:
            Busy: They are too much beside those of others.
        """
        if self._limit_bytes and self.bytes + size > self._limit_bytes:
            raise Busy("too many recordings are being sent at once", _FULL_RETRY_S)
        self.bytes += size

    def give_back(self, size: int) -> None:
        """Count bytes that are not kept any more."""
        self.bytes -= size


class Budgets:
    """The meters of all callers; one that is idle is forgotten."""

    def __init__(self) -> None:
        self._meters: dict[str, Meter] = {}
        self._pruned_s = 0.0

    def __len__(self) -> int:
        return len(self._meters)

    def of(self, caller: str, allowance: Allowance, whose: str, now_s: float) -> Meter:
        """Return a caller's meter, which goes by this allowance from now on."""
        if now_s - self._pruned_s > _PRUNE_EVERY_S:
            self._pruned_s = now_s
            idle = [name for name, meter in self._meters.items() if meter.is_idle(now_s)]
            for name in idle:
                del self._meters[name]
        meter = self._meters.get(caller)
        if meter is None:
            meter = self._meters[caller] = Meter(allowance, whose)
        elif meter.allowance != allowance:
            meter.allow(allowance)
        return meter


def network_of(host: str) -> str:
    """Return what is counted as one address: IPv6 hands out /64 networks to single machines."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback
