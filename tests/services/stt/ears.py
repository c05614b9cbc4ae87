"""Ears without models: loud is speech, and the synthetic engine recognises it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
from numpy.typing import NDArray

from services.stt.ears import Ears
from services.stt.endpointing import EndpointingSettings
from services.stt.engine import Engine, Hint, Recognition
from services.stt.engines.synthetic import SyntheticEngine
from services.stt.lane import VadLane
from services.stt.pace import Pace
from services.stt.scheduler import Scheduler
from services.stt.streaming import Streaming, StreamLane
from services.stt.turn_lane import Judge, TurnLane
from services.stt.vad import SileroVad, VadState
from voicebus.errors import EngineError

RATE_HZ = 16_000
STEP_BYTES = 640


class LoudVad(SileroVad):
    """Takes what is loud for speech, so that no model is needed."""

    def __init__(self) -> None:
        """There is nothing to load. How many windows of a session each pass had is noted."""
        self.passes: list[int] = []

    def stretches(
        self, windows: NDArray[np.float32], states: list[VadState]
    ) -> NDArray[np.float32]:
        """Say 0.9 for a window with sound in it, else 0.05."""
        assert len(states) == windows.shape[1]
        self.passes.append(len(windows))
        loud = np.abs(windows).max(axis=2) > 0.01
        return np.where(loud, 0.9, 0.05).astype(np.float32)


class Recogniser(SyntheticEngine):
    """The synthetic engine, with a note of what it was given, and failures on order."""

    def __init__(self, recognise_ms: float = 5.0) -> None:
        super().__init__(recognise_ms)
        self.seconds: list[float] = []
        self.hints: list[Hint] = []
        self.failures: list[EngineError] = []

    def recognise(self, samples: NDArray[np.float32], hint: Hint) -> Recognition:
        """Note the length and the hint; fail when that is next."""
        self.hints.append(hint)
        self.seconds.append(len(samples) / RATE_HZ)
        if self.failures:
            raise self.failures.pop(0)
        return super().recognise(samples, hint)


def sound(seconds: float) -> bytes:
    """A tone, s16le at 16 kHz: what these ears take for speech."""
    phase = np.arange(round(seconds * RATE_HZ)) * (2 * np.pi * 300 / RATE_HZ)
    return bytes((8000 * np.sin(phase)).astype(np.int16).tobytes())


def quiet(seconds: float) -> bytes:
    """Digital silence."""
    return bytes(2 * round(seconds * RATE_HZ))


def steps(pcm: bytes) -> list[bytes]:
    """Audio in slices of 20 ms."""
    return [pcm[first : first + STEP_BYTES] for first in range(0, len(pcm), STEP_BYTES)]


class Verdicts:
    """Judges turns as told: one verdict per pause, the last one for all that follow."""

    def __init__(self, *verdicts: float | EngineError) -> None:
        self.verdicts = list(verdicts)
        self.seconds: list[float] = []

    def completion(self, samples: NDArray[np.float32]) -> float:
        """Note the length and answer."""
        self.seconds.append(len(samples) / RATE_HZ)
        verdict = self.verdicts[0] if len(self.verdicts) == 1 else self.verdicts.pop(0)
        if isinstance(verdict, EngineError):
            raise verdict
        return verdict


@asynccontextmanager
async def ears_of(
    engine: Engine,
    partial_ms: int = 60_000,
    judge: Judge | None = None,
    quick: Streaming | None = None,
) -> AsyncIterator[Ears]:
    """Ears around an engine, for one test."""
    ears = Ears(
        scheduler=Scheduler(engine),
        lane=VadLane(LoudVad()),
        turns=None if judge is None else TurnLane(judge),
        # With an engine that streams, as workers have it.
        endpointing=EndpointingSettings(soft_pause_ms=200 if quick is None else 64),
        pace=Pace(partial_ms),
        engine="toy",
        model="toy",
        synthetic=engine.synthetic,
        quick=None if quick is None else StreamLane(quick),
        quick_settles=id(quick) == id(engine),
    )
    await ears.start()
    yield ears
    await ears.close()
