"""What comes out of a caller's loudspeaker, and when. Takes messages with their times; no I/O.

Audio plays in real time from the moment it arrives, in the order of its arrival. It stands still
while its turn is paused, and is gone when its turn is flushed.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from voicebus.audio.loudness import first_audible_sample

_TOUCHING_S: Final = 1e-6


class Heard(Struct, frozen=True):
    """A stretch of a turn's audio that was played without a break.

    Fields
        turn: Which turn.
        begun_s: When its first sample was heard, on the caller's clock.
        ended_s: When its last one was.
        from_s: Where it begins in the turn's audio.
        to_s: Where it ends.
    """

    turn: int
    begun_s: float
    ended_s: float
    from_s: float
    to_s: float


class _Chunk(Struct):
    """Audio that waits: seconds ``from_s`` to ``to_s`` of a turn, here since ``at_s``."""

    turn: int
    from_s: float
    to_s: float
    at_s: float


class _Turn:
    """All audio of a turn that arrived, and where it is first audible."""

    def __init__(self) -> None:
        self.pieces: list[NDArray[np.int16]] = []
        self.seconds = 0.0
        self.played_s = 0.0
        self.audible_from_s: float | None = None


class Player:
    """A loudspeaker with a queue. All times are seconds of one clock and never go back."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self._queue: deque[_Chunk] = deque()
        self._turns: dict[int, _Turn] = {}
        self._paused: set[int] = set()
        self._now_s = 0.0

    def push(self, turn: int, samples: NDArray[np.int16], rate_hz: int, at_s: float) -> None:
        """Take audio that arrived at ``at_s``."""
        self.advance(at_s)
        known = self._turns.setdefault(turn, _Turn())
        begin_s = known.seconds
        known.pieces.append(samples)
        known.seconds += len(samples) / rate_hz
        if known.audible_from_s is None:
            first = first_audible_sample(np.concatenate(known.pieces), rate_hz)
            known.audible_from_s = None if first is None else first / rate_hz
        self._queue.append(_Chunk(turn, begin_s, known.seconds, at_s))

    def pause(self, turn: int, at_s: float) -> None:
        """Stand still when it is this turn's time."""
        self.advance(at_s)
        self._paused.add(turn)

    def resume(self, turn: int, at_s: float) -> None:
        """Go on with this turn."""
        self.advance(at_s)
        self._paused.discard(turn)

    def flush(self, turn: int, at_s: float) -> float:
        """Drop what is left of this turn; return how many milliseconds of it were played."""
        self.advance(at_s)
        self._queue = deque(chunk for chunk in self._queue if chunk.turn != turn)
        self._paused.discard(turn)
        return self.played_ms(turn)

    def played_ms(self, turn: int) -> float:
        """Return how much of a turn was played up to the time that is known."""
        return 1000 * self._turns[turn].played_s if turn in self._turns else 0.0

    def received_ms(self, turn: int) -> float:
        """Return how much of a turn arrived."""
        return 1000 * self._turns[turn].seconds if turn in self._turns else 0.0

    def is_waiting(self, turn: int) -> bool:
        """Whether some of a turn is still to be played."""
        return any(chunk.turn == turn for chunk in self._queue)

    def advance(self, now_s: float) -> None:
        """Play until ``now_s``."""
        at_s = self._now_s
        while self._queue and at_s < now_s:
            chunk = self._queue[0]
            at_s = max(at_s, chunk.at_s)
            if chunk.turn in self._paused or at_s >= now_s:
                break
            seconds = min(chunk.to_s - chunk.from_s, now_s - at_s)
            self._note(
                Heard(chunk.turn, at_s, at_s + seconds, chunk.from_s, chunk.from_s + seconds)
            )
            at_s += seconds
            chunk.from_s += seconds
            self._turns[chunk.turn].played_s = chunk.from_s
            if chunk.to_s - chunk.from_s <= _TOUCHING_S:
                self._turns[chunk.turn].played_s = chunk.to_s
                self._queue.popleft()
        self._now_s = max(self._now_s, now_s)

    def audible_at(self, turn: int) -> float | None:
        """Return when the first audible sample of a turn was heard; None if it was not."""
        known = self._turns.get(turn)
        if known is None or known.audible_from_s is None:
            return None
        for part in self.heard:
            if part.turn == turn and part.from_s <= known.audible_from_s < part.to_s:
                return part.begun_s + known.audible_from_s - part.from_s
        return None

    def silent_from(self, turn: int) -> float | None:
        """Return when the last sample of a turn was heard; None if none was."""
        return max((part.ended_s for part in self.heard if part.turn == turn), default=None)

    def _note(self, part: Heard) -> None:
        last = self.heard[-1] if self.heard else None
        if (
            last is not None
            and last.turn == part.turn
            and abs(last.to_s - part.from_s) < _TOUCHING_S
            and abs(last.ended_s - part.begun_s) < _TOUCHING_S
        ):
            self.heard[-1] = Heard(last.turn, last.begun_s, part.ended_s, last.from_s, part.to_s)
        else:
            self.heard.append(part)
