"""How long a reply is waited for: while it is made, and until it is known how much was heard."""

from __future__ import annotations

from typing import Final

from services.turn.deadlines import Deadlines
from services.turn.persona import Persona
from services.turn.reply import Reply

STALL: Final = "stall"
PLAYBACK: Final = "playback"
CALLS: Final = "calls"
"""Names of the deadlines."""

PLAYBACK_KNOWN_MS: Final = 1_000.0
"""How long the edge may take to say how much of a cancelled reply was heard."""


class Limits:
    """The deadlines of the reply that runs.

    Args:
        persona: How the assistant behaves.
        deadlines: Where the owner looks for what is due.
    """

    def __init__(self, persona: Persona, deadlines: Deadlines) -> None:
        self._persona = persona
        self._deadlines = deadlines

    def made(self, reply: Reply) -> bool:
        """Whether nothing more of a reply is to be made."""
        return reply.text is not None and (reply.is_spoken or not self._persona.speak)

    def await_progress(self, reply: Reply, now_ms: float) -> None:
        """A stage has done something for a reply: it may take as long for the next thing.

        Functions have a time of their own, and may take longer.
        """
        if self.made(reply) or reply.calling.is_waiting:
            self._deadlines.drop(STALL)
        else:
            self._deadlines.set(STALL, now_ms + self._persona.stall_ms)

    def await_calls(self, reply: Reply, now_ms: float) -> None:
        """Functions are called for a reply, if that is news."""
        if CALLS not in self._deadlines:
            self._deadlines.set(CALLS, now_ms + reply.calling.within_s * 1000)

    def calls_ended(self, reply: Reply, now_ms: float) -> None:
        """All of them are done, or given up."""
        self._deadlines.drop(CALLS)
        self.await_progress(reply, now_ms)

    def await_playback(self, now_ms: float) -> None:
        """A reply was given up of which something may have been heard."""
        self._deadlines.set(PLAYBACK, now_ms + PLAYBACK_KNOWN_MS)

    def playback_known(self) -> None:
        """How much was heard is known."""
        self._deadlines.drop(PLAYBACK)

    @property
    def awaits_playback(self) -> bool:
        """Whether it may still be said how much was heard."""
        return PLAYBACK in self._deadlines

    def given_up(self) -> None:
        """Nothing more of the reply is to be made."""
        self._deadlines.drop(STALL, CALLS)

    def over(self) -> None:
        """The turn is over."""
        self._deadlines.drop(STALL, PLAYBACK, CALLS)
