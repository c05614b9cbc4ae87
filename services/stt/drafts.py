"""The early recognition of a pause: what the final will be, should the speaker say nothing more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import structlog
from msgspec.structs import replace
from numpy.typing import NDArray

from services.stt.completion import UNJUDGED, completion
from services.stt.ears import Ears
from services.stt.engine import Hint
from services.stt.marks import PauseStarted, UtteranceEnded
from services.stt.scheduler import Priority, Timed
from voicebus import metrics
from voicebus.errors import EngineError

log: Final = structlog.get_logger()


@dataclass(slots=True, eq=False)
class Draft:
    """One pause and what is known about what was said before it.

    Attributes:
        pause: The pause.
        recognition: What was understood, or why nothing was.
        sound: How complete the turn sounds; :data:`UNJUDGED` as long as nobody has said.
        completion: How complete it is, all in all.
        text: What was said; None as long as it is not known.
        language: In which; empty as long as it is not known.
        compute_ms: How long the recogniser worked.
    """

    pause: PauseStarted
    recognition: asyncio.Task[Timed | EngineError]
    sound: float = UNJUDGED
    completion: float = UNJUDGED
    text: str | None = None
    language: str = ""
    compute_ms: float = 0.0
    watching: list[asyncio.Task[None]] = field(default_factory=list)

    def covers(self, ended: UtteranceEnded) -> bool:
        """Whether nothing was said between the pause and this end."""
        pause = self.pause
        return (pause.start_sample, pause.end_sample) == (ended.start_sample, ended.end_sample)


class Drafts:
    """The drafts of one session, one at a time. ``group`` owns the tasks that they need.

    Args:
        owner: Whose they are.
        changed: Called when more has become known of the draft that counts.
    """

    def __init__(
        self,
        ears: Ears,
        group: asyncio.TaskGroup,
        hint: Hint,
        owner: Hashable,
        changed: Callable[[Draft], None],
    ) -> None:
        self._ears = ears
        self._group = group
        self._hint = hint
        self._owner = owner
        self._changed = changed
        self.current: Draft | None = None

    def begin(
        self,
        pause: PauseStarted,
        samples: NDArray[np.float32],
        language: str,
        ending: Callable[[], Awaitable[Timed]] | None = None,
    ) -> Draft:
        """Recognise the utterance up to a pause. Nobody is told until the pause has ended it.

        Args:
            pause: The pause.
            samples: The utterance up to there.
            language: In which its first words are, if they are settled already; else empty.
            ending: Waits for what was understood of it, where somebody heard it as it was spoken.
                If that fails, the utterance is recognised as if nobody had.
        """
        self.void()
        hint = replace(self._hint, language=language or self._hint.language)
        recognising = self._recognised(samples, Priority.DRAFT, hint, ending)
        self.current = Draft(pause, self._group.create_task(recognising))
        return self.current

    def watch(self, draft: Draft, samples: NDArray[np.float32]) -> None:
        """Have the turn judged too, by its ``samples``, and tell what becomes known."""
        judging = self._group.create_task(self._judge(draft, samples))
        draft.watching = [judging, self._group.create_task(self._read(draft, judging))]

    def void(self) -> None:
        """The speaker went on: what was drafted no longer counts."""
        if self.current is None:
            return
        metrics.STT_EARLY.labels("wasted").inc()
        self._drop(self.current)
        self.current.recognition.cancel()
        self.current = None

    def close(self) -> None:
        """Nobody hears of a draft any more, nor is held by this one."""
        self.void()
        self._changed = _nobody

    def taken(self, ended: UtteranceEnded) -> Draft | None:
        """Return the draft that is the final of this end, if there is one. It is watched no more.

        What it still waits for becomes as urgent as any final.
        """
        draft = self.current
        if draft is None:
            return None
        if not draft.covers(ended):
            self.void()
            return None
        metrics.STT_EARLY.labels("used").inc()
        self._drop(draft)
        self.current = None
        self._ears.scheduler.hasten(self._owner)
        return draft

    def late(
        self,
        ended: UtteranceEnded,
        samples: NDArray[np.float32],
        priority: Priority,
        ending: Callable[[], Awaitable[Timed]] | None = None,
    ) -> Draft:
        """Recognise an utterance that is over and was not drafted; see :meth:`begin`."""
        pause = PauseStarted(
            ended.start_sample, ended.end_sample, ended.decided_sample, ended.speech_ms
        )
        recognising = self._recognised(samples, priority, self._hint, ending)
        return Draft(pause, self._group.create_task(recognising))

    async def _recognised(
        self,
        samples: NDArray[np.float32],
        priority: Priority,
        hint: Hint,
        ending: Callable[[], Awaitable[Timed]] | None,
    ) -> Timed | EngineError:
        """Return what was understood, or why nothing was: somebody may ask for it later."""
        if ending is not None:
            try:
                return await ending()
            except EngineError as err:
                log.warning("stt.heard_anew", error=str(err))
        try:
            return await self._ears.scheduler.recognise(samples, hint, priority, self._owner)
        except EngineError as err:
            return err

    def words_in(self, timed: Timed, speech_ms: int) -> str:
        """Return the text of a recognition if it was said, else nothing."""
        return self._ears.words_in(timed.recognition, speech_ms)

    async def _judge(self, draft: Draft, samples: NDArray[np.float32]) -> None:
        if self._ears.turns is None:
            return
        try:
            draft.sound = await self._ears.turns.completion(samples, self._owner)
        except EngineError as err:
            log.warning("stt.turn_unjudged", error=str(err))

    async def _read(self, draft: Draft, judging: asyncio.Task[None]) -> None:
        # Awaited by themselves they would be cancelled with this task, and the final needs one.
        await asyncio.wait((draft.recognition, judging))
        timed = draft.recognition.result()
        draft.completion = draft.sound
        if isinstance(timed, EngineError):
            # The final will say what went wrong; there is nothing to wait for.
            draft.text = ""
        else:
            draft.text = self.words_in(timed, draft.pause.speech_ms)
            draft.language, draft.compute_ms = timed.recognition.language, timed.compute_ms
            if not self._ears.synthetic:
                confidence = timed.recognition.confidence
                draft.completion = completion(draft.sound, draft.text, confidence)
        self._changed(draft)

    def _drop(self, draft: Draft) -> None:
        for task in draft.watching:
            # The one that is telling is at its end anyway, and must not stop what it caused.
            if task is not asyncio.current_task():
                task.cancel()
        draft.watching = []  # they know the draft, and would keep it until the collector comes


def _nobody(_: Draft) -> None:
    """Is told nothing."""
