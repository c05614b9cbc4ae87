"""The workers of a Realtime session, as a test plays them."""

from __future__ import annotations

from collections import deque

import msgspec

from schemas.event import Event
from schemas.failure import Failure
from schemas.llm import GenerationDone, TokenDelta, ToolCall
from schemas.session import AnswerAsked
from schemas.stt import SpeechStarted, TranscriptDraft, TranscriptFinal, TranscriptPartial
from schemas.tts import ClauseSpoken, ReplyChunk, SpeechDone
from schemas.turn import TurnCancelled, TurnEnded, TurnStarted


class Workers:
    """Stand-ins for the three workers of a session: what they say waits until it is delivered."""

    def __init__(self) -> None:
        self.waiting: deque[Event] = deque()
        self.said: list[Event] = []
        self._asked: deque[AnswerAsked] = deque()
        self._turn = 0
        self._runs = False
        self._utterance = 0

    @property
    def queued(self) -> tuple[AnswerAsked, ...]:
        """What was asked and is not begun."""
        return tuple(self._asked)

    def ask(self, asked: AnswerAsked) -> None:
        """The turn worker is asked."""
        self._asked.append(asked)
        self._next()

    def cancel(self) -> None:
        """The turn worker is told to stop."""
        self._asked.clear()
        if self._runs:
            self._runs = False
            mine = [event for event in self.waiting if event.turn == self._turn]
            for late in mine[2:]:
                self.waiting.remove(late)  # the first ones are on their way
            self.waiting += [
                TurnCancelled(turn=self._turn),
                TurnEnded(outcome="interrupted", turn=self._turn),
            ]

    def over(self) -> None:
        """The running turn has ended."""
        self._runs = False
        self._next()

    def cut_short(self) -> None:
        """The model stops at its bound in the answers that are under way."""
        self.waiting = deque(
            msgspec.structs.replace(event, finish_reason="length")
            if isinstance(event, GenerationDone)
            else event
            for event in self.waiting
        )

    def fail(self) -> None:
        """The voice fails in the running turn."""
        if self._runs:
            turn = self._turn
            self.waiting = deque(event for event in self.waiting if event.turn != turn)
            failure = Failure(stage="tts", code="engine", message="no voice", turn=turn)
            started = TurnStarted(text="", turn=turn, control=self._control)
            self.waiting += [started, failure, TurnEnded(outcome="failed", turn=turn)]

    def speech(self, at_ms: int) -> SpeechStarted:
        """The caller begins to speak."""
        return SpeechStarted(start_ms=at_ms)

    def partial(self, text: str) -> TranscriptPartial:
        """Some of it is certain."""
        return TranscriptPartial(
            utterance=self._utterance + 1, text=text, start_ms=0, end_ms=1, stable=len(text) // 2
        )

    def draft(self, text: str, at_ms: int) -> TranscriptDraft:
        """The caller has finished, perhaps."""
        return TranscriptDraft(utterance=self._utterance + 1, text=text, end_ms=at_ms)

    def final(self, text: str, at_ms: int, cause: str = "pause") -> TranscriptFinal:
        """The caller has finished."""
        self._utterance += 1
        return TranscriptFinal(
            utterance=self._utterance,
            text=text,
            start_ms=max(0, at_ms - 100),
            end_ms=at_ms,
            end_offset=at_ms * 16,
            cause=cause,  # type: ignore[arg-type]  # one of the three
        )

    def _next(self) -> None:
        if self._runs or not self._asked:
            return
        asked = self._asked.popleft()
        self._turn, self._runs, self._control = self._turn + 1, True, asked.seq
        self.waiting += made(asked, self._turn)


def made(asked: AnswerAsked, turn: int, text: str = "Hello there, you.") -> list[Event]:
    """All that is made of an answer, in the order of its making."""
    calls = tuple(
        ToolCall(index=index, id=f"call_{turn}_{index}", name=tool.name, arguments='{"a":')
        for index, tool in enumerate(asked.generate.tools[:2])
    )
    rest = tuple(ToolCall(index=call.index, arguments="1}") for call in calls)
    words = text.split(" ")
    first, last = words[0], " " + " ".join(words[1:])
    events: list[Event] = [
        TurnStarted(text="", turn=turn, control=asked.seq),
        TokenDelta(text=first, turn=turn, seq=0),
        TokenDelta(text=last, turn=turn, seq=1, tool_calls=calls),
        *([TokenDelta(text="", turn=turn, seq=2, tool_calls=rest)] if rest else []),
    ]
    done = GenerationDone(text=text, turn=turn, tokens=5, prompt_tokens=9, finish_reason="stop")
    speak = asked.speak
    if speak is None:
        return [*events, done, TurnEnded(outcome="completed", reply=text, turn=turn)]
    ends = tuple(500 * (index + 1) for index in range(len(words)))
    clause = ClauseSpoken(text=text, start_ms=0, end_ms=ends[-1], word_ends_ms=ends, turn=turn)
    step = speak.rate_hz // 2
    chunks = [
        ReplyChunk(
            pcm=bytes(2 * step), rate_hz=speak.rate_hz, offset=index * step, turn=turn, seq=index
        )
        for index in range(len(words))
    ]
    spoken = SpeechDone(samples=step * len(words), rate_hz=speak.rate_hz, turn=turn)
    ended = TurnEnded(outcome="completed", reply=text, turn=turn)
    return [*events, clause, *chunks[:1], done, *chunks[1:], spoken, ended]
