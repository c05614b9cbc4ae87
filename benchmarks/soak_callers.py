"""Callers who do what people do: talk, interrupt, type, lose their connection, and leave."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Final

import numpy as np
from msgspec import Struct

from benchmarks.recordings import Recording
from benchmarks.relay import Relay, relay
from voicebus.caller import RATE_HZ, Caller, call
from voicebus.errors import VoicebusError
from voicebus.exchange import TurnHeard

DEEDS: Final = ("talk", "talk", "talk", "interrupt", "type", "cut", "leave")
"""What is drawn from: people mostly talk."""

_WAIT_S: Final = 45.0
_MOST_DEEDS: Final = 5
_PAUSES_S: Final = (0.2, 2.0)
_BETWEEN_S: Final = (0.0, 3.0)
_LISTENS_S: Final = (1.5, 3.0)
_CUT_WITHIN_S: Final = 5.0
_TEXT: Final = "What do you know of the sea?"


class Deed(Struct, frozen=True, kw_only=True, tag="deed"):
    """What a caller did.

    Fields
        caller: Which of the callers.
        session: Its session.
        deed: One of ``DEEDS``.
        at_s: When it began, in seconds of the run.
        turns: How many turns it was answered with.
        error: What went wrong; empty if nothing did.
    """

    caller: int
    session: str
    deed: str
    at_s: float
    turns: int = 0
    error: str = ""


class Guest:
    """One caller after the other on one line.

    Args:
        index: Which line.
        spoken: What may be said.
        seed: Of what they do.

    Attributes:
        deeds: What they did.
    """

    def __init__(self, index: int, spoken: Sequence[Recording], seed: str) -> None:
        self.deeds: list[Deed] = []
        self._index = index
        self._spoken = spoken
        self._chance = Random(seed)
        self._begun_s = time.perf_counter()

    async def call_until(self, url: str, is_over: Callable[[], bool]) -> None:
        """Call, and call again, until it is over; whoever talks then finishes.

        Args:
            url: Address of /ws.
            is_over: Whether it is.
        """
        async with relay(url) as line:
            while not is_over():
                await asyncio.sleep(self._chance.uniform(*_BETWEEN_S))
                await self._one_call(line, is_over)

    async def _one_call(self, line: Relay, is_over: Callable[[], bool]) -> None:
        at_s, session = self._now_s(), ""
        try:
            async with call(line.url, wait_s=_WAIT_S) as caller:
                session = caller.session_id
                for _ in range(self._chance.randint(1, _MOST_DEEDS)):
                    if is_over():
                        return
                    await asyncio.sleep(self._chance.uniform(*_PAUSES_S))
                    at_s, deed = self._now_s(), self._chance.choice(DEEDS)
                    heard = await self._do(deed, caller, line)
                    self._note(session, deed, at_s, heard)
                    if deed == "leave":
                        return
        except* VoicebusError as group:
            said = str(group.exceptions[0]) or type(group.exceptions[0]).__name__
            self.deeds.append(
                Deed(caller=self._index, session=session, deed="call", at_s=at_s, error=said)
            )

    async def _do(self, deed: str, caller: Caller, line: Relay) -> TurnHeard | None:
        recording = self._chance.choice(self._spoken)
        match deed:
            case "interrupt":
                listened = np.zeros(int(self._chance.uniform(*_LISTENS_S) * RATE_HZ), np.int16)
                other = self._chance.choice(self._spoken)
                said = np.concatenate([recording.samples, listened, other.samples])
                return await caller.speak(said)
            case "type":
                return await caller.type_text(_TEXT)
            case "cut":
                loop = asyncio.get_running_loop()
                cut = loop.call_later(self._chance.uniform(0.0, _CUT_WITHIN_S), line.cut)
                try:
                    return await caller.speak(recording.samples)
                finally:
                    cut.cancel()
            case "leave":
                return await _at_most(
                    self._chance.uniform(0.0, _CUT_WITHIN_S), caller.speak(recording.samples)
                )
            case _:
                return await caller.speak(recording.samples)

    def _note(self, session: str, deed: str, at_s: float, heard: TurnHeard | None) -> None:
        error = ""
        if heard is not None:
            # Who interrupts may be answered once or twice; who is not answered at all has failed.
            error = "; ".join(heard.errors) or ("" if heard.reply else "no answer")
        self.deeds.append(
            Deed(
                caller=self._index,
                session=session,
                deed=deed,
                at_s=at_s,
                turns=heard.turns if heard is not None else 0,
                error=error,
            )
        )

    def _now_s(self) -> float:
        return time.perf_counter() - self._begun_s


async def _at_most(seconds: float, speaking: Awaitable[TurnHeard]) -> TurnHeard | None:
    """Speak for a while; None where the caller left before it was answered."""
    try:
        async with asyncio.timeout(seconds):
            return await speaking
    except TimeoutError:
        return None
