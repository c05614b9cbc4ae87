"""A summary on a real bus: wherever the session goes, and in the sessions after it."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest

from schemas.llm import GenerateRequest, SummaryMade
from schemas.session import SessionOpened
from schemas.settings import SessionSettings
from schemas.turn import Return
from services.turn import shelf
from subjects.catalog import Place
from subjects.tokens import new_token
from tests.services.turn.together import LIMIT_S, kept_turns, talk, told
from tests.workers import beside, bus_in, new_place
from voicebus.bus.client import Bus
from voicebus.conversations import own
from voicebus.personas.library import Library

GUIDE = SessionSettings(persona="guide")
NOTES = SummaryMade(text="They travel with a dog.", through=1)


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """A persona whose conversations are kept in short."""
    (tmp_path / "guide.md").write_text("---\nsummaries: on\n---\nBe a guide.")
    return Library(tmp_path)


def head(asked: GenerateRequest) -> str:
    """The instructions of the model."""
    return asked.messages[0].content


async def until_kept(bus: Bus, conversation: str) -> None:
    """Wait until a conversation has a summary."""
    async with asyncio.timeout(LIMIT_S):
        while (kept := (await shelf.find(bus, conversation)).kept) is None or not kept.summary:
            await asyncio.sleep(0.02)


async def test_a_summary_counts_wherever_the_session_goes(
    nats_server: str, library: Library
) -> None:
    """At the third place, too; what it stands for is not told besides."""
    first, token = new_place(), "the token"
    others = [Place(first.cell, new_token("e"), new_token("s")) for _ in range(2)]
    back = Return(session=first.session, token=token)
    async with bus_in(nats_server, first.cell) as bus:
        ticket = hashlib.sha256(token.encode()).hexdigest()
        await bus.store(SessionOpened(ticket=ticket), first)
        async with talk(bus, first, None, settings=GUIDE, library=library) as there:
            await there.turn("we have a dog", "Fine.")
            await bus.store(NOTES, first)
            before = await there.turn("and we come by train", "Good.")
        for texts, place in enumerate(others, 2):
            async with talk(
                bus, place, None, settings=GUIDE, library=library, resumes=back
            ) as here:
                here.texts = texts
                asked = await here.turn("and now?", "Now.")

    assert NOTES.text in head(before)
    assert head(asked) == head(before)
    assert told(asked) == ["and we come by train", "Good.", "and now?", "Now.", "and now?"]


async def test_the_next_session_knows_it_until_the_conversation_is_deleted(
    nats_server: str, library: Library
) -> None:
    """And only that of its own conversation."""
    place, join = new_place(), own("s", "0a1b")
    heads = []
    async with bus_in(nats_server, place.cell) as bus:
        async with talk(bus, place, join, settings=GUIDE, library=library) as first:
            await first.turn("we have a dog", "Fine.")
            await bus.store(NOTES, place)
            await until_kept(bus, join.conversation)
        for number in (2, 3):
            async with talk(bus, beside(place), join, settings=GUIDE, library=library) as later:
                heads.append(head(await later.turn("hello", "Hello.")))
                if number == 2:
                    await kept_turns(bus, join.conversation, 2)
                    await later.forget()
                    await later.hang_up()

    assert NOTES.text in heads[0]
    assert heads[1] == "Be a guide."
