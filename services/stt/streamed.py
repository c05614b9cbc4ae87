"""Partials of an engine that hears speech as it goes on: a few words behind the speaker."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import numpy as np
import structlog
from numpy.typing import NDArray

from schemas.audio import CALLER_RATE_HZ
from schemas.event import Event
from schemas.stt import TranscriptPartial
from services.stt.agreement import Agreement
from services.stt.engine import Hint
from services.stt.samples import SampleBuffer
from services.stt.streaming import Stream, StreamLane
from services.stt.waiting import Timed
from voicebus import metrics
from voicebus.errors import EngineError

log: Final = structlog.get_logger()

_STEP_SAMPLES: Final = CALLER_RATE_HZ // 10
"""Less than that is not worth waking a thread for: 100 ms are a third of a word."""

_SETTLES_SAMPLES: Final = CALLER_RATE_HZ // 2
"""Hypotheses of hardly more audio agree whether they are right or not."""

_PAUSE_SAMPLES: Final = CALLER_RATE_HZ // 4
"""Stops within words take up to 200 ms, and it takes some more to hear that one is over."""


@dataclass(slots=True, eq=False)
class _Ending:
    """An end that comes as soon as the speaker has paused for long enough, or is done.

    Attributes:
        due: Sample from which the pause is one.
        come: Set when it has come; what follows is known then.
        fed: Up to where the audio was heard, or is being heard.
        running: What is being heard.
    """

    due: int
    come: asyncio.Event = field(default_factory=asyncio.Event)
    fed: int = 0
    running: asyncio.Task[EngineError | None] | None = None


class StreamedPartials:
    """The partials of one session; see :class:`services.stt.partials.Showing`.

    Pauses are heard, too: the words before them are often shown only then. Where the same engine
    makes the finals, what was heard is one at its end, as soon as a pause is more than a stop
    within a word; if the speaker goes on behind that, the utterance is heard anew.

    Args:
        lane: Where the engine hears.
        group: Owns the tasks.
        hint: What is known about the session.
        owner: Whose they are.
        say: Takes the partials.
        settles: Whether the same engine makes the finals. Another one's may be worded otherwise,
            and so nothing of a partial is stable.
    """

    def __init__(
        self,
        lane: StreamLane,
        group: asyncio.TaskGroup,
        hint: Hint,
        owner: Hashable,
        say: Callable[[Event], None],
        *,
        settles: bool,
    ) -> None:
        self._lane = lane
        self._group = group
        self._hint = hint
        self._owner = owner
        self._say = say
        self._settles = settles
        self._task: asyncio.Task[EngineError | None] | None = None
        self._stream: Stream | None = None
        self._ending: _Ending | None = None
        self._agreement = Agreement()
        self._utterance = 0
        self._speech = self._fed = self._settled = 0
        self._shown = ""
        self._failed = False

    @property
    def language(self) -> str:
        """Always empty: the engine knows one language and finds out none."""
        return ""

    def begin(self, utterance: int, speech: int) -> None:
        """An utterance begins with the sample ``speech``."""
        self.cancel()
        self._agreement = Agreement()
        self._utterance = utterance
        self._speech = self._settled = speech
        self._shown, self._failed = "", False

    def follow(self, samples: SampleBuffer, start: int, *, quiet: bool) -> None:
        """Hear what has come since, unless what came before is still being heard.

        Args:
            samples: The session's audio.
            start: First sample of the utterance.
            quiet: Whether the speaker pauses: that is heard as well.
        """
        self.stall(samples.end)
        if self._failed or (self._task is not None and not self._task.done()):
            return
        if self._stream is None:
            if quiet:
                return
            self._stream, self._fed = self._lane.begin(self._hint), start
        since, now = self._fed, samples.end
        if now - since >= _STEP_SAMPLES:
            self._fed = now
            heard = samples.between(since, now)
            self._task = self._group.create_task(self._hear(self._stream, heard, now))

    def drafted(self, text: str, language: str, now: int) -> None:
        """What others understood is not mixed with what is heard here."""

    def pause(self) -> None:
        """The speaker pauses; nothing of that needs to stop."""

    def resume(self) -> None:
        """The speaker goes on: it was no end, and who waits for it is told so by others."""
        self._ending = None

    def stall(self, now: int) -> None:
        """What has been heard ends if the pause lasts until the sample ``now``."""
        if self._ending is not None and now >= self._ending.due:
            self._let_end(self._ending)

    def ending(
        self, samples: NDArray[np.float32], start: int, paused: int | None
    ) -> Callable[[], Awaitable[Timed]] | None:
        """End what is being heard, if it may become a final; return what waits for that.

        Nothing is ended for one who goes on first: who waits is only cancelled.

        Args:
            samples: The utterance, mono at 16 kHz.
            start: Its first sample.
            paused: Sample from which on the speaker pauses; None if the utterance is over.

        Raises:
            EngineError: Who waits does where the engine failed: words are missing.
        """
        stream = self._stream
        if stream is None or not self._settles or self._failed:
            return None  # of what failed, the words are missing: the whole is heard anew
        self._ending = ending = _Ending(0 if paused is None else paused + _PAUSE_SAMPLES)
        if paused is None:
            self._let_end(ending)
        return partial(self._end, ending, stream, samples, start)

    def cancel(self) -> None:
        """The utterance is over."""
        if self._ending is not None:
            self._let_end(self._ending)
        self._stream = None
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _let_end(self, ending: _Ending) -> None:
        ending.fed, ending.running = self._fed, self._task
        self._stream = self._task = self._ending = None
        ending.come.set()

    async def _end(
        self, ending: _Ending, stream: Stream, samples: NDArray[np.float32], start: int
    ) -> Timed:
        await ending.come.wait()
        if ending.running is not None:
            await asyncio.wait((ending.running,))
            if error := ending.running.result():
                raise error
        return await stream.finish(samples[ending.fed - start :], self._owner)

    async def _hear(
        self, stream: Stream, samples: NDArray[np.float32], now: int
    ) -> EngineError | None:
        """Hear what came last, and show it; return why it could not be heard."""
        try:
            heard = await stream.hear(samples, self._owner)
        except EngineError as err:
            log.warning("stt.partial_failed", error=str(err))
            self._failed = self._failed or stream is self._stream
            return err
        engine, compute_s = self._lane.engine, heard.compute_ms / 1000
        metrics.STT_COMPUTE_SECONDS.labels(engine, "partial").observe(compute_s)
        metrics.STT_RTF.labels(engine, "partial").observe(
            compute_s * CALLER_RATE_HZ / max(1, len(samples))
        )
        if stream is not self._stream:
            return None  # what it was heard for is at its end, and another may have begun
        stable = self._stable(heard.text, now)
        if not heard.text or self._agreement.text == self._shown:
            return None
        self._shown = self._agreement.text
        self._say(
            TranscriptPartial(
                utterance=self._utterance,
                text=self._shown,
                start_ms=self._speech * 1000 // CALLER_RATE_HZ,
                end_ms=now * 1000 // CALLER_RATE_HZ,
                stable=stable,
            )
        )
        return None

    def _stable(self, text: str, now: int) -> int:
        if self._settles and now - self._settled >= _SETTLES_SAMPLES:
            self._settled = now
            return self._agreement.take(text)
        return self._agreement.show(text)
