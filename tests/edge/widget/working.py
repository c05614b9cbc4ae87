"""The test in the place of all workers, behind an edge with widgets."""

from __future__ import annotations

import asyncio

from schemas.audio import AudioChunk
from schemas.event import Event
from schemas.session import UserText
from schemas.turn import ConverseRequest, TurnEnded, TurnStarted
from subjects.catalog import Place, place_of, subject_of
from tests.bus import CELL
from tests.edge.widget.test_routes import Edge


class Worker:
    """In the place of all workers: hears what the edge says, and begins turns that are typed."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._news = asyncio.Event()
        self.heard: list[tuple[Place, Event]] = []

    async def __aenter__(self) -> Worker:
        ready = asyncio.Event()
        self._listening = asyncio.create_task(self._listen(ready))
        await ready.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listening.cancel()
        await asyncio.wait((self._listening,))

    async def _listen(self, ready: asyncio.Event) -> None:
        bus, everywhere = self._edge.bus, Place(CELL, self._edge.name, "*")
        kinds = (AudioChunk, UserText, ConverseRequest)
        async with bus.listen(*(subject_of(kind, everywhere) for kind in kinds)) as inbox:
            await bus.flush()
            ready.set()
            async for subject, event in inbox:
                self.heard.append((place_of(subject), event))
                self._news.set()

    def said(self, session: str, kind: type[Event]) -> list[Event]:
        """What the edge said of a kind in a session."""
        return [
            event
            for place, event in self.heard
            if place.session == session and isinstance(event, kind)
        ]

    async def until(self, session: str, kind: type[Event], count: int = 1) -> Event:
        """Wait for the ``count``-th of a kind."""
        while len(found := self.said(session, kind)) < count:
            self._news.clear()
            await self._news.wait()
        return found[count - 1]

    async def do_turn(self, session: str, turn: int) -> None:
        """Answer what was typed, with nothing."""
        place = Place(CELL, self._edge.name, session)
        await self.until(session, UserText, turn)
        await self._edge.bus.publish(TurnStarted(turn=turn, text="Tea?"), place)
        await self._edge.bus.publish(TurnEnded(turn=turn, outcome="completed"), place)


def seconds(chunks: list[Event]) -> float:
    """How long this audio lasts."""
    return sum(len(one.pcm) for one in chunks if isinstance(one, AudioChunk)) / 32_000
