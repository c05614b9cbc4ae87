"""What becomes of turns, drafts and interruptions, for the metrics: read off what is published."""

from __future__ import annotations

from typing import Final

import structlog

from schemas.event import Event
from schemas.llm import GenerateRequest
from schemas.turn import ReplyPaused, ReplyResumed, TurnCancelled, TurnEnded, TurnStarted
from voicebus import metrics

log: Final = structlog.get_logger()


class Tally:
    """Counts for one session."""

    def __init__(self) -> None:
        self._started = 0
        self._is_paused = False

    def note(self, event: Event) -> None:
        """Take note of a message that is published."""
        match event:
            case GenerateRequest() if event.speculative:
                metrics.SPECULATIONS.labels("begun").inc()
            case TurnStarted():
                self._started = event.turn
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
                log.info("turn.ended", turn=event.turn, outcome=event.outcome)

    def _interrupted(self, outcome: str) -> None:
        if self._is_paused:
            metrics.INTERRUPTIONS.labels(outcome).inc()
        self._is_paused = False
