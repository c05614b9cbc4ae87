"""Every worker is drained, one after the other, while callers talk: nobody notices."""

from __future__ import annotations

import asyncio
import signal

import numpy as np
import pytest

from tests.e2e.client import PAUSE, Client, connected
from tests.faults.account import Samples, expect_unharmed, until_over
from tests.faults.crew import Crew
from tests.voicebus.audio.recordings import sentence
from voicebus.parts import ROLES

pytestmark = [pytest.mark.fault, pytest.mark.model, pytest.mark.timeout(600)]

DRAIN_LIMIT_S = 11.0
"""Ten seconds are promised; a second is for noticing the end, on slow machines."""


async def talk(client: Client, number: int, over: asyncio.Event) -> int:
    """Talk until all is over: every other turn is spoken. Return the number of turns."""
    turn = 0
    while not over.is_set() or not turn:
        turn += 1
        if (turn + number) % 2:
            await client.send("text", text="What of the sea?")
        else:
            await client.speak(np.concatenate([sentence(), PAUSE]))
        await until_over(client, turn)
    return turn


async def drained(crew: Crew) -> None:
    """Replace each worker: the new one is there before the old one is asked to go."""
    for role in ROLES:
        for worker in crew.workers(role):
            crew.hire(role, f"{worker.name}-next")
            await asyncio.to_thread(crew.wait_ready)
            worker.signal(signal.SIGTERM)
            assert await asyncio.to_thread(worker.wait, DRAIN_LIMIT_S) == 0, worker.log
            assert crew.unhandled() == {}
            crew.dismiss(worker)


@pytest.mark.slow
@pytest.mark.parametrize("callers", [4, 20])
async def test_all_workers_are_replaced_under_callers_who_talk(
    crew: Crew, unharmed: Samples, callers: int
) -> None:
    """No turn is lost, none is answered twice, and each answer is whole."""

    async def caller(number: int) -> None:
        async with connected(crew, {}) as client:
            turns = await talk(client, number, over)
        await expect_unharmed(crew, client, unharmed, turns)

    over = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for number in range(callers):
            group.create_task(caller(number))
        await drained(crew)
        over.set()

    assert len(crew.workers("llm")) == 2
