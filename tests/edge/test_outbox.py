"""What waits for a client is in order and bounded."""

from __future__ import annotations

import asyncio

import pytest

from edge.outbox import Outbox, Parcel
from voicebus.errors import ProtocolError


async def sent(outbox: Outbox, count: int) -> list[str | bytes | None]:
    """What the next frames are."""
    parcels = [await outbox.next() for _ in range(count)]
    return [None if parcel is None else parcel.data for parcel in parcels]


async def test_messages_leave_in_their_order() -> None:
    """Text and audio keep the order in which they were put."""
    outbox = Outbox(100)
    for message in ("a", b"b", "c"):
        outbox.put(Parcel(message))
    outbox.close()

    assert await sent(outbox, 4) == ["a", b"b", "c", None]


async def test_more_than_the_limit_is_refused() -> None:
    """A client that does not read is named, and what waits does not grow."""
    outbox = Outbox(10)
    outbox.put(Parcel(b"123456"))
    with pytest.raises(ProtocolError) as refusal:
        outbox.put(Parcel(b"123456"))

    assert refusal.value.reason == "slow_client"
    assert await sent(outbox, 1) == [b"123456"]
    outbox.put(Parcel(b"1234567890"))
    assert await sent(outbox, 1) == [b"1234567890"]


async def test_dropping_a_turns_audio_keeps_the_rest_and_makes_room() -> None:
    """An interrupted reply's audio goes; words and other turns' audio stay, in their order."""
    outbox = Outbox(14)
    for parcel in (Parcel("a"), Parcel(b"12345", 1), Parcel("b"), Parcel(b"12", 2), Parcel("c", 1)):
        outbox.put(parcel)
    outbox.drop(1)
    outbox.put(Parcel(b"1234567890"))

    assert await sent(outbox, 4) == ["a", "b", b"12", b"1234567890"]


async def test_audio_is_held_back_and_words_go_before_it() -> None:
    """While a reply is paused the client is told everything but what has its place in the audio."""
    outbox = Outbox(100)
    outbox.hold()
    for parcel in (Parcel(b"1", 1), Parcel("a"), Parcel("end of 1", 1), Parcel("b")):
        outbox.put(parcel)
    outbox.put_first("pause")

    assert await sent(outbox, 3) == ["pause", "a", "b"]
    waiting = asyncio.create_task(sent(outbox, 2))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    outbox.release()
    assert await waiting == [b"1", "end of 1"]


async def test_what_goes_first_keeps_its_order() -> None:
    """A client that is told to go on before it is told to stop would stand still for ever."""
    outbox = Outbox(100)
    outbox.put(Parcel(b"1", 1))
    outbox.hold()
    outbox.put_first("pause")
    outbox.release()
    outbox.put_first("resume")

    assert await sent(outbox, 3) == ["pause", "resume", b"1"]


async def test_what_is_held_back_does_not_keep_the_outbox_open() -> None:
    """A session that ends in a pause ends."""
    outbox = Outbox(100)
    outbox.hold()
    outbox.put(Parcel(b"1", 1))
    outbox.put(Parcel("a"))
    outbox.close()

    assert await sent(outbox, 2) == ["a", None]


async def test_who_waits_is_woken() -> None:
    """A reader that waits gets the next message, and the end when it is closed."""
    outbox = Outbox(10)
    reading = asyncio.create_task(outbox.next())
    await asyncio.sleep(0)
    outbox.put(Parcel("a"))
    assert await reading == Parcel("a")

    reading = asyncio.create_task(outbox.next())
    await asyncio.sleep(0)
    outbox.close()
    assert await reading is None


async def test_nothing_is_taken_after_the_end() -> None:
    """What is put into a closed outbox is dropped, without an error."""
    outbox = Outbox(1)
    outbox.close()
    outbox.put(Parcel(b"far too much for it"))
    outbox.put_first("nor this")

    assert await outbox.next() is None
