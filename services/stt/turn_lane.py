"""The thread in which ends of turns are judged: one for all sessions, beside recognition."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from voicebus.engine_thread import EngineThread, Hang
from voicebus.errors import EngineUnavailable


class Judge(Protocol):
    """Says how complete a turn sounds; see :class:`services.stt.turn_model.TurnModel`."""

    def completion(self, samples: NDArray[np.float32]) -> float:
        """Return the probability that the turn is complete, 0 to 1. Blocks.

        Raises:
            EngineError: It cannot say.
        """


class TurnLane:
    """Runs a judge for all sessions. All methods belong to one event loop."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._thread = EngineThread("stt-turn")
        self._closed = False

    async def completion(self, samples: NDArray[np.float32], owner: Hashable = None) -> float:
        """Return the probability that the turn is complete, 0 to 1.

        Cancelling the caller's task takes what still waits out of the queue.

        Args:
            samples: The turn so far, mono at 16 kHz, shape (n,); not to be changed meanwhile.
            owner: Whose it is.

        Raises:
            EngineUnavailable: The lane is closed.
            EngineError: The judge failed.
        """
        if self._closed:
            raise EngineUnavailable("judging ends of turns is shutting down")
        judging = self._thread.submit_for((owner,), self._judge.completion, samples)
        return await asyncio.wrap_future(judging)

    def stuck(self, since_s: float) -> Hang | None:
        """Return the call that hangs: see :class:`voicebus.engine_thread.EngineThread`."""
        return self._thread.stuck(since_s)

    async def close(self) -> None:
        """Refuse what waits and what comes, and wait for what runs."""
        self._closed = True
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)
