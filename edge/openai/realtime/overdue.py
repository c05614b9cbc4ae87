"""What a session waits for, and for how long already. Pure: the clock is the caller's."""

from __future__ import annotations

from schemas.claim import Claimed
from schemas.event import Event
from schemas.stt import AudioConsumed


class Overdue:
    """What the workers owe one session.

    Args:
        claim_s: How long a worker may take to take the session.
        stall_s: Longest silence of those that have.
        roles: Whose workers it needs from its beginning.
        begun_s: When that was.
    """

    def __init__(
        self, claim_s: float, stall_s: float, roles: tuple[str, ...], begun_s: float
    ) -> None:
        self._claim_s = claim_s
        self._stall_s = stall_s
        self._asked_s = dict.fromkeys(roles, begun_s)
        self._claimed: set[str] = set()
        self._words_s: float | None = None
        self._answer_s: float | None = None

    def ask(self, role: str, now_s: float) -> None:
        """A role's worker is needed from here on, if it was not before."""
        self._asked_s.setdefault(role, now_s)

    def heard(self, event: Event, now_s: float) -> None:
        """A worker has said something; what belongs to a turn is a sign of its answer's life."""
        if isinstance(event, Claimed):
            self._claimed.add(event.role)
        if event.turn and self._answer_s is not None:
            self._answer_s = now_s
        if isinstance(event, AudioConsumed):
            self._words_s = None  # others may be due, but these came

    def lacks_worker(self, now_s: float) -> bool:
        """Whether nobody has taken the session, or its audio, in time."""
        return any(
            role not in self._claimed and now_s - asked_s > self._claim_s
            for role, asked_s in self._asked_s.items()
        )

    def lacks_words(self, now_s: float, *, are_due: bool) -> bool:
        """Whether words of the caller are due for too long; asked now and then.

        Whoever is told so gives them up: what is due afterwards has its own time.
        """
        self._words_s = _since(self._words_s, now_s, lasts=are_due)
        if self._words_s is None or now_s - self._words_s <= self._stall_s:
            return False
        self._words_s = None
        return True

    def lacks_answer(self, now_s: float, *, is_active: bool) -> bool:
        """Whether nothing was heard of the active response for too long; asked now and then.

        Whoever is told so refuses it: the next one has its own time.
        """
        self._answer_s = _since(self._answer_s, now_s, lasts=is_active)
        if self._answer_s is None or now_s - self._answer_s <= self._stall_s:
            return False
        self._answer_s = None
        return True


def _since(since_s: float | None, now_s: float, *, lasts: bool) -> float | None:
    if not lasts:
        return None
    return now_s if since_s is None else since_s
