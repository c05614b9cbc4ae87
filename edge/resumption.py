"""How a session outlives its socket: both sides count frames, and keep what may be lost. Pure.

::

    client ──frames 1, 2, 3 …──> Taken: how many came, and how many of them are stored
    client <──frames 1, 2, 3 …── Kept:  those that are not known to have reached the client

A socket carries frames in order and loses none before it breaks. So one number in each direction
says all that was lost with it: whoever has sent the frames behind that number sends them again.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import deque
from dataclasses import replace
from typing import Final

from msgspec import Struct, structs

from edge.outbox import Parcel
from edge.wire import At
from voicebus.errors import ProtocolError

KEPT_BYTES: Final = 4 << 20
"""What may be on its way to one client: more than a socket's buffers hold, and a minute of speech
at 24 kHz."""

MARKS: Final = 1024
"""How many frames are told apart that are not stored yet: 20 s of speech."""


NOTHING: Final = At()
"""The client has not sent anything."""


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


class Ticket(Struct, frozen=True):
    """What a client must prove to come back. The token itself is nowhere kept.

    Fields
        digest: SHA-256 of the token.
    """

    digest: bytes

    def admits(self, token: str) -> bool:
        """Whether this is the token, in a time that does not depend on it."""
        return hmac.compare_digest(self.digest, _digest(token))

    @property
    def text(self) -> str:
        """The digest as it stands in the log."""
        return self.digest.hex()


def new_ticket() -> tuple[str, Ticket]:
    """Make a token of 256 random bits, and the ticket that knows it again."""
    token = secrets.token_urlsafe(32)
    return token, Ticket(_digest(token))


NOBODYS: Final = new_ticket()[1]
"""Admits nobody, in the time in which a session's ticket does."""


class Kept:
    """Frames for one client: numbered from 1, and kept until they are known to have arrived.

    Args:
        limit_bytes: How much is kept; beyond it the oldest goes.

    Attributes:
        sent: Number of the last frame.
    """

    def __init__(self, limit_bytes: int = KEPT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._parcels: deque[Parcel] = deque()
        self._bytes = 0
        self.sent = 0

    def number(self, parcel: Parcel) -> str | bytes:
        """Number a frame that is about to be sent, and keep it.

        Text carries its number; audio has the one after the frame before it.
        """
        self.sent += 1
        data = parcel.data
        if isinstance(data, str):
            data = f'{{"seq":{self.sent},{data[1:]}'
        self._parcels.append(replace(parcel, data=data))
        self._bytes += len(data)
        while self._bytes > self._limit_bytes:
            self._forget()
        return data

    def confirm(self, received: int) -> None:
        """The client has all frames up to this one."""
        while self._parcels and self._first <= received:
            self._forget()

    def after(self, received: int) -> list[Parcel]:
        """Return the frames that the client has not received.

        Raises:
            ProtocolError: ``session_expired``: some are no longer kept; ``bad_field``: it claims
                to have more than was sent.
        """
        if received > self.sent:
            raise ProtocolError("`received` is more than was sent", "bad_field")
        if received < self._first - 1:
            raise ProtocolError(
                "what was sent since then is no longer kept; begin anew", "session_expired"
            )
        return list(self._parcels)[received - self._first + 1 :]

    @property
    def _first(self) -> int:
        return self.sent - len(self._parcels) + 1

    def _forget(self) -> None:
        self._bytes -= len(self._parcels.popleft().data)


class Taken:
    """Frames from one client.

    Args:
        at: How many another edge took before.

    Attributes:
        at: What is known of the stream at the last stored frame.
        frames: How many were taken.
    """

    def __init__(self, at: At = NOTHING) -> None:
        self.frames = at.frames
        self.at = at
        self._marks: deque[tuple[At, int]] = deque()

    @property
    def stored(self) -> int:
        """How many frames are stored."""
        return self.at.frames

    def mark(self, published: int, at: At = NOTHING) -> None:
        """All frames so far are stored once so many publications are.

        Args:
            published: The publications.
            at: What is known of the stream by now, besides the number of its frames.
        """
        if len(self._marks) == MARKS:
            self._marks.pop()  # the frames of two marks are told of together
        self._marks.append((structs.replace(at, frames=self.frames), published))

    def settle(self, stored: int) -> None:
        """So many publications are stored, with all before them."""
        while self._marks and self._marks[0][1] <= stored:
            self.at = self._marks.popleft()[0]
