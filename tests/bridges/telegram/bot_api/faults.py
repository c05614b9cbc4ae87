"""What a test wants to go wrong with some calls."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from enum import Enum, auto


class Harm(Enum):
    """What happens to a call."""

    FLOOD = auto()
    """429 with ``retry_after``; nothing is done, neither then nor in the chat meanwhile."""
    FLOOD_ALL = auto()
    """The same, but in no chat of the bot: the answer does not say so."""
    CONFLICT = auto()
    """409; nothing is done."""
    FORBIDDEN = auto()
    """403: the user has blocked the bot."""
    NO_VOICE = auto()
    """400: the user takes no voice messages."""
    NO_VOICE_HERE = auto()
    """400: the group takes no voice messages."""
    BROKEN = auto()
    """500; nothing is done."""
    SLOW = auto()
    """It is done, and answered after some seconds."""
    LOST = auto()
    """It is done, and the connection ends before the answer is whole."""
    GATEWAY = auto()
    """It is done, and a gateway answers 502: it has not heard so."""
    MUTE = auto()
    """Nothing is done, and nothing answered, until the client ends the connection."""
    CUT = auto()
    """Of a download: the connection ends in the middle."""


@dataclass(frozen=True)
class Fault:
    """What happens to the next call of a method.

    Attributes:
        method: Which one; ``file`` for downloads.
        harm: What happens.
        seconds: Of ``retry_after``, or of slowness.
    """

    method: str
    harm: Harm
    seconds: float = 1.0


class Faults:
    """The faults that wait for their calls."""

    def __init__(self) -> None:
        self._waiting: deque[Fault] = deque()
        self._lock = threading.Lock()

    def add(self, method: str, harm: Harm, seconds: float = 1.0, times: int = 1) -> None:
        """Let something go wrong with the next calls of a method."""
        with self._lock:
            self._waiting.extend([Fault(method, harm, seconds)] * times)

    def take(self, method: str) -> Fault | None:
        """Return what is to go wrong with this call."""
        with self._lock:
            for fault in self._waiting:
                if fault.method == method:
                    self._waiting.remove(fault)
                    return fault
        return None
