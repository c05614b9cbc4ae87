from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest
from numpy.typing import NDArray

from services.stt.lane import VadLane
from services.stt.vad import SileroVad, VadState
from tests.models import model_path
from tests.services.stt.speech import noise, recording, silence, windows
from voicebus.errors import EngineError, EngineUnavailable


@pytest.fixture
async def lane() -> AsyncIterator[VadLane]:
    """A lane with the real model."""
    lane = VadLane(SileroVad(model_path("silero-vad") / "silero_vad.onnx"))
    yield lane
    await lane.close()


@pytest.mark.model
async def test_the_lane_answers_each_session_with_its_own_probabilities(lane: VadLane) -> None:
    """Sessions that submit at once get what each would get alone, in chunks of any size."""
    vad = SileroVad(model_path("silero-vad") / "silero_vad.onnx")
    clips = [recording("leisure"), noise(3), recording("amiable"), silence(2)]

    async def found(samples: NDArray[np.float32], chunk: int) -> NDArray[np.float32]:
        state = VadState()
        rows = np.concatenate(list(windows(samples)))
        answers = [
            await lane.submit(rows[begin : begin + chunk], state)
            for begin in range(0, len(rows), chunk)
        ]
        return np.concatenate(answers)

    together = await asyncio.gather(*(found(clip, 1 + n) for n, clip in enumerate(clips)))

    for clip, answer in zip(clips, together, strict=True):
        state = VadState()
        alone = np.concatenate([vad.probabilities(window, [state]) for window in windows(clip)])
        np.testing.assert_allclose(answer, alone, atol=1e-4)


@pytest.mark.model
async def test_a_bad_submission_fails_without_stopping_the_lane(lane: VadLane) -> None:
    """Windows of a wrong length are an EngineError, and the next submission is served."""
    with pytest.raises(EngineError):
        await lane.submit(np.zeros((1, 100), np.float32), VadState())

    assert (await lane.submit(np.zeros((2, 512), np.float32), VadState())).shape == (2,)


@pytest.mark.model
async def test_a_session_that_left_does_not_stop_the_lane(lane: VadLane) -> None:
    """Cancelled submissions are skipped; the others are answered."""
    rows = np.zeros((50, 512), np.float32)
    tasks = [asyncio.create_task(lane.submit(rows, VadState())) for _ in range(6)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()

    outcomes = await asyncio.gather(*tasks, return_exceptions=True)

    assert [isinstance(outcome, asyncio.CancelledError) for outcome in outcomes] == [
        True,
        False,
    ] * 3


@pytest.mark.model
async def test_a_closed_lane_refuses(lane: VadLane) -> None:
    """After close nothing hangs."""
    await lane.close()

    with pytest.raises(EngineUnavailable):
        await lane.submit(np.zeros((1, 512), np.float32), VadState())
