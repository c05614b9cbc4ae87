"""Finals, in the order of their utterances, however long each takes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from schemas.audio import CALLER_RATE_HZ
from schemas.event import Event
from schemas.stt import AudioConsumed, SilenceHeard, TranscriptFinal, Word
from services.stt.drafts import Draft, Drafts
from services.stt.ears import Ears
from services.stt.marks import UtteranceEnded
from services.stt.scheduler import Timed
from voicebus import metrics
from voicebus.errors import EngineError


@dataclass(slots=True)
class Ending:
    """An utterance that is over and whose final is being made.

    Attributes:
        ended: Its end.
        utterance: Its number.
        draft: What was understood, or will be.
        decided_s: When it was found to be over, by ``perf_counter``.
    """

    ended: UtteranceEnded
    utterance: int
    draft: Draft
    decided_s: float


class Finals:
    """The finals of one session.

    Args:
        ears: What the worker has.
        drafts: Knows which texts were said.
        say: Takes the finals, failures included.
        count: How many finals with words came since the caller last ended the audio.
    """

    def __init__(
        self, ears: Ears, drafts: Drafts, say: Callable[[Event | EngineError], None], count: int
    ) -> None:
        self._ears = ears
        self._drafts = drafts
        self._say = say
        self._count = count
        self._endings: asyncio.Queue[Ending | AudioConsumed | SilenceHeard] = asyncio.Queue()

    def ended(self, ending: Ending) -> None:
        """An utterance is over."""
        self._endings.put_nowait(ending)

    def consumed(self, offset: int) -> None:
        """The caller ended the audio at ``offset``: say so once all finals are out."""
        self._endings.put_nowait(AudioConsumed(end_offset=offset, finals=0))

    def silent(self, offset: int) -> None:
        """Nobody has spoken for long: say so once all finals of what was before are out."""
        self._endings.put_nowait(SilenceHeard(end_offset=offset))

    async def run(self) -> None:
        """Say finals until cancelled."""
        while True:
            item = await self._endings.get()
            try:
                if isinstance(item, AudioConsumed):
                    self._say(msgspec.structs.replace(item, finals=self._count))
                    self._count = 0
                elif isinstance(item, SilenceHeard):
                    self._say(item)
                else:
                    await self._finish(item)
            finally:
                self._endings.task_done()

    async def finished(self) -> None:
        """Wait until every final that was begun has been said."""
        await self._endings.join()

    async def _finish(self, ending: Ending) -> None:
        timed = await ending.draft.recognition
        if isinstance(timed, EngineError):
            self._say(timed)
            return
        ended = ending.ended
        text = ending.draft.text
        if text is None:
            text = self._drafts.words_in(timed, ended.speech_ms)
        self._count += bool(text)
        waited_ms = (time.perf_counter() - ending.decided_s) * 1000
        self._measure(timed, ended)
        recognition = timed.recognition
        self._say(
            TranscriptFinal(
                utterance=ending.utterance,
                text=text,
                start_ms=_ms(ended.speech_sample),
                end_ms=_ms(ended.end_sample),
                end_offset=ended.end_sample,
                language=recognition.language,
                confidence=recognition.confidence,
                hold_ms=_ms(ended.decided_sample - ended.end_sample),
                compute_ms=waited_ms,
                cause=ended.cause,
                completion=ending.draft.completion,
                words=_moved(recognition.words, _ms(ended.start_sample)) if text else (),
                synthetic=self._ears.synthetic,
            )
        )

    def _measure(self, timed: Timed, ended: UtteranceEnded) -> None:
        engine = self._ears.engine
        # A final that was drafted inside the hold took as long as its draft, waited for or not.
        self._ears.pace.note(ended.speech_ms / 1000, timed.queue_ms + timed.compute_ms)
        metrics.STT_COMPUTE_SECONDS.labels(engine, "final").observe(timed.compute_ms / 1000)
        metrics.STT_QUEUE_SECONDS.labels("final").observe(timed.queue_ms / 1000)
        seconds = (ended.end_sample - ended.start_sample) / CALLER_RATE_HZ
        if seconds > 0:
            rtf = timed.compute_ms / 1000 / seconds
            metrics.STT_RTF.labels(engine, "final").observe(rtf)
        metrics.STT_AUDIO_SECONDS.labels(engine).inc(max(0.0, seconds))


def _moved(words: tuple[Word, ...], by_ms: int) -> tuple[Word, ...]:
    return tuple(
        Word(text=word.text, start_ms=word.start_ms + by_ms, end_ms=word.end_ms + by_ms)
        for word in words
    )


def _ms(samples: int) -> int:
    return samples * 1000 // CALLER_RATE_HZ
