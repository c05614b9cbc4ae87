"""What becomes of turns, drafts and interruptions, for the metrics: read off what is published."""

from __future__ import annotations

from typing import Final

import structlog

from schemas.event import Event
from schemas.llm import GenerateRequest, SummaryMade
from schemas.tts import ClauseSpoken, SpeechDone
from schemas.turn import ReplyPaused, ReplyResumed, TurnCancelled, TurnEnded, TurnStarted
from voicebus import metrics

log: Final = structlog.get_logger()


class Tally:
    """Counts for one session."""

    def __init__(self) -> None:
        self._started = 0
        self._is_paused = False
        self._made_ms = (0, 0.0)

    def note(self, event: Event) -> None:
        """Take note of a message that is published."""
        match event:
            case GenerateRequest() if event.speculative:
                metrics.SPECULATIONS.labels("begun").inc()
            case TurnStarted():
                self._started = event.turn
                if event.text and event.said:
                    metrics.INSTANT_ANSWERS.inc()
                if event.speculated:
                    metrics.SPECULATIONS.labels("used").inc()
            case TurnCancelled() if event.turn > self._started:
                metrics.SPECULATIONS.labels("wasted").inc()
            case TurnCancelled():
                self._interrupted("confirmed")
            case ReplyPaused():
                self._is_paused = True
            case ReplyResumed():
                self._interrupted("false")
            case TurnEnded():
                metrics.TURNS.labels(event.outcome).inc()
                self._heard(event)
                log.info("turn.ended", turn=event.turn, outcome=event.outcome)

    def spoken(self, event: Event) -> None:
        """Take note of how long a reply's audio is, and of summaries."""
        match event:
            case SummaryMade():
                metrics.SUMMARIES.labels("failed" if event.error else "made").inc()
            case ClauseSpoken():
                self._made_ms = (event.turn, event.end_ms)
            case SpeechDone():
                self._made_ms = (event.turn, event.samples * 1000 / event.rate_hz)

    def _heard(self, ended: TurnEnded) -> None:
        turn, made_ms = self._made_ms
        if turn == ended.turn and ended.heard_ms >= 0 and made_ms > 0:
            metrics.HEARD_RATIO.observe(min(1.0, ended.heard_ms / made_ms))

    def _interrupted(self, outcome: str) -> None:
        if self._is_paused:
            metrics.INTERRUPTIONS.labels(outcome).inc()
        self._is_paused = False
