"""What is kept in short of a conversation that got too long. Pure.

::

    chat ──nearly too long──> SummariseRequest ──SummaryMade──> summary and the rest of the chat
                                    │
                                    └── late, or failed: its older half goes, as it does without

It is ordered while a reply is heard, or behind one: nobody waits for the language model then.
"""

from __future__ import annotations

from schemas.event import Event
from schemas.llm import SummariseRequest, SummaryMade
from services.turn.history import History
from services.turn.persona import Persona
from services.turn.reply import Reply

Events = tuple[Event, ...]


class Summaries:
    """The summaries of one session.

    Args:
        history: What the model is told.
        persona: Whether there are any, and who writes them.

    Attributes:
        made: Those that were made, until somebody takes them from here.
    """

    def __init__(self, history: History, persona: Persona) -> None:
        self._history = history
        self._persona = persona
        self._asked = 0
        self._is_waiting = False
        self.made: list[SummaryMade] = []

    def due(self, reply: Reply | None, draft: Reply | None) -> Events:
        """Return the order for a summary, if one is due and nobody waits for the model.

        Args:
            reply: The reply that runs.
            draft: The answer that was begun and nobody may hear yet.
        """
        is_busy = draft is not None or (reply is not None and reply.text is None)
        # One that does not come until its part of the chat is gone is not waited for any longer.
        is_waiting = self._is_waiting and self._history.has(self._asked)
        if not self._persona.summaries or is_busy or is_waiting:
            return ()
        old = self._history.old()
        if old is None or old.through <= self._asked:
            return ()
        self._asked, self._is_waiting = old.through, True
        return (
            SummariseRequest(
                messages=old.messages,
                summary=old.summary,
                through=old.through,
                model=self._persona.model,
            ),
        )

    def take(self, made: SummaryMade, _: float) -> Events:
        """Take a summary in."""
        self._asked = max(self._asked, made.through)
        if made.through == self._asked:
            self._is_waiting = False
        if made.text:
            self._history.sum_up(made.text, made.through)
            self.made.append(made)
        return ()
