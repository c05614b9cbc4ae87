"""A reply behind a call of a function, on a real bus: its leader is lost, or its client moves."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from pathlib import Path

import pytest

from schemas.codec import decode
from schemas.conversation import Joined
from schemas.event import Event
from schemas.llm import GenerateRequest, GenerationDone, Message, ToolCall
from schemas.session import SessionOpened, UserText
from schemas.settings import SessionSettings
from schemas.tool import CallsAsked, CallsBegun, CallsEnded, ToolDone
from schemas.turn import Return, TurnEnded, TurnStarted
from subjects.catalog import Place, subject_of
from subjects.tokens import new_token
from tests.services.turn.together import Talk, talk
from tests.workers import bus_in, new_place
from voicebus.bus.client import Bus
from voicebus.personas.library import Library

TOKEN = "the token"
CLOCK = SessionSettings(persona="clock")
WISH = ToolCall(id="c", name="time", arguments="{}")


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """A persona that knows what time it is."""
    (tmp_path / "clock.md").write_text("---\ntools:\n  allow: [time]\n---\nBe brief.")
    return Library(tmp_path)


async def called(session: Talk) -> GenerateRequest:
    """Have the model ask for the time; return what it is asked then."""
    asked = await session.ask("what time is it?")
    wish = CallsAsked(text="", calls=(WISH,), turn=asked.turn, revision=asked.revision)
    await session.bus.store(wish, session.place)
    return await session.hear(GenerateRequest)


def calls_of(chat: Sequence[Message]) -> list[Message]:
    """What was called, and what came of it."""
    return [message for message in chat if message.tool_calls or message.role == "tool"]


async def asked_at(bus: Bus, place: Place) -> list[GenerateRequest]:
    """What the model was asked at a place: nobody has taken these jobs."""
    subject = subject_of(GenerateRequest, place)
    events = [decode(message.payload) async for message in bus.read("JOBS", subject)]
    return [event for event in events if isinstance(event, GenerateRequest)]


async def until_ended(bus: Bus, place: Place) -> None:
    """Wait until the log says that the round has ended."""
    while not any(
        [
            isinstance(decode(message.payload), CallsEnded)
            async for message in bus.read("SESSION", subject_of(CallsEnded, place))
        ]
    ):
        await asyncio.sleep(0.02)


async def test_who_takes_over_behind_a_call_asks_for_nothing_again(
    nats_server: str, library: Library
) -> None:
    """The model writes the reply, and goes on with it."""
    place = new_place()
    async with bus_in(nats_server, place.cell) as bus:
        async with talk(bus, place, None, settings=CLOCK, library=library) as first:
            asked = await called(first)
            await until_ended(bus, place)
        async with talk(bus, place, None, settings=CLOCK, library=library, attempt=2) as second:
            done = GenerationDone(turn=asked.turn, revision=asked.revision, text="Noon.")
            await bus.store(done, place)
            ended = await second.hear(TurnEnded)
        rounds = [a.round.number for a in await asked_at(bus, place) if a.round is not None]

    assert ended.reply == "Noon."
    assert rounds == [0, 1]


@pytest.mark.parametrize("ended", [(), (CallsEnded(turn=1),)])
async def test_a_session_that_moves_behind_a_call_has_one_job(
    nats_server: str, library: Library, ended: tuple[Event, ...]
) -> None:
    """That of the round that runs: what was said before is told again by whoever gets it."""
    first, ticket = new_place(), hashlib.sha256(TOKEN.encode()).hexdigest()
    second = Place(first.cell, new_token("e"), new_token("s"))
    past: tuple[Event, ...] = (
        UserText(text="what time is it?", seq=1),
        TurnStarted(text="what time is it?", typed=True, control=1, turn=1),
        CallsAsked(text="", calls=(WISH,), turn=1),
        ToolDone(content="Noon", round=0, turn=1),
        CallsBegun(turn=1),
        *ended,
    )
    async with bus_in(nats_server, first.cell) as bus:
        await bus.store(SessionOpened(ticket=ticket), first)
        async with talk(bus, first, None, settings=CLOCK, library=library) as there:
            await there.hear(Joined)
        for event in past:
            await bus.store(event, first)
        back = Return(session=first.session, token=TOKEN)
        async with talk(bus, second, None, settings=CLOCK, library=library, resumes=back) as here:
            asked = await here.hear(GenerateRequest)
            done = GenerationDone(turn=asked.turn, revision=asked.revision, text="Noon.")
            await bus.store(done, second)
            assert (await here.hear(TurnEnded)).reply == "Noon."
        jobs = await asked_at(bus, second)

    assert [(a.round.number, a.resumed) for a in jobs if a.round is not None] == [(1, True)]
    assert [m.content for m in asked.messages if m.role == "tool"] == ["Noon"]


async def test_a_call_stays_in_the_chat_wherever_the_session_goes(
    nats_server: str, library: Library
) -> None:
    """At the third place, too, the model is told what it called at the first, and what came of it;
    and so is whoever takes the session over there.
    """
    first, ticket = new_place(), hashlib.sha256(TOKEN.encode()).hexdigest()
    places = [first, *(Place(first.cell, new_token("e"), new_token("s")) for _ in range(2))]
    back = Return(session=first.session, token=TOKEN)
    async with bus_in(nats_server, first.cell) as bus:
        await bus.store(SessionOpened(ticket=ticket), first)
        async with talk(bus, first, None, settings=CLOCK, library=library) as there:
            asked = await called(there)
            done = GenerationDone(turn=asked.turn, revision=asked.revision, text="Noon.")
            await bus.store(done, first)
            await there.hear(TurnEnded)
        for texts, place in enumerate(places[1:], 1):
            async with talk(
                bus, place, None, settings=CLOCK, library=library, resumes=back
            ) as here:
                here.texts = texts
                moved = await here.turn("and now?", "Later.")
        async with talk(
            bus, places[-1], None, settings=CLOCK, library=library, resumes=back, attempt=2
        ) as last:
            last.texts = len(places)
            taken = await last.ask("and in an hour?")

    for chat in (moved.messages, taken.messages):
        assert calls_of(chat) == calls_of(asked.messages)
        assert [message.tool_calls for message in calls_of(chat)] == [(WISH,), ()]
    said = [message.content for message in taken.messages if message.role == "user"]
    assert said == ["what time is it?", "and now?", "and now?", "and in an hour?"]
