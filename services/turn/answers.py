"""The answers that a client asks for, one after the other: a pure state machine without a clock.

For a client that keeps the conversation itself, item by item, and says with each request what the
model is to be asked. What is left to lead is what needs the bus: attempts, deadlines, cancelling,
and that a worker which takes over neither loses an answer nor gives it twice.

::

               draft: an answer that is asked for early, and unheard
    idle ──────────────────────────────────────────> idle ──the same is asked for──┐
      │  asked for                                                                 v
      ├───────────────────────────────────────────────────────────────────────> answering
      └<──────────────────────────────────────── all made, cancelled or failed ────┘

Nobody waits for what is heard: such a client plays as it likes, and says what it cut off.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from schemas.event import Event
from schemas.failure import Failure
from schemas.llm import ClauseReady, GenerationDone
from schemas.session import AnswerAsked, CancelAsked
from schemas.tts import ClauseSpoken, SpeechDone
from schemas.turn import HangUp, TurnCancelled, TurnEnded, TurnStarted
from services.turn.deadlines import Deadlines
from services.turn.history import bounded
from services.turn.limits import STALL
from services.turn.persona import Persona
from services.turn.reply import Reply
from services.turn.requests import stalled
from services.turn.turns import Events

_SESSION: Final = "session"


class Answers:
    """The state of one session.

    Args:
        persona: How long a session and an answer may take.
        first_revision: The attempt that every turn begins with. A worker that takes over begins
            above all that the worker before it may have used.

    Attributes:
        turn: Number of the last turn that began; 0 before the first.
        reply: What is being made.
    """

    def __init__(self, persona: Persona, first_revision: int = 0) -> None:
        self._persona = persona
        self._first_revision = first_revision
        self._revision = first_revision
        self._deadlines = Deadlines()
        self._asked: deque[AnswerAsked] = deque()
        self._begun = -1
        self._speaks = False
        self._draft: Reply | None = None
        self._drafted: AnswerAsked | None = None
        self.turn = 0
        self.reply: Reply | None = None

    @property
    def due_ms(self) -> float | None:
        """When :meth:`tick` is to be called; None for not at all."""
        return self._deadlines.next_ms

    def open(self, now_ms: float, age_ms: float = 0.0) -> Events:
        """Begin the session, or go on with one of some age."""
        if self._persona.settings.max_session_s:
            longest_ms = self._persona.settings.max_session_s * 1000
            self._deadlines.set(_SESSION, now_ms - age_ms + longest_ms)
        return ()

    def step(self, event: Event, now_ms: float) -> Events:
        """Take a message in; return the messages and jobs to publish, in their order."""
        return self._settled(self.recall(event, now_ms), now_ms)

    def recall(self, event: Event, at_ms: float) -> Events:
        """Take in a message of the log; return the orders, which later decisions make void."""
        known = _STEPS.get(type(event))
        return known(self, event, at_ms) if known else ()

    def go_on(self, now_ms: float) -> Events:
        """Conclude from what was recalled what nobody has concluded yet."""
        return self._settled((), now_ms)

    def again(self, _: float) -> Events:
        """Return no jobs: such a session does not move to another edge."""
        return ()

    def tick(self, now_ms: float) -> Events:
        """Do what is due."""
        events: list[Event] = []
        while (name := self._deadlines.take_due(now_ms)) is not None:
            due = (HangUp(reason="limit"),) if name == _SESSION else self._late()
            events += self._settled(due, now_ms)
        return tuple(events)

    def close(self, now_ms: float) -> Events:
        """End the session: nobody is there to hear any more."""
        self._asked.clear()
        return self._settled((*self._drop_draft(), *self._end("interrupted")), now_ms)

    def _settled(self, events: Events, now_ms: float) -> Events:
        """Return ``events`` and what follows once they have led nowhere further."""
        while self._is_over or (self.reply is None and self._asked):
            if self.reply is not None:
                events = (*events, self._conclude(self.reply))
            else:
                events = (*events, *self._begin(self._asked.popleft(), now_ms))
        return events

    def _on_asked(self, asked: AnswerAsked, _: float) -> Events:
        if asked.seq <= self._begun:
            return ()
        if asked.generate.speculative:
            return self._begin_draft(asked)
        self._asked.append(asked)
        return ()

    def _begin_draft(self, asked: AnswerAsked) -> Events:
        """Begin to answer what may turn out not to be all; others go first."""
        if self.reply is not None or self._asked:
            return ()
        dropped = self._drop_draft()
        self._drafted, self._draft = asked, Reply(self.turn + 1, self._revision)
        return (*dropped, *self._jobs(asked, self._draft))

    def _drop_draft(self) -> Events:
        draft, self._draft, self._drafted = self._draft, None, None
        if draft is None:
            return ()
        self._revision += 1
        return (TurnCancelled(turn=draft.turn, revision=draft.revision),)

    def _on_cancel(self, _: CancelAsked, __: float) -> Events:
        self._asked.clear()
        return (*self._drop_draft(), *self._end("interrupted"))

    def _on_made(self, event: Event, now_ms: float) -> Events:
        reply = self._of(event)
        if reply is not None:
            reply.take(event)
            if reply is self.reply:
                self._await(reply, now_ms)
        return ()

    def _on_failure(self, failure: Failure, _: float) -> Events:
        reply = self._of(failure)
        if reply is None:
            return ()
        return self._end("failed") if reply is self.reply else self._drop_draft()

    def _on_log_started(self, started: TurnStarted, now_ms: float) -> Events:
        self._begun = max(self._begun, started.control)
        answered = [asked for asked in self._asked if asked.seq <= self._begun]
        self._asked = deque(asked for asked in self._asked if asked.seq > self._begun)
        self._speaks = bool(answered) and answered[-1].speak is not None
        self._draft = self._drafted = None
        self._run(Reply(started.turn, started.revision, started.text), now_ms)
        return ()

    def _on_log_cancelled(self, cancelled: TurnCancelled, _: float) -> Events:
        if self.reply is not None and self._of(cancelled) is self.reply:
            self._end("interrupted")
        return ()

    def _on_log_ended(self, ended: TurnEnded, _: float) -> Events:
        if self.reply is not None and self.reply.turn == ended.turn:
            self._forget()
        return ()

    def _begin(self, asked: AnswerAsked, now_ms: float) -> Events:
        last = asked.generate.messages[-1]
        text = last.content if last.role == "user" else ""
        draft, is_drafted = self._draft, _is_draft_of(self._drafted, asked)
        if draft is not None and is_drafted:
            self._draft = self._drafted = None
            jobs: Events = ()
        else:
            dropped = self._drop_draft()
            draft = Reply(self.turn + 1, self._revision, text)
            jobs = (*dropped, *self._jobs(asked, draft))
        self._begun, self._speaks = asked.seq, asked.speak is not None
        self._run(draft, now_ms)
        started = TurnStarted(
            text=text,
            typed=True,
            speculated=is_drafted,
            control=asked.seq,
            turn=draft.turn,
            revision=draft.revision,
        )
        # Jobs go first: who waits for an answer is served before who keeps the log.
        return (*jobs, started)

    def _jobs(self, asked: AnswerAsked, reply: Reply) -> Events:
        chat = bounded(
            asked.generate.messages, self._persona.instructions, self._persona.history_chars
        )
        spoken = () if asked.speak is None else (asked.speak,)
        asks = (replace(asked.generate, messages=chat), *spoken)
        return tuple(replace(job, turn=reply.turn, revision=reply.revision) for job in asks)

    def _run(self, reply: Reply, now_ms: float) -> None:
        self.turn, self.reply = reply.turn, reply
        self._revision = self._first_revision
        self._await(reply, now_ms)

    def _end(self, outcome: str) -> Events:
        reply = self.reply
        if reply is None or reply.outcome:
            return ()
        reply.outcome = outcome
        self._deadlines.drop(STALL)
        return (TurnCancelled(turn=reply.turn, revision=reply.revision),)

    def _late(self) -> Events:
        reply = self.reply
        if reply is None or reply.outcome:
            return ()
        return (stalled(reply), *self._end("failed"))

    def _conclude(self, reply: Reply) -> TurnEnded:
        self._forget()
        return TurnEnded(
            outcome=reply.outcome or "completed",
            reply=reply.written(),
            turn=reply.turn,
            revision=reply.revision,
        )

    def _forget(self) -> None:
        self.reply = None
        self._deadlines.drop(STALL)

    def _await(self, reply: Reply, now_ms: float) -> None:
        if not reply.outcome:
            self._deadlines.set(STALL, now_ms + self._persona.stall_ms)

    @property
    def _is_over(self) -> bool:
        reply = self.reply
        if reply is None or reply.outcome:
            return reply is not None
        return reply.text is not None and (reply.is_spoken or not self._speaks)

    def _of(self, event: Event) -> Reply | None:
        for reply in (self.reply, self._draft):
            if reply is not None and (event.turn, event.revision) == (reply.turn, reply.revision):
                return reply
        return None


def _is_draft_of(drafted: AnswerAsked | None, asked: AnswerAsked) -> bool:
    """Return whether what was asked for early is what is asked for now."""
    if drafted is None:
        return False
    generate = replace(drafted.generate, speculative=False)
    return (generate, drafted.speak) == (asked.generate, asked.speak)


# Not in each session: one that refers to itself waits for the collector.
_STEPS: Final[dict[type[Event], Callable[..., Events]]] = {
    AnswerAsked: Answers._on_asked,
    CancelAsked: Answers._on_cancel,
    ClauseReady: Answers._on_made,
    ClauseSpoken: Answers._on_made,
    GenerationDone: Answers._on_made,
    SpeechDone: Answers._on_made,
    Failure: Answers._on_failure,
    TurnCancelled: Answers._on_log_cancelled,
    TurnStarted: Answers._on_log_started,
    TurnEnded: Answers._on_log_ended,
}
