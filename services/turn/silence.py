"""A caller who says nothing: prompted, and in the end hung up on. Has no clock of its own."""

from __future__ import annotations

from typing import Final

from schemas.event import Event
from schemas.session import ClientLost, ClientReturned
from schemas.settings import Silence
from schemas.turn import HangUp
from services.turn.deadlines import Deadlines

PROMPT_DUE: Final = "prompt"
HANG_UP_DUE: Final = "silence"
LIMIT_DUE: Final = "limit"
"""Names of the deadlines; those after which the caller is hung up on are named for the reason."""

CLIENT: Final = (ClientLost, ClientReturned)
"""What comes of the client's connection."""

Nothing = tuple[()]


class Patience:
    """How long the caller's silence is borne. Sets its deadlines among the owner's.

    That nothing is heard of a client whose connection is broken is no silence: it is not prompted
    then, and not hung up on. When it is back, the caller has all the time again.
    """

    def __init__(self, settings: Silence, deadlines: Deadlines) -> None:
        self._settings = settings
        self._deadlines = deadlines
        self._prompts = 0
        self._is_away = self._is_awaited = False

    def begin(self, begun_ms: float, max_session_s: float) -> None:
        """The session has begun; it lasts for so long at most, or without end for 0."""
        if max_session_s:
            self._deadlines.set(LIMIT_DUE, begun_ms + max_session_s * 1000)

    def caller_is_there(self) -> None:
        """The caller said words, typed or pressed a key."""
        self._prompts = 0
        self.caller_speaks()

    def caller_speaks(self) -> None:
        """The caller makes a sound; that may be a noise."""
        self._is_awaited = False
        self._deadlines.drop(PROMPT_DUE, HANG_UP_DUE)

    def await_caller(self, now_ms: float) -> None:
        """The caller has the floor."""
        self._is_awaited = True
        if self._is_away:
            return
        settings = self._settings
        if settings.prompt and settings.prompt_after_s and self._prompts < settings.prompts:
            self._deadlines.set(PROMPT_DUE, now_ms + settings.prompt_after_s * 1000)
        if settings.hang_up_after_s and HANG_UP_DUE not in self._deadlines:
            # A prompt does not make the silence any shorter.
            self._deadlines.set(HANG_UP_DUE, now_ms + settings.hang_up_after_s * 1000)

    def prompt(self) -> str:
        """Return what to say now."""
        self._prompts += 1
        return self._settings.prompt

    def hang_up(self, name: str) -> HangUp:
        """Return the order to hang up for the reason that a deadline is named for."""
        return HangUp(reason=name)

    def take(self, event: Event, now_ms: float) -> Nothing:
        """Take in that the client's connection broke, or that the client is back."""
        was_away, self._is_away = self._is_away, isinstance(event, ClientLost)
        if self._is_away:
            self._deadlines.drop(PROMPT_DUE, HANG_UP_DUE)
        elif was_away and self._is_awaited:
            self.await_caller(now_ms)
        return ()
