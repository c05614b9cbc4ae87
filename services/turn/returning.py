"""A client comes back to another edge: the session moves there, if the client can prove it.

An edge can read nothing of what another one had. So it is the turn worker that knows the token by
its digest in the log, seals the former place, and says what the client has missed.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from typing import Final

import structlog
from msgspec.structs import replace

from schemas.codec import decode
from schemas.event import Event
from schemas.llm import GenerationDone
from schemas.session import SessionClosed, SessionOpened
from schemas.stt import TranscriptFinal
from schemas.tts import SpeechDone
from schemas.turn import (
    HangUp,
    Resumed,
    Return,
    SessionMoved,
    TurnCancelled,
    TurnEnded,
    TurnStarted,
)
from services.turn.arrivals import Past
from subjects.catalog import Place, session_log, subject_of
from subjects.tokens import is_token
from voicebus.bus.client import Bus
from voicebus.claim import Claim
from voicebus.errors import BusTimeout, NoWorker, SessionExpired
from voicebus.origins import departure, opened_as

log: Final = structlog.get_logger()

_MOVES: Final = 64
"""A session does not move more often while a client tries to come back."""

TOLD_AGAIN: Final = (TurnStarted, TurnCancelled, TurnEnded, HangUp)
"""What a client hears of a turn from its leader."""


async def move(claim: Claim, asked: Return) -> None:
    """Bring a session to the claim's place.

    Raises:
        SessionExpired: There is no such session, or no longer, or it is another client's.
        BusError: The log cannot be read or written.
    """
    bus, here = claim.bus, claim.place
    place = await _proven(bus, here.cell, asked)
    for _ in range(_MOVES):
        left = await departure(bus, place)
        if left is None:
            await _seal(bus, place, here, asked.utterance)
        elif left[0] != here:
            await _arrived(bus, place, left[0])
            place = left[0]
        else:
            await claim.publish(Resumed(edge=place.edge, session=place.session))
            log.info("session.moved", came_from=place.edge, was=place.session)
            return
    raise BusTimeout("the log does not show where this session is")


def missed(before: Sequence[Past], here: Sequence[Past], asked: Return) -> tuple[Event, ...]:
    """Return what the client has to be told of its turns.

    Args:
        before: What the log has of former places.
        here: What it has of this one.
        asked: How far the client is.
    """
    again = [_of_before(k.event) for k in _once(before) if isinstance(k.event, TOLD_AGAIN)]
    told = {_number(known.event) for known in here}
    due = [event for event in again if event.turn >= asked.turn or not event.turn]
    return tuple(event for event in due if _number(event) not in told)


def _of_before(event: Event) -> Event:
    return replace(event, elsewhere=True) if isinstance(event, TurnEnded) else event


def once(before: Sequence[Past], here: Sequence[Past]) -> list[Past]:
    """Return all of it, without what was told again: here, or at a place that it left again."""
    return _once([*_without_open_ends(before), *here])


def _once(past: Sequence[Past]) -> list[Past]:
    told: set[tuple[object, ...]] = set()
    news = []
    for known in past:
        if isinstance(known.event, TOLD_AGAIN):
            number = _number(known.event)
            if number in told:
                continue
            told.add(number)
        news.append(known)
    return news


def _without_open_ends(before: Sequence[Past]) -> list[Past]:
    """Return what was before, without the ends of a reply that is told again here.

    It ends when it has been told: a turn that is over tells no more of its words.
    """
    events = [known.event for known in before]
    ended = {event.turn for event in events if isinstance(event, TurnEnded)}
    cancelled = {(e.turn, e.revision) for e in events if isinstance(e, TurnCancelled)}

    def counts(event: Event) -> bool:
        is_over = event.turn in ended or (event.turn, event.revision) in cancelled
        return is_over or not isinstance(event, GenerationDone | SpeechDone)

    return [known for known in before if counts(known.event)]


def _number(event: Event) -> tuple[object, ...]:
    return (type(event), event.turn, event.revision)


async def _proven(bus: Bus, cell: str, asked: Return) -> Place:
    if is_token(asked.session):
        digest = hashlib.sha256(asked.token.encode()).hexdigest()
        for place, first in await opened_as(bus, cell, asked.session):
            ticket = first.ticket if isinstance(first, SessionOpened) else ""
            if hmac.compare_digest(ticket.encode(), digest.encode()):
                return place
    raise SessionExpired


async def is_closed(bus: Bus, place: Place) -> bool:
    """Return whether a session was closed at a place.

    Raises:
        BusError: The log cannot be read.
    """
    return await _closed(bus, place) is not None


async def _closed(bus: Bus, place: Place) -> SessionClosed | None:
    up, _ = session_log(place.cell, place.session, place.edge)
    async for message in bus.read("SESSION", up):
        if isinstance(event := decode(message.payload), SessionClosed):
            return event
    return None


async def _arrived(bus: Bus, former: Place, place: Place) -> None:
    """Make sure that a place says where its session came from.

    Whoever brought it there may have died in between.
    """
    async for message in bus.read("SESSION", subject_of(Resumed, place)):
        if isinstance(decode(message.payload), Resumed):
            return
    await bus.store(Resumed(edge=former.edge, session=former.session), place)


async def _seal(bus: Bus, place: Place, target: Place, utterance: int) -> None:
    """Let the session leave a place.

    That the audio stopped coming may have been taken for the caller's silence, when it was the edge
    that had died. What was concluded from it is void, as long as the client does not know it.
    """
    until = 0
    closed = await _closed(bus, place)
    # A place at which nobody took the session in time is left as if it had never been there.
    if closed is not None and closed.reason != NoWorker.code:
        raise SessionExpired
    _, down = session_log(place.cell, place.session, place.edge)
    async for message in bus.read("SESSION", down):
        match decode(message.payload):
            case TranscriptFinal(utterance=number, cause="forced") if number > utterance:
                until = until or message.sequence
    await bus.store(SessionMoved(edge=target.edge, session=target.session, until=until), place)
