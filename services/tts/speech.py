"""How much speech is in a recording, by the voice detection that sessions have. Blocks."""

from __future__ import annotations

import os
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.onnx import session
from voicebus.audio.resample import Resampler
from voicebus.models import ModelStore, default_folder

_RATE_HZ: Final = 16_000
_WINDOW: Final = 512
_CONTEXT: Final = 64
_SPEECH: Final = 0.5


def speech_s(samples: NDArray[np.int16], rate_hz: int) -> float:
    """Return the seconds in which somebody speaks.

    Args:
        samples: Mono, shape (n,).
        rate_hz: Their rate.

    Raises:
        ModelError: The model of voice detection is not in the store.
    """
    folder = ModelStore(default_folder(os.environ)).path("silero-vad")
    graph = session((folder / "silero_vad.onnx").read_bytes(), 1)
    resampler = Resampler(rate_hz, _RATE_HZ)
    heard = np.concatenate((resampler.push(samples), resampler.finish()))
    audio = heard.astype(np.float32) / np.float32(32768)
    whole = audio[: len(audio) // _WINDOW * _WINDOW].reshape(-1, _WINDOW)
    state = np.zeros((2, 1, 128), np.float32)
    context, spoken = np.zeros(_CONTEXT, np.float32), 0
    for window in whole:
        told = {
            "input": np.concatenate((context, window))[None],
            "state": state,
            "sr": np.array(_RATE_HZ, np.int64),
        }
        probability, state = graph.run(None, told)
        context = window[-_CONTEXT:]
        spoken += float(probability.reshape(-1)[0]) >= _SPEECH
    return spoken * _WINDOW / _RATE_HZ
