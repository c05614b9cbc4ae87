"""A Realtime session without sockets or a bus: the client and the workers are the test."""

from __future__ import annotations

from collections import deque
from itertools import count
from typing import Any

import msgspec

from edge.openai.realtime import client
from edge.openai.realtime.answering import Orders
from edge.openai.realtime.asking import Naming
from edge.openai.realtime.errors import BadEvent
from edge.openai.realtime.machine import Realtime
from edge.openai.realtime.session import Session
from schemas.audio import AudioChunk, AudioEnded
from schemas.event import Event
from schemas.failure import Failure
from schemas.llm import GenerationDone, TokenDelta, ToolCall
from schemas.session import AnswerAsked, CancelAsked
from schemas.stt import (
    AudioConsumed,
    SpeechStarted,
    TranscriptDraft,
    TranscriptFinal,
    TranscriptPartial,
)
from schemas.tts import ClauseSpoken, ReplyChunk, SpeechDone
from schemas.turn import TurnCancelled, TurnEnded, TurnStarted
from tests.edge.openai.realtime.watch import Watch

RATE_HZ = 24_000
HELLO = b"\x01\x00" * (RATE_HZ // 5)
"""A fifth of a second of audio."""

MANUAL: dict[str, Any] = {"audio": {"input": {"turn_detection": None}}}
HEARD: dict[str, Any] = {"audio": {"input": {"transcription": {"model": "whisper-1"}}}}
TEXT: dict[str, Any] = {"output_modalities": ["text"]}
"""Sessions in which the client commits, wants to know what was said, is answered in writing."""


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


class Scene:
    """One session, its client and its workers."""

    def __init__(self, naming: Naming | None = None, **session: Any) -> None:
        numbers = count()
        self.machine = Realtime(
            Session().changed(session),
            "sess_1",
            99,
            lambda word: f"{word}_{next(numbers)}",
            naming or Naming(),
        )
        self.watch = Watch()
        self.workers = Workers()
        self.told: list[dict[str, Any]] = []
        self.asked: list[AnswerAsked] = []
        self.drafts: list[AnswerAsked] = []
        self.cancelled = 0
        self.audio = bytearray()
        self.ends: list[int] = []
        self.do(self.machine.open())

    @property
    def kinds(self) -> list[str]:
        """The types of all that the client was told, without the first."""
        return [event["type"] for event in self.told[1:]]

    def do(self, orders: Orders) -> list[dict[str, Any]]:
        """Carry orders out; return what the client is told by them."""
        told: list[dict[str, Any]] = []
        self.watch.interrupts = self.machine.session.is_interruptible
        for order in orders:
            match order:
                case dict():
                    self.watch.see(order)
                    told.append(order)
                case AudioChunk():
                    assert order.offset * 2 == len(self.audio), "audio that does not follow"
                    self.audio += order.pcm
                case AudioEnded():
                    assert order.offset * 2 == len(self.audio), "audio behind its end"
                    self.ends.append(order.offset)
                    self.workers.waiting.append(AudioConsumed(end_offset=order.offset, finals=0))
                case AnswerAsked() if order.generate.speculative:
                    assert self.watch.active is None
                    self.drafts.append(order)
                case AnswerAsked():
                    assert order.seq == len(self.asked) + len(self.drafts)
                    assert self.watch.active is not None
                    self.asked.append(order)
                    self.workers.ask(order)
                case CancelAsked():
                    self.cancelled += 1
                    self.workers.cancel()
                case _:
                    raise AssertionError(f"no order: {order}")
        self.told += told
        return told

    def say(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        """The client says something; return what it is told at once."""
        text = msgspec.json.encode({"type": kind, **fields})
        try:
            event = client.parse(text)
        except BadEvent as err:
            return self.do(self.machine.refuse(err))
        return self.do(self.machine.take(event))

    def append(self, data: bytes = HELLO) -> None:
        """The client sends audio."""
        self.do(self.machine.hear(data))

    def hear(self, event: Event) -> list[dict[str, Any]]:
        """A worker says something; return what the client is told at once."""
        self.workers.said.append(event)
        told = self.do(self.machine.told(event))
        if isinstance(event, TurnEnded):
            self.workers.over()
        return told

    def deliver(self, most: int = 1_000) -> list[dict[str, Any]]:
        """What the workers have said so far arrives; return what the client is told."""
        told: list[dict[str, Any]] = []
        while self.workers.waiting and most:
            most -= 1
            told += self.hear(self.workers.waiting.popleft())
        return told

    def type_text(self, text: str) -> list[dict[str, Any]]:
        """The user's words become an item."""
        part = {"type": "input_text", "text": text}
        item = {"type": "message", "role": "user", "content": [part]}
        return self.say("conversation.item.create", item=item)

    @property
    def now_ms(self) -> int:
        """How much audio was sent."""
        return len(self.audio) // 32


def types(told: list[dict[str, Any]]) -> list[str]:
    """The types of some events."""
    return [event["type"] for event in told]


def error_of(told: list[dict[str, Any]]) -> tuple[str, str | None]:
    """The code of the only event, an error, and the event that it is about."""
    (event,) = told
    return event["error"]["code"], event["error"]["event_id"]


def chat(scene: Scene) -> list[tuple[str, str]]:
    """What the model was asked last."""
    return [(m.role, m.content) for m in scene.asked[-1].generate.messages]


def hear_a_turn(scene: Scene, text: str = "What time is it?") -> list[dict[str, Any]]:
    """The caller speaks and falls silent; return what the client is told."""
    scene.append()
    told = scene.hear(scene.workers.speech(scene.now_ms - 100))
    scene.append()
    return told + scene.hear(scene.workers.final(text, scene.now_ms))
