"""From the bus to the client: which messages a client is told, and when. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from edge import telling
from edge.measuring import Measuring, Responded, untraced
from edge.timeline import AudioClock, Stopwatch, Timeline
from edge.wire import Medium, Outgoing
from schemas.claim import Claimed
from schemas.event import Event
from schemas.failure import Failure
from schemas.llm import ClauseReady, GenerationDone, TokenDelta
from schemas.stt import (
    SpeechResumed,
    SpeechStarted,
    TranscriptDraft,
    TranscriptFinal,
    TranscriptPartial,
)
from schemas.tts import ClauseSpoken, ReplyChunk, SpeechDone
from schemas.turn import (
    HangUp,
    NothingHeard,
    ReplyPaused,
    ReplyResumed,
    TurnCancelled,
    TurnEnded,
    TurnStarted,
)
from voicebus import metrics
from voicebus.sessions.held import Held


@dataclass(slots=True, frozen=True)
class _Moment:
    """When a message came, and when it may be told: what was held waited in between."""

    came_s: float
    now_s: float


class Downlink:
    """The client's view of one session.

    Drops what is still said of a turn that is over, holds back what may turn out not to be the
    answer, and keeps each turn's timeline. Takes messages in their order: see
    :mod:`voicebus.sessions.order`.

    Args:
        clock: When the caller's audio arrived.
        medium: How the session is answered.
        kind: The edge's kind, for metrics.
        responded: Told when the first sound of an answer leaves; see
            :meth:`voicebus.tracing.tracing.Tracer.responded`.

    Attributes:
        claimed: The roles that hold the session.
    """

    def __init__(
        self, clock: AudioClock, medium: Medium, kind: str, responded: Responded = untraced
    ) -> None:
        self._measuring = Measuring(clock, kind, responded)
        self._started: TurnStarted | None = None
        self._medium = medium
        self._kind = kind
        self._held = Held()
        self._stopwatch = Stopwatch(clock)
        self._timeline: Timeline | None = None
        self._audio_turn = 0
        self._paused_turn = 0
        self.claimed: set[str] = set()

    def audio_ended(self, now_s: float) -> None:
        """The client ended its audio: a turn that waits for that begins now."""
        self._stopwatch.audio_ended(now_s)

    def nothing_sent(self) -> None:
        """There was no audio to end: no turn waits for it."""
        self._stopwatch.nothing_sent()

    def typed(self, now_s: float) -> None:
        """The client typed a turn, or pressed keys."""
        self._stopwatch.typed(now_s)

    def take(self, event: Event, now_s: float) -> list[Outgoing]:
        """Take a message from the bus; return what the client is told."""
        if type(event) not in _STEPS:
            return []
        told: list[Outgoing] = []
        for let_through, came_s in self._held.take(event, now_s):
            told += _STEPS[type(let_through)](self, let_through, _Moment(came_s, now_s))
        return told

    def _on_claimed(self, event: Claimed, at: _Moment) -> list[Outgoing]:
        is_new = event.role not in self.claimed
        self.claimed.add(event.role)
        if event.role != "turn":
            return []
        if is_new:
            return [{"type": "ready"}]
        # Who paused the reply is gone; whoever follows knows nothing of it.
        return self._go_on()

    def _on_speech_started(self, event: SpeechStarted, _: _Moment) -> list[Outgoing]:
        self._measuring.speech_began(event.start_ms)
        return [{"type": "speech_started", "start_ms": event.start_ms}]

    def _on_speech_resumed(self, _: SpeechResumed, __: _Moment) -> list[Outgoing]:
        self._stopwatch.resumed()
        return []

    def _on_draft(self, event: TranscriptDraft, at: _Moment) -> list[Outgoing]:
        self._stopwatch.drafted(event, at.now_s)
        return []

    def _on_final(self, event: TranscriptFinal, at: _Moment) -> list[Outgoing]:
        self._stopwatch.finished(event, at.now_s)
        return [telling.final(event)]

    def _on_turn_started(self, event: TurnStarted, at: _Moment) -> list[Outgoing]:
        self._started = event
        self._timeline = self._stopwatch.start(event, at.now_s)
        return [*telling.turn_started(event)]

    def _on_token(self, event: TokenDelta, at: _Moment) -> list[Outgoing]:
        told: list[Outgoing] = [telling.reply_text(event)]
        if self._medium is Medium.WRITING:
            self._note_words(at)
            told += self._latency(event.turn, at)
        return told

    def _on_clause(self, _: ClauseReady, at: _Moment) -> list[Outgoing]:
        self._note_words(at)
        return []

    def _note_words(self, at: _Moment) -> None:
        if self._timeline is not None and self._timeline.words_s is None:
            self._timeline.words_s = at.came_s

    def _on_audio(self, event: ReplyChunk, at: _Moment) -> list[Outgoing]:
        told: list[Outgoing] = []
        if self._audio_turn != event.turn:
            self._audio_turn = event.turn
            told.append({"type": "audio_start", "turn": event.turn, "sample_rate": event.rate_hz})
            if self._timeline is not None:
                self._timeline.audio_s = at.came_s
        told.append(event.pcm)
        metrics.EDGE_AUDIO_SECONDS.labels(self._kind, "down").inc(
            len(event.pcm) / 2 / event.rate_hz
        )
        return [*told, *self._latency(event.turn, at)]

    def _latency(self, turn: int, at: _Moment) -> list[dict[str, Any]]:
        timeline = self._timeline
        if timeline is None or timeline.is_sent:
            return []
        return [self._measuring.answered(self._started, timeline, turn, at.now_s)]

    def _on_paused(self, event: ReplyPaused, at: _Moment) -> list[Outgoing]:
        if self._paused_turn == event.turn:
            return []
        self._paused_turn = event.turn
        self._measuring.stopped(event.turn, at.now_s)
        return [{"type": "pause", "turn": event.turn}]

    def _on_resumed(self, event: ReplyResumed, _: _Moment) -> list[Outgoing]:
        return self._go_on() if self._paused_turn == event.turn else []

    def _go_on(self) -> list[Outgoing]:
        turn, self._paused_turn = self._paused_turn, 0
        return [{"type": "resume", "turn": turn}] if turn else []

    def _on_cancelled(self, event: TurnCancelled, _: _Moment) -> list[Outgoing]:
        self._paused_turn = 0
        return [{"type": "flush", "turn": event.turn}]

    def _on_turn_ended(self, event: TurnEnded, _: _Moment) -> list[Outgoing]:
        # It may end within its last samples, paused: the client is not to wait for them.
        return [*self._go_on(), telling.turn_ended(event)]

    def _on_nothing_heard(self, _: NothingHeard, __: _Moment) -> list[Outgoing]:
        self._stopwatch.nothing_sent()
        return [{"type": "nothing_heard"}]

    def _on_failure(self, event: Failure, _: _Moment) -> list[Outgoing]:
        metrics.CLIENT_ERRORS.labels(self._kind, event.code).inc()
        return [telling.error(event)]


# Here and not in each session: a session that refers to itself waits for the collector, and with it
# what it holds of replies.
_STEPS: Final[dict[type[Event], Callable[..., list[Outgoing]]]] = {
    Claimed: Downlink._on_claimed,
    SpeechStarted: Downlink._on_speech_started,
    SpeechResumed: Downlink._on_speech_resumed,
    TranscriptPartial: lambda _, event, __: [telling.partial(event)],
    TranscriptDraft: Downlink._on_draft,
    TranscriptFinal: Downlink._on_final,
    TurnStarted: Downlink._on_turn_started,
    TokenDelta: Downlink._on_token,
    ClauseReady: Downlink._on_clause,
    GenerationDone: lambda _, event, __: [telling.reply_done(event)],
    ReplyChunk: Downlink._on_audio,
    ClauseSpoken: lambda _, event, __: [telling.spoken(event)],
    SpeechDone: lambda _, event, __: [telling.audio_complete(event)],
    ReplyPaused: Downlink._on_paused,
    ReplyResumed: Downlink._on_resumed,
    TurnCancelled: Downlink._on_cancelled,
    TurnEnded: Downlink._on_turn_ended,
    HangUp: lambda _, event, __: [telling.hang_up(event)],
    NothingHeard: Downlink._on_nothing_heard,
    Failure: Downlink._on_failure,
}
