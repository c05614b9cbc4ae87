"""What every STT engine keeps to behind the scheduler: cancellation, errors, the end.

That a worker which drains hands its sessions on belongs to the worker, whatever its engine:
tests/voicebus/test_worker_handover.py.
"""

from __future__ import annotations

import asyncio
import time

import pytest

from services.stt.engine import Engine, Hint
from services.stt.scheduler import Priority, Scheduler
from services.stt.waiting import Timed
from tests.services.stt.speech import noise, recording
from tests.services.stt.test_engines import EN, engine
from tests.timing import expect_within, shortest_s
from voicebus.errors import EngineError, EngineUnavailable

__all__ = ["engine"]


async def test_cancelling_takes_less_than_50_ms(engine: Engine) -> None:
    """The caller is free at once; what the thread still computes is dropped, and others go on."""
    scheduler, samples = Scheduler(engine), recording("leisure")

    async def cancel() -> float:
        task = asyncio.ensure_future(scheduler.recognise(samples, EN, Priority.FINAL))
        await asyncio.sleep(0.002)
        assert not task.done()
        begun_s = time.perf_counter()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return time.perf_counter() - begun_s

    await expect_within(0.05, cancel)
    timed = await scheduler.recognise(recording("amiable"), EN, Priority.FINAL)
    assert timed.recognition.text
    await scheduler.close()


async def test_what_cannot_be_recognised_fails_alone(engine: Engine) -> None:
    """Who asks beside it has his own words."""
    clips = [recording("amiable"), noise(30.1), recording("leisure")]

    one, refused, other = engine.recognise_batch([(clip, EN) for clip in clips])

    assert isinstance(refused, EngineError)
    assert not isinstance(one, EngineError)
    assert not isinstance(other, EngineError)
    assert one.text
    assert other.text
    assert one.text != other.text


async def test_the_loop_is_free_while_an_engine_works(engine: Engine) -> None:
    """A recognition never holds it for 50 ms."""
    scheduler = Scheduler(engine)

    async def latest() -> float:
        late_s = 0.0
        task = asyncio.ensure_future(scheduler.recognise(recording("leisure"), EN, Priority.FINAL))
        while not task.done():
            begun_s = time.perf_counter()
            await asyncio.sleep(0.005)
            late_s = max(late_s, time.perf_counter() - begun_s - 0.005)
        return late_s

    assert await shortest_s(latest, 0.05) < 0.05
    await scheduler.close()


async def test_at_the_end_what_runs_is_answered_and_what_waits_is_refused(engine: Engine) -> None:
    """Nobody is left waiting for an answer that does not come."""
    scheduler, samples = Scheduler(engine), recording("amiable")
    tasks = [
        asyncio.ensure_future(scheduler.recognise(samples, Hint("en"), Priority.FINAL))
        for _ in range(2 * engine.parallel + 2)
    ]
    await asyncio.sleep(0)  # the first of them begin

    await scheduler.close()

    ends = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 1)
    refused = [end for end in ends if isinstance(end, EngineUnavailable)]
    answered = [end for end in ends if isinstance(end, Timed)]
    assert len(refused) + len(answered) == len(ends)
    assert refused
    assert all(end.recognition.text for end in answered)
    with pytest.raises(EngineUnavailable):
        await scheduler.recognise(samples, EN, Priority.FINAL)
