"""The queue between the connection and its one reader."""

from __future__ import annotations

import asyncio

import pytest

from schemas.session import UserText
from voicebus import metrics
from voicebus.bus.inbox import Inbox


def text(number: int) -> UserText:
    """A message that can be told from the others."""
    return UserText(text=str(number))


async def test_messages_come_in_order() -> None:
    """First in, first out, with the subject of each."""
    inbox = Inbox(10)
    for number in range(3):
        inbox.put(f"subject.{number}", text(number))

    assert [await inbox.next() for _ in range(3)] == [
        (f"subject.{number}", text(number)) for number in range(3)
    ]


async def test_a_reader_waits_for_the_next_message() -> None:
    """An empty inbox does not end the iteration."""
    inbox = Inbox(10)
    reading = asyncio.create_task(inbox.next())
    await asyncio.sleep(0)
    assert not reading.done()

    inbox.put("subject", text(1))

    assert await reading == ("subject", text(1))


async def test_a_full_inbox_drops_the_oldest_and_counts_it() -> None:
    """A reader that is too slow loses the oldest, and somebody can see that it did."""
    inbox = Inbox(2)
    before = metrics.INBOX_DROPPED._value.get()

    for number in range(5):
        inbox.put("subject", text(number))

    assert (len(inbox), inbox.lost) == (2, 3)
    assert metrics.INBOX_DROPPED._value.get() == before + 3
    assert (await inbox.next())[1] == text(3)


async def test_a_closed_inbox_is_read_to_its_end() -> None:
    """What has arrived is read before the iteration ends."""
    inbox = Inbox(10)
    inbox.put("subject", text(1))
    inbox.close()

    assert [event async for _, event in inbox] == [text(1)]
    with pytest.raises(StopAsyncIteration):
        await inbox.next()


async def test_closing_wakes_a_waiting_reader() -> None:
    """Nobody waits for a message that cannot come any more."""
    inbox = Inbox(10)

    async def read() -> list[str]:
        return [subject async for subject, _ in inbox]

    reading = asyncio.create_task(read())
    await asyncio.sleep(0)
    inbox.close()

    assert await asyncio.wait_for(reading, 1) == []
