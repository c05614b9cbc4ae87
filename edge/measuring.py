"""What an edge measures of its callers' turns, by its own clock; the same at every edge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from edge import telling
from edge.timeline import AudioClock, Timeline
from schemas.turn import TurnStarted
from voicebus import metrics

Responded: TypeAlias = Callable[
    [TurnStarted, Mapping[str, tuple[float, float]]], dict[str, str] | None
]


def untraced(_: TurnStarted, __: Mapping[str, tuple[float, float]]) -> None:
    """Nobody traces."""


class Measuring:
    """The measurements of one session.

    Args:
        clock: When the caller's audio arrived.
        kind: The edge's kind, for metrics.
        responded: Told when the first sound of an answer leaves; see
            :meth:`voicebus.tracing.tracing.Tracer.responded`.
    """

    def __init__(self, clock: AudioClock, kind: str, responded: Responded = untraced) -> None:
        self._clock = clock
        self._kind = kind
        self._responded = responded
        self._speech_s: float | None = None
        self._answer: tuple[int, dict[str, str] | None] = (0, None)

    def speech_began(self, start_ms: int) -> None:
        """The caller speaks, since this audio time."""
        self._speech_s = self._clock.at(start_ms)

    def stopped(self, turn: int, now_s: float) -> None:
        """The client is told to stop: so long has a caller who interrupts waited for silence.

        Of one beginning of speech only the first counts.

        Args:
            turn: Whose answer is interrupted.
            now_s: The moment.
        """
        begun_s, self._speech_s = self._speech_s, None
        if begun_s is not None:
            answered, exemplar = self._answer
            metrics.BARGE_IN_STOP_SECONDS.labels(self._kind).observe(
                now_s - begun_s, exemplar if answered == turn else None
            )

    def answered(
        self, started: TurnStarted | None, timeline: Timeline, turn: int, now_s: float
    ) -> dict[str, Any]:
        """The first sound of an answer leaves, or its first words; return where the time went.

        Args:
            started: What it answers, if that is known.
            timeline: Its moments.
            turn: Its number.
            now_s: The moment.
        """
        timeline.is_sent = True
        told = telling.latency(timeline, turn, now_s)
        stages = {stage["name"]: (stage["start_ms"], stage["end_ms"]) for stage in told["stages"]}
        response_ms = told["response_ms"]
        exemplar = None
        if started is not None:
            exemplar = self._responded(started, {"": (0.0, response_ms), **stages})
        self._answer = (turn, exemplar)
        metrics.RESPONSE_SECONDS.labels(self._kind).observe(response_ms / 1000, exemplar)
        for name, (start_ms, end_ms) in stages.items():
            metrics.STAGE_SECONDS.labels(name).observe((end_ms - start_ms) / 1000, exemplar)
        return told
