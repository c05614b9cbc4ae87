"""The turn that runs and the one that may follow: a pure state machine. Its owner has the time.

::

             draft: an answer is begun, unheard        the same words turn out to be the turn
    idle ───────────────────────────────────> idle ────────────────────────────┐
      │  the caller's words, or the assistant's own                            v
      ├───────────────────────────────────────────────────────────────────> answering
      │                                                                        │
      │         all played (or all made, where nobody listens live)            │
      ├<───────────────────────────────────────────────────────────────────────┤
      │    how much was heard is known        interrupted, cancelled, failed   │
      └<───────────────────────── ending <─────────────────────────────────────┘
"""

from __future__ import annotations

import msgspec

from schemas.conversation import Exchange
from schemas.event import Event
from schemas.failure import Failure
from schemas.llm import Message
from schemas.session import PlaybackEnded
from schemas.turn import TurnCancelled, TurnEnded, TurnStarted
from services.turn import requests
from services.turn.calling import Calling
from services.turn.deadlines import Deadlines
from services.turn.history import History
from services.turn.limits import CALLS, STALL, Limits
from services.turn.persona import Persona
from services.turn.reply import Reply
from services.turn.summaries import Summaries
from voicebus.errors import Poisoned

Events = tuple[Event, ...]


class Turns:
    """Begins and ends turns; at most one reply is open.

    Args:
        persona: How the assistant behaves.
        deadlines: Where the owner looks for what is due.
        first_revision: Revisions of a turn are counted from here.

    Attributes:
        turn: Number of the last turn that began.
        reply: Its reply, until the turn is over.
        draft: An answer that nobody may hear yet.
        is_live: Whether somebody listens to replies while they are made.
        exchanged: What was said in turns that ended, until somebody takes it from here.
        facts: What is to be remembered, likewise.
        summaries: What is kept in short of the turns that the chat has no room for.
    """

    def __init__(self, persona: Persona, deadlines: Deadlines, first_revision: int) -> None:
        self._persona = persona
        self._limits = Limits(persona, deadlines)
        self._history = History(persona.instructions, persona.history_chars, persona.summary)
        self.summaries = Summaries(self._history, persona)
        self._first_revision = first_revision
        self._revision = first_revision
        self._speculations = 0
        self.turn = 0
        self.reply: Reply | None = None
        self.draft: Reply | None = None
        self.is_live = True
        self.exchanged: list[Exchange] = []
        self.facts: list[str] = []
        self._elsewhere: list[Exchange] = []

    @property
    def is_new(self) -> bool:
        """Whether nothing was said yet, here or elsewhere."""
        return not self.turn and self._history.is_new

    def elsewhere(self, exchange: Exchange) -> None:
        """The conversation went on in another session: the model knows it from the next turn."""
        self._elsewhere.append(exchange)
        self._go_on_from_elsewhere()

    def speculate(self, text: str) -> Events:
        """Begin to answer what may turn out not to be all."""
        if self.draft is not None and self.draft.asked == text:
            return ()
        dropped = self.drop_draft()
        if self._speculations >= self._persona.speculations:
            return dropped
        self._speculations += 1
        self.draft = self._asked(text)
        return (*dropped, *requests.tentative(self._jobs(self.draft, self._history.messages(text))))

    def drop_draft(self) -> Events:
        """Throw the draft away."""
        draft, self.draft = self.draft, None
        if draft is None:
            return ()
        self._revision += 1
        return (TurnCancelled(turn=draft.turn, revision=draft.revision),)

    def answer(self, started: TurnStarted, now_ms: float) -> Events:
        """Begin the turn that answers the words of ``started``; no other may be running."""
        self._history.user(started.text)
        draft = self.draft
        is_same = draft is not None and draft.asked == started.text
        if draft is not None and is_same and (draft.is_deadly or not draft.has_failed):
            self.draft = None
            released = msgspec.structs.replace(_begun(started, draft), speculated=True)
            self._begin(draft, now_ms)
            return (released, *(self.end("failed", now_ms) if draft.is_deadly else ()))
        dropped = self.drop_draft()
        reply = self._asked(started.text)
        jobs = self._jobs(reply, self._history.messages())
        self._begin(reply, now_ms)
        # Jobs go first: who waits for an answer is served before who keeps the log.
        return (*dropped, *jobs, _begun(started, reply))

    def say(self, text: str, now_ms: float) -> Events:
        """Begin a turn without having been asked; no other may be running."""
        dropped = self.drop_draft()
        reply = Reply(self.turn + 1, self._revision, given=text)
        self._begin(reply, now_ms)
        return (*dropped, *self._jobs(reply, ()), _begun(TurnStarted(text=""), reply))

    def end(self, outcome: str, now_ms: float) -> Events:
        """Give the running reply up; how much of it was heard the edge will say."""
        reply = self.reply
        if reply is None or reply.outcome:
            return ()
        reply.outcome = outcome
        self._limits.given_up()
        if self._persona.speak and self.is_live and reply.played_ms < 0:
            self._limits.await_playback(now_ms)
        return (TurnCancelled(turn=reply.turn, revision=reply.revision),)

    def take(self, event: Event, now_ms: float) -> Events:
        """Take what a stage has made for a reply or a draft."""
        reply = self._of(event)
        if reply is not None:
            reply.take(event)
            if reply is self.reply and not reply.outcome:
                self._limits.await_progress(reply, now_ms)
        return ()

    def played(self, ended: PlaybackEnded, now_ms: float) -> Events:
        """Nothing more of a turn will be heard."""
        reply = self.reply
        if reply is not None and reply.turn == ended.turn:
            reply.played_ms = ended.played_ms
            self._limits.playback_known()
            if not reply.outcome:
                self._limits.await_progress(reply, now_ms)
        return ()

    def failed(self, failure: Failure, now_ms: float) -> Events:
        """A stage gave a reply or a draft up."""
        reply = self._of(failure)
        if reply is None:
            return ()
        reply.has_failed = True
        reply.is_deadly = failure.stage == "llm" and failure.code == Poisoned.code
        return self.end("failed", now_ms) if reply is self.reply else ()

    def late(self, name: str, reply: Reply, now_ms: float) -> Events:
        """A deadline of this machine has come for the running reply."""
        if name == CALLS:
            reply.calling.give_up()
        if name != STALL:
            return ()  # nobody says how much was heard: nothing is waited for any more
        return (requests.stalled(reply), *self.end("failed", now_ms))

    def calls(self, now_ms: float) -> Events:
        """Order the functions that the running reply asks for; go on with it once all are done."""
        reply, persona = self.reply, self._persona
        if reply is None or reply.outcome or not reply.calling.is_waiting:
            return ()
        self._limits.await_calls(reply, now_ms)
        events = requests.calls_of(reply, persona, self._history.messages())
        if not reply.calling.is_waiting:
            self._limits.calls_ended(reply, now_ms)
        return events

    @property
    def farewell(self) -> Events:
        """The order to end the session with the running reply, if it is one."""
        return () if self.reply is None else requests.farewell_of(self.reply, self._persona)

    @property
    def is_over(self) -> bool:
        """Whether there is a reply of which nothing is waited for any more."""
        reply = self.reply
        if reply is None or reply.outcome:
            return reply is not None and not self._limits.awaits_playback
        is_heard = not (self._persona.speak and self.is_live) or reply.played_ms >= 0
        return self._limits.made(reply) and is_heard

    def conclude(self, reply: Reply) -> TurnEnded:
        """End the turn, with what is known of how much was heard."""
        outcome = reply.outcome or "completed"
        is_cut = outcome != "completed" and reply.played_ms >= 0
        said = reply.heard() if is_cut else reply.written()
        self._forget(reply, said)
        ended = TurnEnded(outcome=outcome, reply=said, heard_ms=reply.played_ms)
        return msgspec.structs.replace(ended, turn=reply.turn, revision=reply.revision)

    def began(self, started: TurnStarted, now_ms: float) -> None:
        """The log says that a turn began: so did the worker before us decide."""
        if started.text:
            self._history.user(started.text)
        reply = self._reply(started.turn, started.revision, started.text, started.said)
        self._begin(reply, now_ms)

    def cancelled(self, cancelled: TurnCancelled, now_ms: float) -> Events:
        """The log says that a reply was given up."""
        reply = self.reply
        if reply is not None and reply is self._of(cancelled):
            self.end("interrupted", now_ms)
        return ()

    def again(self, now_ms: float) -> Events:
        """Return the jobs of the running reply once more: it goes on at another place."""
        reply = self.reply
        if reply is None or reply.outcome:
            return ()
        reply.is_resumed = True
        ended = requests.cut(reply)
        self._limits.await_progress(reply, now_ms)
        return (*self._jobs(reply, self._history.messages()), *ended)

    def ended(self, ended: TurnEnded) -> None:
        """The log says that a turn ended."""
        if self.reply is not None and self.reply.turn == ended.turn:
            self._forget(self.reply, ended.reply)

    def _asked(self, text: str) -> Reply:
        """Return the reply to the caller's words; some are answered without the language model."""
        return self._reply(self.turn + 1, self._revision, text, self._persona.instant(text))

    def _reply(self, turn: int, revision: int, asked: str, given: str) -> Reply:
        return Reply(turn, revision, asked, given, calling=Calling(self._persona.functions))

    def _jobs(self, reply: Reply, messages: tuple[Message, ...]) -> requests.Jobs:
        return requests.jobs_of(reply, self._persona, messages, self._ahead_s)

    def _begin(self, reply: Reply, now_ms: float) -> None:
        self.turn, self.reply = reply.turn, reply
        self._revision, self._speculations = self._first_revision, 0
        self._limits.await_progress(reply, now_ms)

    def _forget(self, reply: Reply, heard: str) -> None:
        if not reply.is_deadly and (reply.asked or heard):
            said = Exchange(session="", turn=reply.turn, user=reply.asked, assistant=heard)
            self.exchanged.append(said)
        self.facts += requests.facts_of(reply, self._persona)
        if reply.is_deadly:
            self._history.retract(reply.asked)
        elif reply.asked or not self._history.is_empty:
            self._history.called(reply.calling.said)
            self._history.assistant(heard)
        else:
            self._history.greeted(heard)
        self._history.settle(reply.turn)
        self.reply = None
        self._limits.over()
        self._go_on_from_elsewhere()

    def _go_on_from_elsewhere(self) -> None:
        while self._elsewhere and self.reply is None:
            exchange = self._elsewhere.pop(0)
            self._history.exchange(exchange.user, exchange.assistant)

    def _of(self, event: Event) -> Reply | None:
        for reply in (self.reply, self.draft):
            if reply is not None and (event.turn, event.revision) == (reply.turn, reply.revision):
                return reply
        return None

    @property
    def _ahead_s(self) -> float:
        # A file is answered as fast as can be; a caller hears no faster than speech.
        return self._persona.ahead_s if self.is_live else 0.0


def _begun(started: TurnStarted, reply: Reply) -> TurnStarted:
    """Return the beginning of a turn with the number of its reply, and what that is given."""
    number = {"turn": reply.turn, "revision": reply.revision}
    return msgspec.structs.replace(started, **number, said=reply.given)
