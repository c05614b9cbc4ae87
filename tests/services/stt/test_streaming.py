"""What every engine keeps to that hears speech as it goes on.

That a worker which drains hands its sessions on belongs to the worker, whatever its engine:
tests/voicebus/test_worker_handover.py.
"""

from __future__ import annotations

import asyncio
import time
from functools import cache
from itertools import pairwise

import jiwer
import numpy as np
import pytest
from numpy.typing import NDArray

from services.stt.engine import Hint, Recognition
from services.stt.streaming import Stream, Streaming, StreamLane
from tests.models import model_path
from tests.services.stt.counting import CountingEngine
from tests.services.stt.speech import noise, recording, silence
from tests.timing import expect_within, shortest_s
from voicebus.errors import EngineError, EngineUnavailable

VOSK = "vosk-model-small-ko-0.22"
"""Told that English is what it knows: its words are Korean ones, and all else is as it should."""

EN = Hint("en")
STEP = 1_600


@cache
def build(name: str) -> Streaming:
    """Return an engine that is warm; loading takes longer than most tests."""
    if name == "counting":
        return CountingEngine()
    from services.stt.engines.vosk import VoskEngine  # noqa: PLC0415 - elsewhere it is not there

    engine = VoskEngine(model_path(VOSK), "en")
    engine.warm()
    return engine


@pytest.fixture(params=["counting", pytest.param(VOSK, marks=pytest.mark.engines)])
def engine(request: pytest.FixtureRequest) -> Streaming:
    """The one that ships, and a stand-in that keeps the contract where that is not installed."""
    return build(request.param)


@pytest.fixture
def lane(engine: Streaming) -> StreamLane:
    """Its threads."""
    return StreamLane(engine)


async def heard(stream: Stream, samples: NDArray[np.float32], step: int = STEP) -> list[str]:
    """Hear it step by step; return what was said so far, each time, and in the end."""
    shown = [
        (await stream.hear(samples[at : at + step], "one")).text
        for at in range(0, len(samples), step)
    ]
    timed = await stream.finish(samples[:0], "one")
    return [*shown, timed.recognition.text]


async def test_words_come_while_they_are_spoken(lane: StreamLane) -> None:
    """Stripped, growing, and there before the end."""
    *shown, final = await heard(lane.begin(EN), recording("leisure"))
    await lane.close()

    assert final
    assert shown[len(shown) // 2]
    assert all(text == text.strip() for text in [*shown, final])
    counts = [len(text.split()) for text in shown]
    assert all(later >= earlier - 1 for earlier, later in pairwise(counts))


async def test_a_recognition_is_in_its_bounds(lane: StreamLane) -> None:
    """It has a language and probabilities; and times are measured."""
    timed = await lane.begin(EN).finish(recording("amiable"), "one")
    await lane.close()

    assert timed.recognition.language == lane.language == "en"
    assert 0 < timed.recognition.confidence <= 1
    assert 0 <= timed.recognition.no_speech <= 1
    assert timed.compute_ms > 0
    assert timed.queue_ms >= 0


async def test_six_speakers_at_once_get_their_own_words(lane: StreamLane) -> None:
    """None has another's."""
    clips = [recording("amiable")[:20_000], recording("leisure")[:40_000]]
    alone = [(await heard(lane.begin(EN), clip))[-1] for clip in clips]
    together = await asyncio.gather(*(heard(lane.begin(EN), clip) for clip in clips * 3))
    await lane.close()

    finals = [shown[-1] for shown in together]
    # An engine that adds noise of its own may change its mind in one word or another.
    own = [jiwer.wer(text, final) for text, final in zip(alone * 3, finals, strict=True)]
    others = [jiwer.wer(text, final) for text, final in zip(alone[::-1] * 3, finals, strict=True)]
    assert max(own) < 0.5
    assert min(others) > max(own)


async def test_cancelling_takes_less_than_50_ms(lane: StreamLane) -> None:
    """Whoever waited is free at once; another speaker is heard on."""

    async def cancel() -> float:
        stream = lane.begin(EN)
        task = asyncio.ensure_future(stream.finish(np.tile(recording("leisure"), 4), "one"))
        await asyncio.sleep(0)
        begun_s = time.perf_counter()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return time.perf_counter() - begun_s

    await expect_within(0.05, cancel)
    assert (await heard(lane.begin(EN), recording("amiable")))[-1]
    await lane.close()


async def test_the_loop_is_free_while_an_engine_hears(lane: StreamLane) -> None:
    """A step never holds it for 50 ms."""

    async def latest() -> float:
        late_s = 0.0
        task = asyncio.ensure_future(heard(lane.begin(EN), recording("amiable")))
        while not task.done():
            begun_s = time.perf_counter()
            await asyncio.sleep(0.005)
            late_s = max(late_s, time.perf_counter() - begun_s - 0.005)
        return late_s

    assert await shortest_s(latest, 0.05) < 0.05
    await lane.close()


async def test_what_fails_fails_alone(lane: StreamLane, engine: Streaming) -> None:
    """What cannot be heard is an error of ours, and the next speaker is heard."""
    broken = lane.begin(EN)
    broken._hearing = Broken()

    with pytest.raises(EngineError):
        await broken.hear(noise(0.1), "one")
    assert (await heard(lane.begin(EN), recording("amiable")))[-1]
    await lane.close()


async def test_at_the_end_whoever_waits_is_told(lane: StreamLane) -> None:
    """What runs is waited for; the rest is refused in words, and so is who comes later."""
    begun = lane.begin(EN)
    assert (await begun.hear(recording("amiable")[:STEP], "one")).compute_ms > 0
    waiting = [
        asyncio.ensure_future(lane.begin(EN).finish(recording("leisure"), number))
        for number in range(8)
    ]
    await asyncio.sleep(0)  # all of them wait for a thread

    await lane.close()

    ends = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 5)
    assert [type(end) for end in ends] == [EngineUnavailable] * len(ends)
    with pytest.raises(EngineUnavailable):
        await begun.finish(noise(0.1), "one")
    with pytest.raises(EngineUnavailable):
        lane.begin(EN)


@pytest.mark.engines
async def test_silence_has_no_words() -> None:
    """Of any length; and what is no language of its is refused when it is first heard."""
    lane = StreamLane(build(VOSK))

    for seconds in (0, 0.01, 1, 14):
        assert (await heard(lane.begin(EN), silence(seconds)))[-1] == ""
    with pytest.raises(EngineError, match=VOSK):
        await lane.begin(Hint("de")).hear(noise(0.1), "one")
    await lane.close()


class Broken:
    """A library in the middle of whose utterance something breaks."""

    def hear(self, samples: NDArray[np.float32]) -> str:
        """Break."""
        raise ValueError(len(samples))

    def finish(self) -> Recognition:
        """Break."""
        raise ValueError
