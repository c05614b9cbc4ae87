"""What happens in a session, each message once: live, and from the log what the live path lost."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Final

import structlog
from msgspec import Struct

from schemas.codec import decode
from schemas.event import Event
from schemas.failure import Failure
from schemas.llm import SummaryMade
from schemas.session import ClientLost, ClientReturned, SessionClosed, UserText
from schemas.stt import AudioConsumed, TranscriptFinal
from schemas.tool import CallsAsked, ToolDone
from schemas.turn import HangUp, NothingHeard, TurnCancelled, TurnEnded, TurnStarted
from services.turn.numbers import CONTROLS, Numbers
from services.turn.reply import MADE
from subjects.catalog import session_log
from voicebus.bus.inbox import Inbox
from voicebus.claim import Claim
from voicebus.errors import BusError
from voicebus.origins import Origin, counted
from voicebus.owners import Owners

log: Final = structlog.get_logger()

DECIDED: Final = (TurnStarted, TurnEnded, NothingHeard, HangUp)
"""What turn workers write."""

_OUTCOMES: Final = (
    *(UserText, TranscriptFinal, TurnStarted, TurnCancelled, Failure),
    *(CallsAsked, ToolDone, SummaryMade),
)
"""One of each subject that says what became of turns, not what their replies were made of; calls
and what came of them stay in the chat, and summaries stand for a part of it."""

_MADE: Final = (*MADE, Failure)
_NEWS: Final = (*CONTROLS, SessionClosed, TranscriptFinal, AudioConsumed, SummaryMade, *_MADE)

QUIET_S: Final = 1.0
"""When nothing comes for this long and something is waited for, the log is read once more: what was
lost on the live path, because the bus or our connection to it broke, was stored all the same."""

_QUIET_LONGEST_S: Final = 8.0

_SETTLED_S: Final = 0.25
"""In a cluster a message is heard a moment before it can be read. One that passed before our
subscription, and could not be read yet when we first read the log, is looked for after this."""


class Past(Struct, frozen=True):
    """A message of the log.

    Fields
        event: The message.
        stored_ns: When it was stored, by the clock of the bus.
    """

    event: Event
    stored_ns: int


class Arrivals:
    """The messages of one session, for the one who leads it. A context: it hears of reconnections.

    Args:
        claim: The session.
        inbox: Listens to it, and is in force already.
    """

    def __init__(self, claim: Claim, inbox: Inbox) -> None:
        self._claim = claim
        self._inbox = inbox
        self._numbers = Numbers()
        self._owners = Owners()
        self._found: deque[Event] = deque()
        self._clock = asyncio.get_running_loop().time
        self._quiet_from_s = self._clock()
        self._quiet_s = _SETTLED_S
        self._is_doubtful, self._doubt_s = True, 2 * QUIET_S
        self._waiting: asyncio.Timeout | None = None
        place = claim.place
        self._next = dict.fromkeys(session_log(place.cell, place.session, place.edge), 1)

    async def __aenter__(self) -> Arrivals:
        self._claim.bus.on_reconnect.append(self._reconnected)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._claim.bus.on_reconnect.remove(self._reconnected)

    async def before(self, former: Sequence[Origin]) -> list[Past]:
        """Return what counts of the places where the session was before, oldest first.

        Raises:
            BusError: It cannot be read.
        """
        past: list[Past] = []
        for number, origin in enumerate(former, 1):
            # A reply that was still told when the session moved on was told again where it went.
            kinds = _OUTCOMES if number < len(former) else ()
            for message in await counted(self._claim.bus, origin, *kinds):
                event = decode(message.payload)
                if isinstance(event, ClientLost | ClientReturned):
                    continue  # of a line that is no more: who came here is there
                if self._numbers.is_new(event):
                    past.append(Past(event, message.stored_ns))
            self._numbers.move()
        return past

    async def past(self) -> list[Past]:
        """Return what the log has and nobody has read yet, oldest first.

        Raises:
            BusError: It cannot be read.
        """
        news = []
        for subject, first in self._next.items():
            async for message in self._claim.bus.read("SESSION", subject, sequence=first):
                news.append(message)
                self._next[subject] = message.sequence + 1
        news.sort(key=lambda message: message.sequence)
        past = [Past(decode(message.payload), message.stored_ns) for message in news]
        return [known for known in past if self._numbers.is_new(known.event)]

    async def next(self, due_s: float | None, *, is_owed: bool) -> Event | None:
        """Wait for the next message.

        Args:
            due_s: Until then, by the loop's clock; None for as long as it takes.
            is_owed: Whether something has to come, sooner or later.

        Returns:
            The message; None when none has come by then.
        """
        while not self._found:
            looks_s = self._quiet_from_s + self._quiet_s if is_owed or self._is_doubtful else None
            try:
                async with asyncio.timeout_at(_earliest(due_s, looks_s)) as self._waiting:
                    _, event = await self._inbox.next()
            except TimeoutError:
                if due_s is not None and self._clock() >= due_s:
                    return None
                await self._look()
                continue
            finally:
                self._waiting = None
            if not self._is_doubtful:
                self._quiet_from_s, self._quiet_s = self._clock(), QUIET_S
            if self._is_news(event):
                return event
        return self._found.popleft()

    def _is_news(self, event: Event) -> bool:
        if self._is_formers(event):
            return False
        is_ours = isinstance(event, Failure) and event.stage == "turn"
        return is_ours or (not self._owners.is_outdated(event) and self._numbers.is_new(event))

    def _is_formers(self, event: Event) -> bool:
        """Whether it is what a turn worker before us says of a failure: it knows less."""
        is_turns = isinstance(event, Failure) and event.stage == "turn"
        return is_turns and event.epoch < self._claim.epoch

    async def _look(self) -> None:
        try:
            found = [known.event for known in await self.past()]
        except BusError as error:  # while there is no leader; the live path may go on meanwhile
            log.warning("log.unreadable", error=str(error))
        else:
            news = (event for event in found if isinstance(event, _NEWS))
            self._found.extend(event for event in news if not self._is_formers(event))
            if self._quiet_s * 2 >= self._doubt_s:
                self._is_doubtful = False
        self._quiet_from_s = self._clock()
        self._quiet_s = min(max(QUIET_S, 2 * self._quiet_s), _QUIET_LONGEST_S)

    def _reconnected(self) -> None:
        """Look at once, and some times more: others may be back later than we are."""
        self._quiet_from_s, self._quiet_s = self._clock(), 0.0
        self._is_doubtful, self._doubt_s = True, _QUIET_LONGEST_S
        if self._waiting is not None and not self._waiting.expired():
            self._waiting.reschedule(self._clock())


def _earliest(*times_s: float | None) -> float | None:
    return min((time_s for time_s in times_s if time_s is not None), default=None)


def aged(past: Sequence[Past]) -> Iterator[tuple[Event, float]]:
    """Yield what the log tells in the order in which it counts, and its age in milliseconds.

    What was made for a draft was stored before its turn was said to have begun: it comes after
    that. Ages count from the newest message, because our clock may differ from that of the bus.
    """
    early: list[Past] = []
    begun = 0
    for known in past:
        if isinstance(known.event, _MADE) and known.event.turn > begun:
            early.append(known)
            continue
        yield known.event, (past[-1].stored_ns - known.stored_ns) / 1e6
        if isinstance(known.event, TurnStarted):
            begun = known.event.turn
            for made in early:
                yield made.event, (past[-1].stored_ns - made.stored_ns) / 1e6
            early.clear()
