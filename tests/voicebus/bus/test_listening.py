"""Listening that is cancelled, at any moment: nothing of it stays."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.workers import bus_in, new_place
from voicebus.bus.client import Bus

STEPS = 40
SUBJECTS = ("one", "two", "three")

Listening = Callable[[Bus, str, asyncio.Event], Awaitable[None]]


async def listen(bus: Bus, cell: str, over: asyncio.Event) -> None:
    """Listen for a moment."""
    async with bus.listen(*(f"{cell}.{subject}" for subject in SUBJECTS)):
        await over.wait()


async def take(bus: Bus, _: str, over: asyncio.Event) -> None:
    """Have answers taken for a moment."""
    async with bus.answers("job", lambda *_: None):
        await over.wait()


async def steps(number: int) -> None:
    """Let whatever is there go on for so many turns of the loop."""
    for _ in range(number):
        await asyncio.sleep(0)


@pytest.mark.parametrize("work", [listen, take])
async def test_who_is_cancelled_while_it_begins_leaves_no_subscription(
    nats_server: str, work: Listening
) -> None:
    """The one that was being made is ended as well as those before it."""
    place, over = new_place(), asyncio.Event()
    async with bus_in(nats_server, place.cell) as bus:
        before = set(bus._nats._subs)
        for number in range(STEPS):
            working = asyncio.ensure_future(work(bus, place.cell, over))
            await steps(number)
            working.cancel()
            await asyncio.wait((working,))

            assert working.cancelled()
            assert set(bus._nats._subs) == before, number


@pytest.mark.parametrize("work", [listen, take])
async def test_who_is_cancelled_while_it_ends_leaves_no_subscription(
    nats_server: str, work: Listening
) -> None:
    """Those that were to be ended behind the moment are ended, too."""
    place = new_place()
    async with bus_in(nats_server, place.cell) as bus:
        before = set(bus._nats._subs)
        for number in range(STEPS):
            over = asyncio.Event()
            working = asyncio.ensure_future(work(bus, place.cell, over))
            await asyncio.sleep(0.01)
            over.set()
            await steps(number)
            working.cancel()
            await asyncio.wait((working,))

            assert set(bus._nats._subs) == before, number
