"""The caller's audio in order and without gaps: live from the subject, the rest from the stream."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from schemas.audio import AudioChunk, AudioEnded
from schemas.codec import decode
from schemas.event import Event
from schemas.session import ClientLost, ClientReturned, SessionClosed, SessionOpened
from subjects.catalog import Place, subject_of
from voicebus import metrics
from voicebus.bus.envelope import opened
from voicebus.bus.inbox import Inbox
from voicebus.claim import Claim
from voicebus.contiguous import Audio, Contiguous
from voicebus.errors import BusError

log: Final = structlog.get_logger()

_REPAIR_TRIES: Final = 4
_REPAIR_PAUSE_S: Final = 0.05
"""The stream stores a message within a millisecond of the live hop; a leader's election is longer,
and then the gap is left and counted rather than the session held up."""

STALLED_S: Final = 65.0
"""For how long it is told again and again that no audio comes: longer than any pause is waited out.
"""

_UNREADABLE_S: Final = 1.0
"""For so long a stream that could not be read is not asked again: it may take as long as a question
waits for its answer, and what is live goes on behind it."""

_QUIET_S: Final = 0.2
"""When nothing comes for this long, the stream is read once more. A gap is noticed by the message
after it, and the last message before a silence has none. One that passed before our subscription,
and was stored after our first reading, is found here too."""

_STALL_STEP_S: Final = 0.5

_LOOK_BACK_S: Final = (0, 10, 100, 1_000, 10_000)
"""How much earlier than it should be audio is looked for, before all of a place is read."""


@dataclass(frozen=True, slots=True)
class AudioStalled:
    """No audio has come since the last of it: clients may send none while nobody speaks.

    Attributes:
        seconds: For so long, by the clock.
    """

    seconds: float


@dataclass(frozen=True, slots=True)
class Beginning:
    """Where a session's audio is wanted from.

    Attributes:
        start: Index of the first sample wanted.
        ended: Offset of the last ``AudioEnded`` that was dealt with; -1 when none was.
        since_ns: The first wanted sample was probably stored at this time or later, by the clock of
            the bus; 0 when nobody knows. Who takes an old session over need not read all of it.
        before: Places where the session was before, oldest first.
    """

    start: int = 0
    ended: int = -1
    since_ns: int = 0
    before: Sequence[Place] = ()


async def caller_audio(
    claim: Claim, inbox: Inbox, begun: Beginning
) -> AsyncIterator[AudioChunk | AudioEnded | AudioStalled]:
    """Yield ``AudioChunk`` and ``AudioEnded`` from a sample on, until the session closes.

    In between comes ``AudioStalled``, every half second up to :data:`STALLED_S`, but not while the
    client is lost.

    Args:
        claim: The session.
        inbox: Listens to the session's audio and control subjects, and is in force already: what
            was published before it is read from the stream.
        begun: Where to begin.
    """
    feed = _Feed(claim, begun.start, begun.ended)
    async for event in feed.past(begun):
        yield event
    lull = _Lull()
    arrived: Event | None = await _last_order(claim)
    last = math.inf  # the edge counts downwards; what is stored late may be here late
    while not isinstance(arrived, SessionClosed):
        match arrived:
            case ClientLost() if arrived.seq <= last:
                last = arrived.seq
                lull.bear(_QUIET_S)  # no audio is no silence: nobody knows what the caller does
            case ClientReturned() if arrived.seq <= last:
                last = arrived.seq
                lull.bear(STALLED_S)
            case AudioChunk() | AudioEnded():
                async for ordered in feed.live(arrived):
                    yield ordered
                lull.begin()
            case None if not claim.bus.is_connected:
                lull.begin()  # it is the bus that brings nothing
            case None:
                async for missed in feed.stall(lull.step()):
                    yield missed
        arrived = await _arrival(inbox, lull.due_s)


class _Lull:
    """How long nothing has come, and when that is to be looked at next."""

    def __init__(self) -> None:
        self._clock = asyncio.get_running_loop().time
        self._borne_s = STALLED_S
        self.begin()

    @property
    def due_s(self) -> float | None:
        return self._begun_s + self._length_s if self._length_s <= self._borne_s else None

    def begin(self) -> None:
        self._begun_s, self._steps = self._clock(), 0

    def bear(self, seconds: float) -> None:
        """Look at it for so long, from now on."""
        self._borne_s = seconds
        self.begin()

    def step(self) -> float:
        """Return for how long it has lasted."""
        length_s = self._length_s
        self._steps += 1
        return length_s

    @property
    def _length_s(self) -> float:
        return self._steps * _STALL_STEP_S or _QUIET_S


async def _arrival(inbox: Inbox, due_s: float | None) -> Event | None:
    """Return the next message; None when there is none by then."""
    try:
        async with asyncio.timeout_at(due_s):
            return (await inbox.next())[1]
    except TimeoutError:
        return None
    except StopAsyncIteration:
        return SessionClosed()


async def _last_order(claim: Claim) -> Event:
    """Return what was said last of whether the client is there."""
    order: Event = SessionOpened()
    async for message in claim.bus.read("SESSION", claim.subject(SessionClosed)):
        event = opened(message.subject, message.payload)
        if isinstance(event, ClientLost | ClientReturned | SessionClosed):
            order = event
    return order


class _Feed:
    def __init__(self, claim: Claim, start: int, ended: int) -> None:
        self._claim = claim
        self._sequence = 1
        self._order = Contiguous(start, ended)
        self._clock = asyncio.get_running_loop().time
        self._readable_s = 0.0

    async def live(self, event: Audio) -> AsyncIterator[Audio]:
        """Yield a live message after what is missing before it; nothing, if it is known."""
        for ordered in self._order.take(event):
            yield ordered
        if self._order.missing:
            async for repaired in self._tried():
                yield repaired

    async def stall(self, seconds: float) -> AsyncIterator[Audio | AudioStalled]:
        """Yield what was missed, or tell that nothing comes."""
        if seconds < _STALL_STEP_S or self._order.missing:
            async for missed in self._tried():
                yield missed
        if seconds >= _STALL_STEP_S:
            yield AudioStalled(seconds)

    async def past(self, begun: Beginning) -> AsyncIterator[Audio]:
        """Yield what is stored already, wherever the session was."""
        for place in await self._needed(begun.before):
            self._sequence = await self._skipped(place, begun.since_ns)
            async for event in self._stored(place):
                yield event
        self._sequence = await self._skipped(self._claim.place, begun.since_ns)
        async for event in self._repair():
            yield event

    async def _tried(self) -> AsyncIterator[Audio]:
        """Yield what :meth:`_repair` does, if the stream can be read; else it is tried again."""
        if self._clock() < self._readable_s:
            return
        try:
            async for event in self._repair():
                yield event
        except BusError as error:  # what follows the gap waits, the session goes on
            self._readable_s = self._clock() + _UNREADABLE_S
            log.warning("audio.unreadable", missing=self._order.missing, error=str(error))

    async def _repair(self) -> AsyncIterator[Audio]:
        """Yield what the stream has that we have not, and silence for what it has not either."""
        was_missing = self._order.missing
        for attempt in range(_REPAIR_TRIES):
            if attempt:
                await asyncio.sleep(_REPAIR_PAUSE_S)
            async for event in self._stored(self._claim.place):
                yield event
            if not self._order.missing:
                if was_missing:
                    metrics.AUDIO_GAPS.labels("repaired").inc()
                return
        while self._order.missing:
            metrics.AUDIO_GAPS.labels("lost").inc()
            log.warning("audio.gap_lost", missing=self._order.missing)
            for bridged in self._order.bridge():
                yield bridged

    async def _needed(self, before: Sequence[Place]) -> Sequence[Place]:
        """Return the former places that hold what is wanted: audio goes on where it left one."""
        places = [*before, self._claim.place]
        for index in range(len(before), 0, -1):
            if await self._found(places[index], 1) is not None:
                return before[index:]
        return before

    async def _skipped(self, place: Place, since_ns: int) -> int:
        """Return where to begin to read, if what is wanted was stored at a time or soon before."""
        if since_ns:
            for back_s in _LOOK_BACK_S:
                found = await self._found(place, max(1, since_ns - back_s * 1_000_000_000))
                if found is not None:
                    return found
        return 1

    async def _found(self, place: Place, since_ns: int) -> int | None:
        """Return the first message since a time, unless what is wanted is older or nowhere."""
        first = await self._claim.bus.first("AUDIO", subject_of(AudioChunk, place), since_ns)
        if first is not None:
            match decode(first.payload):
                case AudioChunk() | AudioEnded() as event if event.offset <= self._order.position:
                    return first.sequence
        return None

    async def _stored(self, place: Place) -> AsyncIterator[Audio]:
        """Yield what the stream has of a place and was not read yet."""
        subject = subject_of(AudioChunk, place)
        async for message in self._claim.bus.read("AUDIO", subject, sequence=self._sequence):
            self._sequence = message.sequence + 1
            match event := decode(message.payload):
                case AudioChunk() | AudioEnded():
                    for ordered in self._order.take(event):
                        yield ordered
