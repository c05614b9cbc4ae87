"""An edge that lost the bus for a moment is told again what it may have missed."""

from __future__ import annotations

import asyncio
import time

import pytest

from schemas.claim import Presence
from schemas.codec import encode
from schemas.event import Event
from schemas.llm import TokenDelta
from schemas.stt import TranscriptPartial
from subjects.catalog import Place, subject_of
from subjects.processes import presence_subject
from subjects.tokens import new_token
from tests.metered import Growth
from tests.voicebus.test_edges import watching
from tests.workers import beside, bus_in, new_place, until
from voicebus.bus.client import Bus
from voicebus.bus.inbox import Inbox
from voicebus.edges import AGAIN_S


async def beat(bus: Bus, place: Place, returns: int, life: str = "") -> None:
    """Give one sign of life of the place's edge."""
    presence = Presence(role="edge", worker=place.edge, slots=1, busy=0, returns=returns, life=life)
    await bus.publish_raw(presence_subject(bus.cell, "edge", place.edge), encode(presence))
    await bus.flush()


async def say(bus: Bus, place: Place, *texts: str) -> None:
    """Say words of an answer."""
    for seq, text in enumerate(texts):
        await bus.store(TokenDelta(turn=1, seq=seq, text=text), place)


async def heard(inbox: Inbox, count: int) -> list[Event]:
    """Wait for some messages, and that no more of them come."""
    await until(lambda: len(inbox) >= count)
    await asyncio.sleep(0.2)
    return [(await inbox.next())[1] for _ in range(len(inbox))]


async def test_an_edge_that_is_back_is_told_again(nats_server: str) -> None:
    """Those who listen hear it once more; the log has it once."""
    growth = Growth()
    place = new_place()
    async with (
        bus_in(nats_server, place.cell) as bus,
        watching(bus),
        bus.listen(subject_of(TokenDelta, place)) as inbox,
    ):
        await beat(bus, place, 0)
        await say(bus, place, "one", "two", "three")
        assert len(await heard(inbox, 3)) == 3

        await beat(bus, place, 1)

        again = await heard(inbox, 3)
        subject = subject_of(TokenDelta, place)
        stored = [message async for message in bus.read("SESSION", subject)]

    assert [event.text for event in again if isinstance(event, TokenDelta)] == [
        "one",
        "two",
        "three",
    ]
    assert len(stored) == 3
    assert growth.of("voicebus_bus_said_again_total") == 3


@pytest.mark.parametrize(
    "beats",
    [
        ((1, "first"), (1, "first"), (1, "first"), (2, "first"), (2, "first")),
        ((1, "first"), (0, "second"), (1, "second")),
    ],
    ids=["one life", "started again"],
)
async def test_it_is_told_once_for_each_return(
    nats_server: str, beats: tuple[tuple[int, str], ...]
) -> None:
    """Its further beats say nothing new; its next return does, and each life counts its own."""
    place = new_place()
    async with (
        bus_in(nats_server, place.cell) as bus,
        watching(bus),
        bus.listen(subject_of(TokenDelta, place)) as inbox,
    ):
        await say(bus, place, "one")
        for returns, life in beats:
            await beat(bus, place, returns, life)
            await asyncio.sleep(AGAIN_S)

        copies = await heard(inbox, 3)

    assert len(copies) == 3


async def test_an_edge_that_flutters_is_told_again_at_leisure(nats_server: str) -> None:
    """Each return is heard of, and what was missed in all of them is repeated together."""
    place = new_place()
    async with (
        bus_in(nats_server, place.cell) as bus,
        watching(bus),
        bus.listen(subject_of(TokenDelta, place)) as inbox,
    ):
        await say(bus, place, "one")
        begun_s = time.monotonic()
        for returns in range(1, 20):
            await beat(bus, place, returns)
        lasted_s = time.monotonic() - begun_s
        at_once = len(await heard(inbox, 2)) - 1
        await asyncio.sleep(AGAIN_S)
        await beat(bus, place, 20)

        later = len(await heard(inbox, 1))

    assert at_once <= 1 + lasted_s / AGAIN_S
    assert later == 1


async def test_it_is_told_what_was_said_to_it_and_no_more(nats_server: str) -> None:
    """Neither what was said to others, nor what is of no use later."""
    place = new_place()
    sibling, other = beside(place), Place(place.cell, new_token("e"), new_token("s"))
    async with (
        bus_in(nats_server, place.cell) as bus,
        watching(bus),
        bus.listen(
            subject_of(TokenDelta, other),
            subject_of(TranscriptPartial, place),
            subject_of(TokenDelta, sibling),
        ) as inbox,
    ):
        await say(bus, other, "for another")
        await say(bus, sibling, "for its other session")
        await bus.publish(
            TranscriptPartial(utterance=1, text="so far", start_ms=0, end_ms=9), place
        )
        await heard(inbox, 3)

        await beat(bus, place, 1)

        again = await heard(inbox, 1)

    assert [event.text for event in again if isinstance(event, TokenDelta)] == [
        "for its other session"
    ]
