"""An engine that counts as it hears, and a pace that leaves it the time for it."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
from numpy.typing import NDArray

from services.stt.engine import Hint, Recognition
from services.stt.streaming import Hearing
from tests.services.stt.ears import RATE_HZ, Recogniser, steps
from tests.services.stt.hearing import Heard
from voicebus.errors import EngineError

WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight")


class Counting:
    """Understands a word in each 300 ms, and notes what it is given."""

    def __init__(self, engine: CountingEngine) -> None:
        self._engine = engine
        self.samples = 0
        self.failing = False

    def hear(self, samples: NDArray[np.float32]) -> str:
        """Count, as soon as that may be."""
        if not self._engine.may_hear.is_set():
            self._engine.waiting += 1
            self._engine.may_hear.wait(30)
        if self._engine.failing or self.failing:
            raise EngineError("no ears")
        self.samples += len(samples)
        return self._text()

    def finish(self) -> Recognition:
        """Say how far it counted."""
        return Recognition(f"{self._text()}!", "en", 1.0, 0.0)

    def _text(self) -> str:
        return " ".join(WORDS[: self.samples * 10 // (3 * RATE_HZ)])


class CountingEngine(Recogniser):
    """A quick engine; also one that makes finals, where a test wants that."""

    language = "en"

    def __init__(self) -> None:
        super().__init__()
        self.failing = False
        self.waiting = 0
        self.may_hear = threading.Event()
        self.may_hear.set()
        self.streams: list[Counting] = []
        self.hinted: list[Hint] = []

    def begin(self, hint: Hint) -> Hearing:
        """Begin to count."""
        self.hinted.append(hint)
        self.streams.append(Counting(self))
        return self.streams[-1]


async def paced(heard: Heard, *pieces: bytes) -> None:
    """Play this, at a pace that leaves time for drafts as well."""
    for piece in pieces:
        for step in steps(piece):
            await heard.hear(step)
            await asyncio.sleep(0.005)
