"""A standing pull: as many jobs asked for as there are free slots, and never more.

One request stays open at the server and is topped up when a slot becomes free. nats-py's ``fetch``
asks twice per batch and cannot be topped up. The server forgets requests when the connection
breaks, or its own life, so it is asked for a sign of life about each one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import msgspec

EXPIRES_S: Final = 30.0
BEAT_S: Final = 2.0
SILENT_S: Final = 2.5 * BEAT_S
"""A request of which nothing is heard for this long is forgotten by the server, which said nothing:
in a cluster, the one that led the consumer died."""


class PullRequest(msgspec.Struct, omit_defaults=True):
    """Body of a pull request.

    Source: https://docs.nats.io/reference/reference-protocols/nats_api_reference
    """

    batch: int
    expires: int
    idle_heartbeat: int


class StandingPull:
    """Book-keeping of open pull requests. No I/O: ``send`` publishes a request.

    Args:
        send: Called with (request number, encoded body).
    """

    def __init__(self, send: Callable[[int, bytes], None]) -> None:
        self._send = send
        self._open: dict[int, tuple[int, float]] = {}  # how many are left, and heard of until when
        self._next = 0

    @property
    def asked(self) -> int:
        """Number of jobs that may still arrive for open requests."""
        return sum(left for left, _ in self._open.values())

    def ask(self, free: int) -> None:
        """Open a request for what is free and not yet asked for."""
        missing = free - self.asked
        if missing <= 0:
            return
        self._next += 1
        self._open[self._next] = (missing, time.monotonic() + SILENT_S)
        body = PullRequest(
            batch=missing, expires=int(EXPIRES_S * 1e9), idle_heartbeat=int(BEAT_S * 1e9)
        )
        self._send(self._next, msgspec.json.encode(body))

    def delivered(self) -> None:
        """One job arrived, for a request it does not name: the server serves the oldest first."""
        for number, (left, deadline_s) in self._open.items():
            if left <= 1:
                del self._open[number]
            else:
                self._open[number] = (left - 1, deadline_s)
            return

    def beat(self, number: int) -> None:
        """The server says that it has not forgotten this request."""
        if number in self._open:
            self._open[number] = (self._open[number][0], time.monotonic() + SILENT_S)

    def closed(self, number: int) -> None:
        """The server ended this request: it expired, or something is wrong with the consumer."""
        self._open.pop(number, None)

    def forget(self) -> None:
        """The connection was made anew: the server knows none of our requests."""
        self._open.clear()

    def expire(self, now_s: float) -> None:
        """Drop requests of which nothing is heard any more."""
        for number in [n for n, (_, deadline_s) in self._open.items() if now_s > deadline_s]:
            del self._open[number]
