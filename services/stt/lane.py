"""Voice detection for all sessions: one thread, which they share."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.stt.boundary import settle, translated
from services.stt.vad import SileroVad, VadState
from voicebus.engine_thread import EngineThread, Hang
from voicebus.errors import EngineError, EngineUnavailable


@dataclass(slots=True)
class _Submission:
    windows: NDArray[np.float32]
    state: VadState
    answer: asyncio.Future[NDArray[np.float32]]
    owner: Hashable


class VadLane:
    """Runs voice detection for all sessions, together what waits together.

    It never waits for a batch to fill: while the thread works on one batch, the next one
    gathers by itself. All methods belong to one event loop.
    """

    def __init__(self, vad: SileroVad) -> None:
        self._vad = vad
        self._thread = EngineThread("stt-vad")
        self._waiting: deque[_Submission] = deque()
        self._busy = False
        self._closed = False

    async def submit(
        self, windows: NDArray[np.float32], state: VadState, owner: Hashable = None
    ) -> NDArray[np.float32]:
        """Return the probability of speech in each of a session's next windows.

        A session submits again only when the answer to the one before has come.

        Args:
            windows: Shape (n, 512), consecutive, mono at 16 kHz, -1 to 1.
            state: The session's state; it is advanced.
            owner: Whose they are.

        Returns:
            Shape (n,), 0 to 1.

        Raises:
            EngineUnavailable: The lane is closed.
            EngineError: Voice detection failed.
        """
        if self._closed:
            raise EngineUnavailable("voice detection is shutting down")
        answer: asyncio.Future[NDArray[np.float32]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Submission(windows, state, answer, owner))
        self._start_next()
        return await answer

    def stuck(self, since_s: float) -> Hang | None:
        """Return the call that hangs: see :class:`voicebus.engine_thread.EngineThread`."""
        return self._thread.stuck(since_s)

    async def close(self) -> None:
        """Refuse what waits and what comes, and wait for what runs."""
        self._closed = True
        for submission in self._waiting:
            settle(submission.answer, EngineUnavailable("voice detection is shutting down"))
        self._waiting.clear()
        await asyncio.to_thread(self._thread.shutdown)

    def _start_next(self) -> None:
        if self._busy or not self._waiting:
            return
        self._busy = True
        batch = tuple(entry for entry in self._waiting if not entry.answer.done())
        self._waiting.clear()
        owners = [entry.owner for entry in batch]
        self._thread.submit_for(owners, self._compute, batch, asyncio.get_running_loop())

    def _compute(self, batch: tuple[_Submission, ...], loop: asyncio.AbstractEventLoop) -> None:
        """Run in the thread."""
        try:
            answers = translated(lambda: self._probabilities(batch))
        except EngineError as err:
            loop.call_soon_threadsafe(self._finish, batch, [err] * len(batch))
            return
        loop.call_soon_threadsafe(self._finish, batch, answers)

    def _probabilities(self, batch: tuple[_Submission, ...]) -> list[NDArray[np.float32]]:
        answers = [np.empty(0, np.float32)] * len(batch)
        # Sessions that bring equally many windows share a pass: live ones bring one or two each,
        # recordings those of some seconds.
        alike = defaultdict[int, list[int]](list)
        for row, entry in enumerate(batch):
            alike[len(entry.windows)].append(row)
        for count, rows in alike.items():
            if count:
                found = self._vad.stretches(
                    np.stack([batch[row].windows for row in rows], axis=1),
                    [batch[row].state for row in rows],
                )
                for place, row in enumerate(rows):
                    answers[row] = found[:, place]
        return answers

    def _finish(
        self,
        batch: tuple[_Submission, ...],
        outcomes: Sequence[NDArray[np.float32] | EngineError],
    ) -> None:
        self._busy = False
        for entry, outcome in zip(batch, outcomes, strict=True):
            settle(entry.answer, outcome)
        self._start_next()
