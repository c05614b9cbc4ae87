"""A Realtime session without sockets or a bus: the client and the workers are the test."""

from __future__ import annotations

from fractions import Fraction
from itertools import count
from typing import Any

import msgspec

from edge.openai.realtime import client
from edge.openai.realtime.answering import Orders
from edge.openai.realtime.asking import Naming
from edge.openai.realtime.errors import BadEvent
from edge.openai.realtime.machine import Realtime
from edge.openai.realtime.session import Pcm, Session
from edge.openai.realtime.sound import rate_of
from schemas.audio import AudioChunk, AudioEnded
from schemas.event import Event
from schemas.session import AnswerAsked, CancelAsked
from schemas.stt import (
    AudioConsumed,
)
from schemas.turn import TurnEnded
from tests.edge.openai.realtime.watch import Watch
from tests.edge.openai.realtime.workers import Workers

RATE_HZ = 24_000
NOT_AS_CREATED = "asked as it was not created"
HELLO = b"\x01\x00" * (RATE_HZ // 5)
"""A fifth of a second of audio."""

MANUAL: dict[str, Any] = {"audio": {"input": {"turn_detection": None}}}
HEARD: dict[str, Any] = {"audio": {"input": {"transcription": {"model": "whisper-1"}}}}
TEXT: dict[str, Any] = {"output_modalities": ["text"]}
"""Sessions in which the client commits, wants to know what was said, is answered in writing."""


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
        self.appended = Fraction()
        self.flushes = 0
        self.as_of: dict[str | None, Session] = {}
        self._is_own = False
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
                    if order["type"] == "response.created" and not self._is_own:
                        self.as_of[self.watch.active] = self.machine.session
                case AudioChunk():
                    assert order.offset * 2 == len(self.audio), "audio that does not follow"
                    self.audio += order.pcm
                case AudioEnded():
                    assert order.offset * 2 == len(self.audio), "audio behind its end"
                    self.ends.append(order.offset)
                    self.flushes += 1
                    self.workers.waiting.append(AudioConsumed(end_offset=order.offset, finals=0))
                case AnswerAsked() if order.generate.speculative:
                    assert self.watch.active is None
                    self.drafts.append(order)
                case AnswerAsked():
                    assert order.seq == len(self.asked) + len(self.drafts)
                    assert self.watch.active is not None
                    self._expect_as_created(order)
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
        self._is_own = bool(fields.get("response"))
        before = self.machine.session.audio.input.format
        told = self.do(self.machine.take(event))
        self.flushes += before != self.machine.session.audio.input.format
        self._is_own = False
        return told

    def _expect_as_created(self, order: AnswerAsked) -> None:
        """What is asked is what the session was, unless the client asked for something else."""
        session = None if self.watch.is_aside else self.as_of.get(self.watch.active)
        if session is None:
            return
        output, speak = session.audio.output, order.speak
        sounds = (output.voice_name, rate_of(output.format), output.speed)
        head = order.generate.messages[0]
        says = head.content if head.role == "system" else ""
        assert session.instructions in (says, head.content), NOT_AS_CREATED
        assert (speak is not None) == ("audio" in session.output_modalities), NOT_AS_CREATED
        if speak is not None:
            assert (speak.voice, speak.rate_hz, speak.speed) == sounds, NOT_AS_CREATED

    def append(self, data: bytes = HELLO) -> None:
        """The client sends audio."""
        wanted = self.machine.session.audio.input.format
        width = 2 if isinstance(wanted, Pcm) else 1
        self.appended += Fraction(len(data) * 16_000, width * rate_of(wanted))
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
