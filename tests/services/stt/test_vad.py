from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from services.stt.endpointing import Endpointer, EndpointingSettings
from services.stt.marks import UtteranceEnded
from services.stt.vad import SileroVad, VadState
from tests.models import model_path
from tests.services.stt.speech import noise, recording, silence, windows
from voicebus.errors import EngineError, EngineUnavailable

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def vad() -> SileroVad:
    """The real model."""
    return SileroVad(model_path("silero-vad") / "silero_vad.onnx")


def probabilities(vad: SileroVad, samples: np.ndarray) -> np.ndarray:
    """Return the probability of each whole window of one session."""
    state = VadState()
    return np.concatenate([vad.probabilities(window, [state]) for window in windows(samples)])


def test_recorded_speech_is_speech(vad: SileroVad) -> None:
    """Most windows of a spoken sentence are above the threshold."""
    found = probabilities(vad, recording("leisure"))

    assert np.mean(found > 0.5) > 0.7


@pytest.mark.parametrize("samples", [silence(5), noise(5, 0.001), noise(5, 0.02), noise(5, 0.2)])
def test_silence_and_noise_are_not_speech(vad: SileroVad, samples: np.ndarray) -> None:
    """Neither digital silence nor white noise, soft or loud, starts an utterance."""
    endpointer = Endpointer(EndpointingSettings())

    events = [endpointer.push(float(p)) for p in probabilities(vad, samples)]

    assert not any(events)


def test_sessions_in_one_batch_do_not_touch_each_other(vad: SileroVad) -> None:
    """A session has the same probabilities alone and in a batch, and whoever sits beside it."""
    clips = [recording("leisure"), noise(4), silence(4), recording("amiable")]
    alone = [probabilities(vad, clip) for clip in clips]
    count = min(len(found) for found in alone)

    states = [VadState() for _ in clips]
    together = np.stack(
        [
            vad.probabilities(np.concatenate(row), states)
            for row in list(zip(*(windows(clip) for clip in clips), strict=False))[:count]
        ],
        axis=1,
    )

    for row, found in zip(together, alone, strict=True):
        np.testing.assert_allclose(row, found[:count], atol=1e-4)


@pytest.mark.parametrize("name", ["leisure", "amiable"])
def test_the_end_of_a_sentence_is_found_in_its_place(vad: SileroVad, name: str) -> None:
    """A sentence before silence is one utterance whose end is within 200 ms of the true one.

    The true end is the last 10 ms above -40 dBFS: the recordings have room noise at -45 dBFS.
    """
    speech = recording(name)
    frames = speech[: len(speech) // 160 * 160].reshape(-1, 160)
    loud = np.flatnonzero(np.sqrt((frames**2).mean(axis=1)) > 10 ** (-40 / 20))
    true_end = (int(loud[-1]) + 1) * 160
    endpointer = Endpointer(EndpointingSettings())

    found = probabilities(vad, np.concatenate([speech, silence(1.5)]))
    events = [event for p in found for event in endpointer.push(float(p))]

    (end,) = [event for event in events if isinstance(event, UtteranceEnded)]
    assert abs(end.end_sample - true_end) <= 200 * 16


def test_windows_of_another_length_are_refused(vad: SileroVad) -> None:
    """The model would answer for 256 samples too, with nonsense."""
    with pytest.raises(EngineError):
        vad.probabilities(np.zeros((1, 256), np.float32), [VadState()])


def test_each_window_needs_its_state(vad: SileroVad) -> None:
    """Two windows cannot share a state."""
    with pytest.raises(EngineError):
        vad.probabilities(np.zeros((2, 512), np.float32), [VadState()])


def test_a_file_that_is_not_the_model_is_refused(tmp_path: Path) -> None:
    """A missing or corrupt file is an error at start-up."""
    broken = tmp_path / "silero_vad.onnx"
    broken.write_bytes(b"not a model")

    for path in (broken, tmp_path / "missing.onnx"):
        with pytest.raises(EngineUnavailable):
            SileroVad(path)
