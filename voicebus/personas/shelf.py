"""The bucket of the personas, as their authors use it: put one in, look, take one out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from msgspec import Struct

from schemas.persona import PersonaKept
from subjects.kept import persona_subject
from voicebus.bus.client import Bus
from voicebus.errors import Fenced, WriteInFlight
from voicebus.personas.library import STREAM
from voicebus.personas.text import kept_text, version_of

_TRIES = 20


class Shelved(Struct, frozen=True):
    """A version of a persona in the bucket.

    Fields
        name: The persona.
        version: Digest of its text.
        text: As its author wrote it; empty where it was removed.
        stored_ns: When it was put in, in ns since 1970.
    """

    name: str
    version: str
    text: str
    stored_ns: int


async def put(bus: Bus, name: str, text: str) -> bool:
    """Put a persona in, if it is another one than what is there; return whether it was.

    Args:
        bus: The connection, of the admin.
        name: Its name.
        text: What its author wrote; empty to remove it.

    Raises:
        BusError: It cannot be read or written.
    """
    subject = persona_subject(bus.cell, name)
    for _ in range(_TRIES):
        newest = await bus.last(STREAM, subject)
        if (kept_text(newest) if newest is not None else "") == text:
            return False
        try:
            await bus.keep(
                PersonaKept(text=text), subject, 0 if newest is None else newest.sequence
            )
        except (Fenced, WriteInFlight):
            await asyncio.sleep(0.05)
            continue
        return True
    raise Fenced(f"others write the persona {name!r} at the same time; try again")


async def versions(bus: Bus, name: str = "*") -> AsyncIterator[Shelved]:
    """Yield the versions that the bucket has, oldest first.

    Raises:
        BusError: They cannot be read.
    """
    async for message in bus.read_raw(STREAM, persona_subject(bus.cell, name)):
        text = kept_text(message)
        yield Shelved(message.subject.rsplit(".", 1)[1], version_of(text), text, message.stored_ns)
