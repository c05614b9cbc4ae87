"""Who has the floor while a reply is heard: a pure state machine without a clock.

The reply pauses as soon as the caller speaks, because half a second of two voices is what people
mind most. What the caller said decides whether it goes on or is given up.

::

    reply has the floor ──speech for min_speech──> paused ──words that interrupt──> caller has it
             ^                                        │
             └──backchannel, noise, nothing in time───┘
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from schemas.settings import Interruption
from schemas.stt import SpeechPaused
from services.turn.backchannel import is_backchannel, words_in
from services.turn.deadlines import Deadlines

ONSET_MS: Final = 100
"""How much speech there was when its beginning is told."""

ENOUGH_SPEECH: Final = "enough speech"
WORDS_DUE: Final = "words due"
"""Names of the deadlines."""

_WORDS_LATEST_MS: Final = 400
"""Added to the time within which words are due: recognition begins at the pause, not before."""


_SPEECH_LATEST_MS: Final = 35_000
"""No utterance is longer: a reply that was paused goes on by then, whoever failed to say so."""


class Verdict(Enum):
    """What is to become of the reply."""

    NONE = 0
    PAUSE = 1
    RESUME = 2
    INTERRUPT = 3


class Floor:
    """The state for one session. Sets its deadlines among the owner's."""

    def __init__(self, settings: Interruption, deadlines: Deadlines) -> None:
        self._settings = settings
        self._deadlines = deadlines
        self.is_paused = False

    def speech_started(self, now_ms: float) -> Verdict:
        """The caller began to speak, or went on after a pause."""
        if self.is_paused:
            self._deadlines.set(WORDS_DUE, now_ms + _SPEECH_LATEST_MS)
        if not self._settings.allowed or self.is_paused:
            return Verdict.NONE
        missing_ms = self._settings.min_speech_ms - ONSET_MS
        if missing_ms > 0:
            self._deadlines.set(ENOUGH_SPEECH, now_ms + missing_ms)
            return Verdict.NONE
        return self._pause(now_ms)

    def speech_paused(self, paused: SpeechPaused, now_ms: float) -> None:
        """The caller fell silent; what was said will be known soon."""
        if paused.speech_ms < self._settings.min_speech_ms:
            self._deadlines.drop(ENOUGH_SPEECH)
        if self.is_paused:
            due_ms = now_ms + paused.final_due_ms + _WORDS_LATEST_MS
            self._deadlines.set(WORDS_DUE, due_ms)

    def due(self, name: str, now_ms: float) -> Verdict:
        """A deadline of this machine has come."""
        return self._pause(now_ms) if name == ENOUGH_SPEECH else self._resume()

    def hears(self, text: str) -> Verdict:
        """Words of the caller that is still speaking were understood."""
        if not self.is_paused or self._is_attention(text):
            return Verdict.NONE
        return Verdict.INTERRUPT

    def heard(self, text: str) -> Verdict:
        """The caller has fallen silent, and this is all that was said."""
        self._deadlines.drop(WORDS_DUE, ENOUGH_SPEECH)
        if not self._settings.allowed:
            return Verdict.NONE
        if self._is_attention(text):
            return self._resume()
        return Verdict.INTERRUPT

    def reset(self) -> None:
        """The reply is over, or given up."""
        self.is_paused = False
        self._deadlines.drop(WORDS_DUE, ENOUGH_SPEECH)

    def _is_attention(self, text: str) -> bool:
        if words_in(text) < self._settings.min_words:
            return True
        return is_backchannel(text, self._settings.backchannels)

    def _pause(self, now_ms: float) -> Verdict:
        if self._settings.min_words == 0:
            return Verdict.INTERRUPT
        self.is_paused = True
        self._deadlines.set(WORDS_DUE, now_ms + _SPEECH_LATEST_MS)
        return Verdict.PAUSE

    def _resume(self) -> Verdict:
        if not self.is_paused:
            return Verdict.NONE
        self.is_paused = False
        return Verdict.RESUME
