"""What a turn's speaker knows: the clauses to say, how much was heard, and whether it may be."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from typing import Final

import structlog

from schemas.codec import decode
from schemas.event import Event
from schemas.llm import ClauseReady
from schemas.session import Played
from schemas.tts import SpeakRequest
from schemas.turn import TurnStarted
from voicebus.bus.inbox import Inbox
from voicebus.claim import Claim
from voicebus.errors import BusError
from voicebus.release import is_released, releases

log: Final = structlog.get_logger()

HEARD: Final = (ClauseReady, Played, TurnStarted)
"""What a script listens to."""

QUIET_S: Final = 0.5
"""When a clause that is due does not come for this long, the log is read once more: it may have
passed before our subscription and been stored after our first reading."""

_QUIET_LONGEST_S: Final = 8.0

RELEASED_LATEST_S: Final = 5.0
"""No turn is held for longer. Whoever cannot see its beginning, because it is not recorded, takes
the audio as heard from here on."""


class Script:
    """Follows one turn. Reads its inbox only while somebody waits for something.

    Args:
        claim: The turn.
        request: What is to be spoken.
        inbox: Listens to :data:`HEARD`, and is in force already.

    Attributes:
        played_ms: How much of the turn's audio was heard, as far as somebody said so.
    """

    def __init__(self, claim: Claim, request: SpeakRequest, inbox: Inbox) -> None:
        self._claim = claim
        self._request = request
        self._inbox = inbox
        self._waiting: dict[int, ClauseReady] = {}
        self._due = 0
        self._sequence = 0
        self._begun_s = time.monotonic()
        self._released_s: float | None = None
        self._looks_s = 0.0
        self.played_ms = 0

    async def clauses(self) -> AsyncIterator[ClauseReady]:
        """Yield the turn's clauses in order: those before our claim from the log, then live."""
        if not self._sequence:
            await self._read_again()
        while True:
            clause = await self._due_clause()
            self._due += 1
            yield clause
            if clause.last:
                return

    async def is_slow(self, after_s: float) -> bool:
        """Wait for the first clause; say whether it has not come for as long.

        The time counts from where somebody waits to hear it: a speculative turn's from its release.
        """
        await self._read_again()
        while self._due not in self._waiting:
            wait_s = QUIET_S
            since_s = await self.released_s()
            if since_s is not None:
                wait_s = since_s + after_s - time.monotonic()
                if wait_s <= 0:
                    return True
            if not await self._next(min(wait_s, QUIET_S)):
                await self._read_again()
        return False

    async def room(self, made_ms: float, first_s: float) -> None:
        """Wait until synthesis is no longer too far ahead of playback.

        Args:
            made_ms: How much audio there is.
            first_s: When the first of it was published.
        """
        ahead_ms = self._request.ahead_s * 1000
        if not ahead_ms or made_ms <= ahead_ms:
            return
        while (over_ms := made_ms - await self._heard_ms(first_s) - ahead_ms) > 0:
            await self._next(min(over_ms / 1000, QUIET_S))

    async def released_s(self) -> float | None:
        """Return since when the turn may be heard, by our clock; None while it may not."""
        if self._released_s is None and time.monotonic() >= self._looks_s:
            is_there = await is_released(self._claim)
            self._looks_s = time.monotonic() + QUIET_S if is_there is None else math.inf
            if is_there:
                self._released_s = self._begun_s
        if self._released_s is None and time.monotonic() > self._begun_s + RELEASED_LATEST_S:
            self._released_s = time.monotonic()
        return self._released_s

    async def unheard_ms(self, made_ms: float, first_s: float) -> float:
        """Return how much of what was made nobody has heard, should it stop now."""
        while len(self._inbox):
            await self._next(QUIET_S)
        return max(0.0, made_ms - await self._heard_ms(first_s))

    async def _due_clause(self) -> ClauseReady:
        """Wait for the clause that is due; look for it in the log, ever more seldom."""
        quiet_s = QUIET_S
        again_s = time.monotonic() + quiet_s
        while (clause := self._waiting.pop(self._due, None)) is None:
            wait_s = again_s - time.monotonic()
            if wait_s > 0:
                await self._next(wait_s)
                continue
            await self._read_again()
            quiet_s = min(2 * quiet_s, _QUIET_LONGEST_S)
            again_s = time.monotonic() + quiet_s
        return clause

    async def _heard_ms(self, first_s: float) -> float:
        """Return how much was heard: as we were told, or as the clock says, which runs on."""
        since_s = await self.released_s()
        if since_s is None or not first_s:
            return self.played_ms
        return max(self.played_ms, (time.monotonic() - max(since_s, first_s)) * 1000)

    async def _next(self, wait_s: float) -> bool:
        """Take in one message; return False when none comes in time."""
        try:
            async with asyncio.timeout(wait_s):
                _, event = await self._inbox.next()
        except TimeoutError:
            return False
        self._take(event)
        return True

    def _take(self, event: Event) -> None:
        match event:
            case ClauseReady():
                ours = (event.turn, event.revision) == (self._request.turn, self._request.revision)
                # Of two workers that wrote it, the later one owns the turn.
                known = self._waiting.get(event.seq)
                is_newer = known is None or event.epoch >= known.epoch
                if ours and event.seq >= self._due and is_newer:
                    self._waiting[event.seq] = event
            case Played() if event.turn == self._request.turn:
                self.played_ms = max(self.played_ms, event.played_ms)
                self._released_s = self._released_s or time.monotonic()
            case TurnStarted() if releases(event, self._request):
                self._released_s = self._released_s or time.monotonic()

    async def _read_log(self) -> None:
        if self._sequence:
            subject = self._claim.subject(ClauseReady)
            past = self._claim.bus.read("SESSION", subject, sequence=self._sequence)
        else:
            past = self._claim.past(ClauseReady)
        async for message in past:
            self._sequence = message.sequence + 1
            self._take(decode(message.payload))

    async def _read_again(self) -> None:
        try:
            await self._read_log()
        except BusError as error:  # while a leader is elected; the live path may go on meanwhile
            log.warning("log.unreadable", error=str(error))
