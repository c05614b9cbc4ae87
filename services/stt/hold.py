"""How long must a pause be to end the turn? Pure, on audio time.

A turn that is probably complete ends after the shortest hold. The others wait for much longer at
once, because inner pauses are of every length up to that, and up to the longest hold the less
complete they are. A speaker who was cut off, or nearly, is given more time from then on.
"""

from __future__ import annotations

from typing import Final

import msgspec

from schemas.settings import EndOfTurn
from services.stt.completion import UNJUDGED
from services.stt.endpointing import EndpointingSettings


class Limits(msgspec.Struct, frozen=True):
    """Between what a hold lies.

    Fields
        min_ms: For a turn that is probably complete.
        max_ms: For one that surely is not.
        unjudged_ms: For one that nobody can judge.
    """

    min_ms: int
    max_ms: int
    unjudged_ms: int


POLICIES: Final = {
    "eager": Limits(384, 800, 500),
    "balanced": Limits(544, 1_200, 600),
    "patient": Limits(800, 2_000, 1_000),
}

SURE: Final = 0.62
"""Completion from which the shortest hold is enough."""

_OPEN: Final = 0.2
"""Completion below which the hold is the longest."""

_LEAST_DOUBT: Final = 0.4
"""Where between the shortest and the longest hold the doubtful begin."""

_LEAST_MS: Final = 200
"""No pause is judged sooner, whatever a client asks for: stops within words are as long."""

_CUT_OFF_MS: Final = 500
"""Who speaks again so soon after the end of a turn had not finished it."""

_CLOSE_MS: Final = 100
"""Who goes on so shortly before the end would have come was nearly cut off."""

_ADDED_AFTER_CUT_OFF_MS: Final = 160
_ADDED_AFTER_CLOSE_MS: Final = 64
_MOST_ADDED_MS: Final = 320
_TAKEN_BACK_MS: Final = 32
"""After each turn that ended well."""


def limits_of(settings: EndOfTurn) -> Limits:
    """Return a session's limits: the policy's, unless they are given."""
    policy = POLICIES[settings.policy]
    longest = settings.max_hold_ms or policy.max_ms
    shortest = max(_LEAST_MS, settings.min_hold_ms or min(policy.min_ms, longest))
    longest = max(shortest, longest)
    return Limits(shortest, longest, min(longest, max(shortest, policy.unjudged_ms)))


class Hold:
    """The holds of one session, which learns from its mistakes about the speaker."""

    def __init__(self, settings: EndOfTurn) -> None:
        self.limits: Final = limits_of(settings)
        self._adapts: Final = settings.adapt
        self._added_ms = 0
        self._asked_ms = self.limits.max_ms
        self._ended: tuple[int, int] | None = None

    def endpointing(self, base: EndpointingSettings, max_turn_s: float) -> EndpointingSettings:
        """Return how to find utterances that end where turns end: no pause or turn is longer."""
        return msgspec.structs.replace(
            base,
            soft_pause_ms=min(base.soft_pause_ms, _LEAST_MS),
            end_pause_ms=self.limits.max_ms,
            max_utterance_ms=max(2_000, min(base.max_utterance_ms, round(max_turn_s * 1000))),
        )

    @property
    def shortest_ms(self) -> int:
        """The shortest hold for this speaker."""
        return min(self.limits.min_ms + self._added_ms, self.limits.max_ms)

    def length_ms(self, completion: float) -> int:
        """Return how long the pause must be.

        Args:
            completion: Probability that the turn is complete; :data:`UNJUDGED` if nobody knows.
        """
        self._asked_ms = self._length_ms(completion)
        return self._asked_ms

    def resumed(self, pause_ms: int) -> None:
        """The speaker went on after a pause within a turn."""
        if pause_ms >= self._asked_ms - _CLOSE_MS:
            self._add(_ADDED_AFTER_CLOSE_MS)
        self._asked_ms = self.limits.max_ms

    def ended(self, end_ms: int, decided_ms: int) -> None:
        """The turn was found to be over, by the audio's clock, at ``decided_ms``.

        Args:
            end_ms: End of the speech.
            decided_ms: When the pause after it had become long enough.
        """
        self._ended = end_ms, decided_ms
        self._asked_ms = self.limits.max_ms

    def forget(self) -> None:
        """The utterance ended for another reason than a pause: nothing is learnt of that."""
        self._ended = None
        self._asked_ms = self.limits.max_ms

    def started(self, speech_ms: int) -> None:
        """The next speech begins: soon after the end of the last turn, it was no end."""
        if self._ended is None:
            return
        (end_ms, decided_ms), self._ended = self._ended, None
        is_cut_off = end_ms < decided_ms and speech_ms - decided_ms < _CUT_OFF_MS
        self._add(_ADDED_AFTER_CUT_OFF_MS if is_cut_off else -_TAKEN_BACK_MS)

    def _length_ms(self, completion: float) -> int:
        low, high = self.shortest_ms, self.limits.max_ms
        if completion == UNJUDGED:
            return max(low, self.limits.unjudged_ms)
        if completion >= SURE:
            return low
        doubt = min(1.0, (SURE - completion) / (SURE - _OPEN))
        return round(low + (_LEAST_DOUBT + (1 - _LEAST_DOUBT) * doubt) * (high - low))

    def _add(self, ms: int) -> None:
        if self._adapts:
            self._added_ms = min(_MOST_ADDED_MS, max(0, self._added_ms + ms))
