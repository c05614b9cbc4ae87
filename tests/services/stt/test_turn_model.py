"""The end of turn model with its real weights."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from services.stt.turn_lane import TurnLane
from services.stt.turn_model import TurnModel, log_mel
from tests.models import model_path
from tests.services.stt.ears import Verdicts
from tests.services.stt.speech import recording, silence
from voicebus.errors import EngineError, EngineUnavailable

GOLDEN_PLACES = (
    (0, 100),
    (0, 700),
    (5, 500),
    (20, 600),
    (40, 650),
    (60, 720),
    (79, 799),
    (33, 790),
)
GOLDEN_AT = (1.037598, 1.603393, 1.395506, 0.618271, 0.783732, 1.465887, -0.161114, 0.219612)
GOLDEN_MEAN = 0.190807


@pytest.fixture(scope="module")
def model() -> TurnModel:
    """The real model."""
    return TurnModel(model_path("smart-turn-v3.2") / "smart-turn-v3.2-cpu.onnx")


def test_the_spectrogram_is_the_one_of_the_training() -> None:
    """Values computed once by the reference implementation, for a recording shorter than 8 s."""
    found = log_mel(recording("amiable"))

    assert found.shape == (80, 800)
    assert found.dtype == np.float32
    assert np.allclose(GOLDEN_AT, [found[row, column] for row, column in GOLDEN_PLACES], atol=1e-4)
    assert abs(float(found.mean()) - GOLDEN_MEAN) < 1e-4


def test_only_the_last_eight_seconds_are_heard() -> None:
    """A long turn is judged by its end."""
    samples = np.tile(recording("leisure"), 3)

    assert np.array_equal(log_mel(samples), log_mel(samples[-128_000:]))


@pytest.mark.parametrize("seconds", [0.0, 0.01, 1.0, 8.0])
def test_silence_of_any_length_has_a_spectrogram(seconds: float) -> None:
    """Nothing is divided by nothing."""
    assert np.isfinite(log_mel(silence(seconds))).all()


@pytest.mark.model
def test_a_finished_sentence_sounds_complete_and_its_half_does_not(model: TurnModel) -> None:
    """The model tells what it was made to tell; the values were computed by the reference."""
    whole = recording("leisure")

    assert model.completion(whole) == pytest.approx(0.985, abs=0.03)
    assert model.completion(recording("amiable")[:26_320]) == pytest.approx(0.016, abs=0.05)


@pytest.mark.model
def test_another_model_is_refused(tmp_path: Path) -> None:
    """A missing file or a model of something else is an error when it is loaded."""
    with pytest.raises(EngineUnavailable, match="cannot be loaded"):
        TurnModel(tmp_path / "none.onnx")
    with pytest.raises(EngineUnavailable, match="unknown version"):
        TurnModel(model_path("silero-vad") / "silero_vad.onnx")


async def test_the_lane_judges_in_a_thread_and_lets_failures_through() -> None:
    """The event loop is free meanwhile, and the next judgement works."""
    lane = TurnLane(Verdicts(EngineError("a hiccup"), 0.7))

    with pytest.raises(EngineError, match="hiccup"):
        await lane.completion(silence(1))
    assert await lane.completion(silence(1)) == 0.7
    await lane.close()


async def test_a_closed_lane_refuses() -> None:
    """Whoever comes too late is told."""
    lane = TurnLane(Verdicts(0.5))
    await lane.close()

    with pytest.raises(EngineUnavailable):
        await asyncio.wait_for(lane.completion(silence(1)), 1)
