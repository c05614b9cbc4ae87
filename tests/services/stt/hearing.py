"""A listener under test and all that it said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from schemas.event import Event
from schemas.settings import SessionSettings
from schemas.stt import TranscribeRequest, TranscriptFinal
from services.stt.ears import Ears
from services.stt.engine import Engine
from services.stt.listener import Listener
from services.stt.outbox import Outbox
from services.stt.resumption import AFRESH, Resumption
from services.stt.streaming import Streaming
from services.stt.turn_lane import Judge
from tests.services.stt.ears import ears_of, steps
from voicebus.errors import EngineError

MANUAL = TranscribeRequest(settings=SessionSettings(turn_taking="manual"))
"""The caller ends the turns: nobody judges them."""


class Heard:
    """A listener and all that it said."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.failures: list[EngineError] = []
        self.samples = 0
        self.listener: Listener
        self.ears: Ears

    async def emit(self, event: Event) -> None:
        """Take a transcript."""
        self.events.append(event)

    async def fail(self, error: EngineError) -> None:
        """Take a failure."""
        self.failures.append(error)

    async def hear(self, *pieces: bytes) -> None:
        """Play this to the listener, 20 ms at a time, faster than real time."""
        for piece in pieces:
            for step in steps(piece):
                await self.listener.hear(step)
                self.samples += len(step) // 2
                await asyncio.sleep(0.0005)

    async def follow(self, *pieces: bytes) -> None:
        """Play this to the listener, which is given the time to finish each draft it begins."""
        for piece in pieces:
            for step in steps(piece):
                await self.hear(step)
                async with asyncio.timeout(5):
                    while self.is_drafting():
                        await asyncio.sleep(0.001)

    def is_drafting(self) -> bool:
        """Whether a draft is being made."""
        draft = self.listener._drafts.current
        return draft is not None and draft.text is None

    async def end(self) -> None:
        """End the audio here."""
        await self.listener.end(self.samples)

    def of(self, kind: type[Event]) -> list[Event]:
        """What came of a kind."""
        return [event for event in self.events if isinstance(event, kind)]

    def finals(self) -> list[TranscriptFinal]:
        """The finals."""
        return [event for event in self.events if isinstance(event, TranscriptFinal)]


@asynccontextmanager
async def listening(
    engine: Engine,
    partial_ms: int = 60_000,
    request: TranscribeRequest = MANUAL,
    resumed: Resumption = AFRESH,
    judge: Judge | None = None,
    quick: Streaming | None = None,
) -> AsyncIterator[Heard]:
    """Listen; at the end everything that was heard has been said."""
    heard = Heard()
    heard.samples = resumed.start
    async with ears_of(engine, partial_ms, judge, quick) as ears, asyncio.TaskGroup() as group:
        heard.ears = ears
        heard.listener = Listener(
            ears, group, Outbox(heard.emit, heard.fail), request=request, resumed=resumed
        )
        yield heard
        await heard.listener.finish()
