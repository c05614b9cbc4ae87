"""How long it takes until a part that died is started again."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from tests.voicebus.test_supervisor import Told, part, pid_of, supervised
from voicebus import metrics, supervisor
from voicebus.supervisor import Supervisor


async def deaths(keeper: Supervisor, told: Told, count: int) -> list[float]:
    """Kill a part so often; return how long each time it took until there was another one."""
    waits = []
    for times in range(1, count + 1):
        pid = pid_of(keeper, "mortal")
        os.kill(pid, signal.SIGKILL)
        begun_s = time.monotonic()
        while pid_of(keeper, "mortal") == pid:
            await asyncio.sleep(0.005)
        waits.append(time.monotonic() - begun_s)
        while len(told.ready) <= times:
            await asyncio.sleep(0.005)
    return waits


async def test_a_part_that_dies_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, then after a pause that grows, in a process of its own; the metric counts it."""
    monkeypatch.setattr(supervisor, "_FIRST_PAUSE_S", 0.2)
    restarts = metrics.RESTARTS.labels("mortal")
    before, told = restarts._value.get(), Told()
    async with supervised(tmp_path, told) as (keeper, group):
        await (await keeper.start(group, part("mortal")))
        waits = await deaths(keeper, told, 3)

    assert restarts._value.get() == before + 3
    assert waits[0] < min(waits[1:])
    assert waits[1] >= 0.2
    assert waits[2] >= 0.4


async def test_a_part_that_ran_for_long_is_started_again_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How long that is can be said; the pause then does not grow."""
    monkeypatch.setattr(supervisor, "_FIRST_PAUSE_S", 0.4)
    told = Told()
    keeper = Supervisor(tmp_path, told, steady_s=0.0)
    async with asyncio.TaskGroup() as group:
        await (await keeper.start(group, part("mortal")))
        waits = await deaths(keeper, told, 4)
        await keeper.stop(["mortal"])

    assert told.ready == [keeper.part("mortal").name] * 5
    # The fourth pause would have grown to four times the first.
    assert waits[-1] < 4 * supervisor._FIRST_PAUSE_S
