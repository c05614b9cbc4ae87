"""What all sessions of a worker share: the loaded models and what is known of their pace."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final

import structlog

from services.stt.endpointing import EndpointingSettings
from services.stt.engine import Recognition
from services.stt.hallucination import judge
from services.stt.lane import VadLane
from services.stt.pace import Pace
from services.stt.scheduler import Scheduler
from services.stt.streaming import StreamLane
from services.stt.turn_lane import TurnLane
from voicebus import metrics
from voicebus.engine_thread import Hang

log: Final = structlog.get_logger()


@dataclass(slots=True, frozen=True)
class Ears:
    """What all sessions of a worker share.

    Attributes:
        scheduler: The one loaded model.
        lane: Voice detection.
        turns: Judge of ends of turns; without one, only pauses and words say it.
        endpointing: When an utterance ends where nobody judges turns.
        pace: How long finals take here.
        engine: Name of the engine, for metrics.
        model: Name of its model.
        synthetic: True when texts do not come from the audio.
        quick: Hears speech as it goes on, for partials; without it the model makes them.
        quick_settles: Whether that is the same model.
        speaking: The sessions in which somebody speaks now.
    """

    scheduler: Scheduler
    lane: VadLane
    turns: TurnLane | None
    endpointing: EndpointingSettings
    pace: Pace
    engine: str
    model: str
    synthetic: bool
    quick: StreamLane | None = None
    quick_settles: bool = False
    speaking: set[Hashable] = field(default_factory=set)

    def stuck(self, since_s: float) -> Hang | None:
        """Return the first call that hangs: see :class:`voicebus.engine_thread.EngineThread`."""
        lanes = (self.scheduler, self.lane, self.turns, self.quick)
        return next((hang for lane in lanes if lane and (hang := lane.stuck(since_s))), None)

    def words_in(self, recognition: Recognition, speech_ms: int) -> str:
        """Return the text of a recognition if it was said, else nothing.

        Args:
            recognition: What the engine understood.
            speech_ms: How much speech voice detection found in the same audio.
        """
        if self.synthetic:
            return recognition.text
        verdict = judge(recognition, speech_ms)
        if verdict == "keep":
            return recognition.text
        metrics.STT_HALLUCINATIONS.inc()
        log.info("stt.text_dropped", verdict=verdict)
        return ""

    async def start(self) -> None:
        """Load and warm what needs it.

        Raises:
            EngineError: The engine cannot start.
        """
        await self.scheduler.start()
        if self.quick is not None:
            await self.quick.start()

    async def close(self) -> None:
        """Stop all threads; what waits fails."""
        await self.scheduler.close()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.lane.close())
            if self.turns is not None:
                group.create_task(self.turns.close())
            if self.quick is not None:
                group.create_task(self.quick.close())
