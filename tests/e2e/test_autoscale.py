"""``voicebus autoscale`` on a real system: callers come, workers come; they go, workers drain."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx2
import numpy as np
import pytest
from numpy.typing import NDArray

from schemas.claim import Claimed
from schemas.codec import decode
from subjects.catalog import Place, subject_of
from tests.plain import PLAIN
from tests.system import SYNTHETIC, System
from tests.workers import bus_in
from voicebus import parts
from voicebus.audio.wav import read_wav
from voicebus.bus.client import Bus
from voicebus.caller import Caller, call
from voicebus.errors import Busy
from voicebus.exchange import TurnHeard
from voicebus.supervisor import Part

pytestmark = [pytest.mark.operations, pytest.mark.model, pytest.mark.timeout(300)]

SAMPLES = parts.project_root() / "examples" / "samples"
LIMIT_S = 120.0
SETTINGS = {
    **SYNTHETIC,
    "EDGE_NAME": "web",
    "STT_SLOTS": "2",
    "AUTOSCALE_TARGET": "1",
    "AUTOSCALE_HEADROOM": "1",
    "AUTOSCALE_SLACK": "0",
    "AUTOSCALE_WINDOW_S": "3",
}


def autoscaler(system: System) -> Part:
    """``voicebus autoscale`` for the ears."""
    port = parts.free_port()
    folder = str(system.folder / "autoscale")
    return Part(
        name="autoscale",
        argv=[str(Path(sys.executable).with_name("voicebus")), "autoscale", "stt=1:3"],
        environment=system.environment(METRICS_PORT=str(port), UP_DATA_DIR=folder),
        ready_url=f"http://127.0.0.1:{port}/readyz",
    )


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Everything but ears, which are the autoscaler's."""
    folder = tmp_path_factory.mktemp("autoscale")
    with System(folder, SETTINGS, roles=("turn", "llm", "tts")) as running:
        running.add(parts.supervisor_part(running.environment()))
        running.add(autoscaler(running))
        running.wait_ready()
        yield running


@pytest.fixture(scope="module")
def spoken() -> NDArray[np.int16]:
    """A second of speech."""
    return read_wav(SAMPLES / "austen-amiable.wav")[1][:16_000]


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so; it asks a page, which takes a thread.

    Raises:
        TimeoutError: It is not so in time.
    """
    async with asyncio.timeout(LIMIT_S):
        while not await asyncio.to_thread(condition):
            await asyncio.sleep(0.2)


def told(system: System) -> dict[str, str]:
    """The address of each process that Prometheus is told of."""
    url = f"{system.processes['autoscale'].url}/targets"
    groups = httpx2.get(url, timeout=5.0, **PLAIN).json()
    return {group["labels"]["process"]: group["targets"][0] for group in groups}


def workers(system: System, state: str = "ready") -> int:
    """How many of its workers are in a state."""
    name = "voicebus_autoscale_workers"
    return round(system.metric("autoscale", name, role="stt", state=state))


async def let_in(
    stack: AsyncExitStack, system: System, spoken: NDArray[np.int16]
) -> tuple[Caller, TurnHeard]:
    """Call until there is a place, as a client does that is told to try again, and say something.

    Who has never spoken has no worker yet, only the promise of a place.

    Raises:
        TimeoutError: There is none in time.
    """
    until_s = time.monotonic() + LIMIT_S
    while time.monotonic() < until_s:
        try:
            caller = await stack.enter_async_context(call(system.ws))
            return caller, await caller.speak(spoken)
        except Busy:
            await asyncio.sleep(0.5)
    raise TimeoutError("no place for one more caller")


async def holder(bus: Bus, caller: Caller) -> str:
    """Which worker hears a caller."""
    place = Place(bus.cell, "web", caller.session_id)
    last = await bus.last("SESSION", subject_of(Claimed, place, "stt", "session"))
    assert last is not None
    claimed = decode(last.payload)
    assert isinstance(claimed, Claimed)
    return claimed.worker


class Talker:
    """A caller who speaks again as soon as it was answered."""

    def __init__(self, caller: Caller, spoken: NDArray[np.int16]) -> None:
        self.caller = caller
        self.heard: list[TurnHeard] = []
        self._spoken = spoken
        self._over = False

    async def talk(self) -> None:
        """Talk until :meth:`finish`."""
        while not self._over:
            self.heard.append(await self.caller.speak(self._spoken))

    def finish(self) -> None:
        """Let the turn that is being spoken be the last."""
        self._over = True


@asynccontextmanager
async def talking(talkers: list[Talker]) -> AsyncIterator[None]:
    """Have them all talk while the context lasts."""
    async with asyncio.TaskGroup() as group:
        for talker in talkers:
            group.create_task(talker.talk())
        yield
        for talker in talkers:
            talker.finish()


async def test_prometheus_is_told_where_the_workers_are(system: System) -> None:
    """The list names the autoscaler and its worker, and both have metrics there."""
    await until(lambda: workers(system) == 1)

    found = told(system)
    pages = {
        name: httpx2.get(f"http://{address}/metrics", timeout=5.0, **PLAIN).text
        for name, address in found.items()
    }

    assert set(pages) == {"autoscale", "stt-1"}
    assert "voicebus_autoscale_workers{" in pages["autoscale"]
    assert 'voicebus_worker_ready{role="stt"} 1.0' in pages["stt-1"]


async def test_workers_come_with_callers_and_go_without_a_lost_turn(
    system: System, spoken: NDArray[np.int16]
) -> None:
    """One worker of two slots becomes three for five callers. Two hang up, so that each of three
    workers hears one caller; one worker goes, and its caller is heard by another, in every word.
    """
    await until(lambda: workers(system) == 1)
    async with AsyncExitStack() as stack, bus_in(system.nats.url, "local") as bus:
        lines = [AsyncExitStack() for _ in range(5)]
        for line in lines:
            await stack.enter_async_context(line)
        let = [await let_in(line, system, spoken) for line in lines]
        callers = [caller for caller, _ in let]
        await until(lambda: workers(system) == 3)
        assert set(told(system)) == {"autoscale", "stt-1", "stt-2", "stt-3"}
        held_by = {caller: await holder(bus, caller) for caller in callers}
        stay = {worker: caller for caller, worker in held_by.items()}
        talkers = [Talker(caller, spoken) for caller in stay.values()]
        async with talking(talkers):
            for caller, line in zip(callers, lines, strict=True):
                if caller not in stay.values():
                    await line.aclose()
            await until(lambda: workers(system) == 2 and workers(system, "draining") == 0)
            counts = [len(talker.heard) for talker in talkers]
            await until(
                lambda: all(
                    len(t.heard) > count + 1 for t, count in zip(talkers, counts, strict=True)
                )
            )
        now_by = [await holder(bus, caller) for caller in stay.values()]
        listed = told(system)

    assert len(listed) == 3  # one that was drained is not missed
    assert len(stay) == 3
    assert sorted(stay) != sorted(now_by)
    assert len(set(now_by)) == 2
    turns = [heard for _, heard in let] + [heard for t in talkers for heard in t.heard]
    assert [heard.errors for heard in turns if heard.errors] == []
    assert [heard for heard in turns if not (heard.transcript and heard.reply)] == []
