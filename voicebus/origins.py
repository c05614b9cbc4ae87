"""Where a session was before: its client came back to another edge, and it went on there.

Each place has a log of its own, because an edge can write under its own name only. Two messages tie
them together. Both are written by turn workers alone, so they can be believed::

    former place                                 new place
    … ──SessionMoved(edge, session)──┐           Resumed(edge, session) ── …
      what follows counts no more    └──────────────────┘
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

import structlog
from msgspec import Struct

from schemas.audio import AudioChunk, AudioEnded
from schemas.codec import decode
from schemas.event import Event
from schemas.llm import ClauseReady
from schemas.session import CancelAsked, KeysPressed, TurnTakingSet, UserText
from schemas.tts import ReplyChunk
from schemas.turn import Resumed, SessionMoved
from subjects.catalog import Place, place_of, session_log, subject_of
from voicebus.bus.client import Bus
from voicebus.bus.replay import Recorded
from voicebus.claim import Claim
from voicebus.errors import BusTimeout

log: Final = structlog.get_logger()

CLIENTS: Final = (UserText, KeysPressed, CancelAsked, TurnTakingSet, AudioChunk, AudioEnded)
"""What the client said itself: it counts, whatever became of its edge."""

_TRIES: Final = 100
_PAUSE_S: Final = 0.05
"""A replica of the stream may not have yet what another one has."""

_FILLER_NS: Final = 60_000_000_000
"""More than anything is spoken before the first words of a reply are written."""


class Origin(Struct, frozen=True):
    """A place where the session was.

    Fields
        place: The place.
        until: From this stream sequence on nothing counts that workers wrote.
        end: Stream sequence at which the session left it.
    """

    place: Place
    until: int
    end: int


async def departure(bus: Bus, place: Place) -> tuple[Place, Origin] | None:
    """Return where a session went from a place, and what counts of it there; None: it is there.

    Raises:
        BusError: The log cannot be read.
    """
    async for message in bus.read("SESSION", subject_of(SessionMoved, place)):
        if isinstance(moved := decode(message.payload), SessionMoved):
            origin = Origin(place, moved.until or message.sequence, message.sequence)
            return Place(place.cell, moved.edge, moved.session), origin
    return None


async def origins(bus: Bus, place: Place, *, awaited: bool = False) -> list[Origin]:
    """Return the places where a session was before, oldest first.

    Args:
        bus: The connection.
        place: Where it is now.
        awaited: There has to be one; the log may not show it yet.

    Raises:
        BusError: The log cannot be read, or does not catch up.
    """
    found: list[Origin] = []
    here = place
    for _ in range(_TRIES):
        came = await _came_from(bus, place)
        if came is None and (found or not awaited):
            return found[::-1]
        left = None if came is None else await departure(bus, came)
        if came is None or left is None or left[0] != place:
            await asyncio.sleep(_PAUSE_S)
            continue
        found.append(left[1])
        bus.tracing.moved(came.session, here.session)
        place = came
    raise BusTimeout("the log does not show where this session was before")


async def counted(bus: Bus, origin: Origin, *kinds: type[Event]) -> list[Recorded]:
    """Return what counts of a former place's log, oldest first.

    Args:
        bus: The connection.
        origin: The place.
        kinds: What is wanted of it, with what else has the same subjects; nothing: all.

    Raises:
        BusError: The log cannot be read.
    """
    place = origin.place
    subjects: Iterable[str] = session_log(place.cell, place.session, place.edge)
    if kinds:
        subjects = dict.fromkeys(subject_of(kind, place) for kind in kinds)
    read = await asyncio.gather(*(_log(bus, subject) for subject in subjects))
    messages = [message for found in read for message in found if message.sequence < origin.end]
    messages.sort(key=lambda message: message.sequence)
    return [m for m in messages if m.sequence < origin.until or _is_clients(m)]


async def _log(bus: Bus, subject: str) -> list[Recorded]:
    return [message async for message in bus.read("SESSION", subject)]


async def made(claim: Claim, former: Sequence[Origin], *kinds: type[Event]) -> list[Event]:
    """Return what was made of the claim's turn at former places, oldest first.

    Raises:
        BusError: The log cannot be read.
    """
    attempt = (claim.request.turn, claim.request.revision)
    logged: list[type[Event]] = [ClauseReady, *(kind for kind in kinds if kind is not ReplyChunk)]
    stored = [m for origin in former for m in await counted(claim.bus, origin, *logged)]
    if ReplyChunk in kinds:
        since_ns = _written_ns(stored, attempt) - _FILLER_NS
        for origin in former:
            subject = subject_of(ReplyChunk, origin.place)
            read = claim.bus.read("REPLY", subject, since_ns=max(0, since_ns))
            stored += [message async for message in read]
    events = [decode(message.payload) for message in stored]
    return [e for e in events if isinstance(e, kinds) and (e.turn, e.revision) == attempt]


def _written_ns(stored: Iterable[Recorded], attempt: tuple[int, int]) -> int:
    """Return when the first clause of a turn was written; 0 when none was."""
    events = ((message.stored_ns, decode(message.payload)) for message in stored)
    heads = (
        stored_ns
        for stored_ns, e in events
        if isinstance(e, ClauseReady) and not e.seq and (e.turn, e.revision) == attempt
    )
    return min(heads, default=0)


async def tell_again(claim: Claim, there: Iterable[Event], here: Iterable[Event]) -> None:
    """Publish what is known from former places and not told here yet, in the order given."""
    told = {(type(event), event.turn, event.revision, event.seq) for event in here}
    for event in there:
        number = (type(event), event.turn, event.revision, event.seq)
        if number not in told:
            told.add(number)
            await claim.publish(event)


async def opened_as(bus: Bus, cell: str, session: str) -> list[tuple[Place, Event]]:
    """Return the first that edges said of a session of some name, wherever it was.

    Raises:
        BusError: The log cannot be read.
    """
    up, _ = session_log(cell, session)
    firsts: dict[Place, Event] = {}
    async for message in bus.read("SESSION", up):
        firsts.setdefault(place_of(message.subject), decode(message.payload))
    return list(firsts.items())


async def _came_from(bus: Bus, place: Place) -> Place | None:
    async for message in bus.read("SESSION", subject_of(Resumed, place)):
        if isinstance(event := decode(message.payload), Resumed):
            return Place(place.cell, event.edge, event.session)
    return None


def _is_clients(message: Recorded) -> bool:
    return isinstance(decode(message.payload), CLIENTS)
