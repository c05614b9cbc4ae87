"""Where a worker goes on that takes a session over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(slots=True, frozen=True)
class Resumption:
    """How far a session has been heard: nothing yet, or what a worker before us has published.

    Attributes:
        start: Index of the first sample that no final covers.
        utterance: Number of the last utterance.
        finals: How many finals with words came since the last ``AudioConsumed``.
        ended: Offset of that ``AudioConsumed``; -1 when there was none.
        stored_ns: When the last of what was published was stored, by the clock of the bus.
    """

    start: int = 0
    utterance: int = 0
    finals: int = 0
    ended: int = -1
    stored_ns: int = 0


AFRESH: Final = Resumption()
"""Nothing has been heard yet."""
