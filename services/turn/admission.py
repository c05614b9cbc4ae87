"""How a session comes into its conversation, and to its persona, before anything is said.

Into a conversation it comes as one that begins it, as an owner's, or by a code.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

import structlog
from msgspec import Struct
from msgspec.structs import replace

from schemas.codec import decode
from schemas.conversation import ConversationKept, Join, Joined
from schemas.persona import Traits
from schemas.settings import SessionSettings
from schemas.turn import ConverseRequest
from services.turn import shelf
from services.turn.kept import MOST_OWNERS, following, merged, under
from services.turn.shelf import Found
from subjects.catalog import Place, subject_of
from subjects.streams import Limits
from subjects.tokens import is_token
from voicebus import metrics
from voicebus.bus.client import Bus
from voicebus.claim import Claim
from voicebus.conversations import digest_of
from voicebus.errors import (
    ConversationUnknown,
    Fenced,
    LinkRefused,
    PersonaUnknown,
    ProtocolError,
)
from voicebus.guesses import Guesses
from voicebus.origins import Origin
from voicebus.personas.library import Library

log: Final = structlog.get_logger()


class Links:
    """What a worker knows of link codes. One per process.

    Args:
        age_s: How long one is good.
        per_min: How many an edge or a bridge may try in a minute; 0: no limit.
    """

    def __init__(self, age_s: int = Limits().link_age_s, per_min: int = 0) -> None:
        self.age_s: Final = age_s
        self.tried: Final = Guesses(per_min)


class Membership(Struct, frozen=True):
    """A session's place in a conversation.

    Fields
        conversation: The conversation's id.
        session: By which name its turns are known there: the session's first, should it have moved.
        found: What is kept of the conversation.
        forgotten: How often the conversation had been deleted when the session joined it.
    """

    conversation: str
    session: str
    found: Found
    forgotten: int


class Admission(Struct, frozen=True):
    """How a session begins.

    Fields
        settings: How it is.
        member: Its place in a conversation; None: it belongs to none.
        persona: Who answers in it; None: nobody in particular.
    """

    settings: SessionSettings
    member: Membership | None = None
    persona: Traits | None = None


async def admitted(
    claim: Claim, former: Sequence[Origin], links: Links, library: Library
) -> Admission:
    """Bring a session into the conversation and to the persona that it asks for, if it does.

    A worker before us may have done it, or a part of it: what it did is in the log.

    Raises:
        ConversationUnknown: There is no such conversation, or it is another owner's.
        PersonaUnknown: There is no persona of the name that the session itself gives.
        LinkRefused: The code was never made, is used or too old.
        LimitReached: The edge has tried too many codes.
        BusError: The bus cannot be read or written.
    """
    request, bus = claim.request, claim.bus
    if not isinstance(request, ConverseRequest):
        return Admission(SessionSettings())
    places = [*(origin.place for origin in former), claim.place]
    for place in reversed(places):
        known = await _joined(bus, place)
        if known is not None:
            return await _as_before(bus, known, places[0].session)
    if former or (request.join is None and not request.settings.persona):
        return Admission(request.settings)
    member, settings, asked = None, request.settings, request.settings.persona
    # Before a code is used up, and before the conversation keeps its name.
    persona = await library.find(bus, asked) if asked else None
    if request.join is not None:
        member, settings = await _member(claim, request, request.join, links)
        if not asked:
            persona = await _followed(bus, library, settings.persona)
    settings = _of(settings, persona)
    kept = None if member is None else member.found.kept
    exchanges = 0 if kept is None else len(kept.exchanges)
    joined = Joined(
        conversation="" if member is None else member.conversation,
        settings=settings,
        exchanges=exchanges,
        forgotten=0 if member is None else member.forgotten,
        persona=persona,
    )
    await claim.publish(joined)
    if request.join is not None:
        log.info("conversation.joined", exchanges=exchanges, by_code=bool(request.join.code))
    if persona is not None:
        log.info("persona.joined", persona=persona.name, version=persona.version)
    return Admission(settings, member, persona)


async def _followed(bus: Bus, library: Library, name: str) -> Traits | None:
    """Return the persona that a conversation had; None where it is gone: people still get in."""
    try:
        return await library.find(bus, name) if name else None
    except PersonaUnknown:
        log.warning("persona.gone", persona=name)
        return None


def _of(settings: SessionSettings, persona: Traits | None) -> SessionSettings:
    """Return how a session of a persona is; None: it is of nobody."""
    if persona is None:
        return replace(settings, persona="")
    return under(settings, persona.settings)


async def _as_before(bus: Bus, known: Joined, session: str) -> Admission:
    """Return how a session began, as its log tells it."""
    if not known.conversation:
        return Admission(known.settings, None, known.persona)
    found = await shelf.find(bus, known.conversation)
    member = Membership(known.conversation, session, found, known.forgotten)
    return Admission(known.settings, member, known.persona)


async def _member(
    claim: Claim, request: ConverseRequest, asked: Join, links: Links
) -> tuple[Membership, SessionSettings]:
    if not request.automatic:
        raise ProtocolError("a client that keeps its conversation itself joins no other")
    if not claim.bus.records(ConversationKept):
        raise ConversationUnknown("conversations are not kept here")
    try:
        return await _admit(claim, request.settings, asked, links)
    except ProtocolError as err:
        metrics.CONVERSATIONS_REFUSED.labels(err.code).inc()
        raise


async def _joined(bus: Bus, place: Place) -> Joined | None:
    async for message in bus.read("SESSION", subject_of(Joined, place)):
        if isinstance(event := decode(message.payload), Joined):
            return event
    return None


async def _admit(
    claim: Claim, asked: SessionSettings, join: Join, links: Links
) -> tuple[Membership, SessionSettings]:
    conversation = join.conversation
    # An edge that was broken into says what it likes, wildcards included.
    if not is_token(join.owner) or not (join.code or is_token(conversation)):
        raise ConversationUnknown
    if join.code:
        links.tried.take(claim.place.edge, time.monotonic())
        conversation = await _led_to(claim, join.code, links.age_s)

    def change(found: Found) -> ConversationKept | None:
        kept = found.kept
        if kept is None:
            if not join.begins:
                raise ConversationUnknown
            mine, times = following(asked), found.forgotten
            return ConversationKept(owners=(join.owner,), settings=mine, forgotten=times)
        owners = kept.owners
        if join.owner not in owners:
            if not join.code:
                raise ConversationUnknown
            owners = (*owners[:1], *owners[1:][-(MOST_OWNERS - 2) :], join.owner)
        settings = following(merged(kept.settings, asked))
        wanted = replace(kept, owners=owners, settings=settings)
        return None if wanted == kept else wanted

    before = await shelf.find(claim.bus, conversation)
    found = await shelf.replace(claim.bus, conversation, before, change)
    kept = found.kept.settings if found.kept is not None else asked
    how = "code" if join.code else "owner" if before.kept is not None else "begun"
    metrics.CONVERSATIONS_JOINED.labels(how).inc()
    member = Membership(conversation, claim.place.session, found, found.forgotten)
    return member, merged(kept, asked)


async def _led_to(claim: Claim, code: str, age_s: int) -> str:
    """Use a code up; return the conversation to which it leads."""
    digest, session = digest_of(code), f"{claim.place.edge}.{claim.place.session}"
    link = await shelf.find_link(claim.bus, digest)
    if link is None:
        raise LinkRefused
    if link.kept.session:
        # A worker before us may have used it for this very session.
        if link.kept.session != session:
            raise LinkRefused
        return link.kept.conversation
    if claim.stored_ns - link.stored_ns > age_s * 1_000_000_000:
        raise LinkRefused
    try:
        await shelf.keep_link(
            claim.bus, digest, replace(link.kept, session=session), last=link.sequence
        )
    except Fenced:
        newest = await shelf.find_link(claim.bus, digest)
        if newest is None or newest.kept.session != session:
            raise LinkRefused from None
    return link.kept.conversation
