"""Whether what the caller says over a reply ends it: asks the floor, and orders what it decides."""

from __future__ import annotations

from schemas.settings import Interruption
from schemas.stt import SpeechPaused, TranscriptPartial
from schemas.turn import ReplyPaused, ReplyResumed
from services.turn.deadlines import Deadlines
from services.turn.floor import Floor, Verdict
from services.turn.turns import Events, Turns


class Interruptions:
    """Those of one session. Sets deadlines among the owner's.

    Args:
        settings: What is an interruption.
        turns: Knows the reply that is heard.
        deadlines: Where the owner looks for what is due.
        speaks: Whether replies are heard at all, or only read.
    """

    def __init__(
        self, settings: Interruption, turns: Turns, deadlines: Deadlines, *, speaks: bool
    ) -> None:
        self._allowed = settings.allowed
        self._floor = Floor(settings, deadlines)
        self._turns = turns
        self._speaks = speaks

    @property
    def are_possible(self) -> bool:
        """Whether a reply is heard that the caller may interrupt."""
        reply = self._turns.reply
        is_heard = self._speaks and self._turns.is_live
        return self._allowed and is_heard and reply is not None and not reply.outcome

    def due(self, name: str, now_ms: float) -> Events:
        """A deadline of the floor's has come."""
        if not self.are_possible:
            return ()
        return self._rule(self._floor.due(name, now_ms), now_ms)

    def speech_started(self, now_ms: float) -> Events:
        """The caller began to speak, or went on after a pause."""
        if not self.are_possible:
            return ()
        return self._rule(self._floor.speech_started(now_ms), now_ms)

    def speech_paused(self, paused: SpeechPaused, now_ms: float) -> Events:
        """The caller fell silent."""
        if self.are_possible:
            self._floor.speech_paused(paused, now_ms)
        return ()

    def partial(self, partial: TranscriptPartial, now_ms: float) -> Events:
        """Words of the caller that is still speaking were understood."""
        if not self.are_possible:
            return ()
        return self._rule(self._floor.hears(partial.text), now_ms)

    def heard(self, text: str, now_ms: float) -> tuple[bool, Events]:
        """The caller has fallen silent; return whether that interrupts, and the orders."""
        verdict = self._floor.heard(text)
        return verdict is Verdict.INTERRUPT, self._rule(verdict, now_ms)

    def reset(self) -> None:
        """The reply is over."""
        self._floor.reset()

    def _rule(self, verdict: Verdict, now_ms: float) -> Events:
        reply = self._turns.reply
        if reply is None or verdict is Verdict.NONE:
            return ()
        if verdict is Verdict.INTERRUPT:
            return self._turns.end("interrupted", now_ms)
        kind = ReplyPaused if verdict is Verdict.PAUSE else ReplyResumed
        return (kind(turn=reply.turn, revision=reply.revision),)
