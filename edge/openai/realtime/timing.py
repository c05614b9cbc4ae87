"""How long a Realtime client waits: for an answer, and for silence when it interrupts one. No I/O.

The state machine has no clock. This stands beside it: it sees what the workers say and what the
client is told, each with its time, and measures what the other edges measure.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from edge.measuring import Measuring
from edge.openai.realtime.told import ServerEvent
from edge.timeline import AudioClock, Stopwatch, Timeline
from schemas.event import Event
from schemas.llm import ClauseReady, TokenDelta
from schemas.stt import SpeechResumed, SpeechStarted, TranscriptDraft, TranscriptFinal
from schemas.tts import ReplyChunk
from schemas.turn import TurnStarted

_SOUND: Final = "response.output_audio.delta"
_FIRSTS: Final = (_SOUND, "response.output_text.delta")
"""What a client hears or reads first of an answer."""

_MADE: Final = (TokenDelta, ClauseReady, ReplyChunk)


class Timing:
    """The clock of one session.

    Args:
        clock: When the caller's audio arrived.
        measuring: Takes what is measured.
    """

    def __init__(self, clock: AudioClock, measuring: Measuring) -> None:
        self._measuring = measuring
        self._stopwatch = Stopwatch(clock)
        self._final: tuple[float, TranscriptFinal] | None = None
        self._made_s: dict[tuple[int, int], dict[type[Event], float]] = {}
        self._asked_s: float | None = None
        self._order = -1
        self._started: TurnStarted | None = None
        self._timeline: Timeline | None = None
        self._plays_until_s = 0.0

    def heard(self, event: Event, now_s: float) -> None:
        """A worker said something."""
        match event:
            case SpeechStarted():
                self._measuring.speech_began(event.start_ms)
            case TranscriptDraft():
                self._stopwatch.drafted(event, now_s)
            case SpeechResumed():
                self._stopwatch.resumed()
            case TranscriptFinal():
                self._final = (now_s, event)
                self._stopwatch.finished(event, now_s)
            case TurnStarted(control=number) if number == self._order >= 0:
                self._begin(event, now_s)
            case _ if isinstance(event, _MADE):
                made_s = self._made_s.setdefault((event.turn, event.revision), {})
                made_s.setdefault(type(event), now_s)

    def ordered(self, number: int) -> None:
        """An answer is asked of the workers, in earnest."""
        self._order = number

    def told(self, event: ServerEvent, now_s: float, asked_s: float | None = None) -> None:
        """The client is told something.

        Args:
            event: What.
            now_s: When.
            asked_s: When the client asked for it; None for what the workers brought about.
        """
        kind = event["type"]
        if kind == "response.created":
            self._asked_s, self._order, self._timeline = asked_s, -1, None
        elif kind in _FIRSTS and self._started is not None and self._timeline is not None:
            self._answered(kind, self._started, self._timeline, now_s)

    def sounded(self, seconds: float, now_s: float) -> None:
        """The client got so much more to play."""
        self._plays_until_s = max(self._plays_until_s, now_s) + seconds

    def interrupted(self, now_s: float) -> None:
        """The client is told that its user speaks: whatever it plays, it stops."""
        if now_s < self._plays_until_s:
            self._plays_until_s = now_s
            turn = 0 if self._started is None else self._started.turn
            self._measuring.stopped(turn, now_s)

    def _begin(self, started: TurnStarted, now_s: float) -> None:
        self._started = started
        final_s, final = self._final or (0.0, None)
        asked_s, self._asked_s = self._asked_s, None
        is_spoken = final is not None and (asked_s is None or final_s > asked_s)
        if asked_s is not None:
            # Words that were still due then have made it wait, too.
            begin = self._stopwatch.audio_ended if is_spoken else self._stopwatch.typed
            begin(asked_s)
        end_ms = final.end_ms if final is not None and is_spoken else -1
        answers = replace(started, typed=not is_spoken, speech_end_ms=end_ms)
        self._timeline = self._stopwatch.start(answers, now_s)
        self._made_s = {made: at for made, at in self._made_s.items() if made[0] >= started.turn}

    def _answered(self, kind: str, started: TurnStarted, timeline: Timeline, now_s: float) -> None:
        if timeline.is_sent:
            return
        made_s = self._made_s.get((started.turn, started.revision), {})
        # What is spoken waits for a clause, what is written for a word.
        timeline.words_s = made_s.get(ClauseReady if kind == _SOUND else TokenDelta)
        timeline.audio_s = made_s.get(ReplyChunk) if kind == _SOUND else None
        self._measuring.answered(started, timeline, started.turn, now_s)
