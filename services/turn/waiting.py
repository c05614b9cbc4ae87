"""What the caller has said and nobody has answered yet. Has no clock of its own."""

from __future__ import annotations

from typing import Final

from schemas.session import UserText
from schemas.stt import TranscriptFinal
from schemas.turn import TurnEnded, TurnStarted

_AT_THE_END_MS: Final = 1_500.0
"""A "yes" that came so shortly before the end of a question was the answer to it."""


class Waiting:
    """The words of the coming turn.

    Args:
        max_turn_s: Who speaks for so long is answered, finished or not.

    Attributes:
        is_complete: Whether they are to be answered.
    """

    def __init__(self, max_turn_s: float) -> None:
        self._max_turn_ms = max_turn_s * 1000
        self._said: list[TranscriptFinal | UserText] = []
        self._aside: tuple[TranscriptFinal, float] | None = None
        self._utterance = 0
        self._control = -1
        self.is_complete = False

    def __bool__(self) -> bool:
        return bool(self._said)

    @property
    def is_typed(self) -> bool:
        """Whether the last of it was typed."""
        return isinstance(self._said[-1], UserText) if self._said else False

    def add(self, said: TranscriptFinal | UserText) -> None:
        """Append words."""
        self._said.append(said)
        if isinstance(said, UserText):
            self._control = said.seq
        else:
            self._utterance = said.utterance

    def complete(self) -> None:
        """Have what there is answered."""
        self.is_complete = bool(self._said)

    def answered(self, started: TurnStarted) -> None:
        """Forget what the log says was answered."""
        self._utterance = max(self._utterance, started.utterance)
        self._control = max(self._control, started.control)
        self._said = [said for said in self._said if not _is_in(said, started)]
        self.is_complete = self.is_complete and bool(self._said)
        if self._aside is not None and _is_in(self._aside[0], started):
            self._aside = None

    def with_draft(self, text: str) -> str:
        """Return all of it, and what may be its end."""
        return " ".join([*(said.text for said in self._said), text])

    def take(self) -> TurnStarted:
        """Return the turn that it is, without a number yet."""
        last = self._said[-1]
        started = TurnStarted(
            text=" ".join(said.text for said in self._said),
            speech_end_ms=-1 if isinstance(last, UserText) else last.end_ms,
            typed=isinstance(last, UserText),
            utterance=self._utterance,
            control=self._control,
        )
        self._said.clear()
        self.is_complete = False
        return started

    def is_too_long(self, final: TranscriptFinal) -> bool:
        """Whether the caller has spoken for long enough with this."""
        starts = (said.start_ms for said in self._said if isinstance(said, TranscriptFinal))
        return final.end_ms - next(starts, final.start_ms) >= self._max_turn_ms

    def set_aside(self, final: TranscriptFinal, now_ms: float) -> None:
        """Remember words that showed attention to a reply, and did not interrupt it."""
        self._aside = (final, now_ms) if final.text else None

    def take_up(self, ended: TurnEnded, now_ms: float) -> None:
        """A reply has ended: what was said over its end may have been the answer to it."""
        aside, self._aside = self._aside, None
        if aside is None or ended.outcome != "completed":
            return
        final, said_ms = aside
        if ended.reply.rstrip().endswith("?") and now_ms - said_ms <= _AT_THE_END_MS:
            self.add(final)
            self.complete()


def _is_in(said: TranscriptFinal | UserText, started: TurnStarted) -> bool:
    if isinstance(said, UserText):
        return said.seq <= started.control
    return said.utterance <= started.utterance
