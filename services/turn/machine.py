"""A conversation: a pure state machine.

It takes what happened (messages of the session) and the time, and returns what to say and whom to
ask. It has no clock and no I/O, so a worker that takes over rebuilds it from the session's log:
:meth:`Conversation.recall` takes each message in without concluding anything from it, because what
was concluded stands in the log, and :meth:`Conversation.go_on` concludes what is not there yet.
Turns begin and end in :mod:`services.turn.turns`; who has the floor while a reply is heard is
decided in :mod:`services.turn.floor`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from schemas.event import Event
from schemas.failure import Failure
from schemas.llm import SummaryMade
from schemas.session import CancelAsked, KeysPressed, PlaybackEnded, TurnTakingSet, UserText
from schemas.stt import (
    AudioConsumed,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
    TranscriptDraft,
    TranscriptFinal,
    TranscriptPartial,
)
from schemas.turn import NothingHeard, ReplyResumed, TurnCancelled, TurnEnded, TurnStarted
from services.turn.deadlines import Deadlines
from services.turn.floor import ENOUGH_SPEECH, WORDS_DUE
from services.turn.interruptions import Interruptions
from services.turn.keypad import KEYS_DUE, Keypad
from services.turn.persona import Persona
from services.turn.reply import MADE, Reply
from services.turn.silence import CLIENT, HANG_UP_DUE, LIMIT_DUE, PROMPT_DUE, Patience
from services.turn.speaking import SPEECH_DUE, Speaking
from services.turn.turns import Events, Turns
from services.turn.waiting import Waiting


class Conversation:
    """The state of one session's conversation.

    Args:
        persona: How the assistant behaves.
        first_revision: Revisions of a turn are counted from here. A worker that takes over begins
            above all that the worker before it may have used.
    """

    def __init__(self, persona: Persona, first_revision: int = 0) -> None:
        self._settings = persona.settings
        self._speaks = persona.speak
        self._deadlines = Deadlines()
        self._turns = Turns(persona, self._deadlines, first_revision)
        self.turns: Final = self._turns
        """Begins and ends its turns."""
        self._turns.is_live = persona.settings.turn_taking == "pause"
        self._interruptions = Interruptions(
            persona.settings.interruption, self._turns, self._deadlines, speaks=persona.speak
        )
        self._waiting = Waiting(persona.settings.max_turn_s)
        self._speaking = Speaking(self._deadlines)
        self._keypad = Keypad(self._deadlines)
        self._drafted: TranscriptDraft | None = None
        self._patience = Patience(persona.settings.silence, self._deadlines)

    @property
    def turn(self) -> int:
        """Number of the last turn that began; 0 before the first."""
        return self._turns.turn

    @property
    def reply(self) -> Reply | None:
        """The reply of the turn that runs."""
        return self._turns.reply

    @property
    def due_ms(self) -> float | None:
        """When :meth:`tick` is to be called; None for not at all."""
        return self._deadlines.next_ms

    def open(self, now_ms: float, age_ms: float = 0.0) -> Events:
        """Begin the session, or go on with one of some age: greet, or wait for the caller."""
        self._patience.begin(now_ms - age_ms, self._settings.max_session_s)
        if self._settings.greeting and self._turns.is_new:
            return self._settled(self._turns.say(self._settings.greeting, now_ms), now_ms)
        self._await_caller(now_ms)
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
        reply = self._turns.reply
        if reply is None or reply.outcome:
            return self._settled((), now_ms)
        # It may have been paused for words of which nobody knows any more.
        goes_on = ReplyResumed(turn=reply.turn, revision=reply.revision)
        return self._settled((goes_on,), now_ms)

    def again(self, now_ms: float) -> Events:
        """Return the jobs of the running reply once more: it goes on at another edge."""
        return self._turns.again(now_ms)

    def tick(self, now_ms: float) -> Events:
        """Do what is due."""
        events: list[Event] = []
        while (name := self._deadlines.take_due(now_ms)) is not None:
            events += self._settled(self._on_due(name, now_ms), now_ms)
        return tuple(events)

    def close(self, now_ms: float) -> Events:
        """End the session: nobody is there to hear any more."""
        events = (*self._turns.drop_draft(), *self._turns.end("interrupted", now_ms))
        reply = self._turns.reply
        return events if reply is None else (*events, self._turns.conclude(reply))

    def _settled(self, events: Events, now_ms: float) -> Events:
        """Return ``events`` and what follows once they have led nowhere further."""
        turns = self._turns
        events = (*events, *turns.calls(now_ms))
        while turns.is_over or self._is_to_answer:
            if turns.reply is not None:
                farewell, ended = turns.farewell, turns.conclude(turns.reply)
                self._ended(ended, now_ms)
                events = (*events, *farewell, ended)
            else:
                begun = turns.answer(self._waiting.take(), now_ms)
                events = (*events, *begun, *turns.calls(now_ms))
        if turns.reply is None and self._drafted is not None:
            drafted, self._drafted = self._drafted, None
            events = (*events, *turns.speculate(self._waiting.with_draft(drafted.text)))
        return (*events, *turns.summaries.due(turns.reply, turns.draft))

    def _ended(self, ended: TurnEnded, now_ms: float) -> None:
        """Nobody has the floor any more."""
        self._interruptions.reset()
        self._waiting.take_up(ended, now_ms)
        self._await_caller(now_ms)

    @property
    def _is_to_answer(self) -> bool:
        is_free = self._turns.reply is None
        return is_free and self._waiting.is_complete and not self._must_wait

    @property
    def _must_wait(self) -> bool:
        """Whether the caller speaks, and what is said is to be answered together with the rest."""
        return bool(self._speaking) and self._turns.is_live and not self._waiting.is_typed

    def _on_due(self, name: str, now_ms: float) -> Events:
        reply = self._turns.reply
        if name in (WORDS_DUE, ENOUGH_SPEECH):
            return self._interruptions.due(name, now_ms)
        if name in (HANG_UP_DUE, LIMIT_DUE):
            return (self._patience.hang_up(name),)
        if name == KEYS_DUE:
            return self._typed(self._keypad.take(), now_ms)
        if name == SPEECH_DUE:
            self._speaking.end()
            return ()
        if reply is None:
            return self._turns.say(self._patience.prompt(), now_ms) if name == PROMPT_DUE else ()
        return self._turns.late(name, reply, now_ms)

    def _on_speech(self, speech: SpeechStarted | SpeechResumed, now_ms: float) -> Events:
        self._speaking.begin(speech.start_ms, now_ms)
        self._patience.caller_speaks()
        return self._interruptions.speech_started(now_ms)

    def _on_resumed(self, resumed: SpeechResumed, now_ms: float) -> Events:
        self._drafted = None
        return (*self._turns.drop_draft(), *self._on_speech(resumed, now_ms))

    def _on_draft(self, draft: TranscriptDraft, now_ms: float) -> Events:
        if not self._turns.is_live:
            return ()
        if self._interruptions.are_possible:
            interrupts, orders = self._interruptions.heard(draft.text, now_ms)
            self._drafted = draft if interrupts else None
            return orders
        reply = self._turns.reply
        if reply is None or reply.outcome:
            self._drafted = draft
        return ()

    def _on_final(self, final: TranscriptFinal, now_ms: float) -> Events:
        self._drafted = None
        self._speaking.end_with(final)
        events: Events = ()
        if self._interruptions.are_possible:
            interrupts, events = self._interruptions.heard(final.text, now_ms)
            if not interrupts:
                self._waiting.set_aside(final, now_ms)
                return events
        elif final.text and not self._speaks and self._turns.is_live:
            events = self._turns.end("interrupted", now_ms)
        if final.text:
            self._patience.caller_is_there()
            self._waiting.add(final)
        if self._turns.is_live and (final.cause != "length" or self._waiting.is_too_long(final)):
            self._waiting.complete()
            if final.cause == "length":
                self._speaking.end()  # that was enough, whoever goes on
        if not self._waiting and self._turns.reply is None:
            self._await_caller(now_ms)
            return (*events, *self._turns.drop_draft())
        return events

    def _on_failure(self, failure: Failure, now_ms: float) -> Events:
        if failure.turn or failure.stage != "stt":
            return self._turns.failed(failure, now_ms)
        # What was said is not known: a pause of the reply ends, what was said before is answered.
        self._drafted = None
        self._speaking.end()
        if self._interruptions.are_possible:
            return self._interruptions.heard("", now_ms)[1]
        if self._turns.is_live:
            self._waiting.complete()
        if self._waiting or self._turns.reply is not None:
            return ()
        self._await_caller(now_ms)
        return self._turns.drop_draft()

    def _on_consumed(self, consumed: AudioConsumed, now_ms: float) -> Events:
        self._speaking.end()
        if self._waiting:
            self._waiting.complete()
            return self._turns.end("interrupted", now_ms)
        return () if consumed.finals else (NothingHeard(end_offset=consumed.end_offset),)

    def _on_text(self, text: UserText, now_ms: float) -> Events:
        if self._keypad:
            self._waiting.add(self._keypad.take())
        return self._typed(text, now_ms)

    def _on_keys(self, keys: KeysPressed, now_ms: float) -> Events:
        self._patience.caller_is_there()
        is_over = self._keypad.press(keys, now_ms)
        return self._typed(self._keypad.take(), now_ms) if is_over else ()

    def _typed(self, text: UserText, now_ms: float) -> Events:
        self._patience.caller_is_there()
        self._waiting.add(text)
        self._waiting.complete()
        return self._turns.end("interrupted", now_ms)

    def _on_turn_taking(self, chosen: TurnTakingSet, _: float) -> Events:
        self._turns.is_live = chosen.turn_taking == "pause"
        return () if self._turns.is_live else self._turns.drop_draft()

    def _on_log_started(self, started: TurnStarted, now_ms: float) -> Events:
        self._waiting.answered(started)
        self._keypad.answered(started.control)
        if started.said == self._settings.silence.prompt and not started.text:
            self._patience.prompt()
        self._turns.began(started, now_ms)
        return ()

    def _on_log_ended(self, ended: TurnEnded, now_ms: float) -> Events:
        self._turns.ended(ended)
        self._ended(ended, now_ms)
        return ()

    def _await_caller(self, now_ms: float) -> None:
        if self._turns.is_live and not self._speaking:
            self._patience.await_caller(now_ms)


# Here and not in each conversation: one that refers to itself waits for the collector, and with it
# all that was said.
_STEPS: Final[dict[type[Event], Callable[..., Events]]] = {
    SpeechStarted: Conversation._on_speech,
    SpeechPaused: lambda self, *what: self._interruptions.speech_paused(*what),
    SpeechResumed: Conversation._on_resumed,
    TranscriptPartial: lambda self, *what: self._interruptions.partial(*what),
    TranscriptDraft: Conversation._on_draft,
    TranscriptFinal: Conversation._on_final,
    AudioConsumed: Conversation._on_consumed,
    UserText: Conversation._on_text,
    KeysPressed: Conversation._on_keys,
    CancelAsked: lambda self, _, now_ms: self._turns.end("interrupted", now_ms),
    TurnTakingSet: Conversation._on_turn_taking,
    **dict.fromkeys(MADE, lambda self, *what: self._turns.take(*what)),
    PlaybackEnded: lambda self, *what: self._turns.played(*what),
    Failure: Conversation._on_failure,
    TurnCancelled: lambda self, *what: self._turns.cancelled(*what),
    TurnStarted: Conversation._on_log_started,
    TurnEnded: Conversation._on_log_ended,
    **dict.fromkeys(CLIENT, lambda self, *what: self._patience.take(*what)),
    SummaryMade: lambda self, *what: self._turns.summaries.take(*what),
}
