from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import numpy as np
import pytest
from numpy.typing import NDArray

from services.stt.engine import Hint, Recognition
from services.stt.engines.synthetic import SyntheticEngine
from services.stt.scheduler import Priority, Scheduler
from tests.services.stt.speech import noise
from voicebus.errors import EngineError, EngineOverloaded, EngineTimeout, EngineUnavailable

EN = Hint("en")


class RecordingEngine(SyntheticEngine):
    """A synthetic engine that notes what it was given, and by which thread."""

    def __init__(self, recognise_ms: float = 20.0) -> None:
        super().__init__(recognise_ms)
        self.seconds: list[float] = []
        self.threads: set[int] = set()
        self.failure: Exception | None = None

    def warm(self) -> None:
        """Note the thread."""
        self.threads.add(threading.get_ident())

    def recognise(self, samples: NDArray[np.float32], hint: Hint) -> Recognition:
        """Note the call, then fail or do as the synthetic engine."""
        self.threads.add(threading.get_ident())
        self.seconds.append(round(len(samples) / 16_000, 1))
        if self.failure is not None:
            raise self.failure
        return super().recognise(samples, hint)


@pytest.fixture
def engine() -> RecordingEngine:
    """An engine that notes what it does."""
    return RecordingEngine()


@pytest.fixture
async def scheduler(engine: RecordingEngine) -> AsyncIterator[Scheduler]:
    """A scheduler that runs."""
    scheduler = Scheduler(engine)
    await scheduler.start()
    yield scheduler
    await scheduler.close()


async def test_a_recognition_says_what_it_cost(scheduler: Scheduler) -> None:
    """Waiting and computing are told apart."""
    first, second = await asyncio.gather(
        scheduler.recognise(noise(1.0), EN, Priority.FINAL),
        scheduler.recognise(noise(2.0), EN, Priority.FINAL),
    )

    assert first.recognition.text == "synthetic utterance of 1.0 seconds"
    assert second.recognition.text == "synthetic utterance of 2.0 seconds"
    assert first.compute_ms >= 20
    assert second.compute_ms >= 20
    assert first.queue_ms < second.queue_ms
    assert second.queue_ms >= 20


async def test_one_thread_runs_the_engine(scheduler: Scheduler, engine: RecordingEngine) -> None:
    """The engine is warmed and used in one thread, which is not the event loop's."""
    await asyncio.gather(*(scheduler.recognise(noise(1), EN, Priority.FINAL) for _ in range(4)))

    assert len(engine.threads) == 1
    assert threading.get_ident() not in engine.threads


async def test_the_event_loop_runs_on_while_the_engine_works(scheduler: Scheduler) -> None:
    """Inference never blocks the loop."""
    engine_busy = asyncio.create_task(scheduler.recognise(noise(1), EN, Priority.FINAL))
    rounds = 0
    while not engine_busy.done():
        await asyncio.sleep(0.001)
        rounds += 1

    assert rounds >= 2


async def test_what_waits_is_served_by_priority(
    scheduler: Scheduler, engine: RecordingEngine
) -> None:
    """Finals, drafts, files, partials; within one priority in their order."""
    async with asyncio.TaskGroup() as group:
        for seconds, priority in [
            (0.1, Priority.FINAL),  # runs at once
            (0.2, Priority.PARTIAL),
            (0.3, Priority.FILE),
            (0.7, Priority.DRAFT),
            (0.4, Priority.FINAL),
            (0.5, Priority.FILE),
            (0.6, Priority.FINAL),
        ]:
            group.create_task(scheduler.recognise(noise(seconds), EN, priority))

    assert engine.seconds == [0.1, 0.4, 0.6, 0.7, 0.3, 0.5, 0.2]


async def test_a_partial_is_refused_while_other_work_waits(
    scheduler: Scheduler, engine: RecordingEngine
) -> None:
    """Under load partials thin out; the running job alone does not refuse one."""
    running = asyncio.create_task(scheduler.recognise(noise(0.1), EN, Priority.FINAL))
    waiting = asyncio.create_task(scheduler.recognise(noise(0.2), EN, Priority.PARTIAL))
    await asyncio.sleep(0)
    assert scheduler.waiting == 1

    with pytest.raises(EngineOverloaded):
        await scheduler.recognise(noise(0.3), EN, Priority.PARTIAL)

    await asyncio.gather(running, waiting)
    assert engine.seconds == [0.1, 0.2]


async def test_a_cancelled_job_never_reaches_the_engine(
    scheduler: Scheduler, engine: RecordingEngine
) -> None:
    """A superseded partial is dropped before it starts and makes room for the next."""
    running = asyncio.create_task(scheduler.recognise(noise(0.1), EN, Priority.FINAL))
    old = asyncio.create_task(scheduler.recognise(noise(0.2), EN, Priority.PARTIAL))
    await asyncio.sleep(0)

    old.cancel()
    await asyncio.sleep(0)
    await scheduler.recognise(noise(0.3), EN, Priority.PARTIAL)

    await running
    assert engine.seconds == [0.1, 0.3]


async def test_cancelling_a_running_job_leaves_the_queue_alive(
    scheduler: Scheduler, engine: RecordingEngine
) -> None:
    """The engine finishes it for nobody, then serves the next."""
    running = asyncio.create_task(scheduler.recognise(noise(0.1), EN, Priority.FINAL))
    await asyncio.sleep(0.005)
    running.cancel()

    timed = await scheduler.recognise(noise(0.2), EN, Priority.FINAL)

    assert timed.recognition.text == "synthetic utterance of 0.2 seconds"
    assert engine.seconds == [0.1, 0.2]


async def test_an_engine_error_reaches_the_one_who_asked(
    scheduler: Scheduler, engine: RecordingEngine
) -> None:
    """Errors of the engine pass unchanged, and the next request is served."""
    engine.failure = EngineTimeout("too slow")
    with pytest.raises(EngineTimeout, match="too slow"):
        await scheduler.recognise(noise(1), EN, Priority.FINAL)

    engine.failure = None
    assert (await scheduler.recognise(noise(1), EN, Priority.FINAL)).recognition.text


async def test_a_surprise_of_the_library_becomes_an_engine_error(
    scheduler: Scheduler, engine: RecordingEngine
) -> None:
    """No class of a foreign library crosses the boundary; the cause is kept."""
    engine.failure = RuntimeError("CUDA out of memory at 0x7f")
    with pytest.raises(EngineError, match="speech recognition failed") as caught:
        await scheduler.recognise(noise(1), EN, Priority.FINAL)

    assert isinstance(caught.value.__cause__, RuntimeError)
    assert "CUDA" not in str(caught.value)


async def test_a_long_file_lets_live_callers_through(
    scheduler: Scheduler, engine: RecordingEngine
) -> None:
    """A file is recognised in pieces, and a final waits for one piece at most."""
    file = asyncio.create_task(scheduler.recognise(noise(150), EN, Priority.FILE))
    await asyncio.sleep(0.03)

    begun = len(engine.seconds)
    await scheduler.recognise(noise(1.0), EN, Priority.FINAL)

    assert not file.done()
    assert engine.seconds.index(1.0) <= begun + 1
    whole = (await file).recognition
    assert whole.text.count("synthetic utterance") == len(engine.seconds) - 1 >= 6


async def test_close_refuses_what_waits_and_what_comes(engine: RecordingEngine) -> None:
    """After close nothing hangs: the running job is answered, all others are refused."""
    scheduler = Scheduler(engine)
    await scheduler.start()
    running = asyncio.create_task(scheduler.recognise(noise(0.1), EN, Priority.FINAL))
    waiting = asyncio.create_task(scheduler.recognise(noise(0.2), EN, Priority.FINAL))
    await asyncio.sleep(0.005)

    await scheduler.close()

    assert (await running).recognition.text
    with pytest.raises(EngineUnavailable):
        await waiting
    with pytest.raises(EngineUnavailable):
        await scheduler.recognise(noise(1), EN, Priority.FINAL)


async def test_an_engine_that_cannot_start_says_so() -> None:
    """Starting raises what warm raises, translated."""

    class Broken(SyntheticEngine):
        def warm(self) -> None:
            raise OSError("no such file")

    scheduler = Scheduler(Broken())
    with pytest.raises(EngineError):
        await scheduler.start()
    await scheduler.close()
