"""Whether the caller speaks at the moment, short pauses included. Has no clock of its own."""

from __future__ import annotations

from typing import Final

from schemas.stt import TranscriptFinal
from services.turn.deadlines import Deadlines

SPEECH_DUE: Final = "speech"
"""Name of the deadline."""

_LATEST_MS: Final = 35_000.0
"""No utterance is longer; whoever should have told of its end is gone."""


class Speaking:
    """What is known of it. Sets its deadline among the owner's."""

    def __init__(self, deadlines: Deadlines) -> None:
        self._deadlines = deadlines
        self._since_ms: int | None = None
        self._over_ms = 0

    def __bool__(self) -> bool:
        return self._since_ms is not None

    def begin(self, start_ms: int, now_ms: float) -> None:
        """Speech began, by the audio's clock, at ``start_ms``."""
        if start_ms < self._over_ms:
            return  # the news of it comes late: it is over
        self._since_ms = start_ms
        self._deadlines.set(SPEECH_DUE, now_ms + _LATEST_MS)

    def end(self) -> None:
        """The caller fell silent, or is not known to speak any more."""
        self._since_ms = None
        self._deadlines.drop(SPEECH_DUE)

    def end_with(self, final: TranscriptFinal) -> None:
        """An utterance is over; its text may come when the next one has begun already."""
        self._over_ms = max(self._over_ms, final.end_ms)
        if self._since_ms is not None and final.end_ms >= self._since_ms:
            self.end()
