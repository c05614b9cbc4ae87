"""Pieces of a caller's audio in their order, with what was lost filled in. Pure.

A carrier counts its pieces and says where in the call each begins, where it does so at all: the
network behind it loses some, and some carriers do not keep their order. What comes late is waited
for as long as three pieces last. What does not come is silence: the clock of speech recognition is
the audio, and a call that lost a second of it would end its pauses a second late.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from edge.telephony.events import Spoken

MOST_WAITING: Final = 3
"""Pieces that wait for one before them: 60 ms."""

MOST_FILLED_MS: Final = 1_000
"""No gap is filled with more. One that is longer is a pause of the carrier's clock."""

MOST_LATE: Final = 10
"""Pieces in a row, each with a higher number, that come too late. Behind them it is not the
network: who sends them has begun to count anew, as after a hold or a transfer."""

_GRAIN_MS: Final = 10
"""Times are rounded by who sends them."""


@dataclass(slots=True)
class Jitter:
    """One caller's pieces.

    Attributes:
        lost_ms: How much was filled in.
        late: How many pieces came too late, or twice.
    """

    lost_ms: int = 0
    late: int = 0
    _next: int = -1
    _next_ms: float = -1.0
    _late_in_a_row: int = 0
    _last_late: int = -1
    _waiting: dict[int, Spoken] = field(default_factory=dict)

    def push(self, spoken: Spoken) -> list[Spoken]:
        """Take a piece; return those that are in order now, silence among them."""
        if spoken.number < 0:
            return [spoken]
        if self._next < 0:
            self._next = spoken.number
        if spoken.number < self._next or spoken.number in self._waiting:
            self.late += 1
            rises = spoken.number > self._last_late
            self._late_in_a_row = self._late_in_a_row + 1 if rises else 1
            self._last_late = spoken.number
            if self._late_in_a_row < MOST_LATE:
                return []
            self._begin_anew(spoken.number)
        self._late_in_a_row = 0
        self._waiting[spoken.number] = spoken
        if self._next not in self._waiting and len(self._waiting) > MOST_WAITING:
            self._next = min(self._waiting)
        ready: list[Spoken] = []
        while (piece := self._waiting.pop(self._next, None)) is not None:
            self._next += 1
            ready += self._in_time(piece)
        return ready

    def _begin_anew(self, number: int) -> None:
        """Go by the numbers and times that come now."""
        self._next, self._next_ms = number, -1.0
        self._waiting.clear()

    def _in_time(self, piece: Spoken) -> list[Spoken]:
        """Return a piece, with the silence before it that its time tells of."""
        if piece.at_ms < 0:
            return [piece]
        sound = piece.sound
        missing_ms = piece.at_ms - self._next_ms if self._next_ms >= 0 else 0.0
        self._next_ms = piece.at_ms + sound.ms(len(piece.data))
        if missing_ms < _GRAIN_MS:
            return [piece]
        filled_ms = min(int(missing_ms), MOST_FILLED_MS)
        self.lost_ms += filled_ms
        return [Spoken(sound.silence(sound.size(filled_ms)), sound), piece]
