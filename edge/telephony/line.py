"""A connection to an exchange, whatever it is made of."""

from __future__ import annotations

from typing import Final, Protocol

from edge.telephony.events import Frame
from voicebus.errors import ProtocolError

MOST_UNSENT: Final = 100
"""Frames that may wait for an exchange that does not read: two seconds of audio."""


class LineLost(ProtocolError):
    """Raised when a connection broke without a goodbye."""

    def __init__(self) -> None:
        super().__init__("the connection broke", "lost")


class Line(Protocol):
    """One connection."""

    async def receive(self) -> Frame | None:
        """Wait for what the exchange sends; None when it has closed the connection.

        Raises:
            LineLost: The connection broke.
        """
        ...

    def send(self, frame: Frame) -> None:
        """Send a frame. Does not wait.

        Raises:
            ProtocolError: ``slow_client``: it does not read.
        """
        ...

    async def close(self, reason: str) -> None:
        """Send what waits, if it is read, and close."""
        ...


def too_slow() -> ProtocolError:
    """Return the error of an exchange that does not read."""
    return ProtocolError("the exchange reads too slowly", "slow_client")
