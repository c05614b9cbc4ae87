"""What has been understood while somebody is still speaking, as often as the machine can afford."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import Final

import numpy as np
import structlog
from numpy.typing import NDArray

from schemas.audio import CALLER_RATE_HZ
from schemas.event import Event
from schemas.stt import TranscriptPartial
from services.stt.agreement import Agreement
from services.stt.ears import Ears
from services.stt.engine import Hint
from services.stt.hallucination import judge
from services.stt.samples import SampleBuffer
from services.stt.scheduler import Priority
from voicebus import metrics
from voicebus.errors import EngineError, EngineOverloaded

log: Final = structlog.get_logger()


class Partials:
    """The partials of one session. ``group`` owns the recognitions that it starts.

    A recognition for a partial never outlives the speech that it shows: at a pause the model
    is needed for the draft, which says the same and more.
    """

    def __init__(
        self,
        ears: Ears,
        group: asyncio.TaskGroup,
        hint: Hint,
        owner: Hashable,
        say: Callable[[Event], None],
    ) -> None:
        self._ears = ears
        self._group = group
        self._hint = hint
        self._owner = owner
        self._say = say
        self._task: asyncio.Task[None] | None = None
        self._agreement = Agreement()
        self._language = ""
        self._utterance = 0
        self._speech = self._last = 0

    def begin(self, utterance: int, speech: int) -> None:
        """An utterance begins with the sample ``speech``."""
        self.cancel()
        self._agreement = Agreement()
        self._language = ""
        self._utterance = utterance
        self._speech = self._last = speech

    @property
    def language(self) -> str:
        """That of the words that partials and drafts agree on; empty before there are some."""
        return self._language

    def follow(self, samples: SampleBuffer, start: int, *, quiet: bool) -> None:
        """Make one of the utterance so far, if the last one is old enough and nobody pauses."""
        now = samples.end
        if not quiet and self._is_due(now):
            self._last = now
            heard = samples.between(start, now)
            self._task = self._group.create_task(self._make(heard, now))

    def drafted(self, text: str, language: str, now: int) -> None:
        """The same was understood of the samples up to ``now`` by other means."""
        self._last = now
        self._take(text, language)

    def _take(self, text: str, language: str) -> int:
        stable = self._agreement.take(text)
        if " " in self._agreement.text[:stable].strip():
            # One short word is the same in many languages.
            self._language = language
        return stable

    def pause(self) -> None:
        """The speaker pauses: the partial that is being made is not wanted any more."""
        self.cancel()

    def resume(self) -> None:
        """The speaker goes on; the next partial comes as any other."""

    def stall(self, now: int) -> None:
        """No audio comes; there is nothing to show."""

    def ending(self, samples: NDArray[np.float32], start: int, paused: int | None) -> None:
        """No partial of what is recognised as a whole is more than a partial."""

    def cancel(self) -> None:
        """The utterance is over: the partial that is being made is not wanted any more."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _is_due(self, now: int) -> bool:
        if self._task is not None and not self._task.done():
            return False
        interval_ms = self._ears.pace.partial_interval_ms(len(self._ears.speaking))
        return now - self._last >= interval_ms * CALLER_RATE_HZ // 1000

    async def _make(self, samples: NDArray[np.float32], now: int) -> None:
        try:
            timed = await self._ears.scheduler.recognise(
                samples, self._hint, Priority.PARTIAL, self._owner
            )
        except EngineOverloaded:
            return
        except EngineError as err:
            log.warning("stt.partial_failed", error=str(err))
            return
        self._ears.pace.note_partial(timed.compute_ms)
        metrics.STT_COMPUTE_SECONDS.labels(self._ears.engine, "partial").observe(
            timed.compute_ms / 1000
        )
        rtf = timed.compute_ms / 1000 * CALLER_RATE_HZ / max(1, len(samples))
        metrics.STT_RTF.labels(self._ears.engine, "partial").observe(rtf)
        spoken_ms = (now - self._speech) * 1000 // CALLER_RATE_HZ
        # Words that nobody said would interrupt a reply.
        is_said = self._ears.synthetic or judge(timed.recognition, spoken_ms) == "keep"
        if not timed.recognition.text or not is_said:
            return
        stable = self._take(timed.recognition.text, timed.recognition.language)
        self._say(
            TranscriptPartial(
                utterance=self._utterance,
                text=self._agreement.text,
                start_ms=self._speech * 1000 // CALLER_RATE_HZ,
                end_ms=now * 1000 // CALLER_RATE_HZ,
                stable=stable,
            )
        )
