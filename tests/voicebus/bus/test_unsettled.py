"""Waiting until nothing of a claim is on its way."""

from __future__ import annotations

import asyncio

from voicebus.bus.unsettled import Unsettled
from voicebus.errors import BusError, Fenced


async def test_who_waits_goes_on_behind_the_last_outcome() -> None:
    """Refused counts as settled; other claims do not matter."""
    unsettled, told = Unsettled(), list[tuple[int, BusError | None]]()

    def settled(sequence: int, error: BusError | None) -> None:
        told.append((sequence, error))

    first, second = unsettled.begin("a", settled), unsettled.begin("a", None)
    unsettled.begin("b", None)
    waiting = asyncio.create_task(unsettled.wait("a"))
    first(7, None)
    await asyncio.sleep(0)
    was_done = waiting.done()
    second(0, Fenced("no"))
    await asyncio.wait_for(waiting, 1)

    assert not was_done
    assert told == [(7, None)]


async def test_nothing_to_wait_for_is_no_wait() -> None:
    """A claim that wrote nothing, and one whose writes could not be handed over."""
    unsettled = Unsettled()
    unsettled.begin("a", None)
    unsettled.end("a")

    async with asyncio.timeout(1):
        await unsettled.wait("a")
        await unsettled.wait("b")

    assert not unsettled._counts
