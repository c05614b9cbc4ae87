"""A turn to be spoken, for tests: a voice that notes what it says, and who listens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
from numpy.typing import NDArray

from schemas.event import Event
from schemas.llm import ClauseReady
from schemas.tts import ClauseSpoken, ReplyChunk, SpeakRequest, SpeechDone
from services.tts.engine import Engine
from services.tts.engines.synthetic import SyntheticEngine, SyntheticSettings
from services.tts.worker import speak
from subjects.catalog import Place, session_log
from tests.workers import bus_in, claim_on, new_place
from voicebus.bus.client import Bus
from voicebus.bus.inbox import Inbox
from voicebus.lately import Lately

SETTINGS = SyntheticSettings(ttfa_ms=5, ms_per_char=20)


class Toy(SyntheticEngine):
    """The synthetic voice, with a note of what it was to say."""

    def __init__(self, settings: SyntheticSettings = SETTINGS, *, endless: bool = False) -> None:
        super().__init__(settings)
        self.texts: list[str] = []
        self.stopped = asyncio.Event()
        self._endless = endless

    async def synthesise(
        self, text: str, voice: str, speed: float, language: str = ""
    ) -> AsyncGenerator[NDArray[np.int16], None]:
        """Speak; for ever, if it is endless."""
        self.texts.append(text)
        try:
            while True:
                async for piece in super().synthesise(text, voice, speed):
                    yield piece
                if not self._endless:
                    return
        finally:
            self.stopped.set()


def clause(seq: int, text: str, *, turn: int = 1, revision: int = 0) -> ClauseReady:
    """A piece of the reply."""
    return ClauseReady(turn=turn, revision=revision, seq=seq, text=text)


def last(seq: int, *, turn: int = 1) -> ClauseReady:
    """The end of the reply."""
    return ClauseReady(turn=turn, seq=seq, text="", last=True)


class Turn:
    """A turn that is to be spoken, and who listens to it."""

    def __init__(self, bus: Bus, place: Place, inbox: Inbox) -> None:
        self.bus = bus
        self.place = place
        self.heard: list[Event] = []
        self._inbox = inbox

    async def listen(self) -> None:
        """Note what comes until cancelled."""
        async for _, event in self._inbox:
            self.heard.append(event)

    async def tell(self, *events: Event) -> None:
        """Publish what others say in this turn."""
        for event in events:
            await self.bus.store(event, self.place)

    async def speak(
        self,
        engine: Engine,
        request: SpeakRequest = SpeakRequest(turn=1),  # noqa: B008 - frozen
        firsts: Lately | None = None,
    ) -> None:
        """Do the work of the turn, and hear all of it."""
        claim = await claim_on(self.bus, self.place, "tts", request)
        await asyncio.wait_for(speak(claim, engine, firsts=firsts), 60)
        await self.bus.flush()
        await asyncio.sleep(0.05)

    def chunks(self) -> list[ReplyChunk]:
        """The audio as it came."""
        return [event for event in self.heard if isinstance(event, ReplyChunk)]

    def spoken(self) -> list[ClauseSpoken]:
        """Which words are where in the audio."""
        return [event for event in self.heard if isinstance(event, ClauseSpoken)]

    def done(self) -> list[SpeechDone]:
        """The end."""
        return [event for event in self.heard if isinstance(event, SpeechDone)]


@asynccontextmanager
async def turn_at(url: str) -> AsyncIterator[Turn]:
    """A turn of a new session, listened to."""
    place = new_place()
    # One subscription, as the edge has it: only within one is the order that of the publisher.
    down = session_log(place.cell, place.session)[1]
    async with bus_in(url, place.cell) as bus, bus.listen(down) as inbox:
        await bus.flush()
        turn = Turn(bus, place, inbox)
        listening = asyncio.create_task(turn.listen())
        yield turn
        listening.cancel()
        await asyncio.wait((listening,))
