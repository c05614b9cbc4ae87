"""Many callers at once: they come one after the other, talk, and are gone at the end."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from voicebus.caller import Caller, call
from voicebus.errors import VoicebusError
from voicebus.load.profile import Profile
from voicebus.load.tally import Tally

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

GRACE_S: Final = 30.0
"""How long after the end a turn may still be answered."""

_AGAIN_S: Final = 2.0
"""After how long who was turned away calls again, unless it was told."""

_QUIET_S: Final = 1.0


class Load(Struct, frozen=True, kw_only=True):
    """What is asked of a system.

    Fields
        url: Address of ``/ws``.
        sessions: How many callers there are at once.
        seconds: For how long.
        ramp_s: Time in which they come.
        profile: How they behave.
        recordings: What they say: mono samples at 16 kHz.
        key: API key, where the system wants one.
        seed: Of what is left to chance: who says what, and how long pauses are.
    """

    url: str
    sessions: int
    seconds: float
    ramp_s: float
    profile: Profile
    recordings: Sequence[NDArray[np.int16]]
    key: str = ""
    seed: int = 1


class Callers:
    """The callers of a load.

    Args:
        load: What they do.
    """

    def __init__(self, load: Load) -> None:
        self._load = load
        self.began_s = time.perf_counter()
        self._until_s = self.began_s + load.seconds
        self.tally = Tally(self.began_s + load.ramp_s)

    @property
    def left_s(self) -> float:
        """How much of the time is left."""
        return max(0.0, self._until_s - time.perf_counter())

    async def run(self) -> None:
        """Have them all call; returns soon after the time is over, whatever the system does."""
        tasks = {asyncio.create_task(self._one(index)) for index in range(self._load.sessions)}
        try:
            done, late = await asyncio.wait(tasks, timeout=self.left_s + GRACE_S)
            self.tally.unfinished = len(late)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        for task in done:
            task.result()  # a bug of ours is told

    async def _one(self, index: int) -> None:
        """Call, and call again after the line was lost, until the time is over."""
        chance = random.Random(f"{self._load.seed}-{index}")
        await asyncio.sleep(index / self._load.sessions * self._load.ramp_s)
        while self.left_s:
            pause_s = 0.0
            try:
                await self._session(chance)
            except* VoicebusError as group:
                error = _errors(group)[0]
                self.tally.failed(error.code)
                pause_s = error.retry_after_s or _AGAIN_S
            await asyncio.sleep(min(pause_s, self.left_s))

    async def _session(self, chance: random.Random) -> None:
        load, tally = self._load, self.tally
        async with call(load.url, key=load.key, observe=tally.told) as caller:
            tally.opened += 1
            tally.open += 1
            try:
                turns = 0
                while self.left_s and (not load.profile.turns or turns < load.profile.turns):
                    await self._turn(caller, chance)
                    turns += 1
            finally:
                tally.open -= 1

    async def _turn(self, caller: Caller, chance: random.Random) -> None:
        profile, tally = self._load.profile, self.tally
        if not profile.speaks:
            tally.lag(1000 * await caller.keep_quiet(min(_QUIET_S, self.left_s)))
            return
        began_s = time.perf_counter()
        heard = await caller.speak(chance.choice(self._load.recordings))
        now_s = time.perf_counter()
        tally.heard(heard, began_s, now_s)
        quiet_s = chance.uniform(*profile.pause_s)
        if profile.listens and heard.arrivals:
            quiet_s += max(0.0, heard.arrivals[0][1] + heard.audio_seconds - now_s)
        if quiet_s and self.left_s:
            tally.lag(1000 * await caller.keep_quiet(min(quiet_s, self.left_s)))


def _errors(group: BaseExceptionGroup[VoicebusError]) -> list[VoicebusError]:
    found: list[VoicebusError] = []
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            found += _errors(error)
        else:
            found.append(error)
    return found
