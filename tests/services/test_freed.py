"""What a session leaves in the workers that served it: nothing that waits for the collector."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import pytest

from schemas.event import Event
from schemas.llm import GenerateRequest, Message
from schemas.session import (
    AnswerAsked,
    CancelAsked,
    PlaybackEnded,
    SessionClosed,
    SessionOpened,
    UserText,
)
from schemas.tts import ReplyChunk, SpeakRequest, SpeechDone
from schemas.turn import ConverseRequest, TurnEnded
from services.llm.engines.synthetic import SyntheticEngine, SyntheticSettings
from services.llm.providers import alone
from services.llm.worker import answer
from services.tts.worker import speak
from services.turn.admission import Links
from services.turn.settings import TurnSettings
from services.turn.worker import converse
from subjects.catalog import Place, subject_of
from tests.garbage import left_to_the_collector
from tests.services.tts.speaking import Toy
from tests.workers import beside, bus_in, new_place, until_done, worker_in
from voicebus.bus.client import Bus
from voicebus.worker import Role, Work

SETTLES_S = 0.2


class Session:
    """A session, seen from its edge."""

    def __init__(self, bus: Bus, place: Place) -> None:
        self._bus = bus
        self._place = place

    async def tell(self, *events: Event) -> None:
        """Let this happen."""
        for event in events:
            await self._bus.store(event, self._place)

    @asynccontextmanager
    async def hears(self, kind: type[Event]) -> AsyncIterator[None]:
        """Let something happen while the context lasts; then wait for a message of this kind."""
        async with (
            asyncio.timeout(10),
            self._bus.listen(subject_of(kind, self._place)) as inbox,
        ):
            await self._bus.flush()
            yield
            await inbox.next()


async def listen_to_the_end(session: Session) -> None:
    """A reply is heard."""
    async with session.hears(TurnEnded):
        async with session.hears(SpeechDone):
            await session.tell(UserText(text="hello", seq=1))
        await session.tell(PlaybackEnded(turn=1, played_ms=60_000))


async def interrupt(session: Session) -> None:
    """A reply is cut short."""
    async with session.hears(TurnEnded):
        async with session.hears(ReplyChunk):
            await session.tell(UserText(text="hello", seq=1))
        await session.tell(CancelAsked(seq=2), PlaybackEnded(turn=1, played_ms=0))


async def ask_for_an_answer(session: Session) -> None:
    """A client that keeps the conversation itself has something answered."""
    generate = GenerateRequest(messages=(Message(role="user", content="hello"),))
    async with session.hears(TurnEnded):
        async with session.hears(SpeechDone):
            await session.tell(AnswerAsked(generate=generate, speak=SpeakRequest(), seq=1))
        await session.tell(PlaybackEnded(turn=1, played_ms=60_000))


@asynccontextmanager
async def workers(url: str, cell: str) -> AsyncIterator[None]:
    """One worker of each stage, with synthetic engines."""
    model = alone(SyntheticEngine(SyntheticSettings(ttft_ms=5, tokens_per_s=200)))
    work: dict[str, Work] = {
        "turn": partial(converse, settings=TurnSettings(), links=Links()),
        "llm": partial(answer, providers=model),
        "tts": partial(speak, engine=Toy()),
    }
    async with AsyncExitStack() as stack:
        for name, does in work.items():
            role = Role(name=name, slots=4, engine="synthetic", worker=f"{name}-1")
            await stack.enter_async_context(worker_in(url, cell, role, does))
        yield


@pytest.mark.parametrize(
    ("happens", "automatic"),
    [(listen_to_the_end, True), (interrupt, True), (ask_for_an_answer, False)],
    ids=["heard", "interrupted", "asked for"],
)
async def test_a_session_that_is_over_is_freed_without_the_collector(
    nats_server: str, happens: Callable[[Session], Awaitable[None]], automatic: bool
) -> None:
    """With all that was said in it: no stage keeps any of it in a circle."""
    place = new_place()

    async def call(bus: Bus) -> None:
        here = beside(place)
        session = Session(bus, here)
        await session.tell(SessionOpened())
        request = ConverseRequest(automatic=automatic)
        await bus.publish(request, here, None, None, job="session")
        await happens(session)
        await session.tell(SessionClosed())
        for role in ("turn", "llm", "tts"):
            await until_done(bus, role)
        await asyncio.sleep(SETTLES_S)

    async with bus_in(nats_server, place.cell) as bus, workers(nats_server, place.cell):
        await call(bus)  # what is made once is made now
        with left_to_the_collector() as found:
            await call(bus)

    assert found == {}
