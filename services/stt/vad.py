"""Is somebody speaking? Silero VAD over ONNX Runtime, batched across sessions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.stt import vad_graph
from services.stt.endpointing import WINDOW_SAMPLES
from voicebus.errors import EngineError, EngineUnavailable

_CONTEXT_SAMPLES = 64
_STATE_SHAPE = (2, vad_graph.UNITS)
_AXES = 3


class VadState:
    """What the model remembers of one session: recurrent state and the last samples.

    :meth:`SileroVad.probabilities` advances it. A session that starts afresh (after the caller
    ended the audio) takes a new one.
    """

    __slots__ = ("context", "recurrent")

    def __init__(self) -> None:
        self.recurrent: NDArray[np.float32] = np.zeros(_STATE_SHAPE, np.float32)
        self.context: NDArray[np.float32] = np.zeros(_CONTEXT_SAMPLES, np.float32)


class SileroVad:
    """Silero VAD, version 5 and later (https://github.com/snakers4/silero-vad).

    One instance serves all sessions of a process; each brings its own :class:`VadState`.
    """

    def __init__(self, path: Path) -> None:
        """Load the model.

        Raises:
            EngineUnavailable: The file is missing or is not this model.
        """
        try:
            self._graph = vad_graph.load(path)
        # ONNX Runtime raises classes of its own C++ module, which share only this root.
        except Exception as err:
            raise EngineUnavailable("the voice detection model cannot be loaded") from err

    def probabilities(
        self, windows: NDArray[np.float32], states: list[VadState]
    ) -> NDArray[np.float32]:
        """Return the probability of speech in one window of each of several sessions.

        Args:
            windows: Shape (b, 512), mono at 16 kHz, -1 to 1.
            states: The sessions' states in the same order, each only once; they are advanced.

        Returns:
            Shape (b,), 0 to 1.

        Raises:
            EngineError: The shapes do not fit, or the library failed.
        """
        found: NDArray[np.float32] = self.stretches(windows[None], states)[0]
        return found

    def stretches(
        self, windows: NDArray[np.float32], states: list[VadState]
    ) -> NDArray[np.float32]:
        """Return the probability of speech in each of several windows of several sessions.

        Args:
            windows: Shape (t, b, 512), those of one session consecutive, mono at 16 kHz, -1 to 1.
            states: As above.

        Returns:
            Shape (t, b), 0 to 1.

        Raises:
            EngineError: The shapes do not fit, or the library failed.
        """
        if windows.ndim != _AXES or windows.shape[1:] != (len(states), WINDOW_SAMPLES):
            raise EngineError(f"voice detection needs windows of {WINDOW_SAMPLES} samples")
        first = np.stack([state.context for state in states])[None]
        before = np.concatenate((first, windows[:-1, :, -_CONTEXT_SAMPLES:]))
        recurrent = np.stack([state.recurrent for state in states], axis=1)
        try:
            found, recurrent = self._graph.run(
                np.concatenate((before, windows), axis=2, dtype=np.float32), recurrent
            )
        # As above: no narrower class is public.
        except Exception as err:
            raise EngineError("voice detection failed") from err
        for row, state in enumerate(states):
            state.recurrent = recurrent[:, row]
            state.context = windows[-1, row, -_CONTEXT_SAMPLES:].copy()
        return found
