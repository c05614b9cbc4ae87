"""The pause of a loop that looks now and then, and sooner when there is news."""

from __future__ import annotations

import asyncio
import time

from voicebus.haste import LEAST_S, Haste


async def took_s(haste: Haste, seconds: float) -> float:
    """How long a pause lasted."""
    begun_s = time.monotonic()
    await haste.pause(seconds)
    return time.monotonic() - begun_s


async def test_without_haste_it_lasts_as_long_as_it_was_to() -> None:
    """Also when it was to last no longer than the shortest one."""
    assert await took_s(Haste(), 0.3) >= 0.29
    assert await took_s(Haste(), LEAST_S) >= 0.9 * LEAST_S


async def test_news_end_the_pause_that_runs_and_only_that() -> None:
    """However often there are some."""
    haste = Haste()
    asyncio.get_running_loop().call_later(2 * LEAST_S, haste.hurry)
    asyncio.get_running_loop().call_later(2 * LEAST_S, haste.hurry)

    assert await took_s(haste, 60.0) < 30.0
    assert await took_s(haste, 0.3) >= 0.29


async def test_news_between_two_pauses_make_the_next_one_the_shortest() -> None:
    """But there is one: what comes close together is looked at together."""
    haste = Haste()
    haste.hurry()

    assert 0.9 * LEAST_S <= await took_s(haste, 60.0) < 30.0
