"""Where conversations and link codes are kept: read, and replaced with compare-and-set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog
from msgspec import Struct

from schemas.conversation import ConversationKept, LinkKept
from subjects.kept import conversation_subject, link_subject
from voicebus.bus.client import Bus
from voicebus.bus.envelope import opened
from voicebus.errors import BusTimeout, Fenced

log: Final = structlog.get_logger()

_TRIES: Final = 20
"""Others who replace a conversation at the same time are as many as its sessions."""


class Found(Struct, frozen=True):
    """A conversation as it is kept.

    Fields
        kept: What is kept; None where there is nothing, or nothing that is a conversation, or it
            is deleted.
        sequence: Its place in the stream; 0 for none.
        forgotten: How often it was deleted.
    """

    kept: ConversationKept | None
    sequence: int
    forgotten: int = 0


class Link(Struct, frozen=True):
    """A link code as it is kept.

    Fields
        kept: Where it leads.
        sequence: Its place in the stream.
        stored_ns: When it was made, by the store's clock.
    """

    kept: LinkKept
    sequence: int
    stored_ns: int


async def find(bus: Bus, conversation: str) -> Found:
    """Return a conversation.

    Raises:
        BusError: It cannot be read.
    """
    newest = await bus.last("CONVERSATION", conversation_subject(bus.cell, conversation))
    if newest is None:
        return Found(None, 0)
    event = opened(newest.subject, newest.payload)
    if not isinstance(event, ConversationKept):
        return Found(None, newest.sequence)
    return _found(event, newest.sequence)


async def replace(
    bus: Bus,
    conversation: str,
    found: Found,
    change: Callable[[Found], ConversationKept | None],
) -> Found:
    """Change a conversation, and begin again with what others have made of it meanwhile.

    Args:
        bus: The connection.
        conversation: Its id.
        found: What was read of it last.
        change: Returns what it is to be; None: it is as it should be. May raise.

    Raises:
        BusError: It cannot be read or written.
    """
    subject = conversation_subject(bus.cell, conversation)
    for _ in range(_TRIES):
        wanted = change(found)
        if wanted is None:
            return found
        try:
            sequence = await bus.keep(wanted, subject, found.sequence)
            return _found(wanted, sequence)
        except Fenced:
            found = await find(bus, conversation)
    raise BusTimeout("too many sessions change this conversation at once")


async def find_link(bus: Bus, digest: str) -> Link | None:
    """Return a link code by its digest.

    Raises:
        BusError: It cannot be read.
    """
    newest = await bus.last("LINK", link_subject(bus.cell, digest))
    event = None if newest is None else opened(newest.subject, newest.payload)
    if newest is None or not isinstance(event, LinkKept):
        return None
    return Link(event, newest.sequence, newest.stored_ns)


async def keep_link(bus: Bus, digest: str, link: LinkKept, last: int = 0) -> int:
    """Write a link code if nobody else has meanwhile; return its place in the stream.

    Raises:
        Fenced: Somebody has.
        BusError: It cannot be written.
    """
    return await bus.keep(link, link_subject(bus.cell, digest), last)


def _found(kept: ConversationKept, sequence: int) -> Found:
    return Found(kept if kept.owners else None, sequence, kept.forgotten)
