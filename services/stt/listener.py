"""One session's ears: audio in, transcripts out through a callback. Knows no bus.

The order of work: every 32 ms window goes through voice detection and the endpointer. A soft pause
starts the recognition of what was said so far, and where turns are taken by pauses also the
judgement whether the turn is complete: both together say how long the pause must be. If the speaker
goes on they are thrown away, and if not the text is ready when the pause has become an end. Finals
leave in the order of their utterances.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Hashable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.audio import CALLER_RATE_HZ
from schemas.stt import (
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
    TranscribeRequest,
    TranscriptDraft,
)
from services.stt import marks
from services.stt.drafts import Draft, Drafts
from services.stt.ears import Ears
from services.stt.endpointing import WINDOW_SAMPLES, Endpointer
from services.stt.engine import Hint
from services.stt.finals import Ending, Finals
from services.stt.hold import Hold
from services.stt.outbox import Outbox
from services.stt.resumption import AFRESH, Resumption
from services.stt.samples import SampleBuffer
from services.stt.scheduler import Priority
from services.stt.showing import showing
from services.stt.vad import VadState

_TAIL_SAMPLES: Final = CALLER_RATE_HZ // 5
"""Silence after the last word that is recognised with it: words fade."""

STILL_WINDOWS: Final = 4
"""While nobody speaks, windows in which hardly anything sounds wait for each other, up to so many:
one pass over four takes little more than one over one, and each pass wakes a thread. The first
louder sample ends the wait, so that nobody is heard later."""

_STILL_LEVEL: Final = 0.003
"""Largest magnitude of what hardly sounds: -50 dBFS."""

_SILENCE_SAMPLES: Final = 10 * CALLER_RATE_HZ
"""After as much silence it is recorded that there was nothing: who takes over reads no more."""


class Listener:
    """Hears one session. Used by one task; ``group`` owns the tasks that it starts.

    ``owner`` is whose work the engine does for it: the session's name.
    """

    def __init__(
        self,
        ears: Ears,
        group: asyncio.TaskGroup,
        outbox: Outbox,
        *,
        request: TranscribeRequest,
        resumed: Resumption = AFRESH,
        owner: Hashable = None,
    ) -> None:
        settings = request.settings
        self._ears = ears
        self._owner = self if owner is None else owner
        self._group = group
        self._is_live = request.live
        self._hold = (
            Hold(settings.end_of_turn) if request.live and settings.turn_taking == "pause" else None
        )
        endpointing = ears.endpointing
        if self._hold is not None:
            endpointing = self._hold.endpointing(endpointing, settings.max_turn_s)
        hint = Hint(
            settings.language,
            settings.languages,
            settings.vocabulary,
            settings.word_times,
            grammar=settings.grammar,
        )
        self._samples = SampleBuffer(resumed.start)
        self._endpointer = Endpointer(endpointing, resumed.start)
        self._vad = VadState()
        self._utterance = resumed.utterance
        self._marked = resumed.start
        self._stalled_ms = 0
        self._outbox = outbox
        self._drafts = Drafts(ears, group, hint, self._owner, self._settle)
        self._shows = request.live and settings.partials != "none"
        self._partials = showing(
            ears, group, hint, self._owner, self._outbox.say, wanted=settings.partials
        )
        self._finals = Finals(ears, self._drafts, self._outbox.say, resumed.finals)
        self._running: tuple[asyncio.Task[None], ...] = (
            group.create_task(self._outbox.run()),
            group.create_task(self._finals.run()),
        )

    async def hear(self, pcm: bytes) -> None:
        """Take audio in: s16le at 16 kHz, the next samples of the session."""
        self._stalled_ms = 0
        self._samples.push(pcm)
        if self._endpointer.idle and self._samples.are_still(
            WINDOW_SAMPLES, STILL_WINDOWS, _STILL_LEVEL
        ):
            return
        await self._detect(self._samples.take_windows(WINDOW_SAMPLES))
        self._want_partial()
        self._samples.drop_before(self._endpointer.keep_from)
        self._mark_silence()

    def stall(self, stalled_ms: int) -> None:
        """No audio has come for so long: where pauses end turns, that is one."""
        if self._hold is None:
            return
        self._stalled_ms = stalled_ms
        self._partials.stall(self._samples.end + stalled_ms * CALLER_RATE_HZ // 1000)
        for mark in self._endpointer.stall(stalled_ms):
            self._on(mark)

    async def end(self, offset: int) -> None:
        """End the audio: what is pending becomes final, then ``AudioConsumed`` comes."""
        await self._detect(self._samples.take_windows(WINDOW_SAMPLES))
        rest = self._samples.take_rest(WINDOW_SAMPLES)
        if rest is not None:
            await self._detect(rest)
        for mark in self._endpointer.force(offset):
            self._on(mark)
        self._vad = VadState()
        self._finals.consumed(offset)

    async def finish(self) -> None:
        """Wait until everything that was heard has been published, then stop."""
        await self._finals.finished()
        await self._outbox.emptied()
        self.stop()

    def stop(self) -> None:
        """Do nothing more, and refer to nothing that refers to this: its audio is freed at once."""
        self._ears.speaking.discard(self)
        for task in self._running:
            task.cancel()
        self._running = ()
        self._drafts.close()
        self._partials.cancel()

    async def _detect(self, windows: NDArray[np.float32]) -> None:
        """Find speech, and act on what follows from it."""
        if not len(windows):
            return
        for probability in await self._ears.lane.submit(windows, self._vad, self._owner):
            for mark in self._endpointer.push(float(probability)):
                self._on(mark)

    def _on(self, mark: marks.Mark) -> None:
        match mark:
            case marks.SpeechStarted():
                self._started(mark)
            case marks.PauseStarted():
                self._paused(mark)
            case marks.SpeechResumed():
                self._resumed(mark)
            case marks.UtteranceEnded():
                self._ended(mark)

    def _started(self, started: marks.SpeechStarted) -> None:
        self._utterance += 1
        self._ears.speaking.add(self)
        self._partials.begin(self._utterance, started.speech_sample)
        if self._hold is not None:
            self._hold.started(_ms(started.speech_sample))
        self._outbox.say(SpeechStarted(start_ms=_ms(started.speech_sample)))

    def _paused(self, pause: marks.PauseStarted) -> None:
        self._partials.pause()
        if not self._is_live:
            # A file comes faster than it can be recognised: what is begun early mostly goes to
            # waste, because the speech after the pause is there already.
            return
        samples = self._samples.between(pause.start_sample, pause.decided_sample)
        ending = self._partials.ending(samples, pause.start_sample, pause.end_sample)
        draft = self._drafts.begin(pause, samples, self._partials.language, ending)
        if self._hold is None:
            return
        self._outbox.say(
            SpeechPaused(
                utterance=self._utterance,
                end_ms=_ms(pause.end_sample),
                speech_ms=pause.speech_ms,
                final_due_ms=self._ears.pace.final_due_ms(pause.speech_ms / 1000),
            )
        )
        self._drafts.watch(draft, samples)

    def _resumed(self, resumed: marks.SpeechResumed) -> None:
        self._drafts.void()
        self._partials.resume()
        if self._hold is None:
            return
        self._hold.resumed(_ms(resumed.sample - resumed.end_sample))
        self._outbox.say(SpeechResumed(utterance=self._utterance, start_ms=_ms(resumed.sample)))

    def _settle(self, draft: Draft) -> None:
        """All is known that can be: tell it, and say how long the pause must be."""
        if self._hold is None or draft.text is None or draft is not self._drafts.current:
            return
        if draft.text:
            self._partials.drafted(draft.text, draft.language, draft.pause.decided_sample)
            self._outbox.say(
                TranscriptDraft(
                    utterance=self._utterance,
                    text=draft.text,
                    end_ms=_ms(draft.pause.end_sample),
                    completion=draft.completion,
                    compute_ms=draft.compute_ms,
                )
            )
        # Without words there is nothing to answer, and so nobody who could be cut off.
        completion = draft.completion if draft.text else 1.0
        for mark in self._endpointer.hold(self._hold.length_ms(completion)):
            self._on(mark)
        if self._stalled_ms:
            self.stall(self._stalled_ms)  # it may have been long enough by now

    def _ended(self, ended: marks.UtteranceEnded) -> None:
        self._ears.speaking.discard(self)
        if self._hold is not None and ended.cause == "pause":
            self._hold.ended(_ms(ended.end_sample), _ms(ended.decided_sample))
        elif self._hold is not None:
            self._hold.forget()
        draft = self._drafts.taken(ended) or self._late(ended)
        self._partials.cancel()
        self._finals.ended(Ending(ended, self._utterance, draft, time.perf_counter()))

    def _late(self, ended: marks.UtteranceEnded) -> Draft:
        """Recognise an utterance that is over and of which there is no draft."""
        last = min(ended.end_sample + _TAIL_SAMPLES, ended.decided_sample)
        samples = self._samples.between(ended.start_sample, last)
        if not self._is_live:
            return self._drafts.late(ended, samples, Priority.FILE)
        # Who speaks on has been heard beyond this end.
        is_whole = ended.cause != "length"
        ending = self._partials.ending(samples, ended.start_sample, None) if is_whole else None
        return self._drafts.late(ended, samples, Priority.FINAL, ending)

    def _mark_silence(self) -> None:
        """Say now and then that nothing was said: a takeover begins at the last word of it."""
        end = self._samples.end
        if self._endpointer.utterance_start is not None:
            self._marked = end
        elif end - self._marked >= _SILENCE_SAMPLES:
            self._marked = end
            self._finals.silent(self._endpointer.keep_from)

    def _want_partial(self) -> None:
        """Show what the speaker says, as often as can be."""
        start = self._endpointer.utterance_start
        if start is not None and self._shows:
            self._partials.follow(self._samples, start, quiet=self._endpointer.quiet)


def _ms(samples: int) -> int:
    return samples * 1000 // CALLER_RATE_HZ
