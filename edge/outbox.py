"""What waits for a client that reads: bounded in bytes."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from voicebus.errors import ProtocolError


@dataclass(slots=True, frozen=True)
class Parcel:
    """One frame for the client.

    Attributes:
        data: JSON text, or audio.
        turn: The turn whose audio it is, begins or ends; 0 for what is no part of a turn's audio
            and need not keep its place in it.
        duration_ms: Length of the audio.
        is_last: Whether the turn's audio ends here.
    """

    data: str | bytes
    turn: int = 0
    duration_ms: float = 0.0
    is_last: bool = False


class Outbox:
    """Frames for one client, in order. Audio can be held back; words then go before it.

    Args:
        limit_bytes: How much may wait; beyond it the client is too slow.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._first: deque[Parcel] = deque()
        self._waiting: deque[Parcel] = deque()
        self._bytes = 0
        self._changed = asyncio.Event()
        self._closed = False
        self._holds = False

    def put(self, parcel: Parcel) -> None:
        """Add a frame.

        Raises:
            ProtocolError: ``slow_client``: more waits than the limit.
        """
        if self._closed:
            return
        if self._bytes + len(parcel.data) > self._limit_bytes:
            raise ProtocolError("the client reads too slowly", "slow_client")
        self._waiting.append(parcel)
        self._bytes += len(parcel.data)
        self._changed.set()

    def put_first(self, text: str) -> None:
        """Add a short message that goes before all that waits, behind others of its kind."""
        if self._closed:
            return
        self._first.append(Parcel(text))
        self._bytes += len(text)
        self._changed.set()

    def hold(self) -> None:
        """Keep audio back until :meth:`release`."""
        self._holds = True

    def release(self) -> None:
        """Let audio go on."""
        self._holds = False
        self._changed.set()

    def drop(self, turn: int) -> None:
        """Drop a turn's audio that has not been sent: the reply was given up."""
        self._waiting = deque(parcel for parcel in self._waiting if parcel.turn != turn)
        self._bytes = sum(len(parcel.data) for parcel in (*self._first, *self._waiting))

    def close(self) -> None:
        """Let the reader end once it has everything."""
        self._closed = True
        self._changed.set()

    async def next(self) -> Parcel | None:
        """Wait for the next frame; None when closed and nothing is left that may be sent."""
        while (parcel := self._take()) is None:
            if self._closed:
                return None
            self._changed.clear()
            await self._changed.wait()
        self._bytes -= len(parcel.data)
        return parcel

    def _take(self) -> Parcel | None:
        if self._first:
            return self._first.popleft()
        if not self._holds:
            return self._waiting.popleft() if self._waiting else None
        for index, parcel in enumerate(self._waiting):
            if not parcel.turn:
                del self._waiting[index]
                return parcel
        return None
