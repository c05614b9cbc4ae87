"""What a bridge keeps on the bus: updates, owners and chats. A real server, no Telegram."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest

from bridges.telegram.chats import Chats
from bridges.telegram.ownership import Ownership
from bridges.telegram.updates import Accepted, Updates
from schemas.telegram import ChatKept
from tests.metered import Growth
from tests.workers import bus_in, new_place, until
from voicebus.bus.client import Bus

BOT = 77


@pytest.fixture
async def bus(nats_server: str) -> AsyncIterator[Bus]:
    """A bus in a cell of the test's own."""
    async with bus_in(nats_server, new_place().cell) as connected:
        yield connected


async def taken(updates: Updates, count: int, since: int = 0) -> list[Accepted]:
    """The first updates that are to be dealt with."""
    found: list[Accepted] = []
    async with asyncio.timeout(10), aclosing(updates.arriving(since)) as arriving:
        async for accepted in arriving:
            found.append(accepted)
            if len(found) == count:
                break
    return found


async def test_an_update_is_accepted_once(bus: Bus) -> None:
    """By whomever, and again by nobody, also once it was settled."""
    one, two = Updates(bus, BOT, "one"), Updates(bus, BOT, "two")

    assert await one.accept(1, b"{}")
    assert not await one.accept(1, b"{}")
    assert not await two.accept(1, b"{}")
    (accepted,) = await taken(one, 1)
    await one.settle(accepted, "answered")
    assert not await two.accept(1, b"{}")


async def test_what_one_has_accepted_another_deals_with(bus: Bus) -> None:
    """In order, and without what is settled or about to be answered."""
    one, two = Updates(bus, BOT, "one"), Updates(bus, BOT, "two")
    for number in range(1, 5):
        await one.accept(number, b"%d" % number)
    first, second, *_ = await taken(one, 4)
    await one.settle(first, "answered")
    assert await one.begin(second)

    found = await taken(two, 2)

    assert [accepted.payload for accepted in found] == [b"3", b"4"]


async def test_of_two_that_answer_one_does(bus: Bus) -> None:
    """The other one is told so before it sends anything."""
    growth = Growth()
    one, two = Updates(bus, BOT, "one"), Updates(bus, BOT, "two")
    await one.accept(1, b"{}")
    (mine,), (yours,) = await taken(one, 1), await taken(two, 1)

    assert await one.begin(mine)
    assert await one.begin(mine)
    assert not await two.begin(yours)
    assert growth.of("voicebus_telegram_fenced_total") == 1


async def test_a_beginning_that_is_shown_is_gone_on_with(bus: Bus) -> None:
    """Whoever comes next knows the message."""
    one, two = Updates(bus, BOT, "one"), Updates(bus, BOT, "two")
    await one.accept(1, b"{}")
    (mine,) = await taken(one, 1)
    await one.show(mine, 12)

    assert [accepted.shown for accepted in await taken(two, 1)] == [12]


async def test_updates_of_other_bots_are_not_seen(bus: Bus) -> None:
    """Each bot has its own."""
    await Updates(bus, BOT, "one").accept(1, b"theirs")
    mine = Updates(bus, BOT + 1, "one")
    await mine.accept(1, b"mine")

    assert [accepted.payload for accepted in await taken(mine, 1)] == [b"mine"]


@asynccontextmanager
async def owner(bus: Bus, name: str) -> AsyncIterator[Ownership]:
    """A process that wants to answer for the bot."""
    place = Ownership(bus, BOT, name, lambda: 5)
    served: list[int] = []

    async def serve(since: int) -> None:
        served.append(since)
        await asyncio.get_running_loop().create_future()

    task = asyncio.ensure_future(place.run(serve))
    try:
        yield place
    finally:
        task.cancel()
        await asyncio.wait((task,))


async def test_one_process_answers_for_a_bot_and_the_next_one_at_once_when_it_leaves(
    bus: Bus,
) -> None:
    """Nobody waits for a lease that was given back."""
    async with owner(bus, "one") as one:
        await until(lambda: one.is_held)
        async with owner(bus, "two") as two:
            await asyncio.sleep(1.5)
            assert not two.is_held
    async with owner(bus, "three") as three:
        assert await until(lambda: three.is_held) < 3.0


async def test_what_a_chat_chose_is_kept(bus: Bus) -> None:
    """Another process finds it; a topic is a chat of its own."""
    await Chats(bus, BOT).put((5, 0), ChatKept(voice="joe"))
    await Chats(bus, BOT).put((5, 3), ChatKept(voice="ann"))

    assert (await Chats(bus, BOT).get((5, 0))).voice == "joe"
    assert (await Chats(bus, BOT).get((5, 3))).voice == "ann"
    assert await Chats(bus, BOT).get((-5, 0)) == ChatKept()


async def test_a_choice_counts_though_somebody_else_wrote_meanwhile(bus: Bus) -> None:
    """A former owner may have been the last to write."""
    one, two = Chats(bus, BOT), Chats(bus, BOT)
    await one.get((5, 0))
    await two.put((5, 0), ChatKept(voice="joe"))
    await one.put((5, 0), ChatKept(language="ru"))

    assert await Chats(bus, BOT).get((5, 0)) == ChatKept(language="ru")
