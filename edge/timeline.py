"""Where a turn's time went, by the edge's own clock: pure."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from dataclasses import dataclass
from typing import Any, Final

from schemas.audio import CALLER_RATE_HZ
from schemas.stt import TranscriptDraft, TranscriptFinal
from schemas.turn import TurnStarted

_KEPT: Final = 4096


class AudioClock:
    """When each stretch of the caller's audio reached the edge.

    Attributes:
        begun_s: When the first of it did.
    """

    def __init__(self) -> None:
        self.begun_s: float | None = None
        self._ends: deque[int] = deque(maxlen=_KEPT)
        self._times_s: deque[float] = deque(maxlen=_KEPT)

    def note(self, end_offset: int, now_s: float) -> None:
        """Audio up to a sample has arrived."""
        if self.begun_s is None:
            self.begun_s = now_s
        self._ends.append(end_offset)
        self._times_s.append(now_s)

    def at(self, audio_ms: int) -> float | None:
        """Return when the sample at an audio time arrived; None when it is no longer known."""
        sample = audio_ms * CALLER_RATE_HZ // 1000
        index = bisect_left(self._ends, sample)
        return self._times_s[index] if index < len(self._times_s) else None


@dataclass(slots=True)
class Timeline:
    """The moments of one turn, in seconds of the edge's clock.

    An answer is begun while it is not yet certain that the turn is over, so stages overlap.

    Attributes:
        begun_s: The last speech sample, the end of the file, or the typed text reached the edge.
        decided_s: It was certain that the turn is over; None when nobody had to wait for that.
        heard_s: The transcript that is answered was there; None when nothing was spoken.
        stt_ms: How long the recogniser worked on it.
        asked_s: The language model could begin.
        words_s: The first words that the next stage can use were there.
        audio_s: The first audio was there.
        is_sent: Whether the client has been told.
    """

    begun_s: float
    decided_s: float | None = None
    heard_s: float | None = None
    stt_ms: float = 0.0
    asked_s: float | None = None
    words_s: float | None = None
    audio_s: float | None = None
    is_sent: bool = False

    def stages(self, sent_s: float) -> list[dict[str, Any]]:
        """Return name, start and end in ms of every stage up to the moment of sending."""
        stages: list[dict[str, Any]] = []

        def stage(name: str, start_s: float, end_s: float | None) -> None:
            if end_s is None:
                return
            end_s = min(max(end_s, self.begun_s), sent_s)
            start_s = min(max(start_s, self.begun_s), end_s)
            stages.append({"name": name, "start_ms": self._ms(start_s), "end_ms": self._ms(end_s)})

        asked_s = self.begun_s if self.asked_s is None else self.asked_s
        stage("hold", self.begun_s, self.decided_s)
        stage("stt", (self.heard_s or 0.0) - self.stt_ms / 1000, self.heard_s)
        stage("llm", asked_s, self.words_s)
        stage("tts", asked_s if self.words_s is None else self.words_s, self.audio_s)
        awaited_s = (self.decided_s, self.heard_s, self.asked_s, self.words_s, self.audio_s)
        begins_s = max((moment for moment in awaited_s if moment is not None), default=sent_s)
        stage("edge", begins_s, sent_s)
        return stages

    def response_ms(self, sent_s: float) -> float:
        """Return the time from the beginning to the moment of sending."""
        return self._ms(sent_s)

    def _ms(self, moment_s: float) -> float:
        return round((moment_s - self.begun_s) * 1000, 2)


class Stopwatch:
    """Notes what happens before a turn begins, for its timeline.

    Args:
        clock: When the caller's audio arrived.
    """

    def __init__(self, clock: AudioClock) -> None:
        self._clock = clock
        self._draft: tuple[float, TranscriptDraft] | None = None
        self._final: tuple[float, TranscriptFinal] | None = None
        self._ended_s: float | None = None
        self._typed_s: float | None = None

    def audio_ended(self, now_s: float) -> None:
        """The client ended its audio: a turn that waits for that begins now."""
        self._ended_s = now_s

    def nothing_sent(self) -> None:
        """There was no audio to end, or nothing in it: no turn waits for it."""
        self._ended_s = None

    def typed(self, now_s: float) -> None:
        """The client typed a turn."""
        self._typed_s = now_s

    def drafted(self, draft: TranscriptDraft, now_s: float) -> None:
        """This is the final, should the caller say nothing more."""
        self._draft = (now_s, draft)

    def resumed(self) -> None:
        """The caller said more: the draft does not count."""
        self._draft = None

    def finished(self, final: TranscriptFinal, now_s: float) -> None:
        """An utterance is over."""
        self._final = (now_s, final)

    def start(self, started: TurnStarted, now_s: float) -> Timeline | None:
        """Begin a turn's timeline; None for a turn that nobody waits for."""
        if started.said and not started.text:
            return None
        if started.typed:
            typed_s, self._typed_s = self._typed_s, None
            return Timeline(now_s if typed_s is None else typed_s)
        begun_s, self._ended_s = self._ended_s, None
        if begun_s is None:
            begun_s = self._clock.at(started.speech_end_ms)
        final_s, final = self._final or (now_s, None)
        if final is None or final.end_ms != started.speech_end_ms:
            final_s, final = now_s, None
        timeline = Timeline(final_s if begun_s is None else begun_s, now_s, final_s)
        timeline.asked_s = final_s
        if final is not None:
            timeline.stt_ms = final.compute_ms
            timeline.decided_s = final_s - final.compute_ms / 1000
        (draft_s, draft), self._draft = self._draft or (0.0, None), None
        if draft is not None and (started.speculated or _says(draft, final)):
            # The words were there before it was certain that they were all.
            timeline.heard_s, timeline.stt_ms = draft_s, draft.compute_ms
        if started.speculated:
            timeline.decided_s, timeline.asked_s = now_s, timeline.heard_s
        return timeline


def _says(draft: TranscriptDraft, final: TranscriptFinal | None) -> bool:
    return final is not None and draft.utterance == final.utterance and draft.text == final.text
