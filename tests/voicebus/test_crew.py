"""The workers of one role on this machine: processes that come and go."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from schemas.claim import Demand, Presence
from tests.metered import Growth
from tests.voicebus.test_supervisor import part
from tests.workers import until
from voicebus import crew
from voicebus.crew import Crew
from voicebus.scaling import Bounds, Policy
from voicebus.supervisor import Part, Supervisor

POLICY = Policy(target=1.0, headroom=0, slack=0.0, window_s=0.0)


class Toy:
    """A crew of toy processes, and what they would say on the bus."""

    def __init__(self, folder: Path, group: asyncio.TaskGroup, make: crew.Make) -> None:
        self.made: list[str] = []
        self._make = make
        self._group = group
        self.keeper = Supervisor(folder, lambda _part, _seconds: None)
        self.crew = Crew(Bounds("stt", 1, 3), POLICY, self.keeper, self._note, name="here")

    def _note(self, name: str, worker: str) -> Part:
        self.made.append(worker)
        return self._make(name, worker)

    def tell(self, held: int) -> None:
        """Tell the demand."""
        self.crew.told(Demand(role="stt", waiting=0, held=held, slots=0, workers=0))

    async def step(self, **busy: int) -> None:
        """Look once; the workers named say how much they hold, of two."""
        signs = [
            Presence(role="stt", worker=name.replace("_", "-"), slots=2, busy=holds)
            for name, holds in busy.items()
        ]
        await self.crew.step(self._group, signs)

    def ready(self, *names: str) -> Callable[[], bool]:
        """A condition: these parts and no others are ready."""
        return lambda: self.keeper.readiness() == dict.fromkeys(names, True)


@asynccontextmanager
async def toys(folder: Path, make: crew.Make = lambda name, _: part(name)) -> AsyncIterator[Toy]:
    """A crew whose processes are gone afterwards."""
    async with asyncio.TaskGroup() as group:
        toy = Toy(folder, group, make)
        try:
            yield toy
        finally:
            await toy.crew.end()
            await toy.keeper.stop(())


async def test_the_one_that_holds_the_least_goes(tmp_path: Path) -> None:
    """Its number is free for the next one, which has another name on the bus."""
    growth = Growth()
    async with toys(tmp_path) as toy:
        toy.tell(0)
        await toy.step()
        await until(toy.ready("stt-1"), 20)
        toy.tell(6)
        await toy.step(here_stt_1=2)
        await until(toy.ready("stt-1", "stt-2", "stt-3"), 20)
        toy.tell(3)
        await toy.step(here_stt_1=2, here_stt_2=0, here_stt_3=1)
        await until(toy.ready("stt-1", "stt-3"), 20)
        await until(lambda: not toy.crew._leaving, 20)  # its number is taken until it has ended
        toy.tell(6)
        await toy.step(here_stt_1=2, here_stt_3=1)
        await until(toy.ready("stt-1", "stt-2", "stt-3"), 20)

    assert toy.made == ["here-stt-1", "here-stt-2", "here-stt-3", "here-stt-4"]
    assert toy.keeper.readiness() == {}
    assert growth.of("voicebus_autoscale_steps_total", role="stt", how="grows") == 4
    assert growth.of("voicebus_autoscale_steps_total", role="stt", how="shrinks") == 1


async def test_one_that_does_not_come_up_is_not_tried_all_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong setting shall not fill the log: the next one is tried after a pause."""

    def broken(name: str, _: str) -> Part:
        return msgspec.structs.replace(part(name), argv=[sys.executable, "-c", "raise SystemExit"])

    async with toys(tmp_path, broken) as toy:
        await toy.step()
        await until(lambda: toy.keeper.readiness() == {}, 20)
        for _ in range(5):
            await toy.step()
            await asyncio.sleep(0.01)
        tried = list(toy.made)
        monkeypatch.setattr("voicebus.crew._FAILED_S", 0.0)
        await toy.step()

    assert tried == ["here-stt-1"]
    assert toy.made == ["here-stt-1", "here-stt-2"]


async def test_an_old_word_about_the_demand_counts_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The supervisor is gone: what there is stays."""
    monkeypatch.setattr("voicebus.crew.STALE_S", 0.0)
    async with toys(tmp_path) as toy:
        toy.tell(6)
        await asyncio.sleep(0.01)
        await toy.step()
        await until(toy.ready("stt-1"), 20)
        await toy.step(here_stt_1=0)
        made = list(toy.made)

    assert made == ["here-stt-1"]
