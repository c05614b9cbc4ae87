"""A session's downlink, and messages of the bus for it."""

from __future__ import annotations

from typing import Any

from edge.downlink import Downlink
from edge.timeline import AudioClock
from edge.wire import Medium, Outgoing
from schemas.event import Event
from schemas.llm import TokenDelta
from schemas.tts import ReplyChunk
from voicebus.sessions.order import Order


class View(Downlink):
    """A downlink behind its session, which puts messages in order."""

    def __init__(self, clock: AudioClock, medium: Medium) -> None:
        super().__init__(clock, medium, "test")
        self.order = Order()


def downlink(medium: Medium = Medium.SPEECH, clock: AudioClock | None = None) -> View:
    """A session's view, as the edge makes it."""
    return View(clock or AudioClock(), medium)


def told(view: View, *events: Event, at_s: float = 1.0) -> list[Outgoing]:
    """What the client is told of some messages."""
    ready = [event for arrived in events for event in view.order.take(arrived)]
    return [message for event in ready for message in view.take(event, at_s)]


def kinds(messages: list[Outgoing]) -> list[str]:
    """The types, and ``audio`` for a frame."""
    return [m["type"] if isinstance(m, dict) else "audio" for m in messages]


def token(turn: int, seq: int, **fields: Any) -> TokenDelta:
    """A piece of a reply."""
    return TokenDelta(turn=turn, seq=seq, text=f"{turn}.{seq} ", **fields)


def chunk(turn: int, seq: int, **fields: Any) -> ReplyChunk:
    """A slice of a reply's audio."""
    return ReplyChunk(turn=turn, seq=seq, pcm=b"\1\0", rate_hz=24_000, offset=seq, **fields)
