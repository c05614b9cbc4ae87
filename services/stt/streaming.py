"""Engines that hear an utterance as it is spoken, and the threads in which they do.

What :mod:`services.stt.engine` asks for takes an utterance as a whole: for a partial, all of it is
recognised again. Here each sample is heard once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from functools import partial
from time import perf_counter
from typing import Final, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from schemas.audio import CALLER_RATE_HZ
from services.stt.boundary import translated
from services.stt.engine import Hint, Recognition
from services.stt.waiting import Timed
from voicebus.engine_thread import EngineThread, Hang
from voicebus.errors import EngineUnavailable

_PIECE_SAMPLES: Final = CALLER_RATE_HZ // 2
_CLOSED: Final = "speech recognition is shutting down"

_T = TypeVar("_T")


class Hearing(Protocol):
    """One utterance, as far as it was heard. No two threads use it at the same time."""

    def hear(self, samples: NDArray[np.float32]) -> str:
        """Take in the next samples; return what was said so far. Blocks.

        Args:
            samples: Mono at 16 kHz, -1 to 1, shape (n,).

        Raises:
            EngineError: The library failed.
        """

    def finish(self) -> Recognition:
        """End the utterance; return what was said in it. Nothing is heard afterwards. Blocks.

        Raises:
            EngineError: The library failed.
        """


class Streaming(Protocol):
    """A loaded model that hears utterances as they are spoken.

    Attributes:
        name: The library.
        language: The one language that it knows, ISO 639-1.
        parallel: How many threads may call it at the same time, each for another utterance.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - described by the class

    @property
    def language(self) -> str: ...  # noqa: D102 - described by the class

    @property
    def parallel(self) -> int: ...  # noqa: D102 - described by the class

    def warm(self) -> None:
        """Load the model, unless it is loaded.

        Raises:
            EngineUnavailable: It cannot be loaded.
        """

    def begin(self, hint: Hint) -> Hearing:
        """Begin an utterance. Blocks.

        Raises:
            EngineError: The hint asks for what the model cannot do.
        """


class Heard(NamedTuple):
    """What was said so far.

    Attributes:
        text: As the engine writes it.
        compute_ms: How long it worked on the last samples.
    """

    text: str
    compute_ms: float


class Stream:
    """One utterance of a session. Who uses it waits for each answer before the next samples.

    It stays in one thread: nothing of an utterance overtakes what came before.
    """

    def __init__(self, engine: Streaming, hint: Hint, thread: EngineThread) -> None:
        self._engine = engine
        self._hint = hint
        self._thread = thread
        self._hearing: Hearing | None = None

    async def hear(self, samples: NDArray[np.float32], owner: Hashable) -> Heard:
        """Take in the next samples; return what was said so far.

        Cancelling the caller's task lets it go at once; the stream is of no use afterwards. Long
        audio goes in pieces, between which others are heard.

        Args:
            samples: Mono at 16 kHz, shape (n,); not to be changed until it returns.
            owner: Whose it is.

        Raises:
            EngineError: The engine failed.
        """
        text, compute_ms = "", 0.0
        for begin in range(0, len(samples), _PIECE_SAMPLES):
            piece = samples[begin : begin + _PIECE_SAMPLES]
            text, took_ms = await self._done(partial(self._hear, piece), owner)
            compute_ms += took_ms
        return Heard(text, compute_ms)

    async def finish(self, samples: NDArray[np.float32], owner: Hashable) -> Timed:
        """Take in the last samples; return all that was said, and what that took.

        Args:
            samples: As for :meth:`hear`; there may be none.
            owner: Whose it is.

        Raises:
            EngineError: The engine failed.
        """
        begun_s = perf_counter()
        heard = await self.hear(samples, owner)
        recognition, took_ms = await self._done(self._finish, owner)
        compute_ms = heard.compute_ms + took_ms
        waited_ms = (perf_counter() - begun_s) * 1000
        return Timed(recognition, max(0.0, waited_ms - compute_ms), compute_ms)

    async def _done(self, work: Callable[[], _T], owner: Hashable) -> tuple[_T, float]:
        """Have it done in the thread; return what comes of it, and how long it took.

        Raises:
            EngineUnavailable: The lane is closed.
            EngineError: The engine failed.
        """
        try:
            done = self._thread.submit_for((owner,), _timed, work)
        except RuntimeError as err:  # the thread was stopped
            raise EngineUnavailable(_CLOSED) from err
        try:
            return await asyncio.wrap_future(done)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # Nobody cancelled who waits: what waited in the thread was refused.
            raise EngineUnavailable(_CLOSED) from None

    def _hear(self, samples: NDArray[np.float32]) -> str:
        return self._current().hear(samples)

    def _finish(self) -> Recognition:
        return self._current().finish()

    def _current(self) -> Hearing:
        if self._hearing is None:
            self._hearing = self._engine.begin(self._hint)
        return self._hearing


def _timed(work: Callable[[], _T]) -> tuple[_T, float]:
    begun_s = perf_counter()
    made = translated(work)
    return made, (perf_counter() - begun_s) * 1000


class StreamLane:
    """Hears the speakers of all sessions. All methods belong to one event loop."""

    def __init__(self, engine: Streaming) -> None:
        self._engine = engine
        self._threads = tuple(EngineThread("stt-stream") for _ in range(engine.parallel))
        self._begun = 0
        self._closed = False

    @property
    def engine(self) -> str:
        """Name of the engine, for metrics."""
        return self._engine.name

    @property
    def language(self) -> str:
        """The one language that it knows, ISO 639-1."""
        return self._engine.language

    def stuck(self, since_s: float) -> Hang | None:
        """Return the call that hangs: see :class:`voicebus.engine_thread.EngineThread`."""
        hangs = (thread.stuck(since_s) for thread in self._threads)
        return next((hang for hang in hangs if hang is not None), None)

    async def start(self) -> None:
        """Load the model in one of the threads.

        Raises:
            EngineError: The engine cannot start.
        """
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._threads[0], translated, self._engine.warm)

    def begin(self, hint: Hint) -> Stream:
        """Begin an utterance; the threads take turns.

        Raises:
            EngineUnavailable: The lane is closed.
        """
        if self._closed:
            raise EngineUnavailable(_CLOSED)
        self._begun += 1
        return Stream(self._engine, hint, self._threads[self._begun % len(self._threads)])

    async def close(self) -> None:
        """Refuse what waits and what comes, and wait for what runs."""
        self._closed = True
        for thread in self._threads:
            await asyncio.to_thread(thread.shutdown, cancel_futures=True)
