"""A conversation is deleted by somebody who is in it, on a real bus."""

from __future__ import annotations

import asyncio

from schemas.conversation import Joined
from services.turn import shelf
from tests.metered import Growth
from tests.services.turn.test_conversations import ADA, refusal
from tests.services.turn.together import LIMIT_S, kept_turns, talk, told
from tests.workers import beside, bus_in, new_place
from voicebus.bus.client import Bus
from voicebus.conversations import join, own, redeem, start
from voicebus.errors import ConversationUnknown

CODE = "K7QF3MXZ"


async def until_gone(bus: Bus, conversation: str) -> None:
    """Wait until a conversation is deleted."""
    async with asyncio.timeout(LIMIT_S):
        while not (await shelf.find(bus, conversation)).forgotten:
            await asyncio.sleep(0.02)


async def test_what_was_said_is_not_there_any_more(nats_server: str) -> None:
    """Neither for who has the id nor for who has a code; and nothing of it is in the store."""
    growth = Growth()
    place, begun = new_place(), start(ADA)
    async with bus_in(nats_server, place.cell) as bus:
        async with talk(bus, place, begun) as first:
            await first.hear(Joined)
            await first.turn("I am Ada.", "Hello, Ada.")
            await kept_turns(bus, begun.conversation, 1)
            await first.code(CODE)
            await first.forget()
            assert await first.hang_up() == "forgotten"
            found = await shelf.find(bus, begun.conversation)
        async with talk(bus, beside(place), join(begun.conversation, ADA)) as second:
            by_id = await refusal(second)
        async with talk(bus, beside(place), redeem(CODE, ADA)) as third:
            by_code = await refusal(third)
        subject = f"vb.{place.cell}.conversation.{begun.conversation}"
        stored = [message async for message in bus.read("CONVERSATION", subject)]

    assert found.kept is None
    assert isinstance(by_id, ConversationUnknown)
    assert isinstance(by_code, ConversationUnknown)
    assert [b"Ada" in message.payload for message in stored] == [False]
    assert growth.of("voicebus_conversations_forgotten_total") == 1


async def test_all_sessions_of_it_end(nats_server: str) -> None:
    """Who was told what was said there is not to go on with it; nor does it come back by them."""
    place, begun = new_place(), start(ADA)
    async with bus_in(nats_server, place.cell) as bus, talk(bus, place, begun) as first:
        await first.hear(Joined)
        async with talk(bus, beside(place), join(begun.conversation, ADA)) as second:
            await second.hear(Joined)
            await second.forget()
            reasons = [await second.hang_up(), await first.hang_up()]
            await first.turn("Are you there?", "I am.")
            await asyncio.sleep(0.3)
            found = await shelf.find(bus, begun.conversation)

    assert reasons == ["forgotten", "forgotten"]
    assert (found.kept, found.forgotten) == (None, 1)


async def test_a_room_begins_anew(nats_server: str) -> None:
    """An id that is made of the owner is as good as new; who was there before stays outside."""
    place, mine = new_place(), own("token", ADA)
    async with bus_in(nats_server, place.cell) as bus, talk(bus, place, mine) as first:
        await first.hear(Joined)
        await first.turn("I am Ada.", "Hello, Ada.")
        await first.forget()
        await until_gone(bus, mine.conversation)
        async with talk(bus, beside(place), mine) as second:
            answer = await second.hear(Joined)
            asked = await second.turn("Who am I?", "I do not know.")
            await kept_turns(bus, mine.conversation, 1)
            await first.turn("And I?", "You, too.")
            await asyncio.sleep(0.3)
            kept = (await shelf.find(bus, mine.conversation)).kept

    assert (answer.exchanges, answer.forgotten) == (0, 1)
    assert told(asked) == ["Who am I?"]
    assert kept is not None
    assert [exchange.user for exchange in kept.exchanges] == ["Who am I?"]


async def test_the_next_worker_does_what_was_asked(nats_server: str) -> None:
    """It finds the wish in the log, and ends a session whose conversation is gone."""
    place, begun = new_place(), start(ADA)
    async with bus_in(nats_server, place.cell) as bus:
        async with talk(bus, place, begun) as first:
            await first.hear(Joined)
            await first.turn("I am Ada.", "Hello, Ada.")
            await kept_turns(bus, begun.conversation, 1)
        await first.forget()  # nobody leads it now
        async with talk(bus, place, begun, attempt=2) as again:
            assert await again.hang_up() == "forgotten"
        assert (await shelf.find(bus, begun.conversation)).forgotten == 1
        async with talk(bus, place, begun, attempt=3):
            await asyncio.sleep(0.5)
        assert (await shelf.find(bus, begun.conversation)).forgotten == 1


async def test_a_worker_that_comes_later_knows_that_it_is_gone(nats_server: str) -> None:
    """It was deleted by another session while nobody led this one, and begun anew since."""
    place, mine = new_place(), own("token", ADA)
    async with bus_in(nats_server, place.cell) as bus:
        async with talk(bus, place, mine) as first:
            await first.hear(Joined)
        async with talk(bus, beside(place), mine) as second:
            await second.forget()
            await until_gone(bus, mine.conversation)
        async with talk(bus, beside(place), mine) as third:
            await third.hear(Joined)
        async with talk(bus, place, mine, attempt=2) as again:
            assert await again.hang_up() == "forgotten"
