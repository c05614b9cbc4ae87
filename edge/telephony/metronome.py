"""One timer for all calls of a process.

Beats stand on an absolute grid: the n-th is due 20 ms times n after the first, however late the
one before it was. A loop that was busy for longer leaves beats out; whoever is called learns the
number of the beat and knows how much time has passed.

Calls are spread over quarters of a beat, so that not all of them send in the same moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from edge.clock import now_s
from edge.telephony.mouth import BEAT_MS
from voicebus import channel_metrics

log: Final = structlog.get_logger()

BEAT_S: Final = BEAT_MS / 1000
PARTS: Final = 4
"""Quarters of a beat."""

_STEP_S: Final = BEAT_S / PARTS
Beat = Callable[[int, float], None]
"""Told of a beat: its number, and the time in seconds. Does not wait."""

Failed = Callable[[Exception], None]
"""Told of what a beat raised, which was the last one. Does not wait, and does not raise."""


class Metronome:
    """Calls everybody on every beat while :meth:`run` runs."""

    def __init__(self) -> None:
        self._parts: tuple[dict[object, tuple[Beat, Failed]], ...] = tuple({} for _ in range(PARTS))
        self._joined = asyncio.Event()

    def join(self, who: object, beat: Beat, failed: Failed) -> None:
        """Be called from now on, in the quarter with the fewest calls."""
        min(self._parts, key=len)[who] = beat, failed
        self._joined.set()

    def leave(self, who: object) -> None:
        """Be called no more."""
        for part in self._parts:
            part.pop(who, None)
        if not any(self._parts):
            self._joined.clear()

    async def run(self) -> None:
        """Beat until cancelled."""
        begun_s = now_s()
        step = 0
        while True:
            if not self._joined.is_set():
                await self._joined.wait()
                step = int((now_s() - begun_s) / _STEP_S)
            step += 1
            due_s = begun_s + step * _STEP_S
            await asyncio.sleep(max(0.0, due_s - now_s()))
            at_s = now_s()
            channel_metrics.TELEPHONY_LATE_SECONDS.observe(max(0.0, at_s - due_s))
            missed = max(0, int((at_s - due_s) / _STEP_S))  # loops count in milliseconds
            # Each quarter has its turn once, however many beats were left out.
            for behind in range(min(missed, PARTS - 1), -1, -1):
                self._strike(step + missed - behind, at_s)
            step += missed
            if missed:
                await asyncio.sleep(0)

    def _strike(self, step: int, at_s: float) -> None:
        beat, part = divmod(step, PARTS)
        for who, (strike, failed) in tuple(self._parts[part].items()):
            try:
                strike(beat, at_s)
            except Exception as err:  # one call's mistake must not silence all others
                log.exception("call.beat_failed")
                self.leave(who)
                failed(err)
