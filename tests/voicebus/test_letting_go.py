"""How work ends that others are to go on with."""

from __future__ import annotations

import asyncio

from voicebus.letting_go import LET_GO_S, let_go, to_the_end


async def test_what_is_handed_on_is_handed_on_to_the_end() -> None:
    """Though the work is told twice to let go meanwhile."""
    done: list[str] = []

    async def hand_on() -> None:
        await asyncio.sleep(1.2 * LET_GO_S)
        done.append("handed on")

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await to_the_end(hand_on())

    working = asyncio.create_task(work())
    await asyncio.sleep(0)
    await let_go((working,))

    assert working.done()
    assert done == ["handed on"]
