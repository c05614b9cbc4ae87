"""Has the speaker finished? smart-turn over ONNX Runtime, judged by sound alone.

The model hears the last eight seconds of a turn as a log-mel spectrogram in Whisper's manner and
answers with the probability that the turn is complete: melody and tempo say it before the pause
is long enough to say it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.audio import CALLER_RATE_HZ
from services import onnx
from voicebus.errors import EngineError, EngineUnavailable

HEARD_SAMPLES: Final = 8 * CALLER_RATE_HZ
"""How much of a turn's end the model hears."""

MELS: Final = 80
_FRAME_SAMPLES: Final = 400
_HOP_SAMPLES: Final = 160
_FLOOR: Final = 1e-10
_VARIANCE_FLOOR: Final = 1e-7
_RANGE: Final = 8.0
"""Decades below the loudest value at which the spectrogram ends."""

_LINEAR_BELOW_HZ: Final = 1_000.0
_LINEAR_HZ_PER_MEL: Final = 200.0 / 3
_LOG_PER_MEL: Final = np.log(6.4) / 27


def _mels_of(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Slaney's scale: linear up to 1 kHz, logarithmic above."""
    bend = _LINEAR_BELOW_HZ / _LINEAR_HZ_PER_MEL
    above = bend + np.log(np.maximum(hertz, _LINEAR_BELOW_HZ) / _LINEAR_BELOW_HZ) / _LOG_PER_MEL
    return np.where(hertz < _LINEAR_BELOW_HZ, hertz / _LINEAR_HZ_PER_MEL, above)


def _hertz_of(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    bend = _LINEAR_BELOW_HZ / _LINEAR_HZ_PER_MEL
    above = _LINEAR_BELOW_HZ * np.exp(_LOG_PER_MEL * (np.maximum(mels, bend) - bend))
    return np.where(mels < bend, mels * _LINEAR_HZ_PER_MEL, above)


def _filters() -> NDArray[np.float32]:
    """Triangles of equal area on Slaney's scale, shape (80, 201)."""
    top = _mels_of(np.array(CALLER_RATE_HZ / 2))
    corners = _hertz_of(np.linspace(0.0, float(top), MELS + 2))
    bins = np.linspace(0.0, CALLER_RATE_HZ / 2, _FRAME_SAMPLES // 2 + 1)
    low, centre, high = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    rising, falling = (bins - low) / (centre - low), (high - bins) / (high - centre)
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    return (triangles * (2.0 / (high - low))).astype(np.float32)


_FILTERS: Final = _filters()
_WINDOW: Final = np.hanning(_FRAME_SAMPLES + 1)[:-1].astype(np.float32)


def log_mel(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the spectrogram that the model was trained on.

    As Whisper's own (https://github.com/openai/whisper), but of eight seconds, with the samples
    brought to mean 0 and variance 1 first. Shorter audio stands at the end, after zeros.

    Args:
        samples: Mono at 16 kHz, -1 to 1, shape (n,); the last eight seconds count.

    Returns:
        Shape (80, 800), about -1 to 1.
    """
    heard = samples[-HEARD_SAMPLES:].astype(np.float32)
    full = np.concatenate((np.zeros(HEARD_SAMPLES - len(heard), np.float32), heard))
    full = (full - full.mean()) / np.sqrt(full.var() + _VARIANCE_FLOOR)
    mirrored = np.pad(full, _FRAME_SAMPLES // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(mirrored, _FRAME_SAMPLES)[::_HOP_SAMPLES]
    # The frame after the last hop is centred on the end and is left out, as in training.
    spectrum = np.fft.rfft(frames[:-1] * _WINDOW, axis=1)
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    bels = np.log10(np.maximum(_FILTERS @ power.T.astype(np.float32), _FLOOR))
    shown: NDArray[np.float32] = (np.maximum(bels, bels.max() - _RANGE) + 4.0) / 4.0
    return shown.astype(np.float32)


class TurnModel:
    """smart-turn, version 3 (https://github.com/pipecat-ai/smart-turn). One thread calls it."""

    def __init__(self, path: Path) -> None:
        """Load the model.

        Raises:
            EngineUnavailable: The file is missing or is not this model.
        """
        try:
            self._session = onnx.session(path, threads=1)
        # ONNX Runtime raises classes of its own C++ module, which share only this root.
        except Exception as err:
            raise EngineUnavailable("the end of turn model cannot be loaded") from err
        if [entry.name for entry in self._session.get_inputs()] != ["input_features"]:
            raise EngineUnavailable("the end of turn model is of an unknown version")

    def completion(self, samples: NDArray[np.float32]) -> float:
        """Return the probability that the turn is complete, 0 to 1. Blocks.

        Args:
            samples: The turn so far and the silence after it: mono at 16 kHz, -1 to 1, shape (n,).

        Raises:
            EngineError: The library failed.
        """
        try:
            (answer,) = self._session.run(None, {"input_features": log_mel(samples)[None]})
        # As above: no narrower class is public.
        except Exception as err:
            raise EngineError("judging the end of a turn failed") from err
        return min(1.0, max(0.0, float(answer[0, 0])))
