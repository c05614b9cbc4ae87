"""Recognitions in steps and batches, with an engine whose steps the test controls."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Hashable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from services.stt.engine import Hint, Item, Outcome, Recognition, Steps
from services.stt.engines.synthetic import SyntheticEngine
from services.stt.scheduler import Priority, Scheduler, Timed
from tests.services.stt.speech import noise
from voicebus.errors import EngineError, EngineOverloaded, EngineUnavailable

HINT = Hint("en")


class SteppingEngine(SyntheticEngine):
    """Recognises in two steps, notes them, and lets a test hold up the first step of a length."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[str] = []
        self.held: dict[float, threading.Event] = {}
        self.entered: dict[float, threading.Event] = {}
        self.doubtful: set[float] = set()

    def hold(self, seconds: float) -> tuple[threading.Event, threading.Event]:
        """Let the first step of this length wait; return (it has begun, it may go on)."""
        self.entered[seconds], self.held[seconds] = threading.Event(), threading.Event()
        return self.entered[seconds], self.held[seconds]

    def steps(self, items: Sequence[Item]) -> Steps:
        """Encode, perhaps doubt, decode; one name in the log stands for all items of a pass."""
        lengths = [round(len(samples) / 16_000, 1) for samples, _ in items]
        name = "+".join(str(length) for length in lengths)
        self.log.append(f"encode {name}")
        for length in lengths:
            if length in self.held:
                self.entered[length].set()
                assert self.held[length].wait(5)
        yield "encoded"
        if self.doubtful.intersection(lengths):
            yield "doubtful"
        self.log.append(f"decode {name}")
        found: list[Outcome] = [
            EngineError("too short") if length < 0.3 else Recognition(str(length), "en", 1.0, 0.0)
            for length in lengths
        ]
        return found

    def bucket(self, samples: NDArray[np.float32], hint: Hint) -> Hashable:
        """Let utterances share a pass that have the same vocabulary."""
        return hint.vocabulary


@pytest.fixture
def engine() -> SteppingEngine:
    """An engine that notes its steps."""
    return SteppingEngine()


@pytest.fixture
async def scheduler(engine: SteppingEngine) -> AsyncIterator[Scheduler]:
    """A scheduler that runs."""
    scheduler = Scheduler(engine)
    await scheduler.start()
    yield scheduler
    await scheduler.close()


async def begun(event: threading.Event) -> None:
    """Wait for a step without holding up the loop."""
    assert await asyncio.to_thread(event.wait, 5)


def asked(
    scheduler: Scheduler,
    seconds: float,
    priority: Priority,
    owner: Hashable = None,
    hint: Hint = HINT,
) -> asyncio.Task[Timed]:
    """Ask for a recognition of so many seconds."""
    return asyncio.create_task(scheduler.recognise(noise(seconds), hint, priority, owner))


async def busy(scheduler: Scheduler, engine: SteppingEngine) -> threading.Event:
    """Keep the engine at one final until the event is set."""
    entered, go_on = engine.hold(9.0)
    asked(scheduler, 9.0, Priority.FINAL)
    await asyncio.sleep(0)
    await begun(entered)
    engine.log.clear()
    return go_on


async def test_a_final_goes_between_the_steps_of_a_partial(
    scheduler: Scheduler, engine: SteppingEngine
) -> None:
    """It waits for the step that runs, and the partial goes on behind it."""
    entered, go_on = engine.hold(3.0)
    partial = asked(scheduler, 3.0, Priority.PARTIAL)
    await asyncio.sleep(0)
    await begun(entered)

    final = asked(scheduler, 1.0, Priority.FINAL)
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(partial, final)

    assert engine.log == ["encode 3.0", "encode 1.0", "decode 1.0", "decode 3.0"]
    assert (await partial).recognition.text == "3.0"


async def test_a_draft_does_not_go_between_the_steps_of_a_final(
    scheduler: Scheduler, engine: SteppingEngine
) -> None:
    """Only what is more urgent interrupts; equals wait for the end."""
    go_on = await busy(scheduler, engine)
    waiting = [asked(scheduler, 1.0, Priority.DRAFT), asked(scheduler, 2.0, Priority.FINAL)]
    await asyncio.sleep(0)

    go_on.set()
    await asyncio.gather(*waiting)

    assert engine.log == ["decode 9.0", "encode 2.0", "decode 2.0", "encode 1.0", "decode 1.0"]


async def test_a_partial_that_is_cancelled_between_its_steps_is_not_gone_on_with(
    scheduler: Scheduler, engine: SteppingEngine
) -> None:
    """A pause voids the partial: the draft waits for one step of it at most."""
    entered, go_on = engine.hold(3.0)
    partial = asked(scheduler, 3.0, Priority.PARTIAL)
    await asyncio.sleep(0)
    await begun(entered)

    partial.cancel()
    draft = asked(scheduler, 1.0, Priority.DRAFT)
    await asyncio.sleep(0)
    go_on.set()
    await draft

    assert engine.log == ["encode 3.0", "encode 1.0", "decode 1.0"]


async def test_a_partial_gets_no_second_try(scheduler: Scheduler, engine: SteppingEngine) -> None:
    """What would take long is not begun for a text that is replaced within the second."""
    engine.doubtful = {1.0, 2.0}

    with pytest.raises(EngineOverloaded):
        await asked(scheduler, 1.0, Priority.PARTIAL)
    await asked(scheduler, 2.0, Priority.FINAL)

    assert engine.log == ["encode 1.0", "encode 2.0", "decode 2.0"]


async def test_what_waits_together_shares_a_pass(
    scheduler: Scheduler, engine: SteppingEngine
) -> None:
    """Finals of one bucket go together, up to eight; of another one by themselves."""
    go_on = await busy(scheduler, engine)
    names = Hint("en", vocabulary="Dashwood")
    waiting = [
        asked(scheduler, 1.0 + n / 10, Priority.FINAL, hint=names if n == 2 else HINT)
        for n in range(10)
    ]
    await asyncio.sleep(0)

    go_on.set()
    found = await asyncio.gather(*waiting)

    assert [timed.recognition.text for timed in found] == [f"{1.0 + n / 10:.1f}" for n in range(10)]
    assert engine.log[1::2] == [
        "encode 1.0+1.1+1.3+1.4+1.5+1.6+1.7+1.8",
        "encode 1.2",
        "encode 1.9",
    ]


async def test_nothing_waits_for_a_batch(scheduler: Scheduler, engine: SteppingEngine) -> None:
    """A final that finds the engine free starts at once, alone."""
    await asked(scheduler, 1.0, Priority.FINAL)
    await asked(scheduler, 2.0, Priority.FINAL)

    assert engine.log == ["encode 1.0", "decode 1.0", "encode 2.0", "decode 2.0"]


async def test_one_failure_in_a_batch_fails_one_request(
    scheduler: Scheduler, engine: SteppingEngine
) -> None:
    """The others of the pass get their texts."""
    go_on = await busy(scheduler, engine)
    waiting = [asked(scheduler, seconds, Priority.FINAL) for seconds in (1.0, 0.2, 2.0)]
    await asyncio.sleep(0)

    go_on.set()
    found = await asyncio.gather(*waiting, return_exceptions=True)

    assert isinstance(found[1], EngineError)
    assert [timed.recognition.text for timed in found[::2] if isinstance(timed, Timed)] == [
        "1.0",
        "2.0",
    ]


async def test_one_session_cannot_hold_the_queue(
    scheduler: Scheduler, engine: SteppingEngine
) -> None:
    """Sessions take turns: the second job of one goes behind the first of every other."""
    go_on = await busy(scheduler, engine)
    hints = iter([Hint("en", vocabulary=str(n)) for n in range(9)])  # no two share a pass
    waiting = [
        asked(scheduler, seconds, Priority.FINAL, owner, next(hints))
        for seconds, owner in [(1.0, "a"), (1.1, "a"), (1.2, "a"), (2.0, "b"), (3.0, "c")]
    ]
    await asyncio.sleep(0)

    go_on.set()
    await asyncio.gather(*waiting)

    assert engine.log[1::2] == [f"encode {n}" for n in (1.0, 2.0, 3.0, 1.1, 1.2)]


async def test_a_turn_that_is_over_makes_its_draft_a_final(
    scheduler: Scheduler, engine: SteppingEngine
) -> None:
    """The draft that somebody waits for now goes before the drafts of others."""
    go_on = await busy(scheduler, engine)
    hints = iter([Hint("en", vocabulary=str(n)) for n in range(9)])
    waiting = [
        asked(scheduler, seconds, Priority.DRAFT, owner, next(hints))
        for seconds, owner in [(1.0, "a"), (2.0, "b"), (3.0, "c")]
    ]
    await asyncio.sleep(0)

    scheduler.hasten("c")
    go_on.set()
    await asyncio.gather(*waiting)

    assert engine.log[1::2] == ["encode 3.0", "encode 1.0", "encode 2.0"]


async def test_close_answers_what_runs_and_refuses_what_is_interrupted(
    engine: SteppingEngine,
) -> None:
    """Nothing hangs, whatever step it has come to."""
    scheduler = Scheduler(engine)
    await scheduler.start()
    entered, go_on = engine.hold(3.0)
    partial = asked(scheduler, 3.0, Priority.PARTIAL)
    await asyncio.sleep(0)
    await begun(entered)
    entered_final, go_on_final = engine.hold(1.0)
    final = asked(scheduler, 1.0, Priority.FINAL)
    await asyncio.sleep(0)
    go_on.set()
    await begun(entered_final)

    closing = asyncio.create_task(scheduler.close())
    await asyncio.sleep(0)
    go_on_final.set()
    await closing

    assert (await final).recognition.text == "1.0"
    with pytest.raises(EngineUnavailable):
        await partial
