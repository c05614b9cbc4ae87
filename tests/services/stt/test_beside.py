"""An engine that can do two things at once: what somebody waits for does not wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.stt.scheduler import Priority, Scheduler
from tests.services.stt.test_steps import SteppingEngine, asked, begun


@pytest.fixture
def engine() -> SteppingEngine:
    """An engine of two threads that notes its steps."""
    engine = SteppingEngine()
    engine.parallel = 2
    return engine


@pytest.fixture
async def scheduler(engine: SteppingEngine) -> AsyncIterator[Scheduler]:
    """A scheduler that runs."""
    scheduler = Scheduler(engine)
    await scheduler.start()
    yield scheduler
    await scheduler.close()


@pytest.mark.parametrize("running", list(Priority))
@pytest.mark.parametrize("urgent", [Priority.FINAL, Priority.DRAFT])
async def test_what_somebody_waits_for_goes_beside_whatever_runs(
    scheduler: Scheduler, engine: SteppingEngine, running: Priority, urgent: Priority
) -> None:
    """It is done before the step of the other has ended."""
    entered, go_on = engine.hold(3.0)
    other = asked(scheduler, 3.0, running)
    await asyncio.sleep(0)
    await begun(entered)

    timed = await asked(scheduler, 1.0, urgent)

    assert not other.done()
    assert engine.log == ["encode 3.0", "encode 1.0", "decode 1.0"]
    assert timed.queue_ms < 1000
    go_on.set()
    assert (await other).recognition.text == "3.0"


@pytest.mark.parametrize("second", [Priority.FILE, Priority.PARTIAL])
async def test_what_nobody_waits_for_goes_beside_nothing(
    scheduler: Scheduler, engine: SteppingEngine, second: Priority
) -> None:
    """It waits until the model is free, and takes no core from what somebody waits for."""
    entered, go_on = engine.hold(3.0)
    first = asked(scheduler, 3.0, Priority.FINAL)
    await asyncio.sleep(0)
    await begun(entered)
    other = asked(scheduler, 1.0, second)
    await asyncio.sleep(0.05)

    assert engine.log == ["encode 3.0"]

    go_on.set()
    await asyncio.gather(first, other)
    assert engine.log == ["encode 3.0", "decode 3.0", "encode 1.0", "decode 1.0"]


async def test_many_are_shared_out_among_the_passes(
    scheduler: Scheduler, engine: SteppingEngine
) -> None:
    """Whoever is free takes half of what waits, so that both are done at about the same time."""
    held = [engine.hold(seconds) for seconds in (8.0, 9.0)]
    firsts = [asked(scheduler, seconds, Priority.FINAL) for seconds in (8.0, 9.0)]
    await asyncio.sleep(0)
    for entered, _ in held:
        await begun(entered)
    others = [asked(scheduler, 1.0 + number, Priority.FINAL) for number in range(6)]
    await asyncio.sleep(0)

    for _, go_on in held:
        go_on.set()
    await asyncio.gather(*firsts, *others)

    passes = [entry for entry in engine.log if entry.startswith("encode")][2:]
    assert sorted(entry.count("+") + 1 for entry in passes) == [1, 2, 3]


async def test_what_went_beside_keeps_its_place(
    scheduler: Scheduler, engine: SteppingEngine
) -> None:
    """The interrupted one does not go on before it is done, and nothing else begins."""
    entered, go_on = engine.hold(3.0)
    draft_entered, draft_goes_on = engine.hold(1.0)
    partial = asked(scheduler, 3.0, Priority.PARTIAL)
    await asyncio.sleep(0)
    await begun(entered)
    draft = asked(scheduler, 1.0, Priority.DRAFT)
    await begun(draft_entered)
    file = asked(scheduler, 2.0, Priority.FILE)

    go_on.set()
    await asyncio.sleep(0.05)
    assert engine.log == ["encode 3.0", "encode 1.0"]

    draft_goes_on.set()
    await asyncio.gather(partial, draft, file)
    assert engine.log[2:] == ["decode 1.0", "encode 2.0", "decode 2.0", "decode 3.0"]


async def test_closing_waits_for_both(scheduler: Scheduler, engine: SteppingEngine) -> None:
    """What runs is finished, in either thread."""
    entered, go_on = engine.hold(3.0)
    draft_entered, draft_goes_on = engine.hold(1.0)
    partial = asked(scheduler, 3.0, Priority.PARTIAL)
    await asyncio.sleep(0)
    await begun(entered)
    draft = asked(scheduler, 1.0, Priority.DRAFT)
    await begun(draft_entered)

    closing = asyncio.create_task(scheduler.close())
    await asyncio.sleep(0.05)
    assert not closing.done()
    draft_goes_on.set()
    go_on.set()
    await closing
    await asyncio.gather(partial, draft, return_exceptions=True)
