"""How fast this worker recognises, measured while it works."""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np

from voicebus.lately import Lately

_REMEMBERED: Final = 256
_ENOUGH: Final = 20
_SPEECH_PER_DOUBLE_S: Final = 10.0
"""Finals of utterances that are longer by this take about as much longer as a short one takes."""

_UNKNOWN_FINAL_MS: Final = 1_500.0
_UNKNOWN_PARTIAL_MS: Final = 250.0
_MARGIN: Final = 1.25
_SHORTEST_DUE_MS: Final = 250
_LONGEST_DUE_MS: Final = 15_000
_SHARE: Final = 3.0
"""Partials may use one part in as many of the machine."""


class Pace:
    """What finals and partials took lately. One per worker, used on its event loop.

    Attributes:
        finals: How long finals were waited for.
    """

    def __init__(self, partial_ms: int = 0) -> None:
        """Begin without data.

        Args:
            partial_ms: Shortest time between two partials of a session, however idle the machine.
        """
        self._partial_ms = partial_ms
        self.finals = Lately()
        self._scaled: deque[float] = deque(maxlen=_REMEMBERED)
        self._partials: deque[float] = deque(maxlen=_REMEMBERED)

    def note(self, speech_s: float, waited_ms: float) -> None:
        """Take in a final: how long its speech was, and how long it was waited for."""
        self.finals.note(waited_ms)
        self._scaled.append(waited_ms / _scale(speech_s))

    def note_partial(self, compute_ms: float) -> None:
        """Take in a partial: how long the model worked on it."""
        self._partials.append(compute_ms)

    def final_due_ms(self, speech_s: float) -> int:
        """Return within how long a final of so much speech comes, in 99 of 100 cases.

        Until enough finals have been measured it is a cautious guess, or what the slowest of them
        says if that is more.
        """
        if not self._scaled:
            known = _UNKNOWN_FINAL_MS
        else:
            known = _MARGIN * float(np.percentile(self._scaled, 99))
            if len(self._scaled) < _ENOUGH:
                known = max(known, _UNKNOWN_FINAL_MS)
        return round(min(_LONGEST_DUE_MS, max(_SHORTEST_DUE_MS, known * _scale(speech_s))))

    def partial_interval_ms(self, sessions_speaking: int) -> int:
        """Return how long a session shall wait from one partial to the next.

        Args:
            sessions_speaking: In how many sessions somebody speaks now.
        """
        cost_ms = float(np.median(self._partials)) if self._partials else _UNKNOWN_PARTIAL_MS
        return max(self._partial_ms, round(_SHARE * cost_ms * max(1, sessions_speaking)))


def _scale(speech_s: float) -> float:
    return 1.0 + max(0.0, speech_s) / _SPEECH_PER_DOUBLE_S
